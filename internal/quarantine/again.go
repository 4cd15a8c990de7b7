package quarantine

import (
	"context"
	"errors"
	"time"

	"buzon/internal/desk"
	"buzon/internal/fault"
	"buzon/internal/store"
)

// lookAgainAfter is when a timer takes the place of an event that was kept.
const lookAgainAfter = time.Hour

// lookAgain arms what an event of the approvals was about: neither a request nor the
// reading of a list may depend on somebody's replaying it.
func lookAgain(ctx context.Context, c store.Company, e desk.ApprovalEvent) error {
	if e.Submit != "" {
		t, err := c.Template(ctx, e.Submit)
		if errors.Is(err, fault.NotFound) || err == nil && (t.Submission == nil || t.Submission.Done) {
			return nil
		}
		if err != nil {
			return err
		}
		return c.SaveTemplate(ctx, t, c.SubmitTimer(t, c.Now().Add(lookAgainAfter)).Also())
	}
	id := e.Verdict.Channel
	if e.Sync != nil {
		id = e.Sync.Channel
	}
	ch, err := c.FreshChannel(ctx, id)
	if errors.Is(err, fault.NotFound) || err == nil && (ch.Deleted || !ch.State.Answers()) {
		return nil
	}
	if err != nil {
		return err
	}
	known, err := c.ChannelSync(ctx, id)
	if err != nil || desk.Armed(known.Armed, c.Now()) {
		return err
	}
	timer := c.ChannelTimer(store.WakeSync, id, known.Version, c.Now().Add(lookAgainAfter))
	known.Armed = timer.Due
	return c.SaveChannelSync(ctx, id, known, timer)
}
