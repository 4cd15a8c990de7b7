package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"buzon/internal/bot"
	"buzon/internal/cloud"
	"buzon/internal/desk"
	"buzon/internal/link"
	"buzon/internal/queue"
	"buzon/internal/store"
)

// sample is an event of events/ and what the function has to answer to it.
type sample struct {
	function, event string
	status          int  // of an HTTP answer; 0: it is none
	body            bool // whether it has one
	nothing         bool // the answer is null
	damaged         bool // its records came again and again, and plain text in them is long
}

// often is how often a record was received that has to be handled alone, and long
// is a text that does not fit an item of the quarantine.
const often = "40"

var long = strings.Repeat("x", 100_000)

// samples: a function that takes in, one of a queue and one that is read from; then
// what no play comes to, since it takes a bad day: records that cannot be read and
// came again and again, a dead letter and timers that are due.
var samples = []sample{
	{function: "WebhookFunction", event: "webhook/gupshup-v2-text.json", status: 200},
	{function: "InboundFunction", event: "inbound/message.json"},
	{function: "InboundFunction", event: "inbound/message.json"}, // a copy, which finds the turn made
	{function: "ApiFunction", event: "api/health.json", status: 200, body: true},
	{function: "InboundFunction", event: "inbound/not-json.json", damaged: true},
	{function: "OutboundFunction", event: "inbound/not-json.json", damaged: true},
	{function: "ApprovalsFunction", event: "inbound/not-json.json", damaged: true},
	{function: "ClockFunction", event: "clock/every-minute.json", nothing: true},
}

// invoke calls functions with sam local invoke, each in a container of its own
// call, and checks what they answer.
func invoke(ctx, hurry context.Context) error {
	s, err := read(os.Getenv)
	if err != nil {
		return err
	}
	log := slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: s.LogLevel}))
	g, err := prepare(ctx, s, log)
	if err != nil {
		return err
	}
	err = g.environments(ctx, map[string]string{"PUBLIC_URL": "http://127.0.0.1:3000"})
	if err == nil {
		err = g.sampleCompany(ctx)
	}
	for _, one := range samples {
		if err == nil {
			err = g.timed(one.function, func(ctx context.Context) error { return g.invokeWith(ctx, one) })(ctx)
		}
	}
	return errors.Join(err, g.close(hurry))
}

func (g *ground) invokeWith(ctx context.Context, one sample) error {
	event, err := g.event(one)
	if err != nil {
		return err
	}
	out, err := g.cli.Run(ctx, g.in("invoke.log"), g.local("local", "invoke", one.function, "--event", event)...)
	if err != nil {
		return err
	}
	if err := one.check(out); err != nil {
		return fmt.Errorf("%s with %s: %w; see %s", one.function, one.event, err, g.in("invoke.log"))
	}
	return nil
}

// event is the file of a sample's event.
func (g *ground) event(one sample) (string, error) {
	path := filepath.Join(g.checkout, "events", filepath.FromSlash(one.event))
	if !one.damaged {
		return path, nil
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return "", err
	}
	count, plain := regexp.MustCompile(`("ApproximateReceiveCount":\s*)"[0-9]+"`), regexp.MustCompile(`("body":\s*)"[^"\\]*"`)
	if !count.Match(data) || !plain.Match(data) {
		return "", fmt.Errorf("%s: no record with plain text in it", path)
	}
	data = count.ReplaceAll(data, []byte(`${1}"`+often+`"`))
	own := g.in("event.json")
	return own, os.WriteFile(own, plain.ReplaceAll(data, []byte(`${1}"`+long+`"`)), 0o600)
}

// check tells what is wrong with an answer.
func (s sample) check(out []byte) error {
	if s.nothing {
		if string(bytes.TrimSpace(out)) != "null" {
			return fmt.Errorf("answer %.200q, not null", out)
		}
		return nil
	}
	var answer struct {
		Status   int    `json:"statusCode"`
		Body     string `json:"body"`
		Problem  string `json:"errorMessage"`
		Failures *[]any `json:"batchItemFailures"`
	}
	if err := json.Unmarshal(bytes.TrimSpace(out), &answer); err != nil {
		return fmt.Errorf("answer %.200q cannot be read", out)
	}
	switch {
	case answer.Problem != "":
		return fmt.Errorf("it ended with an error: %s", answer.Problem)
	case s.status == 0 && (answer.Failures == nil || len(*answer.Failures) > 0):
		return fmt.Errorf("answer %s, not that all records are done", bytes.TrimSpace(out))
	case s.status != answer.Status:
		return fmt.Errorf("status %d, not %d", answer.Status, s.status)
	case s.status != 0 && s.body != (answer.Body != ""):
		return fmt.Errorf("a body of %d bytes", len(answer.Body))
	}
	return nil
}

// sampleCompany makes the company and the channel that the events name, and what
// the clock finds. The
// channel's secret opens nothing else.
func (g *ground) sampleCompany(ctx context.Context) error {
	at := g.engines.Settings()
	c := cloud.New(func(name string) string { return at[name] }, g.log)
	in, now := c.Store().In("demo"), time.Now().UTC()
	settings := bot.DefaultSettings("es")
	settings.AnonymousUser = "anonymous"
	dead := c.Queue("INBOUND_DEAD")
	conv := desk.Conversation{ID: store.ConversationID("demo-samples", "12025550144"), Channel: "demo-samples", Person: "12025550144", StateSince: now}
	if err := c.Err(); err != nil {
		return err
	}
	sync := in.ChannelTimer(store.WakeSync, "demo-samples", 0, now)
	return errors.Join(
		dead.Send(ctx, queue.Message{Group: "dead", Dedup: "dead", Body: []byte(long)}),
		in.SaveConversation(ctx, conv, in.NewTimer(store.WakeOutbound, conv, now)),
		link.Ensure(ctx, c.Secrets()),
		in.MakeTenant(ctx, desk.Tenant{ID: "demo", Name: "Ciudad de Ejemplo", CreatedAt: now}),
		in.SaveBot(ctx, settings),
		in.SaveChannelSync(ctx, "demo-samples", desk.ChannelSync{Armed: sync.Due}, sync),
		in.ConnectChannel(ctx, desk.Channel{}, desk.Channel{
			ID: "demo-samples", Kind: "whatsapp", Provider: "gupshup", State: desk.ChannelActive, Identifier: "12025550100", App: "BuzonDemo",
			SecretHash: store.SecretHash("samples-webhook-secret"), CreatedAt: now,
		}, nil),
	)
}
