package pipeline

import (
	"context"
	"errors"

	"buzon/internal/desk"
	"buzon/internal/fault"
	"buzon/internal/store"
)

// consent keeps what a person wants and brings their conversation in step with the
// newest that is known, whatever order the events come in. Who has no conversation
// yet gets it when theirs is made.
func (s *Inbound) consent(ctx context.Context, c store.Company, v desk.Consent) error {
	if err := c.SaveConsent(ctx, v); err != nil {
		return err
	}
	return store.Retry(func() error {
		newest, err := c.Consent(ctx, v.Channel, v.Person)
		if err != nil {
			return err
		}
		conv, err := c.Conversation(ctx, store.ConversationID(v.Channel, v.Person))
		if errors.Is(err, fault.NotFound) || err == nil && conv.OptedOut == !newest.OptedIn {
			return nil
		}
		if err != nil {
			return err
		}
		conv.OptedOut = !newest.OptedIn
		return c.SaveConversation(ctx, conv)
	})
}

// optsOut tells whether a failure says that its person wants nothing from us.
func optsOut(r desk.Receipt) bool { return r.Reason == desk.ReasonOptedOut && r.Destination != "" }
