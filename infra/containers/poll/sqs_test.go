package poll

import (
	"crypto/md5"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"buzon/internal/queue"
	"buzon/internal/queue/queuetest"
)

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// world is a FIFO queue behind the API of SQS, and a function of the test's.
type world struct {
	now    time.Time
	queue  *queuetest.Memory
	calls  []string // actions, in order
	events [][]byte
	answer func(batch []string) (string, error) // of bodies
	refuse bool                                 // deletes fail
	source *Source
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{now: noon, answer: func([]string) (string, error) { return `{"batchItemFailures":[]}`, nil }}
	w.queue = &queuetest.Memory{Now: func() time.Time { return w.now }}
	server := httptest.NewServer(w)
	t.Cleanup(server.Close)
	w.source = &Source{
		Function: "InboundFunction", URL: server.URL + "/123456789012/inbound.fifo", ARN: "arn:aws:sqs:us-east-1:123456789012:inbound.fifo",
		Region: "us-east-1", Batch: 10, Visibility: time.Minute, Partial: true,
		Queue: sqs.New(sqs.Options{
			Region: "us-east-1", BaseEndpoint: aws.String(server.URL), HTTPClient: server.Client(), RetryMaxAttempts: 1,
			Credentials: aws.AnonymousCredentials{},
		}),
		Invoke: w.invoke,
	}
	return w
}

func (w *world) send(t *testing.T, group string, bodies ...string) {
	t.Helper()
	for _, body := range bodies {
		if err := w.queue.Send(t.Context(), queue.Message{Group: group, Dedup: group + body, Body: []byte(body)}); err != nil {
			t.Fatal(err)
		}
	}
}

// ServeHTTP is the part of SQS's JSON API that a source needs.
func (w *world) ServeHTTP(rw http.ResponseWriter, r *http.Request) {
	_, action, _ := strings.Cut(r.Header.Get("X-Amz-Target"), ".")
	w.calls = append(w.calls, action)
	var in struct {
		MaxNumberOfMessages, VisibilityTimeout int
		Entries                                []struct {
			ID            string `json:"Id"`
			ReceiptHandle string
		}
	}
	if err := json.NewDecoder(r.Body).Decode(&in); err != nil {
		http.Error(rw, err.Error(), http.StatusBadRequest)
		return
	}
	out := map[string]any{}
	switch action {
	case "ReceiveMessage":
		got, err := w.queue.Receive(r.Context(), in.MaxNumberOfMessages, time.Duration(in.VisibilityTimeout)*time.Second)
		if err != nil {
			http.Error(rw, err.Error(), http.StatusBadRequest)
			return
		}
		var messages []map[string]any
		for _, m := range got {
			sum := md5.Sum(m.Body)
			messages = append(messages, map[string]any{
				"MessageId": m.ID, "ReceiptHandle": m.Receipt, "Body": string(m.Body), "MD5OfBody": hex.EncodeToString(sum[:]),
				"Attributes": map[string]string{
					"ApproximateReceiveCount": fmt.Sprint(m.Receives), "SentTimestamp": fmt.Sprint(m.Sent.UnixMilli()),
					"MessageGroupId": m.Group, "MessageDeduplicationId": m.Group + string(m.Body), "SequenceNumber": "18849496460467696128",
				},
			})
		}
		out["Messages"] = messages
	case "DeleteMessageBatch":
		var done, failed []map[string]any
		for _, e := range in.Entries {
			if w.refuse || w.queue.Delete(r.Context(), e.ReceiptHandle) != nil {
				failed = append(failed, map[string]any{"Id": e.ID, "SenderFault": true, "Code": "ReceiptHandleIsInvalid", "Message": "no such receipt"})
				continue
			}
			done = append(done, map[string]any{"Id": e.ID})
		}
		out["Successful"], out["Failed"] = done, failed
	default:
		http.Error(rw, "unknown action "+action, http.StatusBadRequest)
		return
	}
	rw.Header().Set("Content-Type", "application/x-amz-json-1.0")
	_ = json.NewEncoder(rw).Encode(out)
}
