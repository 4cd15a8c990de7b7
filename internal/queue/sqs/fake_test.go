package sqs

import (
	"crypto/md5"
	"encoding/hex"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"

	"buzon/internal/fault"
	"buzon/internal/queue"
	"buzon/internal/queue/queuetest"
	"buzon/internal/signed"
)

// direct answers requests with a handler, in the caller's goroutine and time.
type direct struct{ http.Handler }

func (d direct) RoundTrip(r *http.Request) (*http.Response, error) {
	if err := r.Context().Err(); err != nil {
		return nil, err
	}
	w := httptest.NewRecorder()
	d.ServeHTTP(w, r)
	if err := r.Context().Err(); err != nil {
		return nil, err
	}
	return w.Result(), nil
}

func serviceOf(rt http.RoundTripper) *signed.Service {
	s := service("http://sqs.test")
	s.HTTP = &http.Client{Transport: rt}
	return s
}

const (
	liveURL = "http://sqs.test/1/q.fifo"
	deadURL = "http://sqs.test/1/q-dead.fifo"
)

// fake is SQS in front of a model of a queue, as far as the adapter uses it, in
// the words of AWS.
type fake struct {
	*queuetest.Memory
	broken string // of this action, every request is answered 500
	silent string // of this action, no request is answered

	handedBack int // requests to change visibilities
}

// order is the union of the requests.
type order struct {
	QueueURL, MessageBody, MessageGroupID, MessageDeduplicationID string
	ReceiptHandle, ID                                             string
	MaxNumberOfMessages, VisibilityTimeout                        int
	MessageSystemAttributeNames                                   []string
	Entries                                                       []order
}

func (f *fake) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var o order
	if err := json.NewDecoder(r.Body).Decode(&o); err != nil {
		refuse(w, http.StatusBadRequest, "com.amazon.coral.service#SerializationException", "")
		return
	}
	ctx := r.Context()
	_, action, _ := strings.Cut(r.Header.Get("X-Amz-Target"), ".")
	var out any
	var err error
	switch {
	case action == f.silent:
		<-ctx.Done()
		return
	case action == f.broken:
		refuse(w, http.StatusInternalServerError, "com.amazon.coral.service#InternalFailure", "")
		return
	case action == "ReceiveMessage":
		var got []queue.Received
		if o.QueueURL == deadURL {
			got, err = f.DeadLetters(ctx, o.MaxNumberOfMessages)
		} else {
			got, err = f.Receive(ctx, o.MaxNumberOfMessages, time.Duration(o.VisibilityTimeout)*time.Second)
		}
		out = map[string]any{"Messages": messages(got, o.MessageSystemAttributeNames)}
	case action == "SendMessage":
		err = f.Send(ctx, queue.Message{Group: o.MessageGroupID, Dedup: o.MessageDeduplicationID, Body: []byte(o.MessageBody)})
		out = map[string]any{"MessageId": "m", "MD5OfMessageBody": sum(o.MessageBody)}
	case action == "DeleteMessage":
		err = f.Delete(ctx, o.ReceiptHandle)
		out = map[string]any{}
	case action == "ChangeMessageVisibility":
		err = f.ChangeVisibility(ctx, o.ReceiptHandle, time.Duration(o.VisibilityTimeout)*time.Second)
		out = map[string]any{}
	case action == "ChangeMessageVisibilityBatch":
		f.handedBack++
		done, failed := []map[string]any{}, []map[string]any{}
		for _, e := range o.Entries {
			if f.ChangeVisibility(ctx, e.ReceiptHandle, time.Duration(e.VisibilityTimeout)*time.Second) == nil {
				done = append(done, map[string]any{"Id": e.ID})
			} else {
				failed = append(failed, map[string]any{"Id": e.ID, "SenderFault": true, "Code": "ReceiptHandleIsInvalid", "Message": expired(e.ReceiptHandle)})
			}
		}
		out = map[string]any{"Successful": done, "Failed": failed}
	default:
		refuse(w, http.StatusBadRequest, "com.amazonaws.sqs#UnsupportedOperation", "")
		return
	}
	switch {
	case errors.Is(err, fault.Conflict):
		refuse(w, http.StatusBadRequest, "com.amazon.coral.service#InvalidParameterValueException", expired(o.ReceiptHandle))
	case err != nil:
		refuse(w, http.StatusBadRequest, "com.amazon.coral.service#InvalidParameterValueException", err.Error())
	default:
		w.Header().Set("Content-Type", "application/x-amz-json-1.0")
		json.NewEncoder(w).Encode(out)
	}
}

func expired(receipt string) string {
	return "Value " + receipt + " for parameter ReceiptHandle is invalid. Reason: The receipt handle has expired."
}

func refuse(w http.ResponseWriter, status int, kind, text string) {
	w.Header().Set("Content-Type", "application/x-amz-json-1.0")
	w.WriteHeader(status)
	json.NewEncoder(w).Encode(map[string]string{"__type": kind, "message": text})
}

func sum(body string) string {
	s := md5.Sum([]byte(body))
	return hex.EncodeToString(s[:])
}

// messages gives the attributes that were asked for.
func messages(got []queue.Received, names []string) []map[string]any {
	var out []map[string]any
	for _, r := range got {
		all, asked := attributes(r), map[string]string{}
		for _, n := range names {
			asked[n] = all[n]
		}
		out = append(out, map[string]any{
			"MessageId": r.ID, "ReceiptHandle": r.Receipt, "Body": string(r.Body), "MD5OfBody": sum(string(r.Body)), "Attributes": asked,
		})
	}
	return out
}

func attributes(r queue.Received) map[string]string {
	return map[string]string{
		"MessageGroupId":          r.Group,
		"ApproximateReceiveCount": strconv.Itoa(r.Receives),
		"SentTimestamp":           strconv.FormatInt(r.Sent.UnixMilli(), 10),
		"SenderId":                "AIDA",
	}
}

func TestSuite(t *testing.T) {
	queuetest.Suite(t, func(*testing.T) queuetest.Subject {
		clock := queuetest.NewClock()
		c := serviceOf(direct{&fake{Memory: &queuetest.Memory{Now: clock.Now, Strict: true}}})
		q := New(c, liveURL)
		return queuetest.Subject{
			Pair: queuetest.Pair{Queue: q, Receiver: pair{q, New(c, deadURL)}}, Advance: clock.Advance, Patience: time.Hour,
		}
	})
}

// TestRefusals holds what SQS answers to what the caller is told.
func TestRefusals(t *testing.T) {
	const receipt, body = "AQEBcanaryreceipt", "canarybody"
	for _, c := range []struct {
		say    string
		status int
		kind   string // __type, or the code of the batch
		query  string // x-amzn-query-error
		text   string
		want   error // nil: none of the kinds
	}{
		{"no such queue, as named to SDKs of the query service", 400, "com.amazonaws.sqs#QueueDoesNotExist", "AWS.SimpleQueueService.NonExistentQueue;Sender", "The specified queue does not exist.", &fault.Missing{What: "queue q.fifo"}},
		{"no such queue, by its name alone", 400, "com.amazonaws.sqs#QueueDoesNotExist", "", "", &fault.Missing{What: "queue q.fifo"}},
		{"no such queue, by its old name alone", 400, "AWS.SimpleQueueService.NonExistentQueue", "", "", &fault.Missing{What: "queue q.fifo"}},
		{"too many requests", 400, "com.amazonaws.sqs#RequestThrottled", "RequestThrottled;Sender", "", fault.Busy},
		{"throttled by the front", 400, "com.amazon.coral.availability#ThrottlingException", "", "Rate exceeded", fault.Busy},
		{"the key service is busy", 400, "com.amazonaws.sqs#KmsThrottled", "KMS.ThrottlingException;Sender", "", fault.Busy},
		{"too many records in flight", 400, "com.amazonaws.sqs#OverLimit", "OverLimit;Sender", "", fault.Busy},
		{"the service is not there for the moment", 503, "com.amazonaws.sqs#ServiceUnavailable", "", "", fault.Busy},
		{"a receipt whose visibility ran out", 400, "com.amazon.coral.service#InvalidParameterValueException", "InvalidParameterValue;Sender", expired(receipt), fault.Conflict},
		{"likewise, by the old name alone", 400, "InvalidParameterValue", "", expired(receipt), fault.Conflict},
		{"a receipt of what is gone", 400, "InvalidParameterValue", "", "Value " + receipt + " for parameter ReceiptHandle is invalid. Reason: Message does not exist or is not available for visibility timeout change.", fault.Conflict},
		{"a receipt that is none", 404, "com.amazonaws.sqs#ReceiptHandleIsInvalid", "ReceiptHandleIsInvalid;Sender", `The input receipt handle "` + receipt + `" is not a valid receipt handle.`, fault.Conflict},
		{"a record that is visible", 400, "com.amazonaws.sqs#MessageNotInflight", "AWS.SimpleQueueService.MessageNotInflight;Sender", receipt, fault.Conflict},
		{"likewise, by its old name alone", 400, "AWS.SimpleQueueService.MessageNotInflight", "", receipt, fault.Conflict},
		{"another parameter", 400, "com.amazon.coral.service#InvalidParameterValueException", "InvalidParameterValue;Sender", "Value " + body + " for parameter MessageGroupId is invalid.", nil},
		{"not allowed", 403, "com.amazon.coral.service#AccessDeniedException", "AccessDenied;Sender", body, nil},
		{"an unknown outcome", 500, "com.amazon.coral.service#InternalFailure", "InternalFailure;Receiver", receipt + body, nil},
		{"no words at all", 500, "", "", "", nil},
	} {
		q := New(serviceOf(direct{http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			if c.query != "" {
				w.Header().Set("X-Amzn-Query-Error", c.query)
			}
			refuse(w, c.status, c.kind, c.text)
		})}), liveURL)
		_, received := q.Receive(t.Context(), 1, time.Minute)
		for what, err := range map[string]error{
			"send":              q.Send(t.Context(), queue.Message{Group: "g", Dedup: "d", Body: []byte(body)}),
			"receive":           received,
			"delete":            q.Delete(t.Context(), receipt),
			"change visibility": q.ChangeVisibility(t.Context(), receipt, 0),
		} {
			if err == nil || strings.Contains(err.Error(), "canary") {
				t.Errorf("%s: %s: error %v", c.say, what, err)
				continue
			}
			var gone, wanted *fault.Missing
			isMissing, wantMissing := errors.As(err, &gone), errors.As(c.want, &wanted)
			if isMissing != wantMissing || isMissing && *gone != *wanted {
				t.Errorf("%s: %s: error %v, want %v", c.say, what, err, c.want)
			}
			for _, kind := range []fault.Kind{fault.Busy, fault.Conflict, fault.Invalid, fault.NotFound, fault.Forbidden} {
				if want := c.want != nil && errors.Is(c.want, kind); errors.Is(err, kind) != want {
					t.Errorf("%s: %s: error %v, %s: want %v", c.say, what, err, kind, want)
				}
			}
			if !strings.Contains(err.Error(), "queue q.fifo") {
				t.Errorf("%s: %s: error %v does not say which queue", c.say, what, err)
			}
		}
	}
}

// cut is a connection that breaks off.
type cut struct{ err error }

func (c cut) RoundTrip(*http.Request) (*http.Response, error) { return nil, c.err }

func TestABrokenConnectionLeavesTheOutcomeUnknown(t *testing.T) {
	gone := errors.New("connection reset")
	q := New(serviceOf(cut{gone}), liveURL)
	err := q.Send(t.Context(), queue.Message{Group: "g", Dedup: "d", Body: []byte("canary")})
	if !errors.Is(err, gone) || errors.Is(err, fault.Busy) || errors.Is(err, fault.Conflict) || strings.Contains(err.Error(), "canary") {
		t.Errorf("got %v", err)
	}
}

// TestReceiveAsksFor holds the request of a receive: seconds, rounded up.
func TestReceiveAsksFor(t *testing.T) {
	for _, c := range []struct{ wait, visibility, wantWait, wantVisibility int64 }{
		{0, 1, 0, 1}, {1, 1000, 1, 1}, {1500, 1001, 2, 2}, {20_000, 43_200_000, 20, 43_200}, {20_001, 60_000, 20, 60},
	} {
		var asked struct{ WaitTimeSeconds, VisibilityTimeout, MaxNumberOfMessages int64 }
		q := New(serviceOf(direct{http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if err := json.NewDecoder(r.Body).Decode(&asked); err != nil {
				t.Error(err)
			}
			w.Write([]byte(`{}`))
		})}), liveURL)
		q.Wait = time.Duration(c.wait) * time.Millisecond
		got, err := q.Receive(t.Context(), 7, time.Duration(c.visibility)*time.Millisecond)
		if len(got) > 0 || err != nil || asked.WaitTimeSeconds != c.wantWait || asked.VisibilityTimeout != c.wantVisibility || asked.MaxNumberOfMessages != 7 {
			t.Errorf("%+v: asked %+v, %v", c, asked, err)
		}
	}
}

// TestRecord: what an attribute lacks or garbles is as on the first receive.
func TestRecord(t *testing.T) {
	sent := time.UnixMilli(1772366400123)
	for _, c := range []struct {
		say        string
		attributes map[string]string
		want       queue.Record
	}{
		{"all there", map[string]string{"MessageGroupId": "g", "ApproximateReceiveCount": "3", "SentTimestamp": "1772366400123"}, queue.Record{Group: "g", Receives: 3, Sent: sent}},
		{"none", nil, queue.Record{Receives: 1}},
		{"no numbers", map[string]string{"ApproximateReceiveCount": "three", "SentTimestamp": "now"}, queue.Record{Receives: 1}},
		{"empty", map[string]string{"ApproximateReceiveCount": "", "SentTimestamp": ""}, queue.Record{Receives: 1}},
		{"below what can be", map[string]string{"ApproximateReceiveCount": "0", "SentTimestamp": "-1"}, queue.Record{Receives: 1}},
		{"beyond what a number holds", map[string]string{"ApproximateReceiveCount": "99999999999999999999", "SentTimestamp": "99999999999999999999"}, queue.Record{Receives: 1}},
	} {
		got := record("m", "b", c.attributes)
		c.want.ID, c.want.Body = "m", []byte("b")
		if got.ID != c.want.ID || got.Group != c.want.Group || string(got.Body) != "b" || got.Receives != c.want.Receives || !got.Sent.Equal(c.want.Sent) {
			t.Errorf("%s: got %+v, want %+v", c.say, got, c.want)
		}
	}
}
