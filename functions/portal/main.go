// Command portal serves the form and the tracking page: called by the HTTP API.
package main

import (
	"math"
	"net/http"

	"buzon/internal/cloud"
	"buzon/internal/link"
	"buzon/internal/pages"
	"buzon/internal/web"
)

func main() {
	cloud.Run(func(c *cloud.Cloud) any {
		mux, public := http.NewServeMux(), c.Base("PUBLIC_URL", "")
		portal := &pages.Portal{
			Store: c.Store(), Keys: &link.Keys{Secrets: c.Secrets()}, Now: c.Now, NewID: c.NewID, Log: c.Log,
			PublicURL: func() string { return public }, Limits: pages.Limits{PerMinute: c.Number("REQUESTS_PER_ADDRESS", 0, math.MaxInt32)},
		}
		portal.Routes(mux)
		return web.Bridge(web.Handler(mux, web.Options{Log: c.Log, NewID: c.NewID, Now: c.Now}))
	})
}
