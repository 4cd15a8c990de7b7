package pipeline

import (
	"context"
	"errors"
	"fmt"

	"buzon/internal/desk"
	"buzon/internal/fault"
	"buzon/internal/queue"
	"buzon/internal/store"
)

// consent keeps what a person wants and brings their conversation in step with the
// newest that is known, whatever order the events come in. Who has no conversation
// yet gets it when theirs is made. Where a number has two spellings it is passed on to
// the other, since an agent may have written to the one that the person does not write
// from.
func (s *Inbound) consent(ctx context.Context, c store.Company, v desk.Consent) error {
	if err := keepConsent(ctx, c, v); err != nil {
		return err
	}
	return s.passOn(ctx, c, v)
}

func keepConsent(ctx context.Context, c store.Company, v desk.Consent) error {
	if err := c.SaveConsent(ctx, v); err != nil {
		return err
	}
	return store.Retry(func() error {
		newest, err := c.Consent(ctx, v.Channel, v.Person, v.Scope)
		if err != nil {
			return err
		}
		was, err := c.Conversation(ctx, store.ConversationID(v.Channel, v.Person))
		if errors.Is(err, fault.NotFound) {
			return nil
		}
		if err != nil {
			return err
		}
		conv := was.Told(newest)
		if conv.OptedOut == was.OptedOut && conv.OptedOutMarketing == was.OptedOutMarketing {
			return nil
		}
		return c.SaveConversation(ctx, conv)
	})
}

// passOn hands a consent to the other spelling of its person's number, in whose group
// it meets nothing that is under way there; unless it knows that or better.
func (s *Inbound) passOn(ctx context.Context, c store.Company, v desk.Consent) error {
	if v.Person = desk.OtherSpelling(v.Person); v.Person == "" {
		return nil
	}
	known, err := c.Consent(ctx, v.Channel, v.Person, v.Scope)
	if err != nil && !errors.Is(err, fault.NotFound) {
		return err
	}
	at, knownAt := v.At.UnixMilli(), known.At.UnixMilli() // as fine as they are compared when kept
	if err == nil && (knownAt > at || knownAt == at && (v.OptedIn || !known.OptedIn)) {
		return nil
	}
	e := desk.InboundEvent{Consent: &v}
	body, err := queue.Seal(desk.StageInbound, c.Tenant, e)
	if err != nil {
		return err
	}
	return s.Webhook.Inbound.Send(ctx, queue.Message{
		Group: groupOf(c.Tenant, e),
		Dedup: store.Hash(c.Tenant, v.Channel, "other spelling", v.Person, string(v.Scope), fmt.Sprint(v.OptedIn), fmt.Sprint(v.At.UnixMilli())),
		Body:  body,
	})
}

// optOut is the opt-out that a failure tells of; false: it tells of none.
func optOut(r desk.Receipt) (desk.Consent, bool) {
	scope, said := optOutOf(r.Reason)
	return desk.Consent{Channel: r.Channel, Person: r.Destination, Scope: scope, At: r.At}, said && r.Destination != ""
}

// optOutOf is what the person does not want of whom a refusal for that reason speaks;
// false: it speaks of nothing that they want or not.
func optOutOf(reason string) (desk.ConsentScope, bool) {
	switch reason {
	case desk.ReasonOptedOut:
		return desk.ScopeAll, true
	case desk.ReasonOptedOutMarketing:
		return desk.ScopeMarketing, true
	}
	return "", false
}
