package pipeline

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"buzon/internal/desk"
	"buzon/internal/fault"
	"buzon/internal/quarantine"
	"buzon/internal/queue"
	"buzon/internal/store"
)

// The times of sending (contract section 2, "Sending"; design section 1).
const (
	LeaseTime     = 60 * time.Second // a claim without a result is an unknown outcome after this
	SendTimeout   = 20 * time.Second // of one call to a provider
	UploadTimeout = 20 * time.Second // of handing a provider a file, before its message is claimed
	StrayLife     = 24 * time.Hour   // a receipt of an attempt whose outcome was never learnt may come this late
	ReceiptGrace  = 10 * time.Second // a receipt may take this long, also where a dead process's lease ends sooner
	FirstPause    = 5 * time.Second  // doubled with each further one
	MaxPause      = 60 * time.Second // a longer one is a wait
	MaxPauses     = 5                // short pauses in a row
	FirstWait     = time.Minute      // of a cause without a date, doubled each time
	MaxWait       = time.Hour
	WaitSpread    = time.Minute     // conversations of a waiting channel wake within this
	MaxAttempts   = 2               // of a text whose outcome stays unknown
	recentSends   = 12              // provider ids remembered against a receipt taken twice
	maxRounds     = 50              // changes of a conversation met while one wake-up is handled
	maxHandbacks  = 10              // receives of one wake-up; then its pauses are waits with a timer
	recordTimeout = 5 * time.Second // of writing a result, whatever is left of the step
	quickTime     = 3 * time.Second // of what else a wake-up does, a wait on the spot among it
	// outboundStep is that of one wake-up: a file and a message, whole calls both.
	outboundStep = UploadTimeout + SendTimeout + recordTimeout + quickTime
)

// Worker handles the outbound queue.
func (s *Outbound) Worker() *queue.Worker {
	return &queue.Worker{
		Handle: func(ctx context.Context, r queue.Record) error {
			tenant, w, err := queue.Open[desk.Wake](desk.StageOutbound, r.Body)
			if err != nil {
				return err
			}
			if !store.ValidTenant(tenant) {
				return &queue.Unreadable{Reason: "bad_tenant"}
			}
			return s.wake(ctx, s.Store.In(tenant), w, r.Receives)
		},
		Quarantine: func(ctx context.Context, r queue.Record, reason string) error {
			return quarantine.Keep(ctx, s.Store, s.Blobs, desk.StageOutbound, r.Body, reason)
		},
		Alone: store.Suspects{Store: s.Store, Queue: desk.StageOutbound},
		// What was only paused is no suspect.
		AloneAfter: maxHandbacks + queue.AloneAfter,
		Step:       outboundStep,
		Log:        s.Log,
	}
}

// errHeld ends a pass over a conversation that waits: its timer is armed.
var errHeld = errors.New("held")

// wake sends what a conversation holds unsent, in the order of the numbers,
// until nothing is left, or something holds it back. receives counts how often
// the wake-up was received. A pass whose conversation has changed meanwhile
// begins again; what is committed after its last write has a wake-up of its own
// behind this one, so nothing is read to look for it.
func (s *Outbound) wake(ctx context.Context, c store.Company, w desk.Wake, receives int) error {
	for range maxRounds {
		conv, err := c.Conversation(ctx, w.Conversation)
		if errors.Is(err, fault.NotFound) {
			return nil
		}
		if err != nil {
			return err
		}
		if len(conv.Unsent) == 0 && conv.Wait == nil {
			return nil
		}
		d := &drain{Outbound: s, c: c, conv: conv, fired: w.Fired, fresh: w.Fresh, receives: receives}
		err = d.run(ctx)
		if errors.Is(err, errHeld) {
			return nil
		}
		if !errors.Is(err, fault.Conflict) {
			return err
		}
	}
	return fmt.Errorf("conversation %s: %w", w.Conversation, fault.Busy)
}

// drain is one pass over a conversation as it was read.
type drain struct {
	*Outbound
	c        store.Company
	conv     desk.Conversation
	fired    bool // the conversation's timer is armed no more
	fresh    bool // the channel has just been changed
	receives int
	ch       desk.Channel
	wait     store.StoredWait // zero where nothing can be sent
	probes   bool             // this pass is the one that tries a waiting channel
	proving  bool             // and what it has sent is the probe that is to be proven
	tripped  bool             // its last failure is one too many for the channel
	aged     bool             // it has called the provider, or waited, since it read the conversation
	// strayUntil is the conversation's StrayUntil with the attempts of this pass.
	strayUntil time.Time
}

// run sends all that is unsent and takes it off the conversation with one
// write at the version read, which fails if anything came meanwhile.
func (d *drain) run(ctx context.Context) error {
	read := d.c.Channel
	if d.fresh {
		read = d.c.RefreshChannel
	}
	var err error
	if d.ch, err = read(ctx, d.conv.Channel); err != nil {
		return err
	}
	if !d.silent() || !d.off() && d.onlyLooks() { // else nothing is sent, and what waits ends at once
		if d.wait, err = d.c.ChannelWait(ctx, d.ch.ID); err != nil {
			return err
		}
		if err := d.heldBack(ctx); err != nil {
			return err
		}
		if err := d.look(ctx); err != nil {
			return err
		}
	} else if err := d.stillLooks(ctx); err != nil {
		return err
	}
	recent := slices.Clone(d.conv.Recent)
	d.strayUntil = d.conv.StrayUntil
	for _, u := range d.conv.Unsent {
		turns, err := d.c.Turns(ctx, d.conv.ID, u.Turn)
		if err != nil {
			return err
		}
		t := turns[0]
		for i := range t.Replies {
			if err := d.send(ctx, &t, i, recent); err != nil {
				return err
			}
			r := t.Replies[i]
			if r.ProviderID != "" {
				recent = append(recent, shortID(r.ProviderID))
			}
			if stray(r) {
				d.strayUntil = d.Now().Add(StrayLife)
			}
		}
	}
	next := d.conv
	next.Unsent, next.Wait = nil, nil
	next.Recent, next.StrayUntil = recent[max(0, len(recent)-recentSends):], d.strayUntil
	var timers []store.Timer
	if d.proving {
		next, timers = d.until(next, d.byChannel())
	}
	return d.c.SaveConversation(ctx, settled(d.conv, next, d.Now()), timers...)
}

func shortID(providerID string) string { return store.Hash(providerID)[:10] }

// off tells whether the channel sends no more (S3-12).
func (d *drain) off() bool { return d.ch.Deleted || !d.ch.State.Answers() }

// silent tells whether nothing at all may be sent to this person.
func (d *drain) silent() bool { return d.off() || d.conv.OptedOut }

// meanwhile is why a reply that was not refused is not to be sent after all, or empty:
// the channel may have been switched off, and where this pass has taken its time the
// person may have opted out and the template been stopped. What has changed is written
// at the end of a pass that begins anew, since this one's conversation is not the last.
func (d *drain) meanwhile(ctx context.Context, t desk.Turn, r desk.Reply) (string, error) {
	var err error
	if d.ch, err = d.c.Channel(ctx, d.ch.ID); err != nil {
		return "", err
	}
	if !d.aged {
		if d.off() {
			return desk.ReasonDeactivated, nil
		}
		return "", nil
	}
	now, err := d.c.Conversation(ctx, d.conv.ID)
	if err != nil {
		return "", err
	}
	d.aged = false
	d.conv.OptedOut = d.conv.OptedOut || now.OptedOut
	d.conv.OptedOutMarketing = d.conv.OptedOutMarketing || now.OptedOutMarketing
	return d.refusal(ctx, t, r)
}

// refusal is why a reply of the turn is not to be sent now, or empty: the channel is
// off or was since, the person wants nothing or no marketing, it is no template and
// they were heard too long ago, or it is one that must not be sent any more.
func (d *drain) refusal(ctx context.Context, t desk.Turn, r desk.Reply) (string, error) {
	switch {
	case d.off() || !d.ch.EndedAt.IsZero() && !t.Made.After(d.ch.EndedAt):
		return desk.ReasonDeactivated, nil
	case d.conv.OptedOut:
		return desk.ReasonOptedOut, nil
	case r.Type != desk.ReplyTemplate:
		if !d.conv.InWindow(d.Now()) {
			return desk.ReasonWindow, nil
		}
		return "", nil
	case r.Outgoing.Template == nil || r.Outgoing.Template.Template == "":
		return "", nil // of an older version
	}
	v, err := d.c.Template(ctx, r.Outgoing.Template.Template)
	switch {
	case errors.Is(err, fault.NotFound):
		return desk.ReasonTemplateStopped, nil
	case err != nil:
		return "", err
	case d.conv.OptedOutMarketing && v.Marketing():
		return desk.ReasonOptedOutMarketing, nil
	case !v.Active:
		return desk.ReasonTemplateOff, nil
	case !v.Sendable():
		return desk.ReasonTemplateStopped, nil
	}
	return "", nil
}
