package pipeline

import (
	"context"
	"fmt"

	"buzon/internal/channel"
	"buzon/internal/desk"
	"buzon/internal/queue"
	"buzon/internal/store"
)

// MaxPart is how many events of a body are made durable at a time: as many as are done
// before the provider's patience ends.
const MaxPart = 1000

// part says which events of a body are taken: at most MaxPart.
type part struct {
	from int    // the first, counted from 0 in the order of the batch
	salt string // fresh for a replay, so that queues take the events once more; else empty
}

// of is what of a batch belongs to the part. What was refused or ignored belongs to
// none.
func (p part) of(b channel.Batch) channel.Batch {
	w := window{skip: p.from, left: MaxPart}
	some := channel.Batch{
		Messages: cut(&w, b.Messages), Receipts: cut(&w, b.Receipts), Consents: cut(&w, b.Consents), Verdicts: cut(&w, b.Verdicts),
	}
	for _, c := range b.Changes {
		c.Messages, c.Receipts, c.Consents, c.Verdicts = cut(&w, c.Messages), cut(&w, c.Receipts), cut(&w, c.Consents), cut(&w, c.Verdicts)
		if sizeOf(c) > 0 {
			some.Changes = append(some.Changes, c)
		}
	}
	return some
}

// rest is where the other parts of a batch begin; none for a part that is not the
// first.
func (p part) rest(b channel.Batch) (froms []int) {
	if p.from > 0 {
		return nil
	}
	total := sizeOf(channel.Change{Messages: b.Messages, Receipts: b.Receipts, Consents: b.Consents, Verdicts: b.Verdicts})
	for _, c := range b.Changes {
		total += sizeOf(c)
	}
	for from := MaxPart; from < total; from += MaxPart {
		froms = append(froms, from)
	}
	return froms
}

func sizeOf(c channel.Change) int {
	return len(c.Messages) + len(c.Receipts) + len(c.Consents) + len(c.Verdicts)
}

// window is what is still to be passed over, and then to be taken.
type window struct{ skip, left int }

func cut[T any](w *window, list []T) []T {
	skip := min(w.skip, len(list))
	take := min(w.left, len(list)-skip)
	w.skip, w.left = w.skip-skip, w.left-take
	return list[skip : skip+take]
}

// replayParts has inbound take the other parts of a body that is in quarantine, one
// after the other.
func (in *intake) replayParts(ctx context.Context, froms []int) error {
	id := store.BodyID(in.body)
	for _, from := range froms {
		sealed, err := queue.Seal(desk.StageInbound, in.c.Tenant, desk.InboundEvent{Replay: id, From: from})
		if err != nil {
			return err
		}
		err = in.Inbound.Send(ctx, queue.Message{
			Group: "replay-" + id,
			Dedup: store.Hash(in.c.Tenant, id, "part", fmt.Sprint(from), in.salt),
			Body:  sealed,
		})
		if err != nil {
			return err
		}
	}
	return nil
}
