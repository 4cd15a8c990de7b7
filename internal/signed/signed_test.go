package signed_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/google/go-cmp/cmp"

	"buzon/internal/signed"
)

var now = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// stand is a service that answers as it is told, call by call; 0 drops the
// connection. The last answer repeats.
type stand struct {
	answers []int
	text    string

	mu    sync.Mutex
	taken []string // bodies
	last  *http.Request
}

func (s *stand) bodies() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.taken
}

func (s *stand) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	s.mu.Lock()
	s.taken, s.last = append(s.taken, string(body)), r
	status := s.answers[min(len(s.taken), len(s.answers))-1]
	s.mu.Unlock()
	if status == 0 {
		panic(http.ErrAbortHandler)
	}
	w.WriteHeader(status)
	io.WriteString(w, s.text)
}

func service(t *testing.T, s *stand) *signed.Service {
	server := httptest.NewServer(s)
	t.Cleanup(server.Close)
	return &signed.Service{
		Name: "s3", Region: "eu-west-1", Endpoint: server.URL, HTTP: server.Client(), Now: func() time.Time { return now },
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{AccessKeyID: "AKID", SecretAccessKey: "SECRET", SessionToken: "TOKEN"}, nil
		}),
		Pause: func(ctx context.Context, d time.Duration) error {
			if d < 0 || d > 2*signed.FirstPause {
				t.Errorf("paused for %s", d)
			}
			return ctx.Err()
		},
	}
}

// TestDo: what may go better is tried again with the whole body, what will not is
// told at once.
func TestDo(t *testing.T) {
	for _, c := range []struct {
		say     string
		answers []int
		text    string
		calls   int
		status  int // of the error; 0: none, -1: not an answer
	}{
		{"an answer is an answer", []int{200}, "", 1, 0},
		{"a 5xx is tried again", []int{503, 500, 200}, "", 3, 0},
		{"so is a lost connection", []int{0, 200}, "", 2, 0},
		{"and throttling, in either form", []int{429, 200}, "", 2, 0},
		{"which JSON services answer with a 400", []int{400}, `{"__type":"com.amazonaws.x#ThrottlingException"}`, signed.MaxAttempts, 400},
		{"what goes on is told in the end", []int{503}, "", signed.MaxAttempts, 503},
		{"a connection that is always lost as well", []int{0}, "", signed.MaxAttempts, -1},
		{"a refusal is final", []int{403}, "AccessDenied", 1, 403},
		{"412 too: the first attempt may have been one's own", []int{500, 412}, "", 2, 412},
		{"a redirect without an address is no success", []int{304}, "", 1, 304},
	} {
		t.Run(c.say, func(t *testing.T) {
			stand := &stand{answers: c.answers, text: c.text}
			resp, err := service(t, stand).Do(t.Context(), signed.Call{Method: "PUT", Path: "/b/k", Body: strings.NewReader("hello")})
			if err == nil {
				resp.Body.Close()
			}
			var e *signed.Error
			switch {
			case c.status == 0 && err != nil, c.status != 0 && err == nil, c.status > 0 && (!errors.As(err, &e) || e.Status != c.status),
				c.status < 0 && errors.As(err, &e):
				t.Errorf("error %v", err)
			}
			if len(stand.bodies()) != c.calls {
				t.Errorf("%d calls, want %d", len(stand.bodies()), c.calls)
			}
			for i, body := range stand.bodies() {
				if body != "hello" {
					t.Errorf("call %d brought %q", i, body)
				}
			}
		})
	}
}

// TestDoEndsWithItsContext: no attempt begins after the caller gave up.
func TestDoEndsWithItsContext(t *testing.T) {
	stand := &stand{answers: []int{503}}
	s := service(t, stand)
	ctx, cancel := context.WithCancel(t.Context())
	s.Pause = func(context.Context, time.Duration) error { cancel(); return ctx.Err() }
	if _, err := s.Do(ctx, signed.Call{Method: "GET", Path: "/"}); err == nil || len(stand.bodies()) != 1 {
		t.Errorf("%v after %d calls", err, len(stand.bodies()))
	}
}

// TestRequest: what goes over the wire.
func TestRequest(t *testing.T) {
	stand := &stand{answers: []int{200}}
	header := http.Header{"Content-Type": {"text/plain"}}
	sum := sha256.Sum256([]byte("x"))
	resp, err := service(t, stand).Do(t.Context(), signed.Call{
		Method: "PUT", Path: "/b/t/a!_.*'()-Z", Query: url.Values{"q": {"1 2"}}, Header: header, Body: strings.NewReader("x"), SHA256: sum[:],
	})
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	h := stand.last.Header
	got := map[string]string{
		"uri": stand.last.RequestURI, "type": h.Get("Content-Type"), "hash": h.Get("X-Amz-Content-Sha256"), "date": h.Get("X-Amz-Date"),
		"token": h.Get("X-Amz-Security-Token"), "authorization": strings.Split(h.Get("Authorization"), ",")[0],
	}
	want := map[string]string{
		"uri": "/b/t/a%21_.%2A%27%28%29-Z?q=1%202", "type": "text/plain", "hash": hex.EncodeToString(sum[:]), "date": "20260301T120000Z", "token": "TOKEN",
		"authorization": "AWS4-HMAC-SHA256 Credential=AKID/20260301/eu-west-1/s3/aws4_request",
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	if len(header) != 1 {
		t.Error("the caller's header was changed")
	}
}

// TestError: what the service calls it is found; its text, which may quote what was
// sent, is in no text of ours.
func TestError(t *testing.T) {
	pad := func(n int) string {
		return "<Error>" + strings.Repeat(" ", n-len("<Error><Code>Far</Code>")) + "<Code>Far</Code>"
	}
	for _, c := range []struct {
		say, body string
		status    int
		want      signed.Error
		text      string
		busy      bool
	}{
		{"JSON with a namespace", `{"__type":"com.amazonaws.sqs#QueueDoesNotExist","message":"hunter2"}`, 400, signed.Error{Status: 400, Code: "QueueDoesNotExist", Message: "hunter2"}, "QueueDoesNotExist (status 400)", false},
		{"JSON without one, and Message", `{"__type":"ParameterNotFound","Message":"hunter2"}`, 400, signed.Error{Status: 400, Code: "ParameterNotFound", Message: "hunter2"}, "ParameterNotFound (status 400)", false},
		{"JSON of another kind", `[1]`, 404, signed.Error{Status: 404}, "status 404", false},
		{"XML of S3", `<?xml version="1.0"?><Error><Code>SlowDown</Code><Message>hunter2</Message></Error>`, 400, signed.Error{Status: 400, Code: "SlowDown", Message: "hunter2"}, "SlowDown (status 400)", true},
		{"XML that is cut", `<Error><Code>NoSuch`, 404, signed.Error{Status: 404}, "status 404", false},
		{"no body at all", "", 412, signed.Error{Status: 412}, "status 412", false},
		{"a status that says enough", "<html>", 503, signed.Error{Status: 503}, "status 503", true},
		{"the last byte that is read", pad(signed.MaxError), 400, signed.Error{Status: 400, Code: "Far"}, "Far (status 400)", false},
		{"one byte later", pad(signed.MaxError + 1), 400, signed.Error{Status: 400}, "status 400", false},
	} {
		_, err := service(t, &stand{answers: []int{c.status}, text: c.body}).Do(t.Context(), signed.Call{Method: "GET", Path: "/"})
		var e *signed.Error
		if !errors.As(err, &e) || *e != c.want || e.Error() != c.text || e.Busy() != c.busy {
			t.Errorf("%s: %+v, %v, busy %v", c.say, e, err, e.Busy())
		}
	}
}

// TestJSON: an operation with its answer, and answers that are none.
func TestJSON(t *testing.T) {
	for _, c := range []struct{ say, answer, got, err string }{
		{"an answer", `{"Value":"x"}`, "x", ""},
		{"an empty one", "", "", ""},
		{"not JSON", "<html>hunter2", "", "not JSON of its shape"},
		{"of another shape", `{"Value":{"a":"hunter2"}}`, "", "not JSON of its shape"},
		{"as long as one may be", `{"Value":"` + strings.Repeat("y", signed.MaxAnswer-len(`{"Value":""}`)) + `"}`, strings.Repeat("y", signed.MaxAnswer-len(`{"Value":""}`)), ""},
		{"a byte longer", `{"Value":"` + strings.Repeat("y", signed.MaxAnswer+1-len(`{"Value":""}`)) + `"}`, "", "more than"},
	} {
		stand := &stand{answers: []int{200}, text: c.answer}
		var out struct{ Value string }
		err := service(t, stand).JSON(t.Context(), "1.1", "AmazonSSM.GetParameter", map[string]string{"Name": "/a"}, &out)
		switch {
		case c.err == "" && err != nil, c.err != "" && (err == nil || !strings.Contains(err.Error(), c.err) || strings.Contains(err.Error(), "hunter2")):
			t.Errorf("%s: %v", c.say, err)
		case c.err == "" && out.Value != c.got:
			t.Errorf("%s: %d bytes", c.say, len(out.Value))
		}
		h := stand.last.Header
		if h.Get("X-Amz-Target") != "AmazonSSM.GetParameter" || h.Get("Content-Type") != "application/x-amz-json-1.1" || stand.bodies()[0] != `{"Name":"/a"}` {
			t.Errorf("%s: asked with %v %q", c.say, h, stand.bodies())
		}
	}
}

// FuzzError: whatever a service answers is an error of that status, in bounded time.
func FuzzError(f *testing.F) {
	for _, seed := range []string{"", `{"__type":"a#b","message":"c"}`, "<Error><Code>x</Code><Message>y</Message></Error>", "{", "<Code></Code>", "\xff"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, body string) {
		s := &signed.Service{
			Name: "s3", Region: "r", Endpoint: "http://127.0.0.1", Now: func() time.Time { return now }, HTTP: &http.Client{Transport: always(body)},
			Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
				return aws.Credentials{AccessKeyID: "a", SecretAccessKey: "b"}, nil
			}),
			Pause: func(context.Context, time.Duration) error { return nil },
		}
		from := time.Now()
		_, err := s.Do(t.Context(), signed.Call{Method: "GET", Path: "/"})
		var e *signed.Error
		if !errors.As(err, &e) || e.Status != 400 || len(e.Code)+len(e.Message) > len(body)*3 {
			t.Errorf("%v", err)
		}
		if took := time.Since(from); took > 2*time.Second {
			t.Errorf("took %s", took)
		}
	})
}

// always answers 400 with a body.
type always string

func (a always) RoundTrip(r *http.Request) (*http.Response, error) {
	return &http.Response{StatusCode: 400, Body: io.NopCloser(strings.NewReader(string(a))), Header: http.Header{}, Request: r}, nil
}

func TestAddress(t *testing.T) {
	s := service(t, &stand{})
	for expires, ok := range map[time.Duration]bool{
		0: false, time.Second - 1: false, time.Second: true, signed.MaxExpiry: true, signed.MaxExpiry + 1: false,
	} {
		query := url.Values{"response-content-type": {"text/plain"}}
		address, err := s.Address(t.Context(), signed.Call{Method: "GET", Path: "/b/k", Query: query}, expires)
		if (err == nil) != ok {
			t.Errorf("%s: %v", expires, err)
		}
		if err != nil {
			continue
		}
		u, err := url.Parse(address)
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range []string{"X-Amz-Signature", "X-Amz-Credential", "X-Amz-Expires", "X-Amz-Security-Token", "response-content-type"} {
			if u.Query().Get(name) == "" {
				t.Errorf("address without %s", name)
			}
		}
		if len(query) != 1 {
			t.Error("the caller's query was changed")
		}
	}
}

// TestMeasureNeedsABodyThatCanBeReadAgain: a body that breaks is told, not cut.
func TestMeasureNeedsABodyThatCanBeReadAgain(t *testing.T) {
	stand := &stand{answers: []int{200}}
	if _, err := service(t, stand).Do(t.Context(), signed.Call{Method: "PUT", Path: "/", Body: broken{strings.NewReader("hello")}}); err == nil || len(stand.bodies()) != 0 {
		t.Errorf("%v after %d calls", err, len(stand.bodies()))
	}
}

type broken struct{ io.Seeker }

func (broken) Read([]byte) (int, error) { return 0, errors.New("disk gone") }
