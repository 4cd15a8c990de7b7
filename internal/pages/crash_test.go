package pages

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"runtime"
	"strings"
	"testing"

	"buzon/internal/crashtest"
	"buzon/internal/table"
	"buzon/internal/table/tabletest"
)

// until posts fields to path again and again, as a person does who sees an error
// or nothing at all, and gives the first answer that sends them on.
func (w *world) until(path string, fields url.Values) string {
	w.t.Helper()
	for range 100 {
		var rec *httptest.ResponseRecorder
		done := make(chan struct{})
		go func() {
			defer close(done)
			rec = w.send("POST", path, fields)
		}()
		<-done
		if rec != nil && rec.Code == http.StatusSeeOther {
			return rec.Header().Get("Location")
		}
	}
	w.t.Fatalf("POST %s was never answered", path)
	return ""
}

// outcome is what matters after a form was posted: that it leads to the same
// place ever after, the one case and its history.
func (w *world) outcome(secret, location string) string {
	w.t.Helper()
	again := w.until("/c/"+secret, url.Values{})
	path, _ := strings.CutSuffix(again, "?created=1")
	k, events := w.theCase(path)
	var b strings.Builder
	fmt.Fprintf(&b, "same link %t %q %q %s\n", again == location, k.Title, k.Description, k.State)
	for _, e := range events {
		fmt.Fprintf(&b, "%s %q\n", e.Kind, e.Text)
	}
	fmt.Fprintf(&b, "%d cases", w.cases())
	return b.String()
}

func TestCrashAnywhere_R8(t *testing.T) {
	for _, test := range []struct {
		name string
		run  func(w *world, secret string) string
	}{
		{"a form makes one case and leads to its link", func(w *world, secret string) string {
			return w.outcome(secret, w.until("/c/"+secret, text("Farola", "No funciona")))
		}},
		{"a form sent again with other text adds it once", func(w *world, secret string) string {
			w.until("/c/"+secret, text("Farola", "No funciona"))
			return w.outcome(secret, w.until("/c/"+secret, text("Farola", "Sigue sin funcionar")))
		}},
		{"a message on the tracking page is added once", func(w *world, secret string) string {
			location := w.until("/c/"+secret, text("Farola", "No funciona"))
			path, _ := strings.CutSuffix(location, "?created=1")
			w.until(path+"/messages", url.Values{"text": {"Otra vez"}, "key": {"k-123456789012345678901234"}})
			return w.outcome(secret, location)
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			crashtest.Each(t, runtime.Goexit, func(t *testing.T, p *crashtest.Plan) string {
				w := newWorld(t, func(inner table.Table) table.Table { return crashtest.Table{Table: inner, Plan: p} })
				return test.run(w, w.form("es"))
			})
		})
	}
}

func TestHostileTableMakesOneCase_R8_R15(t *testing.T) {
	const want = `same link true "Farola" "No funciona" new
created ""
message "Farola\n\nSigue sin funcionar"
1 cases`
	for seed := range uint64(20) {
		w := newWorld(t, nil)
		w.portal.Store.Table = tabletest.Hostile(w.table, seed, w.portal.Now, tabletest.Typical())
		secret := w.form("es")
		w.until("/c/"+secret, text("Farola", "No funciona"))
		w.until("/c/"+secret, text("Farola", "Sigue sin funcionar"))
		location := w.until("/c/"+secret, text("Farola", "No funciona"))
		if got := w.outcome(secret, location); got != want {
			t.Errorf("seed %d:\n%s\nwant\n%s", seed, got, want)
		}
	}
}
