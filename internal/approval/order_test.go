package approval_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"buzon/internal/channel"
	"buzon/internal/desk"
)

// someOrders calls each with every order of every choice of size out of 0 … n-1.
func someOrders(n, size int, each func([]int)) {
	order := make([]int, 0, size)
	used := make([]bool, n)
	var next func()
	next = func() {
		if len(order) == size {
			each(order)
			return
		}
		for i := range n {
			if !used[i] {
				used[i], order = true, append(order, i)
				next()
				used[i], order = false, order[:len(order)-1]
			}
		}
	}
	next()
}

// events are six callbacks of a template, of both documented shapes; those about its
// state at different times of the provider, two of them at the same.
func events(id string, at time.Time) []string {
	return []string{
		verdict(id, "approved", "", at),
		verdict(id, "rejected", "INVALID_FORMAT", at.Add(time.Minute)),
		status(id, "paused", "paused for 3 hours", at.Add(2*time.Minute)),
		status(id, "disabled", "low quality", at.Add(2*time.Minute)),
		status(id, "half_baked", "", at.Add(30*time.Second)),
		quality(id, "YELLOW", at),
	}
}

// finals are states in which the provider's list may be in the end.
var finals = []struct {
	name   string
	listed *channel.Listed // nil: not in it
	want   string          // of a template that was pending
}{
	{"approved", &channel.Listed{State: "approved", Quality: "green", Category: "utility"},
		`approved/approved reason="" quality=green category=utility next= active=true sendable=true`},
	{"rejected with a reason", &channel.Listed{State: "rejected", Reason: "INVALID", Category: "utility"},
		`rejected/rejected reason="INVALID" quality=yellow category=utility next= active=false sendable=false`},
	{"paused, and only a callback says why", &channel.Listed{State: "paused", Category: "utility"},
		`approved/paused reason="paused for 3 hours" quality=yellow category=utility next= active=true sendable=false`},
	{"a word that nobody knows", &channel.Listed{State: "half_baked", Category: "utility"},
		`pending/half_baked reason="" quality=yellow category=utility next= active=true sendable=false`},
	{"gone", nil,
		`pending/missing reason="" quality=yellow category=utility next= active=true sendable=false`},
}

// TestOrdersOfSixCallbacksEndInTheSameState_R12: in half of them one by one, with the
// list read after each; in the other half all at once, when one reading answers for
// all. Each callback comes twice. These are a quarter of the orders or fewer; all of
// them, of fewer callbacks too, with readings between any two, are tested where the
// rules are (package desk).
func TestOrdersOfSixCallbacksEndInTheSameState_R12(t *testing.T) {
	for i, final := range finals {
		t.Run(final.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, options{})
			all := events(pid(1), w.clock.Now().Add(-time.Hour))
			var tenants []string
			n := 0
			someOrders(len(all), len(all), func(order []int) {
				if n++; i == 0 && n%4 != 0 || i > 0 && n%31 != 0 {
					return
				}
				tenant := fmt.Sprintf("t%d", n)
				tenants = append(tenants, tenant)
				a := w.company(tenant)
				if final.listed != nil {
					l := *final.listed
					l.ProviderID, l.Name = pid(1), "t_x"
					a.set(l)
				}
				w.known(tenant, "x", pid(1), desk.ProviderPending)
				burst := len(tenants)%2 == 0
				for _, i := range order {
					for range 2 {
						w.callback(tenant, all[i])
						if w.clock.Advance(time.Millisecond); burst {
							continue
						}
						w.drain()
						if w.template(tenant, "x").Sendable() != strings.Contains(final.want, "sendable=true") {
							t.Fatalf("%v: after callback %d: %s", order, i, show(w.template(tenant, "x")))
						}
					}
				}
				readings := 1
				if final.listed == nil { // what is gone is looked for once more
					readings = 2
				}
				if w.drain(); burst && a.lists != readings {
					t.Fatalf("%v: %d readings for one burst", order, a.lists)
				}
			})
			w.settle(2 * time.Minute)
			for _, tenant := range tenants {
				got, _, _ := strings.Cut(strings.TrimPrefix(show(w.template(tenant, "x")), "x "), " hint=-")
				if got != final.want {
					t.Fatalf("%s:\n got %s\nwant %s", tenant, got, final.want)
				}
			}
		})
	}
}
