// Package signed makes single calls to AWS services of which this system needs a
// few operations (S3, SSM, SQS). The SDK's package for such a service weighs up to
// a fifth of a whole function at every cold start, and its call costs twice the
// processor time; what is needed of it is a signature, which the SDK's signer
// makes, and to try again (performance.md, "Cold start").
package signed

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strconv"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/aws/smithy-go/encoding/httpbinding"
)

const (
	// MaxAttempts of one call that is refused for the moment or gets no answer.
	MaxAttempts = 3
	// FirstPause before the second attempt, at most; doubled for the third.
	FirstPause = 200 * time.Millisecond
	// MaxError is how much of an answer that is an error is read.
	MaxError = 64 << 10
	// MaxAnswer is the longest answer in JSON: ten records of a queue are less.
	MaxAnswer = 16 << 20
	// MaxExpiry is the longest that a signed address can live.
	MaxExpiry = 7 * 24 * time.Hour
)

// Service is one AWS service in one region. It is safe for use by several
// goroutines.
type Service struct {
	Name        string // in signatures: "s3", "ssm"
	Region      string
	Endpoint    string // scheme and host, "https://ssm.eu-west-1.amazonaws.com"
	Credentials aws.CredentialsProvider
	HTTP        *http.Client
	Now         func() time.Time
	// Pause waits between attempts or returns the error of ctx; nil: by the
	// machine's clock.
	Pause func(ctx context.Context, d time.Duration) error
}

// Call is one request.
type Call struct {
	Method string
	Path   string // begins with a slash; not yet escaped
	Query  url.Values
	Header http.Header
	Body   io.ReadSeeker // nil: none
	// SHA256 of the body, if it is known; else it is read once more for it.
	SHA256 []byte
}

// Do makes the call, several times if it is throttled, answered with a 5xx, or not
// answered at all: so every call must be one that can be made twice, and a refusal
// may come from one's own first attempt. The answer is below 300 and its body is
// the caller's to close. Errors are an *Error or what HTTP itself gave.
func (s *Service) Do(ctx context.Context, c Call) (*http.Response, error) {
	hash, size, err := measure(c)
	if err != nil {
		return nil, err
	}
	pause := FirstPause
	for attempt := 1; ; attempt++ {
		resp, err := s.once(ctx, c, hash, size)
		if err == nil && resp.StatusCode < http.StatusMultipleChoices {
			return resp, nil
		}
		if err == nil {
			err = failure(resp)
		}
		if attempt == MaxAttempts || ctx.Err() != nil || !passing(err) {
			return nil, err
		}
		if s.pause(ctx, time.Duration(rand.Int64N(int64(pause)))) != nil {
			return nil, err
		}
		pause *= 2
	}
}

// passing tells whether another attempt may go better.
func passing(err error) bool {
	e, ok := err.(*Error) //nolint:errorlint // made here, never wrapped
	return !ok || e.Status >= http.StatusInternalServerError || e.Busy()
}

func (s *Service) pause(ctx context.Context, d time.Duration) error {
	if s.Pause != nil {
		return s.Pause(ctx, d)
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}

// measure gives the hash that is signed and the length of the body.
func measure(c Call) (hash string, size int64, err error) {
	if c.Body == nil {
		sum := sha256.Sum256(nil)
		return hex.EncodeToString(sum[:]), 0, nil
	}
	if size, err = c.Body.Seek(0, io.SeekEnd); err != nil {
		return "", 0, fmt.Errorf("body: %w", err)
	}
	if c.SHA256 != nil {
		return hex.EncodeToString(c.SHA256), size, nil
	}
	if _, err := c.Body.Seek(0, io.SeekStart); err != nil {
		return "", 0, fmt.Errorf("body: %w", err)
	}
	h := sha256.New()
	if _, err := io.Copy(h, c.Body); err != nil {
		return "", 0, fmt.Errorf("body: %w", err)
	}
	return hex.EncodeToString(h.Sum(nil)), size, nil
}

func (s *Service) once(ctx context.Context, c Call, hash string, size int64) (*http.Response, error) {
	r, err := s.request(ctx, c)
	if err != nil {
		return nil, err
	}
	if size > 0 {
		if _, err := c.Body.Seek(0, io.SeekStart); err != nil {
			return nil, fmt.Errorf("body: %w", err)
		}
		b := &body{r: c.Body, left: size}
		defer b.detach()
		r.Body, r.ContentLength = b, size
	}
	credentials, err := s.Credentials.Retrieve(ctx)
	if err != nil {
		return nil, fmt.Errorf("credentials: %w", err)
	}
	r.Header.Set("X-Amz-Content-Sha256", hash)
	if err := v4.NewSigner(plainPath).SignHTTP(ctx, credentials, r, hash, s.Name, s.Region, s.Now()); err != nil {
		return nil, fmt.Errorf("signature: %w", err)
	}
	return s.HTTP.Do(r)
}

// body is a body on its way in one attempt. An answer may come before all of it was
// read; once closed, nobody reads the caller's any more. Its end stays an end even
// then: net/http asks for it once more, and cuts the connection for another error.
type body struct {
	mu     sync.Mutex
	r      io.Reader
	left   int64
	closed bool
}

func (b *body) Read(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.left == 0 {
		return 0, io.EOF
	}
	if b.closed {
		return 0, io.ErrClosedPipe
	}
	n, err := b.r.Read(p[:min(int64(len(p)), b.left)])
	b.left -= int64(n)
	return n, err
}

func (b *body) Close() error {
	b.detach()
	return nil
}

func (b *body) detach() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.closed = true
}

// plainPath: the path is escaped once, by request, as S3 wants it; the paths of
// other services here hold nothing to escape.
func plainPath(o *v4.SignerOptions) { o.DisableURIPathEscaping = true }

func (s *Service) request(ctx context.Context, c Call) (*http.Request, error) {
	address := s.Endpoint + httpbinding.EscapePath(c.Path, false)
	if len(c.Query) > 0 {
		address += "?" + c.Query.Encode()
	}
	r, err := http.NewRequestWithContext(ctx, c.Method, address, nil)
	if err != nil {
		return nil, fmt.Errorf("request: %w", err)
	}
	if c.Header != nil {
		r.Header = c.Header.Clone()
	}
	return r, nil
}

// Address signs an address by which anyone can make the call, without a body,
// until it expires: after 1 s to MaxExpiry. It makes no call itself.
func (s *Service) Address(ctx context.Context, c Call, expires time.Duration) (string, error) {
	seconds := int64(expires / time.Second)
	if seconds < 1 || expires > MaxExpiry {
		return "", fmt.Errorf("address: expires after %s", expires)
	}
	q := url.Values{}
	for name, values := range c.Query {
		q[name] = values
	}
	q.Set("X-Amz-Expires", strconv.FormatInt(seconds, 10))
	c.Query = q
	r, err := s.request(ctx, c)
	if err != nil {
		return "", err
	}
	credentials, err := s.Credentials.Retrieve(ctx)
	if err != nil {
		return "", fmt.Errorf("credentials: %w", err)
	}
	address, _, err := v4.NewSigner(plainPath).PresignHTTP(ctx, credentials, r, "UNSIGNED-PAYLOAD", s.Name, s.Region, s.Now())
	if err != nil {
		return "", fmt.Errorf("signature: %w", err)
	}
	return address, nil
}
