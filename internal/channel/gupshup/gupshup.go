// Package gupshup speaks with Gupshup's WhatsApp API: it reads the events of both
// subscription formats, v2 (Gupshup's own) and v3 (Meta's with additions), and
// sends, uploads files, requests templates and lists them by the self-serve API.
//
// A body is routed by its shape, never by the format that was subscribed: an
// account may have both, and then every message comes twice. The two copies give
// equal desk.Incoming digests. Gupshup signs nothing; who may call is decided by
// the webhook's address, and Parse checks that the body names this channel's app.
package gupshup

import (
	"net/http"
	"time"

	"buzon/internal/channel"
)

// BaseURL is the real service.
const BaseURL = "https://api.gupshup.io"

// Provider implements channel.Provider and channel.Templates. BaseURL and Now have to be set.
type Provider struct {
	BaseURL string           // scheme and host, without a path
	HTTP    *http.Client     // nil: a plain one. Redirects are never followed, whatever it says
	Now     func() time.Time // the time of events that carry none
}

var (
	_ channel.Provider  = Provider{}
	_ channel.Templates = Provider{}
)
