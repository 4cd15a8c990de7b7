package simulator

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"buzon/internal/channel"
	"buzon/internal/channel/gupshup"
	"buzon/internal/channel/meta"
)

// stateOf is the state of a template in the provider's list; empty: it is not in it.
func (w *world) stateOf(t *testing.T, provider, id string) string {
	t.Helper()
	v, ok, err := w.Phones.TemplateOf(provider, id)
	if err != nil {
		t.Fatal(err)
	}
	if !ok {
		return ""
	}
	return v.State
}

// TestAVerdictChangesTheListAndIsPosted: both documented shapes, known words and one
// of tomorrow.
func TestAVerdictChangesTheListAndIsPosted(t *testing.T) {
	provider := gupshup.Provider{Now: func() time.Time { return noon }}
	for _, status := range []string{"approved", "rejected", "paused", "disabled", "in_appeal", "pending", "half_baked", "deleted"} {
		w := newWorld(t)
		code, body := w.call("POST", "/simulator/gupshup/templates/t-1/verdict", `{"status":"`+status+`","reason":"INVALID_FORMAT"}`)
		if code != 202 || strings.TrimSpace(body) != `{"callback":200,"status":200}` || len(w.webhooks) != 1 {
			t.Fatalf("%s: %d %s, webhooks %v", status, code, body, w.webhooks)
		}
		batch := provider.Parse(channelOf(w.Lines[0]), []byte(w.webhooks[0]))
		if batch.Rejected != "" || len(batch.Verdicts) != 1 {
			t.Fatalf("%s: read as %+v", status, batch)
		}
		v := batch.Verdicts[0]
		if v.ProviderID != "t-1" || v.State != status || v.Name != "create_case" || v.Language != "es" || (v.Reason == "") != (status == "approved") {
			t.Errorf("%s: read as %+v", status, v)
		}
		if typed := strings.Contains(w.webhooks[0], "status-update"); typed == (status == "approved" || status == "rejected") {
			t.Errorf("%s: posted as %s", status, w.webhooks[0])
		}
		want := status
		if status == "deleted" {
			want = ""
		}
		if got := w.stateOf(t, "gupshup", "t-1"); got != want {
			t.Errorf("%s: the list says %q", status, got)
		}
	}
}

func TestAVerdictOfMetaIsSigned(t *testing.T) {
	w := newWorld(t)
	provider := meta.Provider{Now: func() time.Time { return noon }}
	code, body := w.call("POST", "/simulator/meta/templates/500000000000001/verdict", `{"status":"rejected","reason":"Está mal"}`)
	if code != 202 || len(w.webhooks) != 1 {
		t.Fatalf("%d %s, webhooks %v", code, body, w.webhooks)
	}
	header := http.Header{meta.SignatureHeader: {w.signed[0]}}
	if !provider.Verify(channel.Credentials{AppSecret: "app-secret"}, header, []byte(w.webhooks[0])) || strings.Contains(w.webhooks[0], "á") {
		t.Errorf("posted %s with %s", w.webhooks[0], w.signed[0])
	}
	batch := provider.Parse(channelOf(w.Lines[1]), []byte(w.webhooks[0]))
	if batch.Rejected != "" || len(batch.Changes) != 1 || len(batch.Changes[0].Verdicts) != 1 || batch.Changes[0].Account != "100000000000101" {
		t.Fatalf("read as %+v", batch)
	}
	if v := batch.Changes[0].Verdicts[0]; v.ProviderID != "500000000000001" || v.State != "rejected" || v.Reason != "Está mal" || !v.At.Equal(noon) {
		t.Errorf("read as %+v", v)
	}
	if got := w.stateOf(t, "meta", "500000000000001"); got != "rejected" {
		t.Errorf("the list says %q", got)
	}
}

func TestVerdictsThatAreSilentForgedOrOfNobody(t *testing.T) {
	for _, c := range []struct {
		sentence, path, body string
		status               int
		answer               string // of a 202
		posted               int
		list                 string // what it says of t-1 then
	}{
		{"silent: the list alone", "gupshup/templates/t-1", `{"status":"paused","silent":true}`, 202, `{"callback":null,"status":null}`, 0, "paused"},
		{"forged: the webhook alone", "gupshup/templates/t-1", `{"status":"paused","forged":true}`, 202, `{"callback":200,"status":200}`, 1, "approved"},
		{"both", "gupshup/templates/t-1", `{"status":"paused","forged":true,"silent":true}`, 422, "", 0, "approved"},
		{"a template that only the system knows", "gupshup/templates/t-old", `{"status":"paused"}`, 202, `{"callback":200,"status":200}`, 1, "approved"},
		{"a template of an app of no line", "gupshup/templates/t-far", `{"status":"approved"}`, 202, `{"callback":null,"status":null}`, 0, "approved"},
		{"an unknown template", "gupshup/templates/t-2", `{"status":"approved"}`, 404, "", 0, "approved"},
		{"a template of another provider", "meta/templates/t-1", `{"status":"paused"}`, 404, "", 0, "approved"},
		{"an unknown provider", "viber/templates/t-1", `{"status":"paused"}`, 404, "", 0, "approved"},
		{"a state that is no word", "gupshup/templates/t-1", `{"status":"Great!"}`, 422, "", 0, "approved"},
		{"the longest word", "gupshup/templates/t-1", `{"status":"` + strings.Repeat("a", 32) + `"}`, 202, `{"callback":200,"status":200}`, 1, strings.Repeat("a", 32)},
		{"a longer word", "gupshup/templates/t-1", `{"status":"` + strings.Repeat("a", 33) + `"}`, 422, "", 0, "approved"},
		{"no state", "gupshup/templates/t-1", `{}`, 422, "", 0, "approved"},
		{"an unknown field", "gupshup/templates/t-1", `{"status":"approved","x":1}`, 422, "", 0, "approved"},
	} {
		t.Run(c.sentence, func(t *testing.T) {
			w := newWorld(t)
			if err := w.Phones.AddTemplate(Template{Provider: "gupshup", Account: "far", ID: "t-far", Name: "x", Language: "es", State: "pending"}); err != nil {
				t.Fatal(err)
			}
			status, body := w.call("POST", "/simulator/"+c.path+"/verdict", c.body)
			if status != c.status || c.answer != "" && strings.TrimSpace(body) != c.answer {
				t.Errorf("%d %s, want %d %s", status, body, c.status, c.answer)
			}
			if got := w.stateOf(t, "gupshup", "t-1"); len(w.webhooks) != c.posted || got != c.list {
				t.Errorf("%d webhooks, the list says %q; want %d, %q", len(w.webhooks), got, c.posted, c.list)
			}
		})
	}
}

// TestSeedsComeOnce: what was decided or deleted stays so over a restart; texts are
// renewed.
func TestSeedsComeOnce(t *testing.T) {
	w := newWorld(t)
	for id, state := range map[string]string{"t-1": "paused", "t-img": "deleted"} {
		if _, ok, err := w.Phones.Judge("gupshup", id, state, "", noon); err != nil || !ok {
			t.Fatal(ok, err)
		}
	}
	again := slices.Clone(w.Options.Templates)
	again[0].Body = "Otro texto."
	if err := w.Phones.Seed(again); err != nil {
		t.Fatal(err)
	}
	all, err := w.Phones.Templates(func(v Template) bool { return v.Provider == "gupshup" })
	if err != nil || len(all) != 1 || all[0].ID != "t-1" || all[0].State != "paused" || all[0].Body != "Otro texto." {
		t.Errorf("%+v, %v", all, err)
	}
}

func TestTheReviewerSeesWhatWaitsFirst(t *testing.T) {
	w := newWorld(t)
	made, err := w.gupshup().Submit(t.Context(), w.account(), plainTemplate("nueva"))
	if err != nil {
		t.Fatal(err)
	}
	status, body := w.call("GET", "/simulator/templates", "")
	var page struct{ Items []reviewItem }
	if err := json.Unmarshal([]byte(body), &page); status != 200 || err != nil || len(page.Items) != 4 {
		t.Fatalf("%d %s %v", status, body, err)
	}
	if got := page.Items[0]; got.ID != made.ProviderID || got.State != "pending" || got.Channel != "Ciudad +12025550100 (Gupshup)" || fmt.Sprint(got.Buttons) != "[Sí No]" {
		t.Errorf("first %+v", got)
	}
}

// gupshup is the system's own client, and account the channel that it speaks for.
func (w *world) gupshup() gupshup.Provider {
	return gupshup.Provider{
		BaseURL: gupshup.BaseURL, Now: func() time.Time { return noon }, HTTP: &http.Client{Transport: Direct{w.Gupshup()}},
	}
}

func (w *world) account() channel.Account {
	return channel.Account{Channel: channelOf(w.Lines[0]), Credentials: channel.Credentials{APIKey: "k1"}}
}
