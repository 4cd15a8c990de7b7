package approval

import (
	"context"
	"encoding/json"
	"errors"

	"buzon/internal/channel"
	"buzon/internal/desk"
	"buzon/internal/fault"
	"buzon/internal/store"
)

// account opens a channel at its provider. Its error is a refusal as a provider's
// would be.
func (s *Approvals) account(ctx context.Context, c store.Company, ch desk.Channel) (channel.Templates, channel.Account, *channel.Error) {
	var none channel.Account
	provider, ok := s.Providers[ch.Provider]
	if !ok {
		return nil, none, &channel.Error{Verdict: channel.Refused, Code: channel.CodeNotSent, Reason: "provider_unknown"}
	}
	var creds channel.Credentials
	value, ch, err := c.ReadCredentials(ctx, ch, s.Secrets.Fresh)
	if errors.Is(err, fault.NotFound) || err == nil && json.Unmarshal([]byte(value), &creds) != nil {
		return nil, none, &channel.Error{Verdict: channel.ChannelDown, Code: "no_credentials", Reason: "credentials_missing", Cause: desk.WaitCredential}
	}
	if err != nil {
		s.Log.Error("credentials not read", "channel", ch.ID, "error", err.Error())
		return nil, none, &channel.Error{Verdict: channel.Later, Code: "secret_store", Reason: "secret_store_unavailable", Cause: desk.WaitUnavailable}
	}
	return provider, channel.Account{Channel: ch, Credentials: creds}, nil
}

// classified is err as the provider's verdict; nil for nil. What is no *channel.Error
// may have arrived.
func classified(err error) *channel.Error {
	var e *channel.Error
	if err != nil && !errors.As(err, &e) {
		e = &channel.Error{Verdict: channel.Unknown, Code: "unclassified", Reason: desk.ReasonUnknown, Cause: desk.WaitUnavailable}
	}
	return e
}

// answered draws the consequence of a call for the channel: an authenticated one that
// works, or one that the provider refused until somebody acts. What we refused
// ourselves, for want of a setting, says nothing of the messages that it sends.
func (s *Approvals) answered(ctx context.Context, c store.Company, ch desk.Channel, e *channel.Error) error {
	switch {
	case e == nil && ch.State == desk.ChannelInterrupted:
		return s.resume(ctx, c, ch.ID)
	case e != nil && e.Verdict == channel.ChannelDown && e.Code != channel.CodeNotSent && desk.Interrupts(e.Cause):
		return s.interrupt(ctx, c, ch.ID, e.Cause)
	}
	return nil
}

// interrupt marks an active channel (Q21); one that is interrupted keeps its cause.
func (s *Approvals) interrupt(ctx context.Context, c store.Company, id, cause string) error {
	return store.Retry(func() error {
		ch, err := c.FreshChannel(ctx, id)
		if err != nil || ch.Deleted || ch.State != desk.ChannelActive {
			return err
		}
		ch.State, ch.Cause = desk.ChannelInterrupted, cause
		return c.SaveChannel(ctx, ch, nil)
	})
}

// resume ends an interruption whose cause was the credential, which has just worked.
// While messages wait for the channel it is theirs to end: a credential may serve for
// templates and not for sending. Nor does a list say anything of a wallet.
func (s *Approvals) resume(ctx context.Context, c store.Company, id string) error {
	return store.Retry(func() error {
		ch, err := c.FreshChannel(ctx, id)
		if err != nil || ch.Deleted || ch.State != desk.ChannelInterrupted || ch.Cause != desk.WaitCredential {
			return err
		}
		wait, err := c.ChannelWait(ctx, id)
		if err != nil || wait.Cause != "" {
			return err
		}
		ch.State, ch.Cause = desk.ChannelActive, ""
		return c.SaveChannel(ctx, ch, c.WhileWait(id, wait))
	})
}
