package store

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"buzon/internal/desk"
	"buzon/internal/fault"
	"buzon/internal/table"
)

// busyAt refuses the n-th call, from 0.
type busyAt struct {
	table.Table
	n int
}

func (b *busyAt) refuse() error {
	if b.n--; b.n == -1 {
		return fmt.Errorf("table: throttled: %w", fault.Busy)
	}
	return nil
}

func (b *busyAt) Get(ctx context.Context, keys ...table.Key) ([]table.Item, error) {
	if err := b.refuse(); err != nil {
		return nil, err
	}
	return b.Table.Get(ctx, keys...)
}

func (b *busyAt) Query(ctx context.Context, q table.Q) (table.Page, error) {
	if err := b.refuse(); err != nil {
		return table.Page{}, err
	}
	return b.Table.Query(ctx, q)
}

func (b *busyAt) Write(ctx context.Context, ops ...table.Op) error {
	if err := b.refuse(); err != nil {
		return err
	}
	return b.Table.Write(ctx, ops...)
}

// writers change what fill wrote, each from its read.
var writers = map[string]func(ctx context.Context, c Company) error{
	"project": func(ctx context.Context, c Company) error {
		was, err := c.Project(ctx, "p")
		v := was
		v.Code = "new"
		return errors.Join(err, c.SaveProject(ctx, was, v, nil))
	},
	"group": func(ctx context.Context, c Company) error {
		return c.SaveGroup(ctx, desk.ServiceGroup{ID: "g2", Project: "p"}, nil)
	},
	"service": func(ctx context.Context, c Company) error {
		return c.SaveService(ctx, desk.Service{ID: "s2", Project: "p"}, nil)
	},
	"category": func(ctx context.Context, c Company) error {
		return c.SaveCategory(ctx, desk.Category{ID: "k2", Service: "s"}, nil)
	},
	"deletion of a category and its service": func(ctx context.Context, c Company) error {
		k, err := c.Category(ctx, "k")
		if err == nil {
			err = c.DeleteCategory(ctx, k)
		}
		if err != nil {
			return err
		}
		s, err := c.Service(ctx, "s")
		return errors.Join(err, c.DeleteService(ctx, s))
	},
	"deletion of an empty group": func(ctx context.Context, c Company) error {
		s, err := c.Service(ctx, "s")
		if err == nil {
			s.Group = ""
			err = c.SaveService(ctx, s, nil)
		}
		if err != nil {
			return err
		}
		g, err := c.Group(ctx, "g")
		return errors.Join(err, c.DeleteGroup(ctx, g))
	},
	"client": func(ctx context.Context, c Company) error {
		was, err := c.Client(ctx, "cl")
		v := was
		v.UserName, v.Phone = "new", ""
		return errors.Join(err, c.SaveClient(ctx, was, v, nil))
	},
	"specialist": func(ctx context.Context, c Company) error {
		was, err := c.Specialist(ctx, "sp")
		return errors.Join(err, c.DeleteSpecialist(ctx, was))
	},
	"quarantined turn": func(ctx context.Context, c Company) error {
		_, err := c.QuarantineTurn(ctx, desk.Quarantined{ID: "q2", ReceivedAt: noon}, "co", "t2")
		if err == nil {
			err = c.ReleaseTurn(ctx, "co", "t2")
		}
		return err
	},
	"replay": func(ctx context.Context, c Company) error {
		q, err := c.Quarantined(ctx, "q")
		return errors.Join(err, c.MarkReplayed(ctx, q))
	},
	"suspect": func(ctx context.Context, c Company) error {
		s := Suspects{Store: c.Store, Queue: "inbound"}
		_, err := s.Mark(ctx, "r")
		return errors.Join(err, s.Clear(ctx, "r"))
	},
	"case": func(ctx context.Context, c Company) error {
		k, err := c.Case(ctx, "ca")
		return errors.Join(err, c.SaveCase(ctx, k, k))
	},
	"late receipt": func(ctx context.Context, c Company) error {
		err := c.SaveReceipt(ctx, desk.Receipt{Channel: "ch", SendID: "late", Status: desk.Read})
		return errors.Join(err, c.SaveReceipt(ctx, desk.Receipt{Channel: "ch", SendID: "late", MessageID: "m", Status: desk.SentOut}))
	},
	"consent": func(ctx context.Context, c Company) error {
		return c.SaveConsent(ctx, desk.Consent{Channel: "ch", Person: "1", At: noon.Add(time.Hour)})
	},
	"clock": func(ctx context.Context, c Company) error {
		return c.DueTimers(ctx, noon.Add(time.Hour), func(Timer) error { return nil })
	},
	"clock that fails": func(ctx context.Context, c Company) error {
		err := c.DueTimers(ctx, noon.Add(time.Hour), func(Timer) error { return errDeaf })
		if err != nil && strings.Contains(err.Error(), errDeaf.Error()) && !errors.Is(err, fault.Busy) {
			return nil // that timer was put off, as it should be
		}
		return err
	},
}

var errDeaf = errors.New("nobody listens")

// Whichever call of the table is refused, the error is of its kind, and one
// that is not told of was not needed.
func TestARefusalForTheMomentComesThrough(t *testing.T) {
	steps := map[string]func(ctx context.Context, c Company) error{}
	for name, read := range readers {
		steps["read "+name] = func(ctx context.Context, c Company) error {
			_, err := read(ctx, c)
			return err
		}
	}
	for name, write := range writers {
		steps["write "+name] = write
	}
	var filled table.Table // for all that only read
	for name, step := range steps {
		n := 0
		for ; n < 2000; n++ {
			inner := filled
			if inner == nil || strings.HasPrefix(name, "write") {
				s, _ := openPlain(t)
				fill(t, s.In("acme"))
				inner = s.Table
			}
			if strings.HasPrefix(name, "read") {
				filled = inner
			}
			b := &busyAt{inner, n}
			s, _ := open(b)
			err := step(t.Context(), s.In("acme"))
			if b.n >= 0 {
				must(t, err)
				break
			}
			if strings.Contains(name, "clock") && err == nil {
				continue // a read of the clock is tried again
			}
			if !errors.Is(err, fault.Busy) {
				t.Errorf("%s, call %d: %v", name, n, err)
			}
			if strings.Contains(name, "clock") && n > 8 {
				break // the same again for every minute
			}
		}
		if n == 0 {
			t.Errorf("%s: no call at all", name)
		}
	}
}

func TestARowThatCannotBeReadIsNamed(t *testing.T) {
	s, _ := openPlain(t)
	c := s.In("acme")
	k := c.caseKey("ca")
	must(t, c.Table.Write(t.Context(), table.Create(table.Item{Key: k, Body: []byte(`{"title":7}`)})))
	_, err := c.Case(t.Context(), "ca")
	if err == nil || !strings.Contains(err.Error(), k.Redacted()) || errors.Is(err, fault.NotFound) {
		t.Errorf("%v", err)
	}
}

// Words and names that lie in tables, secret stores and addresses.
func TestStoredNames(t *testing.T) {
	var s Store
	for got, want := range map[string]string{
		s.In("acme").CredentialsName(desk.Channel{ID: "acme-wa"}):                   "/buzon/acme/channels/acme-wa",
		s.In("acme").CredentialsName(desk.Channel{ID: "acme-wa", Credentials: "1"}): "/buzon/acme/channels/acme-wa/1",
		SecretHash("secret"):                              "2bb80d537b1da3e38bd30361aa855686bde0eacd7162fef6a25fe97bf527a25b",
		millis(time.UnixMilli(1234567890123)):             "1234567890123",
		millis(time.UnixMilli(5)):                         "0000000000005",
		millis(time.Time{}):                               "0000000000000",
		clockPK(noon, 3):                                  "CLOCK#202603011200#3",
		clockPK(noon.In(time.FixedZone("x", -3*3600)), 0): "CLOCK#202603011200#0",
	} {
		if got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

// A resolved case without a time of closing sorts by its last change.
func TestResolvedCasesSortByTheirClosing(t *testing.T) {
	s, _ := openPlain(t)
	c := s.In("acme")
	for _, e := range []struct {
		k    desk.Case
		want string
	}{
		{desk.Case{ID: "a", State: desk.CaseWaiting, CreatedAt: noon, ChangedAt: noon.Add(time.Hour)}, "T#acme#CASES#open " + millis(noon) + "#a"},
		{desk.Case{ID: "a", State: desk.CaseClosed, CreatedAt: noon, ChangedAt: noon.Add(time.Hour), ClosedAt: noon.Add(time.Minute)}, "T#acme#CASES#closed " + millis(noon.Add(time.Minute)) + "#a"},
		{desk.Case{ID: "a", State: desk.CaseResolved, CreatedAt: noon, ChangedAt: noon.Add(time.Hour)}, "T#acme#CASES#closed " + millis(noon.Add(time.Hour)) + "#a"},
	} {
		if i := c.caseItem(e.k).Index; i.PK+" "+i.SK != e.want {
			t.Errorf("%s: %v", e.k.State, i)
		}
	}
}
