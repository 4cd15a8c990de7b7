package dynamo_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws/ratelimit"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/aws-sdk-go-v2/credentials"
	sdk "github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"buzon/internal/table"
	"buzon/internal/table/dynamo"
)

// request is one that was sent.
type request struct {
	action string // such as GetItem
	body   map[string]any
}

// answer is what a service says that speaks DynamoDB's JSON.
type answer struct {
	status int
	body   string
	err    error // instead: the connection breaks
	cut    bool  // the connection breaks within the body
}

func ok(body string) answer { return answer{status: 200, body: body} }

func refusal(code string) answer {
	return answer{status: 400, body: fmt.Sprintf(
		`{"__type":"com.amazonaws.dynamodb.v20120810#%s","message":"about secret-pk and secret-sk"}`, code)}
}

func fails(status int) answer {
	return answer{status: status, body: `{"__type":"com.amazon.coral.service#InternalServerError","message":"secret-pk"}`}
}

func dropped() answer { return answer{err: io.ErrUnexpectedEOF} }

func cancelled(codes ...string) answer {
	var reasons []string
	for _, code := range codes {
		reasons = append(reasons, fmt.Sprintf(`{"Code":%q,"Message":"about secret-pk"}`, code))
	}
	return answer{status: 400, body: fmt.Sprintf(
		`{"__type":"com.amazonaws.dynamodb.v20120810#TransactionCanceledException","Message":"secret-pk","CancellationReasons":[%s]}`,
		strings.Join(reasons, ","))}
}

// service gives canned answers in the order of the requests, the last one for
// all that follow. It may be asked side by side only if respond is set.
type service struct {
	t       *testing.T
	answers []answer
	respond func(request) answer // instead of answers

	mu   sync.Mutex
	sent []request
}

// Do is what the SDK sends through.
func (s *service) Do(r *http.Request) (*http.Response, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, action, _ := strings.Cut(r.Header.Get("X-Amz-Target"), ".")
	sent := request{action: action}
	if err := json.NewDecoder(r.Body).Decode(&sent.body); err != nil {
		s.t.Errorf("request: %v", err)
	}
	s.sent = append(s.sent, sent)
	var a answer
	if s.respond != nil {
		a = s.respond(sent)
	} else {
		a = s.answers[min(len(s.sent), len(s.answers))-1]
	}
	if a.err != nil {
		return nil, a.err
	}
	var body io.Reader = strings.NewReader(a.body)
	if a.cut {
		body = io.MultiReader(body, broken{})
	}
	return &http.Response{
		StatusCode: a.status, Request: r, Body: io.NopCloser(body),
		Header: http.Header{"Content-Type": {"application/x-amz-json-1.0"}, "X-Amzn-Requestid": {"R1"}},
	}, nil
}

type broken struct{}

func (broken) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }

// pauses notes how long a table would have waited at most.
type pauses []time.Duration

func (p *pauses) pause(ctx context.Context, longest time.Duration) error {
	*p = append(*p, longest)
	return ctx.Err()
}

// client is one of the SDK's own, with its standard retries but their pauses.
func client(s *service) *sdk.Client {
	return sdk.New(sdk.Options{
		Region:      "us-east-1",
		Credentials: credentials.NewStaticCredentialsProvider("id", "key", ""),
		HTTPClient:  s,
		Retryer: retry.NewStandard(func(o *retry.StandardOptions) {
			o.RateLimiter = ratelimit.None
			o.Backoff = retry.BackoffDelayerFunc(func(int, error) (time.Duration, error) { return 0, nil })
		}),
		DisableValidateResponseChecksum: true,
	})
}

// attemptsOfSDK is how often the SDK's standard retryer sends a call.
const attemptsOfSDK = 3

func canned(t *testing.T, answers ...answer) (*dynamo.Table, *service) {
	s := &service{t: t, answers: answers}
	tab := dynamo.New(client(s), "buzon-test")
	tab.Pause = new(pauses).pause
	return tab, s
}

// actions are the names of the requests so far.
func (s *service) actions() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	list := []string{}
	for _, r := range s.sent {
		list = append(list, r.action)
	}
	return list
}

// object reads JSON that a test spells out.
func object(t *testing.T, text string) map[string]any {
	t.Helper()
	var v map[string]any
	if err := json.Unmarshal([]byte(text), &v); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return v
}

// Keys that no error may show.
var (
	secretKey = table.Key{PK: "secret-pk", SK: "secret-sk"}
	otherKey  = table.Key{PK: "secret-pk", SK: "secret-other"}
)

func secretItem(version int64) table.Item {
	return table.Item{Key: secretKey, Version: version, Body: []byte(`{"name":"secret-name"}`)}
}

func shows(err error) bool { return err != nil && strings.Contains(err.Error(), "secret") }

// errNone stands for an error of none of the kinds.
var errNone = errors.New("none of the kinds")
