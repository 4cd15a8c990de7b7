// Command outbound sends what a conversation holds unsent: called with wake-ups of
// the outbound queue.
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
		secrets, public := c.Secrets(), c.Address("PUBLIC_URL")
		outbound := &pipeline.Outbound{
			Store: c.Store(), Blobs: c.Blobs(), Secrets: secrets, Keys: &link.Keys{Secrets: secrets},
			Providers: map[string]channel.Provider{
				"gupshup": gupshup.Provider{BaseURL: c.Base("GUPSHUP_URL", gupshup.BaseURL), HTTP: c.HTTP(), Now: c.Now},
				"meta":    meta.Provider{BaseURL: c.Base("META_URL", meta.BaseURL), HTTP: c.HTTP(), Now: c.Now},
			},
			PublicURL: func() string { return public }, Share: c.Number("SENDERS", 1, 1000),
			Now: c.Now, RealNow: c.Now, Sleep: cloud.Sleep, Log: c.Log,
		}
		return sqs.Lambda(outbound.Worker(), c.Queue("OUTBOUND_QUEUE"))
	})
}
