package simulator

import (
	"bytes"
	"embed"
	"fmt"
	"html/template"
	"net/http"
	"path"
	"strings"

	"buzon/internal/fault"
)

//go:embed static
var static embed.FS

var pageTemplate = template.Must(template.ParseFS(static, "static/phone.html"))

// policy lets the page load from here alone.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

// page is where a person plays a customer's phone.
func (s *Simulator) page(w http.ResponseWriter, _ *http.Request) error {
	var b bytes.Buffer
	if err := pageTemplate.Execute(&b, s.Options); err != nil {
		return fmt.Errorf("simulator: page: %w", err)
	}
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Security-Policy", policy)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cache-Control", "no-store")
	_, _ = w.Write(b.Bytes()) // a reader that is gone needs no page
	return nil
}

// asset serves one of the page's files.
func asset(name string) func(w http.ResponseWriter, r *http.Request) error {
	return func(w http.ResponseWriter, _ *http.Request) error {
		data, err := static.ReadFile(path.Join("static", name))
		if err != nil {
			return fmt.Errorf("%s: %w", name, fault.NotFound)
		}
		kind := "text/css; charset=utf-8"
		if strings.HasSuffix(name, ".js") {
			kind = "text/javascript; charset=utf-8"
		}
		w.Header().Set("Content-Type", kind)
		w.Header().Set("X-Content-Type-Options", "nosniff")
		w.Header().Set("Cache-Control", "no-cache")
		_, _ = w.Write(data)
		return nil
	}
}
