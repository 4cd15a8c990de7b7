// Command approvals notes verdicts on templates: called with batches of the
// approvals queue.
package main

import (
	"buzon/internal/cloud"
	"buzon/internal/pipeline"
	"buzon/internal/queue/sqs"
)

func main() {
	cloud.Run(func(c *cloud.Cloud) any {
		approvals := &pipeline.Approvals{Store: c.Store(), Blobs: c.Blobs(), Now: c.Now, Log: c.Log}
		return sqs.Lambda(approvals.Worker(), c.Queue("APPROVALS_QUEUE"))
	})
}
