package store

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"buzon/internal/desk"
	"buzon/internal/fault"
	"buzon/internal/table"
	"buzon/internal/table/tabletest"
)

// permutations calls f with every order of v.
func permutations[T any](v []T, f func([]T)) {
	var walk func(int)
	walk = func(n int) {
		if n == len(v) {
			f(slices.Clone(v))
			return
		}
		for i := n; i < len(v); i++ {
			v[n], v[i] = v[i], v[n]
			walk(n + 1)
			v[n], v[i] = v[i], v[n]
		}
	}
	walk(0)
}

// What a provider may tell of one send, in whatever order and however often:
// the highest status counts, and the reason only while it is a failure.
func TestReceiptsOnlyRise(t *testing.T) {
	by := map[string]func(desk.Receipt) desk.Receipt{
		"both ids in every receipt": func(r desk.Receipt) desk.Receipt { r.SendID, r.MessageID = "gs", "wamid"; return r },
		"our own reference":         func(r desk.Receipt) desk.Receipt { r.Ref, r.MessageID = "gs", "wamid"; return r },
		"the id for the send only":  func(r desk.Receipt) desk.Receipt { r.SendID = "gs"; return r },
		"only sent names both; delivered and read the message": func(r desk.Receipt) desk.Receipt {
			r.MessageID = "wamid"
			if r.Status <= desk.SentOut {
				r.SendID = "gs"
			}
			return r
		},
		"only the failure names both": func(r desk.Receipt) desk.Receipt {
			r.MessageID = "wamid"
			if r.Status == desk.Failed {
				r.SendID = "gs"
			}
			return r
		},
		"only read, the highest, names both": func(r desk.Receipt) desk.Receipt {
			r.MessageID = "wamid"
			if r.Status == desk.Read {
				r.SendID = "gs"
			}
			return r
		},
	}
	plain := tabletest.Open(t)
	n := 0
	for why, ids := range by {
		permutations([]desk.Delivery{desk.SentOut, desk.Failed, desk.Delivered, desk.Read}, func(order []desk.Delivery) {
			for told := 1; told <= len(order); told++ { // the rest never comes
				n++
				s, _ := open(plain)
				c := s.In(fmt.Sprint("t", n))
				highest, joined, message := desk.Delivery(0), false, ""
				for _, status := range order[:told] {
					r := ids(desk.Receipt{Channel: "ch", Status: status, At: noon})
					if status == desk.Failed {
						r.Code, r.Reason = "470", "no window"
					}
					must(t, c.SaveReceipt(t.Context(), r))
					must(t, c.SaveReceipt(t.Context(), r)) // the provider says it twice
					highest, joined = max(highest, status), joined || r.Key() == "gs"
					if r.Key() == "gs" && r.MessageID != "" {
						message = r.MessageID
					}
				}
				if !joined {
					highest = 0 // nobody said yet whose message it is
				}
				wanted := Delivered{Status: highest, MessageID: message}
				if highest == desk.Failed {
					wanted.Reason = "no window"
				}
				known := got[map[string]Delivered](t)(c.Deliveries(t.Context(), "ch", []string{"gs", "other"}))
				if known["gs"] != wanted || len(known) > 1 || !joined && len(known) != 0 {
					t.Errorf("%s, %v: %+v, want %+v", why, order[:told], known, wanted)
				}
			}
		})
	}
	if n != len(by)*24*4 {
		t.Errorf("%d orders", n)
	}
}

func TestReceiptReasons(t *testing.T) {
	s, _ := openPlain(t)
	c := s.In("acme")
	for i, e := range []struct {
		r    desk.Receipt
		want Delivered
	}{
		{desk.Receipt{Status: desk.Failed, Code: "1", Reason: "why"}, Delivered{Status: desk.Failed, Reason: "why"}},
		{desk.Receipt{Status: desk.Failed, Code: "1"}, Delivered{Status: desk.Failed, Reason: "1"}},
		{desk.Receipt{Status: desk.Failed}, Delivered{Status: desk.Failed}},
		{desk.Receipt{Status: desk.Accepted, Reason: "not asked"}, Delivered{Status: desk.Accepted}},
	} {
		e.r.Channel, e.r.SendID = "ch", fmt.Sprint(i)
		must(t, c.SaveReceipt(t.Context(), e.r))
		if known := got[map[string]Delivered](t)(c.Deliveries(t.Context(), "ch", []string{e.r.SendID})); known[e.r.SendID] != e.want {
			t.Errorf("%+v: %+v", e.r, known)
		}
	}
	want(t, c.SaveReceipt(t.Context(), desk.Receipt{Channel: "ch", SendID: "x"}), fault.Invalid) // no status
}

func TestDeliveriesOfManySendsAndOfOneChannel(t *testing.T) {
	for _, seed := range seeds {
		s, _, _ := openHostile(t, seed, harsh)
		c := s.In("acme")
		var ids []string
		for i := range table.MaxOps + 7 {
			id := fmt.Sprint("gs", i)
			ids = append(ids, id, id) // asked for twice
			r := desk.Receipt{Channel: "ch", SendID: id, MessageID: "m" + id, Status: desk.SentOut}
			stubborn(t, func() error { return c.SaveReceipt(t.Context(), r) })
			if i%3 == 0 {
				stubborn(t, func() error {
					return c.SaveReceipt(t.Context(), desk.Receipt{Channel: "ch", MessageID: "m" + id, Status: desk.Read})
				})
			}
			stubborn(t, func() error {
				return c.SaveReceipt(t.Context(), desk.Receipt{Channel: "other", SendID: id, MessageID: "m" + id, Status: desk.Delivered})
			})
		}
		known := read(t, func() (map[string]Delivered, error) { return c.Deliveries(t.Context(), "ch", ids) })
		if len(known) != len(ids)/2 {
			t.Errorf("seed %d: %d known", seed, len(known))
		}
		for i := 0; i < len(ids); i += 2 {
			wanted := desk.SentOut
			if i/2%3 == 0 {
				wanted = desk.Read
			}
			if known[ids[i]].Status != wanted {
				t.Errorf("seed %d: %s %s", seed, ids[i], known[ids[i]].Status)
			}
		}
	}
	s, _ := openPlain(t)
	if known := got[map[string]Delivered](t)(s.In("acme").Deliveries(t.Context(), "ch", nil)); len(known) != 0 {
		t.Errorf("nothing asked, %v", known)
	}
}

func TestEnqueuedWindow(t *testing.T) {
	s, ck := openPlain(t)
	c := s.In("acme")
	ctx := t.Context()
	for i, at := range []time.Duration{0, time.Millisecond, time.Second, time.Minute} {
		r := desk.Receipt{Channel: "ch", Destination: "5491", SendID: fmt.Sprint("gs", i), MessageID: "m", Enqueued: true, Status: desk.Accepted, At: noon.Add(at)}
		must(t, c.SaveReceipt(ctx, r))
		r.At = r.At.Add(time.Hour)
		must(t, c.SaveReceipt(ctx, r)) // the provider says it twice: the first time counts
		r.At = noon.Add(at)
		r.Destination, r.SendID = "5492", "to somebody else"
		must(t, c.SaveReceipt(ctx, r))
		r.Destination, r.Channel, r.SendID = "5491", "other", "of another channel"
		must(t, c.SaveReceipt(ctx, r))
	}
	for _, w := range []struct {
		why      string
		from, to time.Duration
		want     string
	}{
		{"all of them, in order", 0, time.Hour, "gs0 gs1 gs2 gs3"},
		{"from is within", time.Millisecond, time.Hour, "gs1 gs2 gs3"},
		{"to is not", 0, time.Minute, "gs0 gs1 gs2"},
		{"a millisecond", time.Second, time.Second + time.Millisecond, "gs2"},
		{"before all", -time.Hour, 0, ""},
		{"after all", time.Hour, 2 * time.Hour, ""},
		{"no time at all", time.Second, time.Second, ""},
		{"the wrong way round", time.Hour, 0, ""},
	} {
		ids := got[[]string](t)(c.Enqueued(ctx, "ch", "5491", noon.Add(w.from), noon.Add(w.to)))
		if strings.Join(ids, " ") != w.want {
			t.Errorf("%s: %q", w.why, ids)
		}
	}
	// It says nothing of delivery.
	if known := got[map[string]Delivered](t)(c.Deliveries(ctx, "ch", []string{"gs0"})); len(known) != 0 {
		t.Errorf("%v", known)
	}
	// Expired rows are not read, though the broom has not come.
	for kept, n := range map[time.Duration]int{EnqueuedKept - time.Second: 4, EnqueuedKept: 0} {
		ck.t = noon.Add(kept)
		if ids := got[[]string](t)(c.Enqueued(ctx, "ch", "5491", noon, noon.Add(time.Hour))); len(ids) != n {
			t.Errorf("%s later: %q", kept, ids)
		}
	}
}

// When one send was acknowledged first, whatever came for others and later.
func TestEnqueuedAt(t *testing.T) {
	s, clock := openPlain(t)
	c := s.In("acme")
	ctx := t.Context()
	enqueued := func(channel, number, id string) {
		must(t, c.SaveReceipt(ctx, desk.Receipt{Channel: channel, SendID: id, Destination: number, Status: desk.Accepted, Enqueued: true, At: clock.Now()}))
	}
	first := clock.Now()
	enqueued("ch", "57", "one")
	clock.advance(time.Minute)
	second := clock.Now()
	enqueued("ch", "57", "one")
	enqueued("ch", "57", "two")
	for _, test := range []struct {
		say, channel, number, id string
		want                     time.Time
	}{
		{"the first acknowledgement counts", "ch", "57", "one", first},
		{"another send", "ch", "57", "two", second},
		{"one that was never acknowledged", "ch", "57", "three", time.Time{}},
		{"another number", "ch", "58", "one", time.Time{}},
		{"another channel", "other", "57", "one", time.Time{}},
	} {
		if at := got[time.Time](t)(c.EnqueuedAt(ctx, test.channel, test.number, test.id)); !at.Equal(test.want) {
			t.Errorf("%s: %v, want %v", test.say, at, test.want)
		}
	}
}

// The cause of a failure is known as long as it is one.
func TestReceiptCauses(t *testing.T) {
	s, _ := openPlain(t)
	c := s.In("acme")
	for _, step := range []struct {
		status desk.Delivery
		want   string
	}{{desk.SentOut, ""}, {desk.Failed, desk.WaitWallet}, {desk.SentOut, desk.WaitWallet}, {desk.Delivered, ""}} {
		r := desk.Receipt{Channel: "ch", SendID: "gs", Status: step.status, Code: "1003", Cause: desk.WaitWallet}
		must(t, c.SaveReceipt(t.Context(), r))
		if d := got[map[string]Delivered](t)(c.Deliveries(t.Context(), "ch", []string{"gs"}))["gs"]; d.Cause != step.want {
			t.Errorf("after %s: %+v", step.status, d)
		}
	}
}

func TestEnqueuedBehindThinPages(t *testing.T) {
	for _, seed := range seeds {
		s, _, _ := openHostile(t, seed, thin)
		c := s.In("acme")
		var ids []string
		for i := range 15 {
			id := fmt.Sprintf("gs%02d", i)
			ids = append(ids, id)
			must(t, c.SaveReceipt(t.Context(), desk.Receipt{Channel: "ch", Destination: "1", SendID: id, Enqueued: true, At: noon}))
		}
		if got := got[[]string](t)(c.Enqueued(t.Context(), "ch", "1", noon, noon.Add(time.Second))); !slices.Equal(got, ids) {
			t.Errorf("seed %d: %q", seed, got)
		}
	}
}

func TestReceiptsExpire(t *testing.T) {
	s, _ := openPlain(t)
	c := s.In("acme")
	must(t, c.SaveReceipt(t.Context(), desk.Receipt{Channel: "ch", SendID: "late", Status: desk.Read}))
	must(t, c.SaveReceipt(t.Context(), desk.Receipt{Channel: "ch", SendID: "late", MessageID: "m", Status: desk.SentOut}))
	must(t, c.SaveReceipt(t.Context(), desk.Receipt{Channel: "ch", SendID: "gs", Destination: "1", Enqueued: true, At: noon}))
	for key, life := range map[table.Key]time.Duration{
		c.receiptKey("ch", "late"):              30 * 24 * time.Hour,
		c.messageOfKey("ch", "late"):            30 * 24 * time.Hour,
		{PK: c.enqueuedPK("ch", "1"), SK: "gs"}: 7 * 24 * time.Hour,
	} {
		items := got[[]table.Item](t)(c.Table.Get(t.Context(), key))
		if !items[0].Expires.Equal(noon.Add(life)) {
			t.Errorf("%v expires %s", key, items[0].Expires)
		}
	}
}

func TestTheNewestConsentWins(t *testing.T) {
	plain := tabletest.Open(t)
	n := 0
	said := []desk.Consent{{OptedIn: true, At: noon}, {OptedIn: false, At: noon.Add(time.Second)}, {OptedIn: true, At: noon.Add(time.Minute)}, {At: time.Time{}}}
	scopes := []desk.ConsentScope{desk.ScopeAll, desk.ScopeMarketing}
	permutations(said, func(order []desk.Consent) {
		for told := 1; told <= len(order); told++ {
			n++
			s, _ := open(plain)
			c := s.In(fmt.Sprint("t", n))
			newest := order[0]
			scope := scopes[n%2]
			for _, v := range order[:told] {
				v.Channel, v.Person, v.Scope = "ch", "1", scope
				must(t, c.SaveConsent(t.Context(), v))
				if v.At.After(newest.At) {
					newest = v
				}
			}
			v := got[desk.Consent](t)(c.Consent(t.Context(), "ch", "1", scope))
			if v.OptedIn != newest.OptedIn || !v.At.Equal(newest.At) || v.Scope != scope {
				t.Errorf("%v: %+v", order[:told], v)
			}
			_, err := c.Consent(t.Context(), "ch", "1", scopes[1-n%2])
			want(t, err, fault.NotFound)
		}
	})
	s, _ := open(plain)
	for _, other := range [][2]string{{"ch", "2"}, {"other", "1"}, {"c", "h1"}} {
		_, err := s.In("t1").Consent(t.Context(), other[0], other[1], desk.ScopeAll)
		want(t, err, fault.NotFound)
	}
}
