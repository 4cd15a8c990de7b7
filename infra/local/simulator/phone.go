package simulator

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"buzon/infra/local/clock"
	"buzon/infra/local/ids"
	"buzon/internal/desk"
	"buzon/internal/fault"
	"buzon/internal/web"
)

// MaxAdvance is the furthest that the clock can be moved at once.
const MaxAdvance = clock.MaxAdvance

// Limits of what a person sends.
const (
	maxReplyID = 256  // characters
	maxURL     = 2048 // characters
)

// needs says what each type of message takes: "!" has to be there, "?" may.
var needs = map[string]struct{ text, replyID, url byte }{
	"text":         {text: '!'},
	"list_reply":   {text: '?', replyID: '!'}, // text is the title of the row, which may be looked up
	"button_reply": {text: '?', replyID: '!'},
	"quick_reply":  {text: '!', replyID: '?'},
	"image":        {text: '?', url: '!'},
	"video":        {text: '?', url: '!'},
	"file":         {text: '?', url: '!'},
	"audio":        {url: '!'},
	"sticker":      {url: '!'},
	"location":     {text: '?'},
	"contact":      {text: '!'},
	"reaction":     {text: '?', replyID: '!'}, // without text it takes a reaction back
}

// say sends a person's message to the system, as the provider would.
func (s *Simulator) say(w http.ResponseWriter, r *http.Request) error {
	line, ok := s.line(r.PathValue("channel"))
	if !ok {
		return fmt.Errorf("channel: %w", fault.NotFound)
	}
	number, m, err := readSaid(w, r, line.Provider)
	if err != nil {
		return err
	}
	e := event{line: line, number: number, id: ids.WAMID(), at: s.Now(), said: m}
	if m.Type == "quick_reply" {
		if e.tapped, err = s.answered(line, number, m.ReplyID); err != nil {
			return err
		}
	}
	if m.ReplyID != "" && m.Type != "reaction" && e.tapped == nil {
		if e.tapped, err = s.tapped(line.app(), number, m.ReplyID); err != nil {
			return err
		}
		if e.Text == "" && e.tapped != nil {
			e.Text = e.tapped.title
		}
		if e.Text == "" {
			var in fault.Input
			in.Add("text", "required")
			return in.Err()
		}
	}
	// Kept first, so that it stands before its answer.
	seq, err := s.Phones.Add(Entry{App: line.app(), Number: number, At: e.at, WAMID: e.id, Said: &e.said})
	if err != nil {
		return err
	}
	status, err := s.post(r.Context(), line, e.payload())
	if err != nil {
		return err
	}
	if err := s.Phones.Change(seq, func(e *Entry) { e.Answer = status }); err != nil {
		return err
	}
	web.JSON(w, http.StatusAccepted, map[string]any{"message_id": e.id, "status": status})
	return nil
}

// readSaid reads and checks the body of a message. Only at Meta may somebody hide
// their number behind a user id; format is Gupshup's.
func readSaid(w http.ResponseWriter, r *http.Request, provider string) (number string, m said, err error) {
	o, err := web.ReadObject(w, r)
	if err != nil {
		return "", m, err
	}
	m.Format = formatV2
	o.Text("from", &number, web.Text{Required: true})
	if number != "" && !validNumber(number) && (provider != desk.ProviderMeta || !scopedID.MatchString(number)) {
		o.Add("from", "invalid_phone")
	}
	o.Text("name", &m.Name, web.Text{Max: desk.MaxName})
	o.Text("type", &m.Type, web.Text{Required: true, OneOf: saidTypes})
	o.Text("text", &m.Text, web.Text{Max: desk.MaxText, Lines: true})
	o.Text("reply_id", &m.ReplyID, web.Text{Max: maxReplyID})
	o.Text("url", &m.URL, web.Text{Max: maxURL})
	o.Text("format", &m.Format, web.Text{OneOf: []string{formatV2, formatV3}})
	if n, ok := needs[m.Type]; ok {
		need(o, "text", m.Text, n.text)
		need(o, "reply_id", m.ReplyID, n.replyID)
		need(o, "url", m.URL, n.url)
	}
	if u, err := url.Parse(m.URL); m.URL != "" && (err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https") {
		o.Add("url", "invalid")
	}
	return number, m, o.Err()
}

// need checks a field by what its type of message takes.
func need(o *web.Object, name, value string, rule byte) {
	switch {
	case rule == '!' && value == "":
		o.Add(name, "required")
	case rule == 0 && value != "":
		o.Add(name, "not_allowed")
	}
}

// tapped finds the row or button with the postback text in the newest message to
// the number that has it; nil if there is none.
func (s *Simulator) tapped(app, number, replyID string) (*tapped, error) {
	var found *tapped
	err := s.Phones.Newest(app, number, func(e Entry) bool {
		found = findTap(e, replyID)
		return found != nil
	})
	return found, err
}

func findTap(e Entry, replyID string) *tapped {
	m, ok := e.session()
	if !ok {
		return nil
	}
	options := slices.Clone(m.Options)
	for _, item := range m.Items {
		options = append(options, item.Options...)
	}
	for i, b := range options {
		if b.PostbackText == replyID {
			return &tapped{entry: e, msgID: m.MsgID, title: b.Title, description: b.Description, index: i + 1}
		}
	}
	return nil
}

// session is a message of the system that is no template, as Gupshup has it.
func (e Entry) session() (m sentMessage, ok bool) {
	switch {
	case !e.fromSystem():
		return m, false
	case strings.HasPrefix(e.Path, graph):
		return sessionOfMeta(e.Message)
	}
	return m, json.Unmarshal(e.Message, &m) == nil
}

// answered finds the message with a template whose button was tapped: the one with
// that id of the provider's; with no id, the newest to the number that has quick
// replies. Nil: there is none.
func (s *Simulator) answered(line Line, number, id string) (*tapped, error) {
	var found *tapped
	var failed error
	err := s.Phones.Newest(line.app(), number, func(e Entry) bool {
		use, ok := e.template()
		if !ok || id != "" && e.ID != id && e.WAMID != id {
			return false
		}
		t, err := s.sentTemplate(line, use)
		if failed = err; err == nil && (id != "" || t.hasQuickReplies()) {
			found = &tapped{entry: e}
		}
		return err != nil || found != nil
	})
	return found, errors.Join(err, failed)
}

// Bounds of a page of a list (contract section 3).
const (
	defaultLimit = 50
	maxLimit     = 100
)

// sentItem is a message of the system as scripts get it.
type sentItem struct {
	At      time.Time       `json:"at"`
	Path    string          `json:"path"`
	Message json.RawMessage `json:"message"`
	ID      string          `json:"id"`     // the provider's for the send
	Status  string          `json:"status"` // as far as it was told to the system
}

var told = [...]string{toldNothing: "submitted", toldEnqueued: "enqueued", toldSent: "sent", toldDelivered: "delivered", toldRead: "read"}

// messages lists what the system sent to a number, oldest first.
func (s *Simulator) messages(w http.ResponseWriter, r *http.Request) error {
	app, provider, err := s.app(r.Context(), r.PathValue("channel"))
	if err != nil {
		return err
	}
	var in fault.Input
	q := r.URL.Query()
	limit, after := defaultLimit, uint64(0)
	if v := q.Get("limit"); v != "" {
		n, err := strconv.Atoi(v)
		if err != nil || n < 1 || n > maxLimit {
			in.Add("limit", "out_of_range", "min", "1", "max", strconv.Itoa(maxLimit))
		}
		limit = n
	}
	if v := q.Get("cursor"); v != "" {
		if after, err = strconv.ParseUint(v, 10, 63); err != nil {
			in.Add("cursor", "invalid")
		}
	}
	number := numberOf(q.Get("to"), "to", provider, &in)
	if err := in.Err(); err != nil {
		return err
	}
	if s.External[provider] != "" {
		web.JSON(w, http.StatusOK, list{Items: []sentItem{}})
		return nil
	}
	entries, err := s.Phones.Between(app, number, after, limit+1, Entry.fromSystem)
	if err != nil {
		return err
	}
	out := list{}
	if len(entries) > limit {
		entries = entries[:limit]
		next := strconv.FormatUint(entries[limit-1].Seq, 10)
		out.NextCursor = &next
	}
	items := make([]sentItem, len(entries))
	for i, e := range entries {
		items[i] = sentItem{At: e.At, Path: e.Path, Message: e.Message, ID: e.ID, Status: told[e.Told]}
	}
	out.Items = items
	web.JSON(w, http.StatusOK, out)
	return nil
}

// numberOf checks a number of a query, which may begin with a plus sign that the
// query made a space; at Meta it may be a user id.
func numberOf(value, field, provider string, in *fault.Input) string {
	number := strings.TrimLeft(value, "+ ")
	switch {
	case number == "":
		in.Add(field, "required")
	case provider == desk.ProviderMeta && scopedID.MatchString(number):
	case !validNumber(number):
		in.Add(field, "invalid_phone")
	}
	return number
}

// app gives what the log calls a channel, and its provider, by the channel's key or
// id.
func (s *Simulator) app(ctx context.Context, name string) (app, provider string, err error) {
	if l, ok := s.line(name); ok {
		return l.app(), l.Provider, nil
	}
	ch, err := s.Channel(ctx, name)
	if err != nil {
		return "", "", err
	}
	app = ch.App
	if ch.Provider == desk.ProviderMeta && ch.PhoneNumberID != "" {
		app = metaApp(ch.PhoneNumberID)
	}
	if app == "" {
		err = fmt.Errorf("channel %s: %w", name, fault.NotFound)
	}
	return app, ch.Provider, err
}

// seen tells that the person has what was sent to them on the screen.
func (s *Simulator) seen(w http.ResponseWriter, r *http.Request) error {
	app, provider, err := s.app(r.Context(), r.PathValue("channel"))
	if err != nil {
		return err
	}
	o, err := web.ReadObject(w, r)
	if err != nil {
		return err
	}
	var number string
	o.Text("number", &number, web.Text{Required: true, Check: func(v string) string {
		var in fault.Input
		numberOf(v, "number", provider, &in)
		if len(in.Problems) > 0 {
			return in.Problems[0].Code
		}
		return ""
	}})
	if err := o.Err(); err != nil {
		return err
	}
	if err := s.Phones.See(app, number); err != nil {
		return err
	}
	s.wake()
	w.WriteHeader(http.StatusNoContent)
	return nil
}
