// Package meta speaks with Meta's WhatsApp Cloud API directly: it reads and
// authenticates its webhooks, sends, and requests and lists message templates.
//
// One webhook address serves all numbers of a Meta app, and one body may speak of
// several: what Parse gives back is channel.Batch.Changes, each with the number or
// account that it is for. Verify comes before Parse, over the raw bytes.
package meta

import (
	"net/http"
	"time"

	"buzon/internal/channel"
)

// BaseURL is the real service.
const BaseURL = "https://graph.facebook.com"

// version of the Graph API: the first part of every path.
const version = "/v25.0/"

// Provider implements channel.Provider and channel.Templates. BaseURL and Now have
// to be set.
type Provider struct {
	BaseURL string           // scheme and host, without a path
	HTTP    *http.Client     // nil: a plain one. Redirects are never followed, whatever it says
	Now     func() time.Time // the time of events that carry none
}

var (
	_ channel.Signed    = Provider{}
	_ channel.Templates = Provider{}
)
