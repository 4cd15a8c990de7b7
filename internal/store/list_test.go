package store

import (
	"cmp"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"buzon/internal/desk"
	"buzon/internal/fault"
	"buzon/internal/table"
	"buzon/internal/table/tabletest"
)

// walk reads a list to its end and gives the ids in the order in which they came.
func walk[T any](tb testing.TB, limit int, id func(T) string, list func(limit int, cursor string) ([]T, string, error)) []string {
	tb.Helper()
	var out []string
	cursor := ""
	for range 10_000 {
		items, next, err := list(limit, cursor)
		if errors.Is(err, fault.Busy) {
			continue
		}
		must(tb, err)
		if len(items) > limit {
			tb.Fatalf("%d items of at most %d", len(items), limit)
		}
		if next != "" && len(items) < limit {
			tb.Fatalf("a page of %d of %d with a cursor", len(items), limit)
		}
		for _, v := range items {
			out = append(out, id(v))
		}
		if next == "" {
			return out
		}
		cursor = next
	}
	tb.Fatal("the list never ends")
	return nil
}

// randomCases are cases of every state, many with equal times.
func randomCases(seed uint64, n int) []desk.Case {
	r := rand.New(rand.NewPCG(seed, 7))
	at := func() time.Time { return noon.Add(time.Duration(r.IntN(n/2+1)) * time.Minute) }
	var out []desk.Case
	for i := range n {
		states := desk.CaseStates()
		k := desk.Case{
			ID: fmt.Sprintf("c%03d", (i*17)%n), State: states[r.IntN(len(states))], Project: fmt.Sprint("p", r.IntN(2)),
			Source: []string{desk.SourceWeb, desk.SourceWhatsApp}[r.IntN(2)], Title: fmt.Sprint("Bache ", r.IntN(5)), CreatedAt: at(),
		}
		k.ChangedAt = k.CreatedAt.Add(time.Duration(r.IntN(5)) * time.Minute)
		if !k.State.Open() {
			k.ClosedAt = at()
		}
		out = append(out, k)
	}
	return out
}

// inOrder are the ids of the cases that a filter keeps, as Cases is to give them.
func inOrder(all []desk.Case, f CaseFilter) []string {
	kept := slices.DeleteFunc(slices.Clone(all), func(k desk.Case) bool { return !f.keeps(k) })
	slices.SortFunc(kept, func(a, b desk.Case) int {
		if a.State.Open() != b.State.Open() {
			if a.State.Open() {
				return -1
			}
			return 1
		}
		x, y := a.ChangedAt, b.ChangedAt
		if !a.State.Open() {
			x, y = a.ClosedAt, b.ClosedAt
		}
		return cmp.Or(y.Compare(x), strings.Compare(b.ID, a.ID))
	})
	var ids []string
	for _, k := range kept {
		ids = append(ids, k.ID)
	}
	return ids
}

func caseID(k desk.Case) string { return k.ID }

func TestCasesAreGivenOnceAndInOrder(t *testing.T) {
	filters := []CaseFilter{
		{}, {State: desk.CaseNew}, {State: desk.CaseClosed}, {State: desk.CaseResolved}, {Project: "p1"}, {Source: desk.SourceWeb},
		{Text: "BACHE 3"}, {Text: "c001"}, {State: desk.CaseWaiting, Project: "p0"}, {Project: "nowhere"},
	}
	for _, seed := range seeds {
		s, ck, h := openHostile(t, seed, thin)
		c := s.In("acme")
		n := int(seed) * 7
		all := randomCases(seed, n)
		for _, k := range all {
			must(t, c.Table.Write(t.Context(), table.Create(c.caseItem(k))))
		}
		ck.advance(tabletest.IndexLag) // the index has caught up
		for _, f := range filters {
			for _, limit := range []int{1, 2, 3, 7, n, n + 1, 100} {
				list := func(limit int, cursor string) ([]desk.Case, string, error) {
					return c.Cases(t.Context(), f, limit, cursor)
				}
				if diff := gocmp.Diff(inOrder(all, f), walk(t, limit, caseID, list)); diff != "" {
					t.Errorf("seed %d, %+v, by %d: %s", seed, f, limit, diff)
				}
			}
		}
		if h.Hits()["short"] == 0 || h.Hits()["empty"] == 0 {
			t.Errorf("seed %d: no thin page: %v", seed, h.Hits())
		}
	}
}

func TestCaseTextFindsReferenceTitleAndDescription(t *testing.T) {
	k := desk.Case{Reference: "K3F9-2QXM", Title: "Árbol caído", Description: "En la PLAZA"}
	for text, found := range map[string]bool{
		"": true, "k3f9": true, "2QXM": true, "árbol": true, "ÁRBOL": true, "plaza": true, "arbol": false, "zz": false,
	} {
		if got := (CaseFilter{Text: text}).keeps(k); got != found {
			t.Errorf("%q: %t", text, got)
		}
	}
}

func TestConversationsAreGivenOnceAndInOrder(t *testing.T) {
	for _, seed := range seeds {
		s, ck, _ := openHostile(t, seed, thin)
		c := s.In("acme")
		r := rand.New(rand.NewPCG(seed, 9))
		n := int(seed) * 6
		var all []desk.Conversation
		for i := range n {
			v := desk.Conversation{
				ID: fmt.Sprintf("v%03d", i), Channel: fmt.Sprint("ch", r.IntN(2)), Contact: fmt.Sprint("p", r.IntN(3)),
				LastMessageAt: noon.Add(time.Duration(r.IntN(n)) * time.Second), StateSince: noon.Add(time.Duration(r.IntN(n)) * time.Second),
			}
			switch r.IntN(3) {
			case 0:
				v.Dialogue = []byte(`{}`)
			case 1:
				v.Wait, v.Unsent = &desk.Wait{Cause: desk.WaitWallet}, []desk.Unsent{{Turn: "t", First: 1, Last: 1}}
			}
			all = append(all, v)
			must(t, c.SaveConversation(t.Context(), v))
		}
		ck.advance(tabletest.IndexLag)
		for _, f := range []ConversationFilter{
			{}, {State: desk.ConversationActive}, {State: desk.ConversationWaiting}, {State: desk.ConversationIdle},
			{Channel: "ch1"}, {Contact: "p2"}, {Channel: "ch0", State: desk.ConversationIdle}, {Contact: "nobody"},
		} {
			kept := slices.DeleteFunc(slices.Clone(all), func(v desk.Conversation) bool {
				return f.Channel != "" && v.Channel != f.Channel || f.Contact != "" && v.Contact != f.Contact || f.State != "" && v.State() != f.State
			})
			slices.SortFunc(kept, func(a, b desk.Conversation) int {
				ai, bi := a.State() == desk.ConversationIdle, b.State() == desk.ConversationIdle
				switch {
				case ai && bi:
					return cmp.Or(b.StateSince.Compare(a.StateSince), strings.Compare(b.ID, a.ID))
				case ai:
					return 1
				case bi:
					return -1
				}
				return cmp.Or(b.LastMessageAt.Compare(a.LastMessageAt), strings.Compare(b.ID, a.ID))
			})
			var ids []string
			for _, v := range kept {
				ids = append(ids, v.ID)
			}
			for _, limit := range []int{1, 2, 5, n, 100} {
				list := func(limit int, cursor string) ([]desk.Conversation, string, error) {
					return c.Conversations(t.Context(), f, limit, cursor)
				}
				if diff := gocmp.Diff(ids, walk(t, limit, func(v desk.Conversation) string { return v.ID }, list)); diff != "" {
					t.Errorf("seed %d, %+v, by %d: %s", seed, f, limit, diff)
				}
			}
		}
	}
}

// R4: display is in provider-time order, oldest first.
func TestR4HistoryIsInTheProvidersOrder(t *testing.T) {
	for _, seed := range seeds {
		s, ck, _ := openHostile(t, seed, thin)
		c := s.In("acme")
		r := rand.New(rand.NewPCG(seed, 11))
		var all []desk.Turn
		for i := range 25 {
			turn := desk.Turn{ID: fmt.Sprintf("t%02d", i), Conversation: "co", At: noon.Add(time.Duration(r.IntN(10)) * time.Second), Made: noon}
			all = append(all, turn)
			putTurn(t, c, turn)
		}
		putTurn(t, c, desk.Turn{ID: "x", Conversation: "other", At: noon})
		ck.advance(tabletest.IndexLag)
		slices.SortFunc(all, func(a, b desk.Turn) int { return cmp.Or(a.At.Compare(b.At), strings.Compare(a.ID, b.ID)) })
		var ids []string
		for _, v := range all {
			ids = append(ids, v.ID)
		}
		for _, limit := range []int{1, 2, 24, 25, 26} {
			list := func(limit int, cursor string) ([]desk.Turn, string, error) {
				return c.History(t.Context(), "co", limit, cursor)
			}
			if diff := gocmp.Diff(ids, walk(t, limit, func(v desk.Turn) string { return v.ID }, list)); diff != "" {
				t.Errorf("seed %d by %d: %s", seed, limit, diff)
			}
		}
	}
}

// The plain lists, newest first, with what each leaves out.
func TestPlainLists(t *testing.T) {
	for _, seed := range seeds {
		s, ck, _ := openHostile(t, seed, thin)
		c := s.In("acme")
		ctx := t.Context()
		for i := range 12 {
			id, odd := fmt.Sprintf("i%02d", i), i%2 == 1
			must(t, c.SaveChannel(ctx, desk.Channel{ID: id, Kind: map[bool]string{true: "viber", false: "whatsapp"}[odd], State: desk.ChannelActive, Deleted: i == 4}, nil))
			must(t, c.SaveTemplate(ctx, desk.Template{ID: id, Channel: map[bool]string{true: "ch1", false: "ch0"}[odd], Active: i > 5}, nil))
			must(t, c.SaveClient(ctx, desk.Client{}, desk.Client{ID: id, Name: "Ana " + id, UserName: "u" + id, Email: "x@y", Phone: fmt.Sprint(500 + i)}, nil))
			must(t, c.SaveSpecialist(ctx, desk.Specialist{}, desk.Specialist{ID: id, Name: "Eva", UserName: "s" + id}, nil))
			token := desk.Token{ID: id, Specialist: "sp"}
			if i == 3 {
				token.RevokedAt = noon
			}
			must(t, c.SaveToken(ctx, token, nil))
			q := desk.Quarantined{ID: id, ReceivedAt: noon.Add(-time.Duration(i) * time.Second)}
			must(t, c.Quarantine(ctx, q))
			if odd {
				q = got[desk.Quarantined](t)(c.Quarantined(ctx, id))
				must(t, c.MarkReplayed(ctx, q))
			}
		}
		ck.advance(tabletest.IndexLag)
		for _, l := range []struct {
			why  string
			want string
			list func(limit int, cursor string) ([]string, string, error)
		}{
			{"channels, but for the deleted (Q33)", "11 10 09 08 07 06 05 03 02 01 00", idsOf(func(limit int, cursor string) ([]desk.Channel, string, error) {
				return c.Channels(ctx, "", "", limit, cursor)
			}, func(v desk.Channel) string { return v.ID })},
			{"S3-10: channels by kind and state", "10 08 06 02 00", idsOf(func(limit int, cursor string) ([]desk.Channel, string, error) {
				return c.Channels(ctx, "whatsapp", desk.ChannelActive, limit, cursor)
			}, func(v desk.Channel) string { return v.ID })},
			{"channels in a state that none has", "", idsOf(func(limit int, cursor string) ([]desk.Channel, string, error) {
				return c.Channels(ctx, "", desk.ChannelInactive, limit, cursor)
			}, func(v desk.Channel) string { return v.ID })},
			{"S3-18: templates of one channel only", "11 09 07 05 03 01", idsOf(func(limit int, cursor string) ([]desk.Template, string, error) {
				return c.TemplateList(ctx, "ch1", everything[desk.Template], limit, cursor)
			}, func(v desk.Template) string { return v.ID })},
			{"S3-19: templates that are active", "11 09 07", idsOf(func(limit int, cursor string) ([]desk.Template, string, error) {
				return c.TemplateList(ctx, "ch1", func(v desk.Template) bool { return v.Active }, limit, cursor)
			}, func(v desk.Template) string { return v.ID })},
			{"clients", "11 10 09 08 07 06 05 04 03 02 01 00", idsOf(func(limit int, cursor string) ([]desk.Client, string, error) {
				return c.Clients(ctx, "", limit, cursor)
			}, func(v desk.Client) string { return v.ID })},
			{"clients by a part of their phone", "11 10", idsOf(func(limit int, cursor string) ([]desk.Client, string, error) {
				return c.Clients(ctx, "51", limit, cursor)
			}, func(v desk.Client) string { return v.ID })},
			{"clients by their name in capitals", "07", idsOf(func(limit int, cursor string) ([]desk.Client, string, error) {
				return c.Clients(ctx, "ANA I07", limit, cursor)
			}, func(v desk.Client) string { return v.ID })},
			{"specialists by user name", "11 10", idsOf(func(limit int, cursor string) ([]desk.Specialist, string, error) {
				return c.Specialists(ctx, "si1", limit, cursor)
			}, func(v desk.Specialist) string { return v.ID })},
			{"S5-18, S5-19: tokens that are not revoked", "11 10 09 08 07 06 05 04 02 01 00", idsOf(func(limit int, cursor string) ([]desk.Token, string, error) {
				return c.Tokens(ctx, "sp", limit, cursor)
			}, func(v desk.Token) string { return v.ID })},
			{"tokens of somebody else", "", idsOf(func(limit int, cursor string) ([]desk.Token, string, error) {
				return c.Tokens(ctx, "s", limit, cursor)
			}, func(v desk.Token) string { return v.ID })},
			{"quarantine by when it came", "00 01 02 03 04 05 06 07 08 09 10 11", idsOf(func(limit int, cursor string) ([]desk.Quarantined, string, error) {
				return c.QuarantineList(ctx, "", limit, cursor)
			}, func(v desk.Quarantined) string { return v.ID })},
			{"quarantine that is held", "00 02 04 06 08 10", idsOf(func(limit int, cursor string) ([]desk.Quarantined, string, error) {
				return c.QuarantineList(ctx, desk.Held, limit, cursor)
			}, func(v desk.Quarantined) string { return v.ID })},
		} {
			for _, limit := range []int{1, 2, 5, 6, 12, 100} {
				got := strings.Join(walk(t, limit, func(id string) string { return strings.TrimPrefix(id, "i") }, l.list), " ")
				if got != l.want {
					t.Errorf("seed %d: %s, by %d: %s", seed, l.why, limit, got)
				}
			}
		}
	}
}

func idsOf[T any](list func(int, string) ([]T, string, error), id func(T) string) func(int, string) ([]string, string, error) {
	return func(limit int, cursor string) ([]string, string, error) {
		items, next, err := list(limit, cursor)
		var ids []string
		for _, v := range items {
			ids = append(ids, id(v))
		}
		return ids, next, err
	}
}

// More open cases than are read whole: the rest follows, oldest last, and
// nothing is missing.
func TestMoreOpenItemsThanAreReadWhole(t *testing.T) {
	for _, seed := range seeds[:2] {
		for most := 1; most <= 12; most++ {
			s, ck, _ := openHostile(t, seed, thin)
			c := s.In("acme")
			for i := range 9 { // open; the number tells when it was made, the letter that it changed the other way round
				k := desk.Case{ID: fmt.Sprint("o", i), State: desk.CaseNew, CreatedAt: noon.Add(time.Duration(i) * time.Minute)}
				k.ChangedAt = noon.Add(time.Duration(100-i) * time.Minute)
				must(t, c.Table.Write(t.Context(), table.Create(c.caseItem(k))))
			}
			for i := range 3 {
				k := desk.Case{ID: fmt.Sprint("x", i), State: desk.CaseClosed, ClosedAt: noon.Add(time.Duration(i) * time.Minute)}
				must(t, c.Table.Write(t.Context(), table.Create(c.caseItem(k))))
			}
			ck.advance(tabletest.IndexLag)
			l := lister[desk.Case]{
				live: []string{c.pk("CASES", "open")}, past: c.pk("CASES", "closed"), most: most, keep: everything[desk.Case],
				recent: func(k desk.Case) (time.Time, string) { return k.ChangedAt, k.ID },
			}
			// The newest made are sorted by change, the others follow as they were made.
			var ids []string
			for i := max(0, 9-most); i < 9; i++ {
				ids = append(ids, fmt.Sprint("o", i))
			}
			for i := 8 - most; i >= 0; i-- {
				ids = append(ids, fmt.Sprint("o", i))
			}
			ids = append(ids, "x2", "x1", "x0")
			for _, limit := range []int{1, 2, 3, 9, 12, 13} {
				read := func(limit int, cursor string) ([]desk.Case, string, error) {
					return list(t.Context(), c.Table, l, limit, cursor)
				}
				if diff := gocmp.Diff(ids, walk(t, limit, caseID, read)); diff != "" {
					t.Errorf("seed %d, %d whole, by %d: %s", seed, most, limit, diff)
				}
			}
		}
	}
}

func TestMaxLiveIsReadWhole(t *testing.T) {
	s, _ := openPlain(t)
	c := s.In("acme")
	var ops []table.Op
	for i := range MaxLive + 1 { // the oldest changed last
		k := desk.Case{ID: fmt.Sprintf("k%04d", i), State: desk.CaseNew, CreatedAt: noon.Add(time.Duration(i) * time.Second)}
		k.ChangedAt = noon.Add(time.Duration(5000-i) * time.Second)
		ops = append(ops, table.Create(c.caseItem(k)))
	}
	for chunk := range slices.Chunk(ops, table.MaxOps) {
		must(t, c.Table.Write(t.Context(), chunk...))
	}
	ids := walk(t, 100, caseID, func(limit int, cursor string) ([]desk.Case, string, error) {
		return c.Cases(t.Context(), CaseFilter{}, limit, cursor)
	})
	if len(ids) != MaxLive+1 || ids[0] != "k0001" || ids[MaxLive-1] != "k1000" || ids[MaxLive] != "k0000" {
		t.Errorf("%d cases, first %s, then %s and %s", len(ids), ids[0], ids[MaxLive-1], ids[MaxLive])
	}
}

// A filter that keeps little ends a page early, with a cursor, and finds the
// rest afterwards.
func TestAPageLooksThroughAboutMaxScan(t *testing.T) {
	s, _ := openPlain(t)
	c := s.In("acme")
	const n = MaxScan + 2*scanPage
	var ops []table.Op
	for i := range n {
		k := desk.Case{ID: fmt.Sprintf("k%05d", i), State: desk.CaseClosed, ClosedAt: noon.Add(time.Duration(i) * time.Second)}
		if i == 0 {
			k.Title = "the oldest"
		}
		ops = append(ops, table.Create(c.caseItem(k)))
	}
	for chunk := range slices.Chunk(ops, table.MaxOps) {
		must(t, c.Table.Write(t.Context(), chunk...))
	}
	first, next, err := c.Cases(t.Context(), CaseFilter{Text: "oldest"}, 10, "")
	must(t, err)
	if len(first) != 0 || next == "" {
		t.Fatalf("%d items, cursor %q", len(first), next)
	}
	second, next, err := c.Cases(t.Context(), CaseFilter{Text: "oldest"}, 10, next)
	must(t, err)
	if len(second) != 1 || next != "" {
		t.Errorf("%d items, cursor %q", len(second), next)
	}
}
