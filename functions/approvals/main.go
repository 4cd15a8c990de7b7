// Command approvals takes templates to their providers and notes what becomes of
// them: called with batches of the approvals queue.
package main

import (
	"buzon/internal/approval"
	"buzon/internal/channel"
	"buzon/internal/channel/gupshup"
	"buzon/internal/channel/meta"
	"buzon/internal/cloud"
	"buzon/internal/queue/sqs"
)

func main() {
	cloud.Run(func(c *cloud.Cloud) any {
		approvals := &approval.Approvals{
			Store: c.Store(), Blobs: c.Blobs(), Secrets: c.Secrets(),
			Providers: map[string]channel.Templates{
				"gupshup": gupshup.Provider{BaseURL: c.Base("GUPSHUP_URL", gupshup.BaseURL), HTTP: c.HTTP(), Now: c.Now},
				"meta":    meta.Provider{BaseURL: c.Base("META_URL", meta.BaseURL), HTTP: c.HTTP(), Now: c.Now},
			},
			Now: c.Now, NewID: c.NewID, Log: c.Log,
		}
		return sqs.Lambda(approvals.Worker(), c.Queue("APPROVALS_QUEUE"))
	})
}
