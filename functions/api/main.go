// Command api serves the JSON API and its description: called by the HTTP API.
package main

import (
	"crypto/rand"
	"net/http"

	"buzon/internal/api"
	"buzon/internal/cloud"
	"buzon/internal/web"
)

func main() {
	cloud.Run(func(c *cloud.Cloud) any {
		mux, public := http.NewServeMux(), c.Base("PUBLIC_URL", "")
		surface := &api.API{
			Store: c.Store(), Inbound: c.Queue("INBOUND_QUEUE"), Now: c.Now, NewID: c.NewID, Random: rand.Reader,
			PublicURL: func(r *http.Request) string { return web.Base(public, r) }, Version: cloud.Version(),
		}
		surface.Routes(mux)
		mux.Handle("GET /{$}", http.RedirectHandler("/docs", http.StatusFound))
		return web.Bridge(web.Handler(mux, web.Options{Log: c.Log, NewID: c.NewID, Now: c.Now}))
	})
}
