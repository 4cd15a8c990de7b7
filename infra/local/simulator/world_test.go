package simulator

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"buzon/internal/desk"
	"buzon/internal/fault"
)

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

const person = "12025550111"

// world is a simulator with a system that only notes the webhooks it gets.
type world struct {
	*Simulator
	mux *http.ServeMux

	mu       sync.Mutex
	webhooks []string // the bodies, as they came
	signed   []string // the signature of each
	status   int      // of the webhook's answer
	moved    time.Duration
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{status: http.StatusOK, mux: http.NewServeMux()}
	system := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil || r.Header.Get("Content-Type") != "application/json" {
			t.Errorf("webhook: %v, content type %q", err, r.Header.Get("Content-Type"))
		}
		w.mu.Lock()
		defer w.mu.Unlock()
		w.webhooks, w.signed = append(w.webhooks, string(body)), append(w.signed, r.Header.Get("X-Hub-Signature-256"))
		rw.WriteHeader(w.status)
	}))
	t.Cleanup(system.Close)
	phones, err := OpenLog(filepath.Join(t.TempDir(), "simulator.db"), true)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := phones.Close(); err != nil {
			t.Error(err)
		}
	})
	w.Simulator, err = New(Options{
		Lines: []Line{
			{
				ID: "demo-1", Key: "whatsapp", Provider: "gupshup", Company: "Ciudad", App: "BuzonDemo", AppID: "22222222-0000-4000-8000-000000000001", APIKey: "k1",
				Identifier: "12025550100", PhoneNumberID: "200000000000001", WebhookURL: system.URL + "/webhooks/gupshup/demo-1/s",
			},
			{
				ID: "demo-3", Key: "meta", Provider: "meta", Company: "Ciudad", Identifier: "12025550101", PhoneNumberID: "200000000000101",
				AccountID: "100000000000101", AccessToken: "EAA-1", AppSecret: "app-secret", WebhookURL: system.URL + "/webhooks/whatsapp/demo-3",
			},
			{ID: "other-1", Key: "whatsapp", Provider: "gupshup", Company: "Tienda", App: "BuzonOther", AppID: "other-app", APIKey: "k2", Identifier: "12025550150", WebhookURL: system.URL},
		},
		People: []Person{{person, "Ana", "registered"}},
		Phones: phones,
		Log:    slog.New(slog.DiscardHandler),
		Now:    func() time.Time { return noon },
		Channel: func(_ context.Context, id string) (desk.Channel, error) {
			switch id {
			case "demo-2":
				return desk.Channel{ID: id, Provider: "gupshup", App: "Another"}, nil
			case "demo-4":
				return desk.Channel{ID: id, Provider: "meta", PhoneNumberID: "200000000000104"}, nil
			}
			return desk.Channel{}, fmt.Errorf("channel: %w", fault.NotFound)
		},
		Templates: []Template{
			{
				Provider: "gupshup", Account: "22222222-0000-4000-8000-000000000001", ID: "t-1", Name: "create_case", Language: "es",
				Category: "utility", Type: "text", Body: "Su caso de {{1}} y {{2}}.", State: "approved", CreatedAt: noon, ChangedAt: noon,
				Buttons: []TemplateButton{{Type: "URL", Text: "Abrir", URL: "http://public.example/c/{{1}}"}},
			},
			{
				Provider: "gupshup", Account: "22222222-0000-4000-8000-000000000001", ID: "t-img", Name: "foto", Language: "es",
				Category: "marketing", Type: "image", Body: "Mire.", State: "approved", CreatedAt: noon, ChangedAt: noon,
				Buttons: []TemplateButton{{Type: "QUICK_REPLY", Text: "Me interesa"}, {Type: "QUICK_REPLY", Text: "No"}},
			},
			{
				Provider: "meta", Account: "100000000000101", ID: "500000000000001", Name: "aviso", Language: "es",
				Category: "utility", Type: "text", Body: "Hola {{1}}.", State: "approved", CreatedAt: noon, ChangedAt: noon,
				Buttons: []TemplateButton{{Type: "QUICK_REPLY", Text: "Gracias"}},
			},
		},
		Template: func(_ context.Context, line Line, id string) (desk.Template, error) {
			if line.ID != "demo-1" || id != "t-old" {
				return desk.Template{}, fmt.Errorf("template: %w", fault.NotFound)
			}
			return desk.Template{ProviderID: id, Name: "vieja", Language: "es", Body: "Antes."}, nil
		},
		PublicURL: "http://public.example",
		Clock:     func() time.Time { return noon.Add(w.moved) },
		Advance: func(_ context.Context, d time.Duration) (time.Time, error) {
			w.moved += d
			return noon.Add(w.moved), nil
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	w.Routes(w.mux)
	return w
}

// call makes a request as a script at this machine does.
func (w *world) call(method, path, body string, headers ...string) (int, string) {
	r := httptest.NewRequest(method, "http://127.0.0.1:3000"+path, strings.NewReader(body))
	r.RemoteAddr = "127.0.0.1:50000"
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	rec := httptest.NewRecorder()
	w.mux.ServeHTTP(rec, r)
	return rec.Code, rec.Body.String()
}

// problems are the fields and codes of a problem body.
func problems(t *testing.T, body string) string {
	t.Helper()
	var p struct {
		Errors []struct{ Field, Code string }
	}
	if err := json.Unmarshal([]byte(body), &p); err != nil {
		t.Fatalf("problem %q: %v", body, err)
	}
	var all []string
	for _, e := range p.Errors {
		all = append(all, e.Field+" "+e.Code)
	}
	return strings.Join(all, ", ")
}

// send sends as the system does.
func (w *world) send(path, key, message string, form ...string) (int, string) {
	field := "message"
	if path == PathTemplate {
		field = "template"
	}
	values := map[string][]string{
		"channel": {"whatsapp"}, "source": {"12025550100"}, "destination": {person}, "src.name": {"BuzonDemo"}, field: {message},
	}
	for i := 0; i+1 < len(form); i += 2 {
		values[form[i]] = []string{form[i+1]}
		if form[i+1] == "" {
			delete(values, form[i])
		}
	}
	r, err := http.NewRequest(http.MethodPost, "https://api.gupshup.io"+path, strings.NewReader(encode(values)))
	if err != nil {
		panic(err)
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("apikey", key)
	answer, err := Direct{w.Gupshup()}.RoundTrip(r)
	if err != nil {
		panic(err)
	}
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		panic(err)
	}
	return answer.StatusCode, string(body)
}
