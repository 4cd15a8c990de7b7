package approval

import (
	"context"
	"errors"

	"buzon/internal/desk"
	"buzon/internal/fault"
	"buzon/internal/store"
)

// mates are the company's other channels in use whose templates are in the same
// account of the provider, and which have the template of a verdict or wait to learn
// what it is called there: what is said at one channel may be meant for another.
func mates(ctx context.Context, c store.Company, ch desk.Channel, v desk.Verdict) ([]desk.Channel, error) {
	all, err := c.AllTemplates(ctx)
	if err != nil {
		return nil, err
	}
	var found []desk.Channel
	seen := map[string]bool{ch.ID: true}
	for _, t := range all {
		awaited := t.ProviderID == "" && t.Submission != nil && !t.Submission.Done
		if seen[t.Channel] || t.ProviderID != v.ProviderID && !awaited {
			continue
		}
		seen[t.Channel] = true
		mate, err := c.FreshChannel(ctx, t.Channel)
		if err != nil && !errors.Is(err, fault.NotFound) {
			return nil, err
		}
		if err == nil && inUse(mate) && oneAccount(ch, mate) {
			found = append(found, mate)
		}
	}
	return found, nil
}

// oneAccount tells whether two channels have their templates in one account, and the
// callbacks of one may speak for the other (T5).
func oneAccount(a, b desk.Channel) bool {
	if a.Provider != b.Provider {
		return false
	}
	if a.Provider == desk.ProviderMeta {
		return a.AccountID != "" && a.AccountID == b.AccountID && a.MetaApp != "" && a.MetaApp == b.MetaApp
	}
	return a.AppID != "" && a.AppID == b.AppID
}
