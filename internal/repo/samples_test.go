package repo

import (
	"bytes"
	"encoding/json"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// samples are what each file of events/ does on a fresh system: what the function
// answers, then what it left behind; see [sampleWorld.left].
var samples = map[string]string{
	"webhook/gupshup-v2-text":           "200; inbound: message text Hola, ¿me ayudan? 👋",
	"webhook/gupshup-v2-text-base64":    "200; inbound: message text Café con ñ",
	"webhook/gupshup-v2-list-reply":     "200; inbound: message list_reply Reportar un daño",
	"webhook/gupshup-v2-delivered":      "200; written",
	"webhook/gupshup-v2-failed":         "200; written; inbound: failure 1002",
	"webhook/gupshup-v2-opted-out":      "200; inbound: consent false",
	"webhook/gupshup-v2-ping":           "200",
	"webhook/gupshup-v3-text":           "200; inbound: message text Hola",
	"webhook/gupshup-v3-two-people":     "200; inbound: message text Hola; inbound: message text Buenos días",
	"webhook/gupshup-template-rejected": "200; approvals: rejected",
	"webhook/gupshup-v2-quick-reply":    "200; inbound: message quick_reply Confirmar",
	"webhook/meta-handshake":            "200",
	"webhook/meta-text":                 "200; inbound: message text ¿Hola? 👋",
	"webhook/meta-marketing-stopped":    "200; inbound: consent false marketing",
	"webhook/meta-wrong-signature":      "401",
	"webhook/meta-another-number":       "200; written; quarantined: webhook other_app",
	"webhook/meta-template-rejected":    "200; approvals: rejected",
	"webhook/function-url":              "200; inbound: message text Hola",
	"webhook/wrong-secret":              "404",
	"webhook/not-json":                  "200; written; quarantined: webhook not_json",
	"webhook/get":                       "405",

	"inbound/message":            "all done; written; outbound: wake",
	"inbound/two-of-one-group":   "all done; written; outbound: wake; outbound: wake",
	"inbound/same-message-twice": "all done; written; outbound: wake; outbound: wake",
	"inbound/unknown-version":    "all done; written; outbound: wake; quarantined: inbound unknown_version",
	"inbound/not-json":           "all done; written; outbound: wake; quarantined at the system: inbound not_json",
	"inbound/other-stage":        "all done; written; outbound: wake; quarantined: inbound wrong_stage",
	"inbound/failed-delivery":    "all done; written",
	"inbound/quick-reply":        "all done; written",
	"inbound/opted-out":          "all done; written",
	"inbound/marketing-stopped":  "all done; written",
	"inbound/channel-ended":      "all done",
	"inbound/channel-freed":      "all done; outbound: wake",
	"inbound/early-timer":        "all done",

	"outbound/wake":           "all done; written; 3 sent to 12025550199",
	"outbound/wake-of-nobody": "all done",

	"approvals/rejected":         "all done; written",
	"approvals/submit":           "all done; written; 1 sent to aviso",
	"approvals/submit-nothing":   "all done",
	"approvals/sync":             "all done; written",
	"approvals/unknown-template": "all done; written; quarantined: approvals template_unknown",

	"clock/every-minute": "done; written; outbound: wake; quarantined: approvals dead_letter",

	"portal/form":               "200 text/html; charset=utf-8 es",
	"portal/form-in-english":    "200 text/html; charset=utf-8 en",
	"portal/form-sent":          "303 /t/demo-…?created=1; written",
	"portal/form-sent-base64":   "303 /t/demo-…?created=1; written",
	"portal/form-without-title": "422 text/html; charset=utf-8 pt",
	"portal/form-used":          "200 text/html; charset=utf-8 es",
	"portal/form-unknown":       "404 text/html; charset=utf-8 es",
	"portal/tracking":           "200 text/html; charset=utf-8 es",
	"portal/tracking-message":   "303 /t/demo-…; written",
	"portal/asset-unknown":      "404 text/html; charset=utf-8 es",

	"api/channel-requested":  "201 application/json; written",
	"api/channel-off":        "200 application/json; written; inbound: ended demo-samples",
	"api/template-requested": "201 application/json; written; approvals: submit",
	"api/template-refused":   "422 application/problem+json",
	"api/template-sent":      "201 application/json; written; outbound: wake",
	"api/upload":             "201 application/json; written",
	"api/workspace":          "200 application/json",
	"api/me":                 "200 application/json",
	"api/cases":              "200 application/json",
	"api/project-made":       "201 application/json; written",
	"api/without-token":      "401 application/problem+json",
	"api/unknown":            "404 application/problem+json",
	"api/health":             "200 application/json",
	"api/docs":               "200 text/html; charset=utf-8 en",
	"api/description":        "200 application/yaml",
	"api/root":               "302 /docs",

	"admin/tenant":  "made acme; written",
	"admin/check":   "nothing is missing",
	"admin/unknown": `command "drop": invalid`,
}

// TestSamples: every file of events/ is what its function takes, and does what
// the list above says.
func TestSamples(t *testing.T) {
	left := maps.Clone(samples)
	for _, name := range sampleFiles(t) {
		if name == "env" {
			continue
		}
		want, known := left[name]
		delete(left, name)
		t.Run(name, func(t *testing.T) {
			if !known {
				t.Fatal("nobody says what it does")
			}
			raw, err := os.ReadFile(filepath.Join(root, "events", filepath.FromSlash(name)+".json"))
			if err != nil {
				t.Fatal(err)
			}
			stage, _, _ := strings.Cut(name, "/")
			w := newSampleWorld(t)
			answer := w.run(stage, raw)
			if d := cmp.Diff(want, strings.Join(append([]string{answer}, w.left()...), "; ")); d != "" {
				t.Errorf("wanted (-), did (+):\n%s", d)
			}
		})
	}
	for name := range left {
		t.Errorf("events/%s.json is not there", name)
	}
}

// sampleFiles are the files of events/, "webhook/get".
func sampleFiles(t *testing.T) []string {
	t.Helper()
	var out []string
	err := fs.WalkDir(os.DirFS(filepath.Join(root, "events")), ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		name, ok := strings.CutSuffix(path, ".json")
		if !ok {
			t.Errorf("events/%s is no JSON", path)
		}
		out = append(out, name)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// TestSampleSettings: events/env.json sets exactly what each function declares.
func TestSampleSettings(t *testing.T) {
	raw, err := os.ReadFile(filepath.Join(root, "events/env.json"))
	if err != nil {
		t.Fatal(err)
	}
	var all map[string]map[string]string
	if err := strictly(raw, &all); err != nil {
		t.Fatal(err)
	}
	for _, f := range readInstallation(t).lambdas() {
		declared := f.settings()
		delete(declared, "GOMAXPROCS")
		delete(declared, "GOGC")
		if got := slices.Sorted(maps.Keys(all[f.id])); !slices.Equal(got, declared.names()) {
			t.Errorf("%s declares %v, events/env.json sets %v", f.id, declared.names(), got)
		}
		delete(all, f.id)
	}
	for id := range all {
		t.Errorf("events/env.json sets something for %s, which is no function", id)
	}
}

// strictly reads all of raw, and nothing that v has no place for.
func strictly(raw []byte, v any) error {
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.DisallowUnknownFields()
	return dec.Decode(v)
}
