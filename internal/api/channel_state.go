package api

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"time"

	"buzon/internal/channel"
	"buzon/internal/desk"
	"buzon/internal/queue"
	"buzon/internal/store"
	"buzon/internal/web"
)

const (
	// endAgain is how long after a channel was switched off what is left on it is
	// ended once more: what was under way then has come to rest.
	endAgain = 2 * time.Minute
	// endTime is how long a call ends cases itself; the event ends the rest.
	endTime = 10 * time.Second
)

// impactView is what switching a channel off ends.
type impactView struct {
	Cases   int `json:"cases"`
	Queues  int `json:"queues"`
	Replies int `json:"replies"`
}

func viewImpact(v desk.Impact) impactView { return impactView{v.Cases, v.Queues, v.Replies} }

// impact counts what switching a channel off would end: nothing where it is off
// already or was never on.
func (c *call) impact(v desk.Channel) (desk.Impact, error) {
	if !v.State.Answers() {
		return desk.Impact{}, nil
	}
	return c.company.Impact(c.ctx(), v)
}

func getChannelImpact(c *call) error {
	v, err := c.channel()
	if err != nil {
		return err
	}
	impact, err := c.impact(v)
	if err != nil {
		return err
	}
	return c.ok(v.Version, viewImpact(impact))
}

// switchedView is a channel, and what switching it off has ended.
type switchedView struct {
	channelView
	Impact impactView `json:"impact"`
}

// putChannelState switches a channel that was approved off or on (S3-11 … S3-13).
func putChannelState(c *call) error {
	var impact desk.Impact
	k := channelChange{more: func(v channelView) any { return switchedView{v, viewImpact(impact)} }}
	k.apply = func(o *web.Object, v *desk.Channel) error {
		if v.State == desk.ChannelPending {
			return errPending()
		}
		state := ""
		o.Text("state", &state, oneWord(desk.ChannelActive, desk.ChannelInactive))
		if state == string(desk.ChannelActive) && v.State == desk.ChannelInterrupted {
			return &web.Refused{Status: http.StatusConflict, Code: "interrupted"}
		}
		v.State = desk.ChannelState(state)
		return nil
	}
	k.save = func(was desk.Channel, v *desk.Channel) error {
		impact = desk.Impact{}
		switch {
		case was.State == v.State: // nothing but the version changes
			return c.company.SaveChannel(c.ctx(), *v, nil)
		case v.State == desk.ChannelActive:
			v.Cause = ""
			if err := c.connect(was, *v, k.status, nil); err != nil {
				return err
			}
			k.status.Wait = store.StoredWait{}
			return nil
		}
		counted, err := c.impact(was)
		if err != nil {
			return err
		}
		if err := c.switchOff(was, v, nil); err != nil {
			return err
		}
		c.end(*v)
		impact = counted
		return nil
	}
	return k.run(c)
}

// switchOff writes that a channel works no more, with a timer that ends what is left
// then. What is under way on it is for end to end.
func (c *call) switchOff(was desk.Channel, v *desk.Channel, also store.Also) error {
	now := c.now()
	v.State, v.Cause, v.EndedAt, v.EndedBy, v.Queues = desk.ChannelInactive, "", now, c.me.ID, nil
	again := c.company.ChannelTimer(store.WakeEnding, v.ID, v.Version, now.Add(endAgain))
	return c.company.ConnectChannel(c.ctx(), was, *v, append(also, again.Also()...))
}

// end ends what is under way on a channel that switchOff has written. Where that breaks
// off, the event or the timer does it.
func (c *call) end(v desk.Channel) {
	ctx, cancel := context.WithTimeout(c.ctx(), endTime)
	defer cancel()
	_, err := c.company.EndInteractions(ctx, v.ID, v.EndedBy, v.EndedAt, v.EndedAt)
	c.later("cases of a channel not ended", err)
	c.later("end of a channel not queued", c.sendInbound(v.ID, store.Hash("ended", v.ID, etag(v.Version)), desk.InboundEvent{Ended: v.ID}))
}

// deleteChannel leaves a tombstone, in any state: what was recorded reads on (S3-16,
// Q33). What it could send with is removed; what its webhooks are verified by stays, so
// that what is posted afterwards is still recorded. Called again it removes the
// credentials that a call which broke off has left, and finds nothing.
func deleteChannel(c *call) error {
	load := func() (desk.Channel, error) {
		if v, err := c.anyChannel(); err == nil && v.Deleted {
			if err := store.Retry(func() error { _, err := c.sweep(v.ID); return err }); err != nil {
				return v, err
			}
		}
		return c.channel()
	}
	return remove(c, load, func(was desk.Channel) error {
		creds, err := c.credentials(was)
		if err != nil && !errors.Is(err, errDamaged) { // which verify nothing
			return err
		}
		v := was
		v.Deleted, v.Rejection = true, nil
		kept := channel.Credentials{AppSecret: creds.AppSecret, VerifyToken: creds.VerifyToken}
		err = c.publish(was, &v, kept, func(also store.Also) error { return c.switchOff(was, &v, also) })
		if err != nil {
			return err
		}
		removed := c.removeCredentials(was)
		c.end(v)
		return removed
	})
}

// putChannelQueues sets the queues in which a number works.
func putChannelQueues(c *call) error {
	k := channelChange{
		apply: func(o *web.Object, v *desk.Channel) error {
			switch v.State {
			case desk.ChannelPending:
				return errPending()
			case desk.ChannelInactive:
				return answering(*v)
			}
			if !o.Has("queues") {
				o.Add("queues", "required")
			}
			return readIDs(o, "queues", &v.Queues, desk.MaxChannelQueues, nil, func(ids ...string) (map[string]bool, error) {
				return c.company.HasQueues(c.ctx(), ids...)
			})
		},
		save: func(was desk.Channel, v *desk.Channel) error {
			return c.assign(without(v.Queues, was.Queues), nil, func(also store.Also) error {
				return c.company.SaveChannel(c.ctx(), *v, also)
			})
		},
	}
	return k.run(c)
}

// readIDs reads a list of ids of things that there are, as has tells. Those of known
// are taken unseen: one that is gone meanwhile may come back as it was read.
func readIDs(o *web.Object, name string, dst *[]string, most int, known []string, has func(...string) (map[string]bool, error)) error {
	var asked []string
	for _, id := range o.Peek(name, most) {
		if validID(id) && !slices.Contains(asked, id) {
			asked = append(asked, id)
		}
	}
	there, err := has(asked...)
	if err != nil {
		return err
	}
	for _, id := range known {
		there[id] = true
	}
	o.Texts(name, dst, most, web.Text{Check: isIn(there)})
	return nil
}

// sendInbound queues what concerns a whole channel.
func (c *call) sendInbound(id, dedup string, e desk.InboundEvent) error {
	body, err := queue.Seal(desk.StageInbound, c.company.Tenant, e)
	if err != nil {
		return err
	}
	return c.Inbound.Send(c.ctx(), queue.Message{Group: store.Hash(c.company.Tenant, id, "ended"), Dedup: dedup, Body: body})
}
