package doctor

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"os"
	"strings"
	"time"

	"buzon/infra/ops/stack"
	"buzon/infra/ops/trouble"
)

const (
	// answerWithin is how soon a webhook must answer, or its provider gives up.
	answerWithin = 5 * time.Second
	// maxBody is the most of an answer that is looked at.
	maxBody = 64 << 10

	gateway    = "HttpApi"
	ownAddress = "the webhook's own address"
	noSecret   = "/webhooks/gupshup/doctor/doctor"
)

// reachable looks at the addresses from outside.
func (l *look) reachable(ctx context.Context) {
	const part = "addresses"
	if address := l.gateway(); address != "" {
		l.addresses[gateway] = address
	} else {
		l.bad(part, trouble.Deploy, "the stack has no HttpApi")
	}
	logs := func(folder string) string { return "make logs ARGS='--function " + folder + "'" }
	for _, what := range []string{gateway, ownAddress} {
		if address := l.addresses[what]; address != "" {
			l.webhook(ctx, l.HTTP, part, what, address, logs("webhook"))
		}
	}
	if address := l.addresses[gateway]; address != "" {
		l.health(ctx, l.HTTP, part, gateway, address, logs("api"))
	}
	if public := l.stack.Parameters["PublicUrl"]; public != "" {
		l.health(ctx, l.HTTP, part, "PublicUrl", strings.TrimSuffix(public, "/"), "point its name and certificate at the HttpApi; make deploy changes PublicUrl")
	}
}

// gateway is the address of the HttpApi: an output tells it, or else its id.
func (l *look) gateway() string {
	apis := l.stack.OfType(stack.HTTPAPI)
	if len(apis) == 0 {
		return ""
	}
	id := apis[0].Physical
	for _, o := range l.stack.Outputs {
		if strings.HasPrefix(o.Value, "https://"+id+".") {
			host, _, _ := strings.Cut(strings.TrimPrefix(o.Value, "https://"), "/")
			return "https://" + host
		}
	}
	return fmt.Sprintf("https://%s.execute-api.%s.amazonaws.com", id, l.stack.Region)
}

// webhook posts with a secret that is none: it is there if it says that nothing is.
func (r *Report) webhook(ctx context.Context, client *http.Client, part, what, base, mend string) {
	status, body, took, err := ask(ctx, client, http.MethodPost, base+noSecret, "")
	switch {
	case err != nil:
		r.bad(part, mend, "%s: webhook: %s", what, trouble.Of(err).Text)
	case status != http.StatusNotFound:
		r.bad(part, mend, "%s: webhook: answers %d to a wrong secret instead of 404%s", what, status, said(body))
	default:
		r.good(part, "%s: webhook answers, within %d ms, at %s", what, took.Milliseconds(), base)
	}
}

func (r *Report) health(ctx context.Context, client *http.Client, part, what, base, mend string) {
	status, body, _, err := ask(ctx, client, http.MethodGet, base+"/health", "")
	var v struct {
		Status  string `json:"status"`
		Version string `json:"version"`
	}
	switch {
	case err != nil:
		r.bad(part, mend, "%s: /health: %s", what, trouble.Of(err).Text)
	case status != http.StatusOK || json.Unmarshal(body, &v) != nil || v.Status != "ok":
		r.bad(part, mend, "%s: /health: answers %d%s", what, status, said(body))
	default:
		r.good(part, "%s: /health is ok, version %s", what, orNone(v.Version))
	}
}

// Local looks at a local run at base and at the demo.json that it wrote.
func (r *Report) Local(ctx context.Context, client *http.Client, base, demo string) {
	const part = "local run"
	before := len(r.Findings)
	r.health(ctx, client, part, base, base, "make run")
	if r.Findings[before].State != Good {
		r.unseen(part, "%s: needs the local run", demo)
		return
	}
	r.webhook(ctx, client, part, base, base, "make run")
	r.demo(ctx, client, part, base, demo)
}

// demo looks whether demo.json belongs to the run at base and is nobody else's.
func (r *Report) demo(ctx context.Context, client *http.Client, part, base, file string) {
	const again = "stop make run, then make run again"
	info, err := os.Stat(file)
	if errors.Is(err, fs.ErrNotExist) {
		r.bad(part, "DATA=… as make run has it", "%s: not there", file)
		return
	}
	if err != nil {
		r.bad(part, again, "%s: %v", file, err)
		return
	}
	text, err := os.ReadFile(file)
	var v struct {
		BaseURL    string `json:"base_url"`
		AdminToken string `json:"admin_token"`
	}
	if err != nil || json.Unmarshal(text, &v) != nil {
		r.bad(part, again, "%s: not readable as JSON", file)
		return
	}
	status, _, _, err := ask(ctx, client, http.MethodGet, base+"/v1/me", v.AdminToken)
	switch {
	case info.Mode().Perm()&0o077 != 0:
		r.bad(part, "chmod 600 "+file, "%s: others on this machine can read its tokens", file)
	case v.BaseURL != base:
		r.bad(part, again, "%s: of a run at %s", file, orNone(v.BaseURL))
	case err != nil || status != http.StatusOK:
		r.bad(part, again, "%s: its admin token is not taken", file)
	default:
		r.good(part, "%s: its admin token is taken", file)
	}
}

// ask makes one request without following it elsewhere.
func ask(ctx context.Context, client *http.Client, method, url, token string) (status int, body []byte, took time.Duration, err error) {
	ctx, cancel := context.WithTimeout(ctx, answerWithin)
	defer cancel()
	var send io.Reader
	if method == http.MethodPost {
		send = strings.NewReader("{}")
	}
	r, err := http.NewRequestWithContext(ctx, method, url, send)
	if err != nil {
		return 0, nil, 0, err
	}
	r.Header.Set("Accept-Language", "en") // the language of what operators read here
	if send != nil {
		r.Header.Set("Content-Type", "application/json")
	}
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	from := time.Now()
	resp, err := client.Do(r)
	if err != nil {
		var op *net.OpError
		if errors.As(err, &op) && op.Op == "dial" {
			return 0, nil, 0, &trouble.Error{Text: "nothing answers there"}
		}
		if ctx.Err() != nil {
			return 0, nil, 0, &trouble.Error{Text: fmt.Sprintf("no answer within %d s", int(answerWithin/time.Second))}
		}
		return 0, nil, 0, err
	}
	defer resp.Body.Close()
	body, err = io.ReadAll(io.LimitReader(resp.Body, maxBody))
	return resp.StatusCode, body, time.Since(from), err
}

// said is the sentence of a problem document, if that is what came.
func said(body []byte) string {
	var p struct {
		Detail string `json:"detail"`
	}
	if json.Unmarshal(body, &p) != nil || p.Detail == "" {
		return ""
	}
	return ": " + p.Detail
}
