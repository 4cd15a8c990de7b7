package api

import (
	"encoding/base64"
	"fmt"
	"io"
	"net/http"
	"reflect"
	"strings"
	"time"

	"buzon/internal/desk"
	"buzon/internal/fault"
	"buzon/internal/store"
	"buzon/internal/web"
)

// channelView is a channel; what is not known of it is null. Of its secrets it
// holds one, in the answer to what made it: the one in its addresses.
type channelView struct {
	ID            string          `json:"id"`
	Version       int64           `json:"version"`
	Kind          string          `json:"kind"`
	Provider      string          `json:"provider"`
	Company       nameView        `json:"company"`
	Requester     requesterView   `json:"requester"`
	Settings      settingsView    `json:"settings"`
	State         string          `json:"state"`
	Cause         *string         `json:"cause"`
	Rejection     *rejectionView  `json:"rejection"`
	Evaluation    *evaluationView `json:"evaluation"`
	Waiting       *waitView       `json:"waiting"`
	Identifier    *string         `json:"identifier"`
	Queues        []string        `json:"queues"`
	App           *string         `json:"app"`
	AppID         *string         `json:"app_id"`
	PhoneNumberID *string         `json:"phone_number_id"`
	AccountID     *string         `json:"business_account_id"`
	WebhookURL    *string         `json:"webhook_url"`
	CallbackURL   *string         `json:"callback_url"`
	LastSync      *syncView       `json:"last_sync"`
	CreatedAt     *time.Time      `json:"created_at"`
}

type nameView struct {
	Name string `json:"name"`
}

type requesterView struct {
	Name  *string `json:"name"`
	Email *string `json:"email"`
	Phone *string `json:"phone"`
}

type settingsView struct {
	PerSecond  int  `json:"messages_per_second"`
	MixButtons bool `json:"mixed_buttons"`
}

type rejectionView struct {
	Reason string     `json:"reason"`
	At     *time.Time `json:"at"`
}

// evaluationView is when a request will have been evaluated, as an estimate (S3-06).
type evaluationView struct {
	From *time.Time `json:"from"`
	To   *time.Time `json:"to"`
}

// syncView is the last reading of the provider's list of templates.
type syncView struct {
	At      *time.Time `json:"at"`
	OK      bool       `json:"ok"`
	Seen    int        `json:"seen"`
	Changed int        `json:"changed"`
	Missing int        `json:"missing"`
	Error   *string    `json:"error"`
}

// viewChannel shows a channel. secret is the one in its addresses if it has just
// been made, else empty.
func (c *call) viewChannel(v desk.Channel, s store.ChannelStatus, secret string) channelView {
	out := channelView{
		ID: v.ID, Version: v.Version, Kind: v.Kind, Provider: v.Provider,
		Company:   nameView{v.CompanyName},
		Requester: requesterView{optional(v.Requester.Name), optional(v.Requester.Email), optional(v.Requester.Phone)},
		Settings:  settingsView{v.Settings.Rate(), v.Settings.MixButtons},
		State:     string(v.State), Cause: optional(v.Cause), Identifier: optional(v.Identifier), Queues: texts(v.Queues),
		App: optional(v.App), AppID: optional(v.AppID), PhoneNumberID: optional(v.PhoneNumberID), AccountID: optional(v.AccountID),
		CreatedAt: when(v.CreatedAt),
	}
	if r := v.Rejection; r != nil {
		out.Rejection = &rejectionView{r.Reason, when(r.At)}
	} else if v.State == desk.ChannelPending {
		out.Evaluation = &evaluationView{when(v.CreatedAt.Add(desk.EvaluationFrom)), when(v.CreatedAt.Add(desk.EvaluationTo))}
	}
	if w := s.Wait; w.Cause != "" {
		out.Waiting = &waitView{w.Cause, when(w.NotBefore)}
	}
	if y := s.Sync; !y.At.IsZero() {
		out.LastSync = &syncView{when(y.At), y.OK, y.Seen, y.Changed, y.Missing, optional(y.Error)}
	}
	out.WebhookURL, out.CallbackURL = c.addresses(v, secret)
	return out
}

// addresses are where a provider posts events and template verdicts. Meta's have no
// secret, and one takes both; the others' are known only with theirs.
func (c *call) addresses(v desk.Channel, secret string) (webhook, callback *string) {
	if v.Provider == desk.ProviderMeta {
		url := c.PublicURL(c.r) + "/webhooks/whatsapp/" + v.ID
		return &url, &url
	}
	if secret == "" {
		return nil, nil
	}
	path := v.Provider + "/" + v.ID + "/" + secret
	events, verdicts := c.PublicURL(c.r)+"/webhooks/"+path, c.PublicURL(c.r)+"/callbacks/templates/"+path
	return &events, &verdicts
}

// channelSecret makes the secret of a channel's addresses: 256 random bits.
func (c *call) channelSecret() (string, error) {
	var bits [32]byte
	if _, err := io.ReadFull(c.Random, bits[:]); err != nil {
		return "", fmt.Errorf("channel secret: %w", err)
	}
	return base64.RawURLEncoding.EncodeToString(bits[:]), nil
}

func listChannels(c *call) error {
	q := c.query("kind", "state")
	kind := q.oneOf("kind", desk.KindWhatsApp, desk.KindViber)
	state := q.oneOf("state", string(desk.ChannelPending), string(desk.ChannelActive),
		string(desk.ChannelInterrupted), string(desk.ChannelInactive))
	if err := q.err(); err != nil {
		return err
	}
	items, next, err := c.company.Channels(c.ctx(), kind, desk.ChannelState(state), q.limit, q.cursor)
	if err != nil {
		return q.badCursor(err)
	}
	ids := make([]string, len(items))
	for i, v := range items {
		ids[i] = v.ID
	}
	status, err := c.company.ChannelStatuses(c.ctx(), ids...)
	if err != nil {
		return err
	}
	return answerList(c, items, next, func(v desk.Channel) channelView { return c.viewChannel(v, status[v.ID], "") })
}

// channel reads the channel that the path names; a deleted one is not found.
func (c *call) channel() (desk.Channel, error) {
	v, err := c.anyChannel()
	if err == nil && v.Deleted {
		err = fmt.Errorf("channel %s: deleted: %w", v.ID, fault.NotFound)
	}
	return v, err
}

// anyChannel reads the channel that the path names, also one that was deleted.
func (c *call) anyChannel() (desk.Channel, error) {
	id, err := c.id("id")
	if err != nil {
		return desk.Channel{}, err
	}
	return c.company.FreshChannel(c.ctx(), id)
}

func getChannel(c *call) error {
	v, err := c.channel()
	if err != nil {
		return err
	}
	status, err := c.company.ChannelStatuses(c.ctx(), v.ID)
	if err != nil {
		return err
	}
	return c.ok(v.Version, c.viewChannel(v, status[v.ID], ""))
}

// postChannel requests a channel (S3-01 … S3-07). Who calls and their company are
// there already and may be sent otherwise (S3-05).
func postChannel(c *call) error {
	return c.create(func(o *web.Object) (made, error) {
		self, err := c.company.Self(c.ctx())
		if err != nil {
			return made{}, err
		}
		v := desk.Channel{
			ID: c.company.OutsideID(), State: desk.ChannelPending, CompanyName: self.Name,
			Requester: desk.Requester{Name: c.me.Name, Email: c.me.Email}, CreatedAt: c.now(),
		}
		readProvider(o, &v)
		readCompany(o, &v.CompanyName)
		readRequester(o, &v.Requester)
		if !o.Has("requester") && v.Requester.Email == "" { // nor has who calls one
			o.Add("requester.email", "required")
		}
		readSettings(o, &v.Settings)
		if err := o.Err(); err != nil {
			return made{}, err
		}
		secret := ""
		if v.Provider != desk.ProviderMeta {
			if secret, err = c.channelSecret(); err != nil {
				return made{}, err
			}
			v.SecretHash = store.SecretHash(secret)
		}
		stored := v
		stored.Version = 1
		return made{
			location: "/v1/channels/" + v.ID, version: 1,
			body:  c.viewChannel(stored, store.ChannelStatus{}, secret),
			again: c.viewChannel(stored, store.ChannelStatus{}, ""),
			save:  func(also store.Also) error { return c.company.SaveChannel(c.ctx(), v, also) },
		}, nil
	})
}

// readProvider reads what kind of channel it is and who provides it.
func readProvider(o *web.Object, v *desk.Channel) {
	o.Text("kind", &v.Kind, oneWord(desk.KindWhatsApp, desk.KindViber))
	if v.Kind == desk.KindViber {
		o.Add("kind", "not_available")
		o.Text("provider", &v.Provider, nameRule)
		return
	}
	o.Text("provider", &v.Provider, oneWord(desk.ProviderGupshup, desk.ProviderMeta))
}

func readCompany(o *web.Object, name *string) {
	if o.Null("company") {
		*name = ""
	}
	o.Object("company", func(o *web.Object) { o.Text("name", name, nameRule) })
}

func readRequester(o *web.Object, v *desk.Requester) {
	if o.Null("requester") {
		*v = desk.Requester{}
	}
	o.Object("requester", func(o *web.Object) {
		o.Text("name", &v.Name, nameRule)
		readEmail(o, &v.Email, true)
		readPhone(o, &v.Phone)
	})
}

func readSettings(o *web.Object, v *desk.ChannelSettings) {
	if o.Null("settings") {
		*v = desk.ChannelSettings{}
	}
	o.Object("settings", func(o *web.Object) {
		o.Int("messages_per_second", &v.PerSecond, 1, desk.MaxPerSecond)
		o.Bool("mixed_buttons", &v.MixButtons)
	})
}

// channelChange is a PATCH, PUT or POST that changes the channel of the path.
type channelChange struct {
	status store.ChannelStatus // as read with the channel
	secret string              // that was made for its addresses
	// apply, save: see change.
	apply func(o *web.Object, v *desk.Channel) error
	save  func(was desk.Channel, v *desk.Channel) error
	// more is what is shown beside the channel; nil: nothing.
	more func(channelView) any
}

func (k *channelChange) run(c *call) error {
	load := func() (desk.Channel, error) {
		v, err := c.channel()
		if err != nil {
			return v, err
		}
		status, err := c.company.ChannelStatuses(c.ctx(), v.ID)
		k.status = status[v.ID]
		return v, err
	}
	view := func(v desk.Channel) any {
		shown := c.viewChannel(v, k.status, k.secret)
		if k.more != nil {
			return k.more(shown)
		}
		return shown
	}
	return change(c, load, view, k.apply, k.save)
}

// errPending refuses what needs a channel that was approved (S3-11, S3-15).
func errPending() error { return &web.Refused{Status: http.StatusConflict, Code: "pending"} }

// patchChannel changes requester and settings; a request is only viewed (S3-14, S3-15).
func patchChannel(c *call) error {
	k := channelChange{
		apply: func(o *web.Object, v *desk.Channel) error {
			if v.State == desk.ChannelPending {
				return errPending()
			}
			readRequester(o, &v.Requester)
			readSettings(o, &v.Settings)
			return nil
		},
		save: func(was desk.Channel, v *desk.Channel) error {
			if reflect.DeepEqual(was, *v) {
				return errUnchanged
			}
			return c.company.SaveChannel(c.ctx(), *v, nil)
		},
	}
	return k.run(c)
}

// MaxKeepOldMinutes is how long an old address may stay good beside the new one.
const MaxKeepOldMinutes = 24 * 60

// postChannelSecret gives a channel new addresses, shown once. The old ones are
// good for as long as is asked, by default no more.
func postChannelSecret(c *call) error {
	if c.r.ContentLength == 0 { // all of the body is optional
		c.r.Body = io.NopCloser(strings.NewReader("{}"))
		c.r.Header.Set("Content-Type", "application/json")
	}
	keep := 0
	k := channelChange{}
	k.apply = func(o *web.Object, v *desk.Channel) error {
		if v.SecretHash == "" {
			return &web.Refused{Status: http.StatusConflict, Code: "no_secret_address"}
		}
		keep = 0
		o.Int("keep_old_minutes", &keep, 0, MaxKeepOldMinutes)
		return nil
	}
	k.save = func(was desk.Channel, v *desk.Channel) error {
		secret, err := c.channelSecret()
		if err != nil {
			return err
		}
		v.SecretHash, v.OldSecretHash, v.OldSecretUntil = store.SecretHash(secret), "", time.Time{}
		if keep > 0 {
			v.OldSecretHash, v.OldSecretUntil = was.SecretHash, c.now().Add(time.Duration(keep)*time.Minute)
		}
		if err := c.company.SaveChannel(c.ctx(), *v, nil); err != nil {
			return err
		}
		k.secret = secret
		return nil
	}
	return k.run(c)
}
