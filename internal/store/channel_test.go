package store

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"buzon/internal/desk"
	"buzon/internal/fault"
)

func metaChannel(id, identifier, number, account string) desk.Channel {
	return desk.Channel{
		ID: id, Kind: desk.KindWhatsApp, Provider: desk.ProviderMeta, State: desk.ChannelActive,
		Identifier: identifier, PhoneNumberID: number, AccountID: account,
	}
}

// TestConnectChannel: what leads to a channel follows it through its life.
func TestConnectChannel(t *testing.T) {
	s, _ := openPlain(t)
	c := s.In("acme")
	ctx := t.Context()
	leads := func(why string, number string, of map[string]string) {
		t.Helper()
		for n, want := range map[string]string{"2001": number} {
			if id := got[string](t)(c.ChannelOfNumber(ctx, n)); id != want {
				t.Errorf("%s: number %s leads to %q, want %q", why, n, id, want)
			}
		}
		for account, want := range of {
			ids := got[[]string](t)(c.ChannelsOfAccount(ctx, account))
			var first string
			if len(ids) > 0 {
				first = ids[0]
			}
			if first != want {
				t.Errorf("%s: account %s leads to %q, want %q", why, account, ids, want)
			}
		}
	}
	a := metaChannel("acme-a", "5491", "2001", "1001")
	pending := a
	pending.State = desk.ChannelPending
	must(t, c.ConnectChannel(ctx, desk.Channel{}, pending, nil))
	leads("pending", "", map[string]string{"1001": ""})

	pending.Version, a.Version = 1, 1
	must(t, c.ConnectChannel(ctx, pending, a, nil))
	leads("active", "acme-a", map[string]string{"1001": "acme-a"})

	for why, other := range map[string]desk.Channel{
		"its identifier": metaChannel("acme-b", "5491", "2002", "1001"),
		"its number":     metaChannel("acme-b", "5492", "2001", "1001"),
	} {
		var taken *fault.Input
		if err := c.ConnectChannel(ctx, desk.Channel{}, other, nil); !errors.As(err, &taken) || taken.Problems[0].Code != "taken" {
			t.Errorf("%s: %v", why, err)
		}
	}
	must(t, c.ConnectChannel(ctx, desk.Channel{}, metaChannel("acme-c", "5493", "2003", "1001"), nil))
	if diff := cmp.Diff([]string{"acme-a", "acme-c"}, got[[]string](t)(c.ChannelsOfAccount(ctx, "1001"))); diff != "" {
		t.Error(diff)
	}

	was := got[desk.Channel](t)(c.FreshChannel(ctx, "acme-a"))
	moved := was
	moved.AccountID = "1002"
	must(t, c.ConnectChannel(ctx, was, moved, nil))
	leads("in another account", "acme-a", map[string]string{"1001": "acme-c", "1002": "acme-a"})
	want(t, c.ConnectChannel(ctx, was, moved, nil), fault.Conflict)

	was = got[desk.Channel](t)(c.FreshChannel(ctx, "acme-a"))
	off := was
	off.State = desk.ChannelInactive
	must(t, c.ConnectChannel(ctx, was, off, nil))
	leads("switched off: what comes is recorded", "acme-a", map[string]string{"1002": "acme-a"})

	was = got[desk.Channel](t)(c.FreshChannel(ctx, "acme-a"))
	gone := was
	gone.Deleted = true
	must(t, c.ConnectChannel(ctx, was, gone, nil))
	leads("deleted (Q33)", "", map[string]string{"1002": ""})
	must(t, c.ConnectChannel(ctx, desk.Channel{}, metaChannel("acme-d", "5491", "2001", "1002"), nil))
	leads("its number is another's", "acme-d", map[string]string{"1002": "acme-d"})
}

func TestS3_23ATemplatesNameIsOneOfItsChannelAndLanguage(t *testing.T) {
	s, _ := openPlain(t)
	c := s.In("acme")
	ctx := t.Context()
	must(t, c.CreateTemplate(ctx, desk.Template{ID: "t1", Channel: "a", Language: "es", Name: "aviso", Status: desk.TemplateRejected}, "", nil))
	for why, x := range map[string]struct {
		v     desk.Template
		taken bool
	}{
		"the same, whose first was rejected": {desk.Template{ID: "t2", Channel: "a", Language: "es", Name: "aviso"}, true},
		"another language":                   {desk.Template{ID: "t3", Channel: "a", Language: "en", Name: "aviso"}, false},
		"another channel":                    {desk.Template{ID: "t4", Channel: "b", Language: "es", Name: "aviso"}, false},
		"another name":                       {desk.Template{ID: "t5", Channel: "a", Language: "es", Name: "aviso_2"}, false},
	} {
		var taken *fault.Input
		if err := c.CreateTemplate(ctx, x.v, "", nil); errors.As(err, &taken) != x.taken || !x.taken && err != nil {
			t.Errorf("%s: %v", why, err)
		}
	}
	again := desk.Template{ID: "t6", Channel: "a", Language: "es", Name: "aviso"}
	must(t, c.CreateTemplate(ctx, again, "t1", nil))
	want(t, c.CreateTemplate(ctx, again, "t1", nil), fault.Conflict) // its own write again
	again.ID = "t7"
	want(t, c.CreateTemplate(ctx, again, "t1", nil), fault.Invalid) // the rejected one has lost it already
	if list := got[[]desk.Template](t)(c.FreshTemplates(ctx, "a")); len(list) != 4 {
		t.Errorf("%d templates of the channel, want 4", len(list))
	}
}
