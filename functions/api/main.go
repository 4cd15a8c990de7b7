// Command api serves the JSON API and its description: called by the HTTP API.
package main

import (
	"crypto/rand"
	"net/http"

	"buzon/internal/api"
	"buzon/internal/channel"
	"buzon/internal/channel/gupshup"
	"buzon/internal/channel/meta"
	"buzon/internal/cloud"
	"buzon/internal/web"
)

func main() {
	cloud.Run(func(c *cloud.Cloud) any {
		mux, public := http.NewServeMux(), c.Base("PUBLIC_URL", "")
		surface := &api.API{
			Store: c.Store(), Blobs: c.Blobs(), Secrets: c.Secrets(),
			Inbound: c.Queue("INBOUND_QUEUE"), Outbound: c.Queue("OUTBOUND_QUEUE"), Approvals: c.Queue("APPROVALS_QUEUE"),
			Providers: map[string]channel.Provider{
				"gupshup": gupshup.Provider{BaseURL: c.Base("GUPSHUP_URL", gupshup.BaseURL), HTTP: c.HTTP(), Now: c.Now},
				"meta":    meta.Provider{BaseURL: c.Base("META_URL", meta.BaseURL), HTTP: c.HTTP(), Now: c.Now},
			},
			Now: c.Now, NewID: c.NewID, Random: rand.Reader, Log: c.Log,
			PublicURL: func(r *http.Request) string { return web.Base(public, r) }, Version: cloud.Version(),
		}
		surface.Routes(mux)
		mux.Handle("GET /{$}", http.RedirectHandler("/docs", http.StatusFound))
		return web.Bridge(web.Handler(mux, web.Options{Log: c.Log, NewID: c.NewID, Now: c.Now}))
	})
}
