package main

import (
	"fmt"
	"sync"
	"sync/atomic"
	"time"
)

// sent is one message that reached a stand-in and was taken.
type sent struct {
	Number int // of all, in order
	At     time.Time
	App    string // or Meta's id of the number
	To     string // a number, or a business-scoped id
	ID     string // the provider's id for it
	Lost   bool   // the answer never reached the system
	Failed bool   // it was accepted, and failed afterwards
	Path   string
	Raw    string
	Kind   string // text, list, quick_reply, template
	Text   string // of a template its id, or its name at Meta
	Rows   []row
	Params []string
	File   string // the provider's id of the file on top
	Ref    string // what the provider is to give back
}

// row is one choice of a list.
type row struct{ Title, ID string }

// outbox is what all stand-ins have taken, in its order.
type outbox struct {
	lock    sync.Mutex
	taken   []sent
	changed chan struct{} // closed at every change
	ids     atomic.Int64
}

func newOutbox() *outbox { return &outbox{changed: make(chan struct{})} }

// uuid is an id that nothing else has; kind is its first digit.
func (o *outbox) uuid(kind string) string {
	return fmt.Sprintf("%s0000000-0000-4000-8000-%012d", kind, o.ids.Add(1))
}

// number is one that nothing else has.
func (o *outbox) number() string { return fmt.Sprintf("50000000%08d", o.ids.Add(1)) }

// keep gives what was taken its number and an id that begins so.
func (o *outbox) keep(s sent, id string) sent {
	o.lock.Lock()
	defer o.lock.Unlock()
	s.Number, s.At = len(o.taken)+1, time.Now()
	s.ID = fmt.Sprintf("%s%012d", id, s.Number)
	o.taken = append(o.taken, s)
	close(o.changed)
	o.changed = make(chan struct{})
	return s
}

// to lists what was taken for a number from an app, in order.
func (o *outbox) to(app, number string) []sent {
	o.lock.Lock()
	defer o.lock.Unlock()
	var out []sent
	for _, s := range o.taken {
		if s.App == app && s.To == number {
			out = append(out, s)
		}
	}
	return out
}

// change is closed when something is taken.
func (o *outbox) change() <-chan struct{} {
	o.lock.Lock()
	defer o.lock.Unlock()
	return o.changed
}
