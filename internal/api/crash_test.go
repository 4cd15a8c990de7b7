package api

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"runtime"
	"strings"
	"testing"
	"time"

	"buzon/internal/crashtest"
	"buzon/internal/desk"
	"buzon/internal/queue/queuetest"
	"buzon/internal/secret"
	"buzon/internal/store"
	"buzon/internal/table/tabletest"
)

// crashing makes everything that the API does an effect of the plan, until the
// function that it gives is called.
func (w *working) crashing(p *crashtest.Plan) (calm func()) {
	tab, outbound, blobs := w.api.Store.Table, w.api.Outbound, w.api.Blobs
	w.api.Store.Table = crashtest.Table{Table: tab, Plan: p}
	w.api.Inbound = crashtest.Queue{Name: "inbound", Queue: w.inbound, Plan: p}
	w.api.Outbound = crashtest.Queue{Name: "outbound", Queue: outbound, Plan: p}
	w.api.Approvals = crashtest.Queue{Name: "approvals", Queue: w.approvals, Plan: p}
	w.api.Secrets = crashtest.Secrets{Store: w.secrets, Plan: p}
	w.api.Blobs = crashtest.Blobs{Store: blobs, Plan: p}
	return func() {
		w.api.Store.Table, w.api.Inbound, w.api.Outbound, w.api.Approvals = tab, w.inbound, outbound, w.approvals
		w.api.Secrets, w.api.Blobs = w.secrets, blobs
	}
}

// until makes a call again and again, as a program does that gets an error or no
// answer, until it was done: by this call, or as the answer tells by one before.
func (w *working) until(method, path, body string, headers ...string) {
	w.t.Helper()
	for range 50 {
		var a answer
		done := make(chan struct{})
		go func() {
			defer close(done)
			a = w.do(w.admin, method, path, body, headers...)
		}()
		<-done
		switch {
		case a.status/100 == 2:
			return
		case a.get("code") == "not_pending" && strings.HasSuffix(path, "/approval"), a.status == 404 && method == "DELETE":
			return
		case a.status != 0 && a.status < 500:
			w.t.Errorf("%s %s: %d %s", method, path, a.status, a.text)
			return
		}
	}
	w.t.Errorf("%s %s: never done", method, path)
}

// settle does what the stages behind the queues and the clock do of what was left,
// and tells what they were asked for.
func (w *working) settle(id string) string {
	w.t.Helper()
	ctx := w.t.Context()
	asked := map[string]bool{}
	end := func() error {
		asked["end"] = true
		return store.Retry(func() error { _, err := w.demo.EndInteractions(ctx, id, "", w.now(), w.now()); return err })
	}
	take := func(q *queuetest.Memory) [][]byte {
		var all [][]byte
		for {
			got := must(q.Receive(ctx, 1, time.Hour))
			if len(got) == 0 {
				return all
			}
			all = append(all, got[0].Body)
			check(w.t, q.Delete(ctx, got[0].Receipt))
		}
	}
	for _, body := range take(w.inbound) {
		var e struct{ Body desk.InboundEvent }
		check(w.t, json.Unmarshal(body, &e))
		asked["freed"] = asked["freed"] || e.Body.Freed == id
		if e.Body.Ended == id {
			check(w.t, end())
		}
	}
	for _, body := range take(w.approvals) {
		asked["sync"] = asked["sync"] || strings.Contains(string(body), `"channel":"`+id+`"`)
	}
	check(w.t, w.api.Store.DueTimers(ctx, w.now().Add(3*time.Minute), func(t store.Timer) error {
		switch {
		case t.Channel == id && t.Stage == store.WakeEnding:
			return end()
		case t.Channel == id && t.Stage == store.WakeSync:
			asked["sync"] = true
		}
		return nil
	}))
	return fmt.Sprintf("end %t, freed %t, sync %t", asked["end"], asked["freed"], asked["sync"])
}

// outcome is what matters of a channel after a call, however often it was made.
func (w *working) outcome(id string) string {
	w.t.Helper()
	ctx := w.t.Context()
	asked := w.settle(id)
	ch := must(w.demo.FreshChannel(ctx, id))
	wait := must(w.demo.ChannelWait(ctx, id))
	return fmt.Sprintf("%s %q, deleted %t, ended %t, number %q, app %q, %d queues, waits %q\ncredentials %s\nasked to %s\ncases %s\nsecrets %s",
		ch.State, ch.Cause, ch.Deleted, !ch.EndedAt.IsZero(), ch.Identifier, ch.AppID, len(ch.Queues), wait.Cause, w.kept(id), asked, w.states(), w.afterANextCall(id))
}

// crashCalls are the calls of which each effect may go wrong.
var crashCalls = []struct {
	name string
	call func(w *working) (id string, do func())
}{
	{"an approval", func(w *working) (string, func()) {
		id := w.make("/v1/channels", requestBody)
		return id, func() { w.until("POST", "/v1/channels/"+id+"/approval", gupshupBody) }
	}},
	{"switching off", func(w *working) (string, func()) {
		return w.one, func() { w.until("PUT", "/v1/channels/"+w.one+"/state", `{"state":"inactive"}`) }
	}},
	{"switching on", func(w *working) (string, func()) {
		w.ok(200, "PUT", "/v1/channels/"+w.two+"/state", `{"state":"inactive"}`)
		return w.two, func() { w.until("PUT", "/v1/channels/"+w.two+"/state", `{"state":"active"}`) }
	}},
	{"a deletion", func(w *working) (string, func()) {
		return w.one, func() { w.until("DELETE", "/v1/channels/"+w.one, "") }
	}},
	{"new credentials", func(w *working) (string, func()) {
		was := must(w.demo.FreshChannel(w.t.Context(), w.one))
		was.State, was.Cause = desk.ChannelInterrupted, desk.WaitCredential
		check(w.t, w.demo.SaveChannel(w.t.Context(), was, nil))
		check(w.t, w.demo.SaveChannelWait(w.t.Context(), w.one, store.StoredWait{Wait: desk.Wait{Cause: desk.WaitCredential}}))
		return w.one, func() {
			w.until("PUT", "/v1/channels/"+w.one+"/credentials", `{"credentials":{"app_id":"app-2","api_key":"key-2"}}`)
		}
	}},
}

// TestCrashAnywhere: whatever effect of a call is refused, lost, or the last one of
// the process, the call made again and the stages behind it end in the same state.
func TestCrashAnywhere(t *testing.T) {
	for _, c := range crashCalls {
		t.Run(c.name, func(t *testing.T) {
			crashtest.Each(t, runtime.Goexit, func(t *testing.T, p *crashtest.Plan) string {
				w := newWorking(seed(t))
				id, do := c.call(w)
				w.settle(id)
				calm := w.crashing(p)
				do()
				calm()
				return w.outcome(id)
			})
		})
	}
}

// TestSendingAFileCrashesAnywhere: a call with a file, made again with its key until it
// is answered, sends one message, which has the file as it was checked and is looked at.
func TestSendingAFileCrashesAnywhere_S3_33(t *testing.T) {
	crashtest.Each(t, runtime.Goexit, func(t *testing.T, p *crashtest.Plan) string {
		w := &working{seeded: seed(t)}
		files, outbound, _ := withFiles(w.seeded)
		v := must(w.demo.Template(t.Context(), w.template))
		v.Type = desk.TemplateImage
		check(t, w.demo.SaveTemplate(t.Context(), v, nil))
		form := w.ok(201, "POST", "/v1/uploads", `{"kind":"image","name":"oferta.png","content_type":"image/png"}`)
		if status := upload(t, files, form, png(1000)); status != http.StatusNoContent {
			t.Fatal(status)
		}
		calm := w.crashing(p)
		w.until("POST", "/v1/templates/"+w.template+"/messages", `{"number":"+573009990000","params":{"1":"x"},"upload":"`+form.id()+`"}`, "Idempotency-Key: k1")
		calm()
		conv := must(w.demo.Conversation(t.Context(), store.ConversationID(w.channel, "573009990000")))
		woken := len(queued[desk.Wake](t, outbound, desk.StageOutbound)) > 0
		check(t, w.api.Store.DueTimers(t.Context(), w.now().Add(wakeAfter+time.Minute), func(t store.Timer) error {
			woken = woken || t.Stage == store.WakeOutbound && t.Conversation == conv.ID
			return nil
		}))
		end := fmt.Sprintf("unsent %d, last %d, woken %t", len(conv.Unsent), conv.LastNumber, woken)
		for _, u := range conv.Unsent {
			media := must(w.demo.Turns(t.Context(), conv.ID, u.Turn))[0].Replies[0].Media
			f, _, err := w.api.Blobs.Get(t.Context(), media.Blob)
			check(t, err)
			raw := must(io.ReadAll(f))
			check(t, f.Close())
			end += fmt.Sprintf("\n%s %s as it was checked: %t", media.Kind, media.Name, bytes.Equal(raw, png(1000)))
		}
		return end
	})
}

// TestHostileTable_R15: a table that is busy, late and loses answers ends in the same
// state.
func TestHostileTable_R15(t *testing.T) {
	for _, c := range crashCalls {
		end := func(hostile bool, chance uint64) string {
			w := newWorking(seed(t))
			id, do := c.call(w)
			w.settle(id)
			kind := w.api.Store.Table
			if hostile {
				w.api.Store.Table = tabletest.Hostile(kind, chance, w.now, tabletest.Typical())
			}
			do()
			w.api.Store.Table = kind
			return w.outcome(id)
		}
		want := end(false, 0)
		for chance := range uint64(8) {
			if got := end(true, chance); got != want {
				t.Errorf("%s, seed %d:\n%s\nundisturbed\n%s", c.name, chance, got, want)
			}
		}
	}
}

// TestLateConsequencesAreNotAnswered: what fails after a channel was switched off is
// logged, and ended by the timer.
func TestLateConsequencesAreNotAnswered(t *testing.T) {
	w := newWorking(seed(t))
	w.settle(w.one)
	w.api.Inbound = crashtest.Queue{Queue: w.inbound, Plan: &crashtest.Plan{Faults: map[int]crashtest.Mode{0: crashtest.Refuse}}}
	w.ok(200, "PUT", "/v1/channels/"+w.one+"/state", `{"state":"inactive"}`)
	if !strings.Contains(w.log.String(), "end of a channel not queued") {
		t.Errorf("log: %s", w.log)
	}
	if got := w.settle(w.one); got != "end true, freed false, sync false" {
		t.Errorf("asked to %s", got)
	}
}

var errNoSecrets = errors.New("secrets: connection refused")

type noSecrets struct{ secret.Store }

func (noSecrets) Put(context.Context, string, string) error     { return errNoSecrets }
func (noSecrets) Get(context.Context, string) (string, error)   { return "", errNoSecrets }
func (noSecrets) Fresh(context.Context, string) (string, error) { return "", errNoSecrets }
func (noSecrets) Delete(context.Context, string) error          { return errNoSecrets }
func (noSecrets) Create(context.Context, string, string) error  { return errNoSecrets }

// TestNoSecrets: without a place for credentials no channel begins to work.
func TestNoSecrets(t *testing.T) {
	w := newWorking(seed(t))
	id := w.make("/v1/channels", requestBody)
	w.api.Secrets = noSecrets{}
	for call, body := range map[string]string{
		"POST /v1/channels/" + id + "/approval":       gupshupBody,
		"PUT /v1/channels/" + w.one + "/credentials":  `{"credentials":{"api_key":"x"}}`,
		"DELETE /v1/channels/" + w.two:                "",
		"DELETE /v1/channels/" + w.two + "?again=yes": "",
	} {
		method, path, _ := strings.Cut(call, " ")
		if a := w.do(w.admin, method, path, body); a.status != 500 {
			t.Errorf("%s: %d %s", call, a.status, a.text)
		}
	}
	if ch := must(w.demo.FreshChannel(t.Context(), id)); ch.State != desk.ChannelPending || ch.Version != 1 {
		t.Errorf("stored %+v", ch)
	}
}
