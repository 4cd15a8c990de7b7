package api

import (
	"errors"
	"slices"
	"time"

	"buzon/internal/desk"
	"buzon/internal/fault"
	"buzon/internal/store"
	"buzon/internal/web"
)

// Limits of queues.
const (
	MaxQueueMembers  = 200
	MaxQueueChannels = 50 // that one call may set
	// maxMoved is how many channels go into a queue and out of it in one write.
	maxMoved = 90
)

// queueNow is a queue with the numbers that lead into it, which are kept on the
// channels.
type queueNow struct {
	desk.Queue
	channels []string // ids of those that work in it
	all      []desk.Channel
	moved    []desk.Channel // put in or taken out, as they are to be written
}

type queueView struct {
	ID        string     `json:"id"`
	Version   int64      `json:"version"`
	Name      string     `json:"name"`
	Channels  []string   `json:"channels"`
	Members   []string   `json:"members"`
	CreatedAt *time.Time `json:"created_at"`
}

func viewQueue(v queueNow) queueView {
	return queueView{v.ID, v.Version, v.Name, texts(v.channels), texts(v.Members), when(v.CreatedAt)}
}

var queues = resource[queueNow, *queueNow]{
	path: "/v1/queues/",
	id:   func(v queueNow) string { return v.ID },
	load: func(c *call, id string) (queueNow, error) {
		v, err := c.company.Queue(c.ctx(), id)
		if err != nil {
			return queueNow{}, err
		}
		all, err := c.allChannels()
		return withChannels(v, all), err
	},
	save: func(c *call, was, v queueNow, also store.Also) error {
		return c.company.SaveQueue(c.ctx(), was.Queue, v.Queue, also, v.moved...)
	},
	del: func(c *call, v queueNow) error {
		return c.company.DeleteQueue(c.ctx(), v.Queue, func() (bool, error) {
			all, err := c.allChannels()
			if err != nil || len(withChannels(v.Queue, all).channels) > 0 {
				return true, err
			}
			return c.assigned(func(t desk.Template) bool { return slices.Contains(t.Queues, v.ID) })
		})
	},
	read: readQueue,
	view: func(v queueNow) any { return viewQueue(v) },
}

// allChannels lists all channels that are not deleted, as they are now. One that was
// made within the last minute may be missing.
func (c *call) allChannels() ([]desk.Channel, error) {
	var all []desk.Channel
	for cursor := ""; ; {
		page, next, err := c.company.Channels(c.ctx(), "", "", MaxLimit, cursor)
		if err != nil {
			return nil, err
		}
		if all = append(all, page...); next == "" {
			return all, nil
		}
		cursor = next
	}
}

// withChannels finds the channels of a queue among all.
func withChannels(v desk.Queue, all []desk.Channel) queueNow {
	now := queueNow{Queue: v, all: all}
	for _, ch := range all {
		if slices.Contains(ch.Queues, v.ID) {
			now.channels = append(now.channels, ch.ID)
		}
	}
	return now
}

// assigned tells whether there is such a template, of a channel that is not deleted.
func (c *call) assigned(such func(desk.Template) bool) (bool, error) {
	all, err := c.company.AllTemplates(c.ctx())
	if err != nil {
		return false, err
	}
	for _, t := range all {
		if !such(t) {
			continue
		}
		ch, err := c.company.Channel(c.ctx(), t.Channel)
		if err != nil && !errors.Is(err, fault.NotFound) || err == nil && !ch.Deleted {
			return true, err
		}
	}
	return false, nil
}

// assign makes a write that holds while these queues and campaigns are there, to which
// something is newly assigned. Several such writes at once get in each other's way for
// a moment.
func (c *call) assign(queues, campaigns []string, write func(store.Also) error) error {
	also, err := c.company.WhileThere(c.ctx(), queues, campaigns)
	if err != nil {
		return err
	}
	for range attempts {
		if err = write(also); !errors.Is(err, fault.Busy) {
			break
		}
	}
	return err
}

// without gives the ids that are not among others.
func without(ids, others []string) []string {
	return slices.DeleteFunc(slices.Clone(ids), func(id string) bool { return slices.Contains(others, id) })
}

func freshQueue(c *call) (queueNow, error) {
	all, err := c.allChannels()
	return queueNow{Queue: desk.Queue{ID: c.NewID(), CreatedAt: c.now()}, all: all}, err
}

func readQueue(c *call, o *web.Object, v *queueNow) error {
	o.Text("name", &v.Name, nameRule)
	if o.Has("members") {
		err := readIDs(o, "members", &v.Members, MaxQueueMembers, v.Members, func(ids ...string) (map[string]bool, error) {
			return c.company.HasSpecialists(c.ctx(), ids...)
		})
		if err != nil {
			return err
		}
	}
	if !o.Has("channels") {
		return nil
	}
	return readQueueChannels(c, o, v)
}

// readQueueChannels reads which numbers lead into a queue: those that are on, and
// what was there before. It notes the channels that change by it.
func readQueueChannels(c *call, o *web.Object, v *queueNow) error {
	known := map[string]desk.Channel{}
	for _, ch := range v.all {
		known[ch.ID] = ch
	}
	for _, id := range o.Peek("channels", MaxQueueChannels) {
		if _, ok := known[id]; ok {
			continue
		}
		ch, ok, err := exists(id, func() (desk.Channel, error) { return c.company.FreshChannel(c.ctx(), id) })
		if err != nil {
			return err
		}
		if ok && !ch.Deleted { // just made
			known[id] = ch
		}
	}
	before := v.channels
	var after []string
	o.Texts("channels", &after, MaxQueueChannels, web.Text{Check: func(id string) string {
		ch, ok := known[id]
		switch {
		case !ok:
			return "not_found"
		case slices.Contains(before, id):
			return ""
		case !ch.State.Answers():
			return codeChannelOff
		case len(ch.Queues) >= desk.MaxChannelQueues:
			return "channel_full"
		}
		return ""
	}})
	v.channels, v.moved = after, nil
	for _, id := range after {
		if ch := known[id]; !slices.Contains(before, id) {
			ch.Queues = append(slices.Clone(ch.Queues), v.ID)
			v.moved = append(v.moved, ch)
		}
	}
	for _, id := range before {
		if ch := known[id]; !slices.Contains(after, id) {
			ch.Queues = slices.DeleteFunc(slices.Clone(ch.Queues), func(q string) bool { return q == v.ID })
			v.moved = append(v.moved, ch)
		}
	}
	if len(v.moved) > maxMoved {
		o.Add("channels", "too_many_changes")
	}
	return nil
}

func listQueues(c *call) error {
	q := c.query()
	if err := q.err(); err != nil {
		return err
	}
	items, next, err := c.company.Queues(c.ctx(), q.limit, q.cursor)
	if err != nil {
		return q.badCursor(err)
	}
	all, err := c.allChannels()
	if err != nil {
		return err
	}
	return answerList(c, items, next, func(v desk.Queue) queueView { return viewQueue(withChannels(v, all)) })
}
