package api

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"time"

	"buzon/internal/channel"
	"buzon/internal/desk"
	"buzon/internal/fault"
	"buzon/internal/store"
	"buzon/internal/web"
)

// Limits of what identifies a channel at its provider. All secrets of a channel
// together fit into one value of the secret store.
const (
	MaxCredential      = 1024 // bytes of an access or partner token
	MaxShortCredential = 256  // bytes of a key and of what signs or greets
	MaxProviderID      = 32   // digits of Meta's ids
	MaxAppName         = 100
	MaxRejectionReason = 1000
	leastIdentifier    = 7 // digits; at most those of a phone number

	// checkTime is how long a provider may take to say whether credentials work.
	checkTime = 5 * time.Second
)

// postApproval makes a requested channel work: it gets its identifier and its
// credentials, and its templates are looked up (S3-08). One that was rejected may
// be approved after all (Q21).
//
// Of two approvals at the same moment one is refused, and its credentials are gone.
func postApproval(c *call) error {
	var creds channel.Credentials
	k := channelChange{}
	k.apply = func(o *web.Object, v *desk.Channel) error {
		if v.State != desk.ChannelPending {
			return &web.Refused{Status: http.StatusConflict, Code: "not_pending"}
		}
		creds = channel.Credentials{}
		readIdentifier(o, &v.Identifier)
		if !o.Has("credentials") {
			o.Add("credentials", "required")
		}
		readCredentials(o, v, &creds)
		return nil
	}
	k.save = func(was desk.Channel, v *desk.Channel) error {
		if _, err := c.try(*v, creds); err != nil {
			return err
		}
		v.State, v.Cause, v.Rejection = desk.ChannelActive, "", nil
		return c.publish(was, v, creds, func(also store.Also) error { return c.connect(was, *v, k.status, also) })
	}
	return k.run(c)
}

// connect writes a channel that begins to work, and that waits for nothing. Its
// templates are looked up at once; a timer that is due in the same write does it
// where that breaks off.
func (c *call) connect(was, v desk.Channel, status store.ChannelStatus, also store.Also) error {
	now := c.now()
	timer := c.company.ChannelTimer(store.WakeSync, v.ID, v.Version, now)
	sync := status.Sync
	sync.Armed = timer.Due
	also = append(also, c.company.KeepSync(v.ID, sync, timer)...)
	if wait := status.Wait; wait.Cause != "" {
		wait.Wait, wait.WellAt = desk.Wait{}, now
		also = append(also, c.company.KeepWait(v.ID, wait)...)
	}
	if err := c.company.ConnectChannel(c.ctx(), was, v, also); err != nil {
		return err
	}
	c.later("list of templates not asked for", c.approval(v.ID, desk.ApprovalEvent{Sync: &desk.SyncEvent{Channel: v.ID, Asked: now}}))
	return nil
}

// postRejection notes that a request was refused. It stays pending (Q21).
func postRejection(c *call) error {
	k := channelChange{}
	reason := ""
	k.apply = func(o *web.Object, v *desk.Channel) error {
		if v.State != desk.ChannelPending {
			return &web.Refused{Status: http.StatusConflict, Code: "not_pending"}
		}
		reason = ""
		o.Text("reason", &reason, web.Text{Required: true, Max: MaxRejectionReason, Lines: true})
		return nil
	}
	k.save = func(was desk.Channel, v *desk.Channel) error {
		if was.Rejection != nil && was.Rejection.Reason == reason {
			return errUnchanged
		}
		v.Cause, v.Rejection = desk.CauseRejected, &desk.Rejection{Reason: reason, At: c.now()}
		return c.company.SaveChannel(c.ctx(), *v, nil)
	}
	return k.run(c)
}

// putCredentials replaces the credentials of a channel that was approved; what is not
// sent stays. Where the provider takes them, a wait for them ends and the channel
// works again; where it could not be asked, the next send tries them.
func putCredentials(c *call) error {
	var creds channel.Credentials
	k := channelChange{}
	k.apply = func(o *web.Object, v *desk.Channel) error {
		if v.State == desk.ChannelPending {
			return errPending()
		}
		var err error
		if creds, err = c.credentials(*v); err != nil && !errors.Is(err, errDamaged) {
			return err
		}
		if !o.Has("credentials") {
			o.Add("credentials", "required")
		}
		readCredentials(o, v, &creds)
		return nil
	}
	k.save = func(was desk.Channel, v *desk.Channel) error {
		accepted, err := c.try(*v, creds)
		if err != nil {
			return err
		}
		var also store.Also
		wait := k.status.Wait
		if wait.Cause == desk.WaitCredential {
			if wait.NotBefore = c.now(); accepted {
				wait.Wait, wait.WellAt = desk.Wait{}, c.now()
			}
			also = c.company.KeepWait(v.ID, wait)
		}
		if accepted && v.State == desk.ChannelInterrupted && v.Cause == desk.WaitCredential {
			v.State, v.Cause = desk.ChannelActive, ""
		}
		err = c.publish(was, v, creds, func(more store.Also) error {
			return c.company.ConnectChannel(c.ctx(), was, *v, append(also, more...))
		})
		if err != nil {
			return err
		}
		c.later("old credentials not removed", c.removeCredentials(was))
		k.status.Wait = wait
		if accepted {
			c.later("templates not submitted", c.submitWaiting(v.ID))
		}
		if wait.Cause != desk.WaitCredential && desk.Interrupts(wait.Cause) {
			return nil // what waits does so for another reason
		}
		return c.sendInbound(v.ID, store.Hash("freed", v.ID, etag(was.Version)), desk.InboundEvent{Freed: v.ID})
	}
	return k.run(c)
}

// submitWaiting queues the requests of templates that have not reached the provider:
// their timers would take up to an hour.
func (c *call) submitWaiting(channel string) error {
	all, err := c.company.FreshTemplates(c.ctx(), channel)
	if err != nil {
		return err
	}
	for _, t := range all {
		if t.Submission != nil && !t.Submission.Done {
			if err := c.approval(channel, desk.ApprovalEvent{Submit: t.ID}); err != nil {
				return err
			}
		}
	}
	return nil
}

// readIdentifier reads the number of a channel: 7 to 15 digits, however written.
func readIdentifier(o *web.Object, v *string) {
	text := ""
	o.Text("identifier", &text, web.Text{Required: true, Max: maxPhoneText, Check: func(s string) string {
		digits, ok := normalNumber(s, leastIdentifier)
		if !ok {
			return "invalid_phone"
		}
		*v = digits
		return ""
	}})
}

// readCredentials reads what the provider of v wants. Secrets go into creds, what
// names number and account into v.
func readCredentials(o *web.Object, v *desk.Channel, creds *channel.Credentials) {
	key := func(required bool, most int) web.Text { return web.Text{Required: required, Max: most, Check: visible} }
	digits := func(required bool) web.Text {
		return web.Text{Required: required, Max: MaxProviderID, Check: onlyDigits}
	}
	o.Object("credentials", func(o *web.Object) {
		switch v.Provider {
		case desk.ProviderMeta:
			o.Text("phone_number_id", &v.PhoneNumberID, digits(true))
			o.Text("business_account_id", &v.AccountID, digits(true))
			o.Text("access_token", &creds.AccessToken, key(true, MaxCredential))
			o.Text("app_secret", &creds.AppSecret, key(true, MaxShortCredential))
			o.Text("verify_token", &creds.VerifyToken, key(true, MaxShortCredential))
		default:
			o.Text("app", &v.App, web.Text{Required: true, Max: MaxAppName})
			o.Text("app_id", &v.AppID, web.Text{Required: true, Max: maxID, Check: anID})
			o.Text("api_key", &creds.APIKey, key(true, MaxShortCredential))
			o.Text("phone_number_id", &v.PhoneNumberID, digits(false))
			o.Text("partner_token", &creds.PartnerToken, key(false, MaxCredential))
		}
	})
}

// visible: keys and tokens are visible ASCII, so that they may stand in a header.
func visible(s string) (code string) {
	if strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return "not_visible_ascii"
	}
	return ""
}

func onlyDigits(s string) (code string) {
	if strings.Trim(s, "0123456789") != "" {
		return "not_digits"
	}
	return ""
}

// anID: what stands in an address of the provider's.
func anID(s string) (code string) {
	if !validID(s) {
		return "invalid"
	}
	return ""
}

// try asks the provider whether the credentials work, for checkTime at most:
// accepted, or not known if it could not be asked. What it refuses is a problem of
// the field.
func (c *call) try(v desk.Channel, creds channel.Credentials) (accepted bool, err error) {
	p := c.Providers[v.Provider]
	if p == nil {
		return false, nil
	}
	ctx, cancel := context.WithTimeout(c.ctx(), checkTime)
	defer cancel()
	err = p.Check(ctx, channel.Account{Channel: v, Credentials: creds})
	var refused *channel.Error
	if errors.As(err, &refused) && refused.Verdict == channel.ChannelDown {
		var in fault.Input
		in.Add("credentials", "refused_by_provider", "reason", refused.Code+" "+refused.Reason)
		return false, in.Err()
	}
	return err == nil, nil
}
