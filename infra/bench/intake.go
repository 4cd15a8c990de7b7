package main

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"time"

	"buzon/internal/channel"
	"buzon/internal/channel/gupshup"
	"buzon/internal/desk"
	"buzon/internal/pipeline"
	secrets "buzon/internal/secret/embedded"
	"buzon/internal/store"
)

// intakeRounds times so many webhooks are taken in, in turns with the floor.
const (
	intakeRounds   = 15
	intakeWebhooks = 5000
)

// measureIntake measures the processor time of taking in a webhook of 3 KB, from
// its bytes to the queue: address, channel (kept from before), parsing, sealing,
// and a queue that takes it at once (goal 7). The floor does what nobody can do
// without: read it, decode it into structs, check a signature, write it again.
func measureIntake(ctx context.Context, b *bench) (section, error) {
	s := section{
		Name: "intake", Title: "processor time of taking in a webhook of 3 KB",
		Head: []string{"", "µs", "middle half", "× floor", "bytes allocated", "allocations"},
	}
	body := message(1)
	handler, err := sinkWebhook(ctx, b.folder)
	if err != nil {
		return s, err
	}
	rows := []struct {
		name string
		f    func() error
		took sample
		last work
	}{
		{name: "floor: read, json.Unmarshal, hmac, json.Marshal", f: func() error { return takeBare(body) }},
		{name: fmt.Sprintf("webhook, %d bytes", len(body)), f: func() error { return takeIn(ctx, handler, body) }},
	}
	rounds, n := intakeRounds, intakeWebhooks
	if b.quick {
		rounds, n = 1, 10
	}
	for range rounds {
		for i := range rows {
			w, err := run(n, rows[i].f)
			if err != nil {
				return s, err
			}
			rows[i].took, rows[i].last = append(rows[i].took, w.cpu), w
		}
	}
	floor, webhook := rows[0].took, rows[1].took
	for _, r := range rows {
		s.Rows = append(s.Rows, []string{
			r.name, us(r.took.median()), us(r.took.quantile(0.25)) + "–" + us(r.took.quantile(0.75)), short(r.took.against(floor)),
			fmt.Sprint(r.last.bytes), fmt.Sprint(r.last.allocs),
		})
	}
	s.Data = map[string]sample{"floor": floor, "webhook": webhook}
	s.Goals = []goal{atMost(7, "CPU of taking in a webhook of 3 KB", float64(webhook.median())/float64(time.Microsecond), 60, "µs")}
	return s, nil
}

func us(d time.Duration) string { return fmt.Sprintf("%.1f", float64(d)/float64(time.Microsecond)) }

// sinkWebhook is the webhook over a table in memory and queues that keep nothing.
func sinkWebhook(ctx context.Context, folder string) (http.Handler, error) {
	kept, err := secrets.Open(folder + "/intake-secrets.json")
	if err != nil {
		return nil, err
	}
	st := &store.Store{Table: newMemoryTable(), Now: time.Now, NewID: store.IDs(time.Now, rand.NewChaCha8([32]byte{})), CacheFor: time.Hour}
	if err := found(ctx, st, kept); err != nil {
		return nil, err
	}
	mux := http.NewServeMux()
	w := &pipeline.Webhook{
		Store: st, Inbound: sink{}, Approvals: sink{}, Providers: map[string]channel.Provider{"gupshup": gupshup.Provider{Now: time.Now}},
		Now: time.Now, RealNow: time.Now, Log: slog.New(slog.DiscardHandler),
	}
	w.Routes(mux)
	return mux, nil
}

func takeIn(ctx context.Context, h http.Handler, body []byte) error {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, webhookPath, bytes.NewReader(body))
	if err != nil {
		return err
	}
	rec := httptest.NewRecorder()
	h.ServeHTTP(rec, r)
	if rec.Code != http.StatusOK {
		return fmt.Errorf("webhook answered %d", rec.Code)
	}
	return nil
}

// bareBody is what the floor decodes a webhook into.
type bareBody struct {
	App   string `json:"gs_app_id"`
	Entry []struct {
		ID      string `json:"id"`
		Changes []struct {
			Field string `json:"field"`
			Value struct {
				Product  string `json:"messaging_product"`
				Metadata struct {
					Display string `json:"display_phone_number"`
					PhoneID string `json:"phone_number_id"`
				} `json:"metadata"`
				Contacts []struct {
					Profile struct {
						Name string `json:"name"`
					} `json:"profile"`
					Person string `json:"wa_id"`
				} `json:"contacts"`
				Messages []struct {
					From string `json:"from"`
					ID   string `json:"id"`
					At   string `json:"timestamp"`
					Type string `json:"type"`
					Text struct {
						Body string `json:"body"`
					} `json:"text"`
				} `json:"messages"`
			} `json:"value"`
		} `json:"changes"`
	} `json:"entry"`
}

// takeBare is the floor.
func takeBare(body []byte) error {
	raw, err := io.ReadAll(bytes.NewReader(body))
	if err != nil {
		return err
	}
	mac := hmac.New(sha256.New, []byte(pathSecret))
	mac.Write(raw)
	mac.Sum(nil)
	var b bareBody
	if err := json.Unmarshal(raw, &b); err != nil {
		return err
	}
	out, err := json.Marshal(desk.Incoming{
		Channel: line.ID, ProviderID: b.Entry[0].Changes[0].Value.Messages[0].ID, Person: b.Entry[0].Changes[0].Value.Messages[0].From,
		Content: desk.Content{Type: desk.Text, Text: b.Entry[0].Changes[0].Value.Messages[0].Text.Body},
	})
	if err == nil && len(out) == 0 {
		err = io.ErrUnexpectedEOF
	}
	return err
}
