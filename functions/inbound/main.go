// Command inbound decides what a person's message does: called with batches of the
// inbound queue.
package main

import (
	"buzon/internal/channel"
	"buzon/internal/channel/gupshup"
	"buzon/internal/channel/meta"
	"buzon/internal/cloud"
	"buzon/internal/link"
	"buzon/internal/pipeline"
	"buzon/internal/queue/sqs"
)

func main() {
	cloud.Run(func(c *cloud.Cloud) any {
		store, blobs, queue := c.Store(), c.Blobs(), c.Queue("INBOUND_QUEUE")
		inbound := &pipeline.Inbound{
			Store: store, Keys: &link.Keys{Secrets: c.Secrets()}, Blobs: blobs, Outbound: c.Queue("OUTBOUND_QUEUE"),
			Webhook: &pipeline.Webhook{
				Store: store, Blobs: blobs, Inbound: queue, Approvals: c.Queue("APPROVALS_QUEUE"),
				Providers: map[string]channel.Provider{"gupshup": gupshup.Provider{Now: c.Now}, "meta": meta.Provider{Now: c.Now}},
				Now:       c.Now, RealNow: c.Now, Log: c.Log,
			},
			Now: c.Now, NewID: c.NewID, Log: c.Log,
		}
		return sqs.Lambda(inbound.Worker(), queue)
	})
}
