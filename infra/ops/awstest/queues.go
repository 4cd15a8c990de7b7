package awstest

import (
	"crypto/md5" //nolint:gosec // as SQS answers
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"path"
	"slices"
	"strconv"
	"sync"
	"time"
)

// Queues are FIFO queues in memory, as far as looking at dead letters and sending
// them back needs: groups, visibility, deduplication. Time is the test's.
type Queues struct {
	// Now is the time; it is moved between calls, by one goroutine.
	Now time.Time
	// Break, if it gives an error, makes a call go wrong: before it takes effect,
	// or with after set once it has.
	Break func(op string) (err error, after bool)

	mu       sync.Mutex
	queues   map[string]*fifoQueue
	last     int
	receipts int
}

// usual is how long a queue hides a message where the call does not say.
const usual = time.Minute

type fifoQueue struct {
	messages []*message
	dedup    map[string]time.Time // group and id to when it was first taken
}

type message struct {
	id, group, body string
	sent            time.Time
	hiddenUntil     time.Time
	receives        int
	receipt         string
}

// Put puts a message into a queue, as one that died there now.
func (q *Queues) Put(queue, group, body string) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.put(queue, group, body)
}

func (q *Queues) put(queue, group, body string) string {
	q.last++
	id := fmt.Sprintf("m%d", q.last)
	f := q.queue(queue)
	f.messages = append(f.messages, &message{id: id, group: group, body: body, sent: q.Now})
	return id
}

// Bodies are the bodies in a queue, in order.
func (q *Queues) Bodies(queue string) []string {
	q.mu.Lock()
	defer q.mu.Unlock()
	var bodies []string
	for _, m := range q.queue(queue).messages {
		bodies = append(bodies, m.body)
	}
	return bodies
}

func (q *Queues) queue(name string) *fifoQueue {
	if q.queues == nil {
		q.queues = map[string]*fifoQueue{}
	}
	if q.queues[name] == nil {
		q.queues[name] = &fifoQueue{dedup: map[string]time.Time{}}
	}
	return q.queues[name]
}

type sqsRequest struct {
	QueueURL               string
	MaxNumberOfMessages    int
	VisibilityTimeout      *int
	MessageBody            string
	MessageGroupID         string
	MessageDeduplicationID string
	ReceiptHandle          string
	Entries                []struct {
		ID                string
		ReceiptHandle     string
		VisibilityTimeout *int
	}
}

// Answer handles one call of SQS's JSON protocol.
func (q *Queues) Answer(op string, body []byte) (Answer, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	var broken error
	if q.Break != nil {
		err, after := q.Break(op)
		if err != nil && !after {
			return Answer{}, err
		}
		broken = err
	}
	var in sqsRequest
	if err := json.Unmarshal(body, &in); err != nil {
		return Answer{}, err
	}
	out, code := q.do(op, path.Base(in.QueueURL), in)
	if broken != nil {
		return Answer{}, broken
	}
	if code != "" {
		return Answer{Status: http.StatusBadRequest, Header: map[string]string{"X-Amzn-Errortype": code}, Body: `{"__type":"` + code + `","message":"no"}`}, nil
	}
	text, err := json.Marshal(out)
	return Answer{Body: string(text)}, err
}

func (q *Queues) do(op, name string, in sqsRequest) (out any, code string) {
	f := q.queue(name)
	switch op {
	case "GetQueueAttributes":
		visible, hidden := 0, 0
		for _, m := range f.messages {
			if m.hiddenUntil.After(q.Now) {
				hidden++
			} else {
				visible++
			}
		}
		return map[string]any{"Attributes": map[string]string{
			"ApproximateNumberOfMessages": strconv.Itoa(visible), "ApproximateNumberOfMessagesNotVisible": strconv.Itoa(hidden),
		}}, ""
	case "ReceiveMessage":
		return map[string]any{"Messages": q.receive(f, in)}, ""
	case "SendMessage":
		key := in.MessageGroupID + "\x00" + in.MessageDeduplicationID
		if at, ok := f.dedup[key]; ok && q.Now.Sub(at) < 5*time.Minute {
			return map[string]string{"MessageId": "dropped", "MD5OfMessageBody": sum(in.MessageBody)}, ""
		}
		f.dedup[key] = q.Now
		return map[string]string{"MessageId": q.put(name, in.MessageGroupID, in.MessageBody), "MD5OfMessageBody": sum(in.MessageBody)}, ""
	case "DeleteMessage":
		f.messages = slices.DeleteFunc(f.messages, func(m *message) bool { return m.receipt == in.ReceiptHandle })
		return map[string]string{}, ""
	case "ChangeMessageVisibilityBatch":
		var done []map[string]string
		for _, e := range in.Entries {
			for _, m := range f.messages {
				if m.receipt == e.ReceiptHandle && e.VisibilityTimeout != nil {
					m.hiddenUntil = q.Now.Add(time.Duration(*e.VisibilityTimeout) * time.Second)
				}
			}
			done = append(done, map[string]string{"Id": e.ID})
		}
		return map[string]any{"Successful": done, "Failed": []string{}}, ""
	}
	return nil, "UnsupportedOperation"
}

// receive gives out messages in order; behind a hidden one its group waits.
func (q *Queues) receive(f *fifoQueue, in sqsRequest) []map[string]any {
	blocked := map[string]bool{}
	for _, m := range f.messages {
		if m.hiddenUntil.After(q.Now) {
			blocked[m.group] = true
		}
	}
	hidden := usual
	if in.VisibilityTimeout != nil {
		hidden = time.Duration(*in.VisibilityTimeout) * time.Second
	}
	var out []map[string]any
	for _, m := range f.messages {
		if blocked[m.group] || len(out) == in.MaxNumberOfMessages {
			continue
		}
		q.receipts++
		m.receives++
		m.receipt = fmt.Sprintf("r%d", q.receipts)
		m.hiddenUntil = q.Now.Add(hidden)
		out = append(out, map[string]any{
			"MessageId": m.id, "ReceiptHandle": m.receipt, "Body": m.body, "MD5OfBody": sum(m.body),
			"Attributes": map[string]string{
				"MessageGroupId": m.group, "ApproximateReceiveCount": strconv.Itoa(m.receives), "SentTimestamp": strconv.FormatInt(m.sent.UnixMilli(), 10),
			},
		})
	}
	return out
}

func sum(s string) string {
	b := md5.Sum([]byte(s)) //nolint:gosec // as SQS answers
	return hex.EncodeToString(b[:])
}
