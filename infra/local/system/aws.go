package system

import (
	"cmp"
	"context"
	"net/http"
	"sync"
	"time"

	"buzon/infra/local/sqsconsumer"
	"buzon/internal/blob"
	"buzon/internal/cloud"
	"buzon/internal/desk"
	"buzon/internal/queue"
	"buzon/internal/queue/sqs"
	"buzon/internal/table"
)

// pollFor is how long a receive waits for a first record. What an engine hands to
// a process that was killed meanwhile is hidden until its hold runs out, so it is
// not much.
const pollFor = time.Second

// aws is the AWS APIs: of engines on this machine, or of an account. Secrets and
// the simulator's log stay in the data folder.
type aws struct {
	s         *System
	endpoint  string
	tables    table.Table
	blobs     blob.Store
	queues    map[string]*sqs.Queue
	polled    map[string]*sqs.Queue // the same ones, which wait for a record
	deads     map[string]*sqs.Queue
	mu        sync.Mutex
	consumers []*sqsconsumer.Consumer
}

// queueSettings begin the names of the settings for a stage's queue and its dead
// letters.
var queueSettings = map[string]string{
	desk.StageInbound: "INBOUND", desk.StageOutbound: "OUTBOUND", desk.StageApprovals: "APPROVALS",
}

// openAWS reads the settings by the names that package cloud documents. The error
// is one sentence that names each that is missing or cannot be. It makes no call.
func openAWS(s *System, get func(string) string) (*aws, error) {
	c := cloud.New(get, s.config.Log)
	a := &aws{
		s: s, tables: c.Table(), blobs: c.Blobs(),
		queues: map[string]*sqs.Queue{}, polled: map[string]*sqs.Queue{}, deads: map[string]*sqs.Queue{},
	}
	a.endpoint = cmp.Or(c.Text("AWS_ENDPOINT_URL_DYNAMODB"), "AWS in "+c.Text("AWS_REGION"))
	for _, stage := range stages {
		name := queueSettings[stage]
		a.queues[stage], a.polled[stage], a.deads[stage] = c.Queue(name+"_QUEUE"), c.Queue(name+"_QUEUE"), c.Queue(name+"_DEAD")
		a.polled[stage].Wait = pollFor
	}
	if err := c.Err(); err != nil {
		return nil, err
	}
	return a, nil
}

func (a *aws) table() table.Table { return a.tables }

func (a *aws) queue(stage string) queue.Queue { return a.queues[stage] }

func (a *aws) dead(stage string) queue.DeadLetters { return a.deads[stage] }

func (a *aws) openBlobs(context.Context) (blob.Store, http.Handler, error) { return a.blobs, nil, nil }

// release: nothing can be done about what another process received; it comes
// again within sqsconsumer.Hold.
func (a *aws) release() error { return nil }

func (a *aws) consume(ctx context.Context, stage string, f feed) error {
	c := &sqsconsumer.Consumer{
		Queue: a.polled[stage], Name: stage, Worker: f.worker, Visibility: f.visibility,
		Batch: f.batch, Concurrency: f.concurrency, Grace: batchGrace, Now: a.s.clock.Now, Log: a.s.config.Log,
	}
	a.mu.Lock()
	a.consumers = append(a.consumers, c)
	a.mu.Unlock()
	return c.Run(ctx)
}

func (a *aws) wake() {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, c := range a.consumers {
		c.Wake()
	}
}

// sweep: DynamoDB does so itself.
func (a *aws) sweep(context.Context, time.Time) error { return nil }

func (a *aws) where() string {
	return "Table, queues and files are behind the AWS APIs (" + a.endpoint + ");\nthose of make run-engines are gone when it ends, and its data folder is emptied at the next start."
}

func (a *aws) close() error { return nil }
