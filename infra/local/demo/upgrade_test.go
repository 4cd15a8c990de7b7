package demo

import (
	"errors"
	"path/filepath"
	"testing"
	"time"

	"buzon/internal/desk"
	"buzon/internal/fault"
	"buzon/internal/table"
)

// older makes the folder of an earlier version, whose demo had no channel at Meta.
func (w *world) older(t *testing.T) Plan {
	t.Helper()
	w.now = noon.Add(-time.Hour)
	defer func() { w.now = noon }()
	p, err := w.maker.Plan()
	if err != nil {
		t.Fatal(err)
	}
	p.Demo.Meta = nil
	w.breaker.writes, w.breaker.after = 0, -1
	if err := save(filepath.Join(w.folder, PlanFile), p); err != nil {
		t.Fatal(err)
	}
	if err := Create(t.Context(), w.store, w.secrets, p); err != nil {
		t.Fatal(err)
	}
	for _, c := range []Company{p.Demo, p.Other} { // nor were lists of templates read
		key := table.Key{PK: "T#" + c.Tenant.ID + "#CHANNEL#" + c.Channel.ID, SK: "SYNC"}
		if err := w.breaker.Write(t.Context(), table.Delete(key, 1)); err != nil {
			t.Fatal(err)
		}
	}
	p.Done = true
	if err := save(filepath.Join(w.folder, PlanFile), p); err != nil {
		t.Fatal(err)
	}
	return p
}

// TestAnOlderDemoGetsItsChannelAtMeta at the next start, once, whenever that start
// dies; what its users deleted stays deleted.
func TestAnOlderDemoGetsItsChannelAtMeta(t *testing.T) {
	for _, applied := range []bool{true, false} {
		w := newWorld(t)
		older := w.older(t)
		in := w.store.In("demo")
		gone, err := in.Category(t.Context(), older.Demo.Categories[0].ID)
		if err != nil {
			t.Fatal(err)
		}
		if err := in.DeleteCategory(t.Context(), gone); err != nil {
			t.Fatal(err)
		}
		var first, last Plan
		for deaths := 0; ; deaths++ {
			w.breaker.writes, w.breaker.after, w.breaker.applied = 0, deaths, applied
			p, err := w.ensure(t.Context(), base)
			if deaths == 0 {
				first = p
			}
			if err == nil {
				last = p
				break
			}
			if !errors.Is(err, errDied) || deaths > 10 {
				t.Fatalf("start %d: %v", deaths, err)
			}
		}
		if first.Demo.Meta == nil || last.Demo.Meta.ID != first.Demo.Meta.ID || last.Demo.Meta.AppSecret != first.Demo.Meta.AppSecret || len(last.Demo.Channels()) != 2 {
			t.Errorf("planned %+v, made %+v", first.Demo.Meta, last.Demo.Meta)
		}
		if d := w.file(t); d.Channels["meta"].ID != last.Demo.Meta.ID || d.Channels["whatsapp"].ID != older.Demo.Channel.ID {
			t.Errorf("demo.json: %+v", d.Channels)
		}
		for _, c := range []Company{last.Demo, last.Other} {
			for _, ch := range c.Channels() {
				if sync, err := w.store.In(c.Tenant.ID).ChannelSync(t.Context(), ch.ID); err != nil || sync.Armed.IsZero() {
					t.Errorf("list of templates of %s: %+v, %v", ch.ID, sync, err)
				}
			}
		}
		if ch, err := in.FreshChannel(t.Context(), last.Demo.Meta.ID); err != nil || ch.State != desk.ChannelActive {
			t.Errorf("channel %+v, %v", ch, err)
		}
		if _, err := in.Category(t.Context(), gone.ID); !errors.Is(err, fault.NotFound) {
			t.Errorf("what a user deleted is back: %v", err)
		}
		again, err := w.ensure(t.Context(), base)
		if err != nil || again.Demo.Meta.ID != last.Demo.Meta.ID {
			t.Errorf("the start after: %+v, %v", again.Demo.Meta, err)
		}
	}
}

// TestAnOlderDemoWhoseNumberIsTaken starts all the same, without that channel.
func TestAnOlderDemoWhoseNumberIsTaken(t *testing.T) {
	w := newWorld(t)
	w.older(t)
	in := w.store.In("demo")
	own := desk.Channel{ID: "demo-own", Kind: desk.KindWhatsApp, Provider: desk.ProviderGupshup, State: desk.ChannelActive, Identifier: metaNumber, CreatedAt: noon}
	if err := in.ConnectChannel(t.Context(), desk.Channel{}, own, nil); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		p, err := w.ensure(t.Context(), base)
		if err != nil || len(p.Demo.Channels()) != 1 {
			t.Fatalf("%d channels, %v", len(p.Demo.Channels()), err)
		}
		if _, there := w.file(t).Channels["meta"]; there {
			t.Error("demo.json tells of it")
		}
		if _, err := in.FreshChannel(t.Context(), p.Demo.Meta.ID); !errors.Is(err, fault.NotFound) {
			t.Errorf("the channel: %v", err)
		}
	}
}
