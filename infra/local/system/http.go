package system

import (
	"bytes"
	"context"
	"crypto/rand"
	"embed"
	"errors"
	"fmt"
	"html/template"
	"log/slog"
	"net"
	"net/http"
	"strings"

	"buzon/infra/local/demo"
	"buzon/infra/local/loopback"
	"buzon/internal/api"
	"buzon/internal/desk"
	"buzon/internal/fault"
	"buzon/internal/pages"
	"buzon/internal/web"
)

// handler is everything that the system answers.
func (s *System) handler() http.Handler {
	mux := http.NewServeMux()
	s.webhook.Routes(mux)
	surface := &api.API{
		Store: s.store, Blobs: s.blobs, Secrets: s.secrets,
		Inbound: s.engine.queue(desk.StageInbound), Outbound: s.engine.queue(desk.StageOutbound), Approvals: s.engine.queue(desk.StageApprovals),
		Providers: s.providers, Now: s.clock.Now, NewID: s.ids, Random: rand.Reader, Log: s.config.Log,
		PublicURL: func(*http.Request) string { return s.publicURL() }, Version: s.config.Version,
	}
	surface.Routes(mux)
	portal := &pages.Portal{
		Store: s.store, Keys: s.keys, Now: s.clock.Now, NewID: s.ids, PublicURL: s.publicURL, Log: s.config.Log,
	}
	portal.Routes(mux)
	if s.files != nil {
		mux.Handle("/files/", s.files)
	}
	mux.Handle("GET /{$}", loopback.Only(http.HandlerFunc(s.home)))
	mux.Handle("GET /home.css", loopback.Only(http.HandlerFunc(style)))
	mux.HandleFunc("GET /favicon.ico", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) })
	phones := http.NewServeMux()
	s.simulator.Routes(phones)
	phones.Handle("POST /simulator/tenants", loopback.Only(s.makeTenant(surface)))

	edge := web.Options{Log: s.config.Log, NewID: s.ids, Now: s.config.Now}
	main := web.Handler(mux, edge)
	edge.Log = slog.New(quiet{s.config.Log.Handler()})
	beside := web.Handler(phones, edge)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/simulator" || strings.HasPrefix(r.URL.Path, "/simulator/") {
			beside.ServeHTTP(w, r)
			return
		}
		main.ServeHTTP(w, r)
	})
}

// quiet passes on warnings and worse: the simulator's page asks every second.
type quiet struct{ slog.Handler }

func (q quiet) Enabled(ctx context.Context, level slog.Level) bool {
	return level >= slog.LevelWarn && q.Handler.Enabled(ctx, level)
}

//go:embed static
var static embed.FS

var homeTemplate = template.Must(template.ParseFS(static, "static/home.html"))

// home is the start page: what runs and how to reach it, without a secret.
func (s *System) home(w http.ResponseWriter, r *http.Request) {
	var b bytes.Buffer
	err := homeTemplate.Execute(&b, map[string]any{
		"Base":      s.base,
		"Public":    s.config.PublicURL,
		"Gupshup":   s.config.GupshupURL,
		"Meta":      s.config.MetaURL,
		"Data":      s.config.Data,
		"DemoFile":  s.DemoFile(),
		"Curl":      s.Curl(),
		"Companies": []demo.Company{s.plan.Demo, s.plan.Other},
		"People":    people(s.plan),
	})
	if err != nil {
		web.Fail(w, r, fmt.Errorf("start page: %w", err))
		return
	}
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Security-Policy", "default-src 'none'; style-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'")
	_, _ = w.Write(b.Bytes()) // a reader that is gone needs no page
}

func style(w http.ResponseWriter, r *http.Request) {
	data, err := static.ReadFile("static/home.css")
	if err != nil {
		web.Fail(w, r, fault.NotFound)
		return
	}
	w.Header().Set("Content-Type", "text/css; charset=utf-8")
	_, _ = w.Write(data) // likewise
}

// Curl is a line for a shell that calls the API with the token in demo.json. It
// needs sed and curl.
func (s *System) Curl() string {
	return `curl -H "Authorization: Bearer $(sed -n 's/^  "admin_token": "\(.*\)",$/\1/p' ` + quoted(s.DemoFile()) + `)" ` + s.base + `/v1/me`
}

// quoted is a word of a shell.
func quoted(path string) string {
	plain := strings.IndexFunc(path, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && !strings.ContainsRune("._-/", r)
	}) < 0
	if plain && path != "" && path[0] != '-' {
		return path
	}
	return "'" + strings.ReplaceAll(path, "'", `'\''`) + "'"
}

// closed passes over the error of what was closed before.
func closed(err error) error {
	if errors.Is(err, net.ErrClosed) {
		return nil
	}
	return err
}

// Welcome is what a person who started the system has to know.
func (s *System) Welcome() string {
	return fmt.Sprintf(`Buzón runs. Open
  %[1]s/            start page
  %[1]s/simulator   play a customer's phone
  %[1]s/docs        API documentation
Tokens and addresses of the demo: %[2]s
  %[3]s
%[4]s
Ctrl-C stops it.
`, s.base, s.DemoFile(), s.Curl(), s.engine.where())
}
