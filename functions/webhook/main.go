// Command webhook takes in what providers post: called by the HTTP API and by the
// function's own address.
package main

import (
	"net/http"

	"buzon/internal/channel"
	"buzon/internal/channel/gupshup"
	"buzon/internal/channel/meta"
	"buzon/internal/cloud"
	"buzon/internal/pipeline"
	"buzon/internal/web"
)

func main() {
	cloud.Run(func(c *cloud.Cloud) any {
		mux := http.NewServeMux()
		webhook := &pipeline.Webhook{
			Store: c.Store(), Blobs: c.Blobs(), Secrets: c.Secrets(), Inbound: c.Queue("INBOUND_QUEUE"), Approvals: c.Queue("APPROVALS_QUEUE"),
			Providers: map[string]channel.Provider{"gupshup": gupshup.Provider{Now: c.Now}, "meta": meta.Provider{Now: c.Now}},
			Now:       c.Now, RealNow: c.Now, Log: c.Log,
		}
		webhook.Routes(mux)
		return web.Bridge(web.Handler(mux, web.Options{Log: c.Log, NewID: c.NewID, Now: c.Now, Quiet: true}))
	})
}
