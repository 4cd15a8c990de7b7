// Command clock fires due timers and puts dead letters into quarantine: called
// every minute by a schedule.
package main

import (
	"buzon/internal/cloud"
	"buzon/internal/desk"
	"buzon/internal/pipeline"
	"buzon/internal/queue"
)

func main() {
	cloud.Run(func(c *cloud.Cloud) any {
		clock := &pipeline.Clock{
			Store: c.Store(), Blobs: c.Blobs(), Inbound: c.Queue("INBOUND_QUEUE"), Outbound: c.Queue("OUTBOUND_QUEUE"),
			Approvals: c.Queue("APPROVALS_QUEUE"),
			Dead: map[string]queue.DeadLetters{
				desk.StageInbound: c.Queue("INBOUND_DEAD"), desk.StageOutbound: c.Queue("OUTBOUND_DEAD"), desk.StageApprovals: c.Queue("APPROVALS_DEAD"),
			},
			Now: c.Now, NewID: c.NewID, Log: c.Log,
		}
		return clock.Run
	})
}
