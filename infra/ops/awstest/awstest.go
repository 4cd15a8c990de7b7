// Package awstest answers AWS clients with canned bytes, as AWS sends them, without
// a socket. [Well] is a deployment in which all is well; a test changes what it
// is about.
package awstest

import (
	"context"
	"encoding/json"
	"fmt"
	"hash/crc32"
	"io"
	"net/http"
	"net/url"
	"path"
	"slices"
	"strings"
	"sync"

	"github.com/aws/aws-sdk-go-v2/aws"
)

// Region of everything here.
const Region = "eu-west-1"

// AWS answers by operation: "GetQueueAttributes inbound.fifo" before
// "GetQueueAttributes". An address that is not AWS's is "GET host/path".
type AWS struct {
	Answers map[string]Answer
	// Queues, if set, answer all calls to SQS.
	Queues *Queues

	mu   sync.Mutex
	seen []string
}

// Answer is what comes back; status 0 is 200. Fail makes an error of the network.
type Answer struct {
	Status int
	Body   string
	Header map[string]string
	Fail   error
}

// Config makes clients talk to a, once.
func (a *AWS) Config() aws.Config {
	return aws.Config{
		Region: Region, HTTPClient: &http.Client{Transport: a}, RetryMaxAttempts: 1,
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{AccessKeyID: "AKIDEXAMPLE", SecretAccessKey: "example"}, nil
		}),
	}
}

// Seen are the operations that were asked for, each once, in order of the alphabet.
func (a *AWS) Seen() []string {
	a.mu.Lock()
	defer a.mu.Unlock()
	return slices.Compact(slices.Sorted(slices.Values(a.seen)))
}

// Set changes answers: "op" to a body.
func (a *AWS) Set(op, body string) { a.Answers[op] = Answer{Body: body} }

// Replace changes part of an answer; it panics if the part is not there, since
// the test would be about nothing.
func (a *AWS) Replace(op, old, by string) {
	v, ok := a.Answers[op]
	if !ok || !strings.Contains(v.Body, old) {
		panic(fmt.Sprintf("awstest: the answer to %q holds no %q", op, old))
	}
	v.Body = strings.ReplaceAll(v.Body, old, by)
	a.Answers[op] = v
}

// Refuse makes operations answer with an error as JSON services send it.
func (a *AWS) Refuse(op, code, message string) {
	a.Answers[op] = Answer{
		Status: http.StatusBadRequest, Header: map[string]string{"X-Amzn-Errortype": code},
		Body: fmt.Sprintf(`{"__type":%q,"message":%q}`, code, message),
	}
}

// RoundTrip answers one request.
func (a *AWS) RoundTrip(r *http.Request) (*http.Response, error) {
	op, on, body := operation(r)
	a.mu.Lock()
	a.seen = append(a.seen, op)
	answer, ok := a.Answers[op+" "+on]
	if !ok {
		answer, ok = a.Answers[op]
	}
	a.mu.Unlock()
	if !ok {
		answer = Answer{Status: http.StatusNotImplemented, Body: `{"message":"awstest: no answer to ` + op + ` ` + on + `"}`}
	}
	if a.Queues != nil && strings.HasPrefix(r.Header.Get("X-Amz-Target"), "AmazonSQS.") {
		var err error
		if answer, err = a.Queues.Answer(op, body); err != nil {
			answer.Fail = err
		}
	}
	if answer.Fail != nil {
		return nil, answer.Fail
	}
	if answer.Status == 0 {
		answer.Status = http.StatusOK
	}
	h := http.Header{}
	h.Set("X-Amz-Crc32", fmt.Sprint(crc32.ChecksumIEEE([]byte(answer.Body))))
	for name, value := range answer.Header {
		h.Set(name, value)
	}
	return &http.Response{
		StatusCode: answer.Status, Status: fmt.Sprintf("%d %s", answer.Status, http.StatusText(answer.Status)), Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: h, Body: io.NopCloser(strings.NewReader(answer.Body)), ContentLength: int64(len(answer.Body)), Request: r,
	}, nil
}

// operation is what is asked for, and of which thing.
func operation(r *http.Request) (op, on string, body []byte) {
	if r.Body != nil {
		var err error
		if body, err = io.ReadAll(r.Body); err != nil {
			return "unreadable", "", nil
		}
	}
	if target := r.Header.Get("X-Amz-Target"); target != "" {
		var in struct{ QueueURL, TableName string }
		if json.Unmarshal(body, &in) != nil {
			return "unreadable", "", nil
		}
		_, op, _ = strings.Cut(target, ".")
		return op, path.Base(in.QueueURL + in.TableName), body
	}
	if form, err := url.ParseQuery(string(body)); err == nil && form.Get("Action") != "" {
		return form.Get("Action"), form.Get("StackName"), body
	}
	parts := strings.Split(strings.Trim(r.URL.Path, "/"), "/")
	query := r.URL.Query()
	switch {
	case !strings.HasSuffix(r.URL.Hostname(), "amazonaws.com") || strings.Contains(r.URL.Hostname(), "execute-api"):
		return r.Method + " " + r.URL.Host + r.URL.Path, "", body
	case query.Has("publicAccessBlock"):
		return "GetPublicAccessBlock", r.URL.Hostname(), body
	case parts[len(parts)-1] == "account-settings":
		return "GetAccountSettings", "", body
	case parts[len(parts)-1] == "event-source-mappings":
		return "ListEventSourceMappings", query.Get("FunctionName"), body
	case len(parts) == 4 && parts[1] == "functions":
		names := map[string]string{"configuration": "GetFunctionConfiguration", "url": "GetFunctionUrlConfig", "invocations": "Invoke"}
		return names[parts[3]], parts[2], body
	}
	return r.Method + " " + r.URL.Path, "", body
}
