package store

import (
	"fmt"
	"testing"

	"buzon/internal/desk"
	"buzon/internal/table"
)

// TestChannelStatuses: of more channels than one read takes, each with its own.
func TestChannelStatuses(t *testing.T) {
	s, _ := openPlain(t)
	c := s.In("acme")
	ctx := t.Context()
	ids := make([]string, table.MaxOps/2+1)
	for i := range ids {
		ids[i] = fmt.Sprint("acme-", i)
	}
	for _, i := range []int{0, len(ids) - 1} {
		must(t, c.SaveChannelSync(ctx, ids[i], desk.ChannelSync{Seen: i + 1}))
		must(t, c.SaveChannelWait(ctx, ids[i], StoredWait{Wait: desk.Wait{Cause: fmt.Sprint("w", i)}}))
	}
	all := got[map[string]ChannelStatus](t)(c.ChannelStatuses(ctx, ids...))
	if len(all) != len(ids) {
		t.Errorf("%d statuses of %d channels", len(all), len(ids))
	}
	for i, id := range ids {
		seen, cause := 0, ""
		if i == 0 || i == len(ids)-1 {
			seen, cause = i+1, fmt.Sprint("w", i)
		}
		if v := all[id]; v.Sync.Seen != seen || v.Wait.Cause != cause || v.Wait.Version != v.Sync.Version {
			t.Errorf("%s: %+v", id, v)
		}
	}
}

// TestPresent: of more things than one read takes, which there are.
func TestPresent(t *testing.T) {
	s, _ := openPlain(t)
	c := s.In("acme")
	ctx := t.Context()
	must(t, c.SaveQueue(ctx, desk.Queue{}, desk.Queue{ID: "q100", Name: "a"}, nil))
	must(t, c.SaveCampaign(ctx, desk.Campaign{}, desk.Campaign{ID: "c100", Name: "a"}, nil))
	ids := func(prefix string) []string {
		all := make([]string, table.MaxOps+1)
		for i := range all {
			all[i] = fmt.Sprint(prefix, i)
		}
		return all
	}
	for what, there := range map[string]map[string]bool{
		"q100": got[map[string]bool](t)(c.HasQueues(ctx, ids("q")...)),
		"c100": got[map[string]bool](t)(c.HasCampaigns(ctx, ids("c")...)),
		"none": got[map[string]bool](t)(c.HasSpecialists(ctx, ids("q")...)),
	} {
		for id, is := range there {
			if is != (id == what) {
				t.Errorf("%s: %s is there: %t", what, id, is)
			}
		}
	}
	if there := got[map[string]bool](t)(s.In("other").HasQueues(ctx, "q100")); there["q100"] {
		t.Error("another company has it")
	}
}

// TestSaveQueueWithChannels: the queue and the channels that change with it are
// written together or not at all, and what is kept of the channels is forgotten.
func TestSaveQueueWithChannels(t *testing.T) {
	s, _ := openPlain(t)
	c := s.In("acme")
	ctx := t.Context()
	ch := desk.Channel{ID: "acme-1", Kind: desk.KindWhatsApp, State: desk.ChannelActive}
	must(t, c.SaveChannel(ctx, ch, nil))
	_ = got[desk.Channel](t)(c.Channel(ctx, ch.ID))
	stale := ch
	ch.Version, ch.Queues = 1, []string{"q"}
	v := desk.Queue{ID: "q", Name: "a"}
	if err := c.SaveQueue(ctx, desk.Queue{}, v, nil, stale); err == nil {
		t.Error("a channel at an old version was written")
	}
	if there := got[map[string]bool](t)(c.HasQueues(ctx, "q")); there["q"] {
		t.Error("the queue was written without its channel")
	}
	must(t, c.SaveQueue(ctx, desk.Queue{}, v, nil, ch))
	if is := got[desk.Channel](t)(c.Channel(ctx, ch.ID)); is.Version != 2 || len(is.Queues) != 1 {
		t.Errorf("the channel is %+v", is)
	}
}
