package pages

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"buzon/internal/desk"
	"buzon/internal/fault"
	"buzon/internal/link"
	"buzon/internal/store"
)

// The fields of the form; the last three are the page's own.
const (
	fieldTitle       = "title"
	fieldDescription = "description"
	fieldContact     = "contact"
	fieldLang        = "lang"
	fieldSwitch      = "switch"  // a button that shows the page in another language
	fieldOpened      = "opened"  // when the page was shown, signed
	fieldTrap        = "website" // people do not see it; what fills it in is a program
)

// maxStamp is the longest signed time that is looked at; ours are shorter.
const maxStamp = 100

// entry is what a person wrote into the form, cleaned.
type entry struct {
	title, description, contact string
	suspected                   bool
	problems                    []problem
}

// showForm has no effect: programs that preview links may call it as often as
// they like (T40).
func (p *Portal) showForm(v *visit) (answer, error) {
	secret := v.r.PathValue("form")
	f, err := p.openForm(v, secret)
	if err != nil {
		return answer{}, err
	}
	if f.Case != "" {
		return answer{status: http.StatusOK, template: "used", page: p.usedView(v)}, nil
	}
	if expired(f, v.now) {
		return answer{}, &refusal{status: http.StatusGone}
	}
	return p.formAnswer(v, f, entry{}, http.StatusOK, "")
}

// openForm finds the form of a secret and shows the page as its company's;
// fault.NotFound if there is none, or none any more.
func (p *Portal) openForm(v *visit, secret string) (desk.Form, error) {
	c, err := p.enter(secret)
	if err != nil {
		return desk.Form{}, err
	}
	f, err := c.Form(v.ctx, link.Hash(secret))
	if err != nil {
		return desk.Form{}, err
	}
	if !v.now.Before(f.Expires.Add(desk.FormKeptAfterExpiry)) {
		return desk.Form{}, fault.NotFound
	}
	v.shown = f.Language
	return f, v.show(c)
}

func expired(f desk.Form, now time.Time) bool { return !now.Before(f.Expires) }

// formAnswer is the page of the form with what was written so far. stamp is the
// time it was first shown, signed; empty: now.
func (p *Portal) formAnswer(v *visit, f desk.Form, e entry, status int, stamp string) (answer, error) {
	if stamp == "" || len(stamp) > maxStamp {
		var err error
		if stamp, err = p.stamp(v.ctx, v.company.Tenant, v.r.PathValue("form"), v.now); err != nil {
			return answer{}, err
		}
	}
	return answer{status: status, template: "form", page: p.formView(v, f, e, stamp)}, nil
}

// postForm makes the case, once (R8), and sends the person to its tracking page
// (S1-33). The same form again leads to the same place from wherever it comes;
// text that is not in the case yet is added to it.
func (p *Portal) postForm(v *visit) (answer, error) {
	secret := v.r.PathValue("form")
	f, err := p.openForm(v, secret)
	if err != nil {
		return answer{}, v.keeping(err)
	}
	posted, err := readFields(v.r)
	if err != nil {
		return answer{}, err
	}
	v.choose(posted[fieldLang])
	e := v.read(posted, f)
	if f.Case == "" && expired(f, v.now) {
		return answer{}, &refusal{status: http.StatusGone, kept: e.all()}
	}
	if posted[fieldSwitch] != "" {
		v.choose(posted[fieldSwitch])
		if f.Case != "" {
			return answer{status: http.StatusOK, template: "used", page: p.usedView(v)}, nil
		}
		e.problems = nil
		return p.formAnswer(v, f, e, http.StatusOK, posted[fieldOpened])
	}
	if len(e.problems) > 0 {
		return p.formAnswer(v, f, e, http.StatusUnprocessableEntity, posted[fieldOpened])
	}
	e.suspected = posted[fieldTrap] != "" || !p.slow(v, secret, posted[fieldOpened])
	k, err := p.submit(v, f, secret, e)
	switch {
	case errors.Is(err, fault.NotFound):
		return answer{}, err
	case errors.Is(err, errFull):
		return answer{}, &refusal{status: http.StatusConflict, kept: e.all(), hint: "page.error.full"}
	case err != nil:
		return p.notSaved(v, f, e, posted[fieldOpened], err)
	}
	tracking, err := p.tracking(v.ctx, v.company.Tenant, k.TrackingKey, secret)
	if err != nil {
		return answer{}, err
	}
	return answer{location: "/t/" + tracking + "?created=1"}, nil
}

// notSaved is the form again, with everything in it and the reason on top: 503 if
// the same may work shortly, else 500.
func (p *Portal) notSaved(v *visit, f desk.Form, e entry, stamp string, err error) (answer, error) {
	p.complain(v, err)
	e.problems = []problem{{Text: v.text().Text("page.error.not_saved", "id", v.id)}}
	r := refuse(err, "")
	a, err := p.formAnswer(v, f, e, r.status, stamp)
	a.retry = r.retry
	return a, err
}

// read cleans what was posted and checks it. A form that was used needs nothing
// more, so that there nothing is required (contract section 2: the same place).
func (v *visit) read(posted fields, f desk.Form) entry {
	var e entry
	var ok [3]bool
	e.title, ok[0] = line(posted[fieldTitle])
	e.description, ok[1] = paragraphs(posted[fieldDescription])
	e.contact, ok[2] = line(posted[fieldContact])
	t := v.text()
	add := func(field, text string) { e.problems = append(e.problems, problem{Field: field, Text: text}) }
	check := func(field, value string, valid, required bool, limit int, missing, tooLong string) {
		switch n := utf8.RuneCountInString(value); {
		case !valid:
			add(field, t.Text("page.error.unreadable"))
		case required && blank(value):
			add(field, t.Text(missing))
		case n > limit:
			add(field, t.TextWith(tooLong, map[string]string{"max": grouped(t, limit), "over": grouped(t, n-limit)}))
		}
	}
	fresh := f.Case == ""
	check(fieldTitle, e.title, ok[0], fresh, desk.MaxCaseTitle, "page.error.title_required", "page.error.title_too_long")
	check(fieldDescription, e.description, ok[1], fresh, desk.MaxCaseDescription, "page.error.description_required", "page.error.description_too_long")
	check(fieldContact, e.contact, ok[2], false, desk.MaxContactField, "", "page.error.contact_too_long")
	return e
}

// all is everything that was written, to be read or copied.
func (e entry) all() string {
	return joinParts(e.title, e.description, e.contact)
}

func joinParts(parts ...string) string {
	var some []string
	for _, s := range parts {
		if !blank(s) {
			some = append(some, s)
		}
	}
	return strings.Join(some, "\n\n")
}

// news is the text that the case does not hold yet; empty: nothing new.
func (e entry) news(k desk.Case) string {
	same := func(s, stored string) bool { return blank(s) || s == stored }
	contact := e.contact
	if same(contact, k.GivenContact) {
		contact = ""
	}
	if same(e.title, k.Title) && same(e.description, k.Description) {
		return contact
	}
	return joinParts(e.title, e.description, contact)
}

// errFull: the case has as many lines of history as can be read at once.
var errFull = errors.New("case full")

// submit makes the case of the form, or adds to the one that it has made. It may
// run any number of times, at once and after lost answers: the outcome is one case.
func (p *Portal) submit(v *visit, f desk.Form, secret string, e entry) (desk.Case, error) {
	c := v.company
	taken := 0 // references that other cases have
	var err error
	for try := 0; try < maxTries; try++ {
		if try > 0 {
			if f, err = c.Form(v.ctx, f.Hash); err != nil {
				return desk.Case{}, err
			}
		}
		var k desk.Case
		if f.Case != "" {
			k, err = c.Case(v.ctx, f.Case)
			if err == nil {
				k, err = p.addAgain(v, k, e)
			}
		} else {
			k, err = p.create(v, f, secret, e, taken)
		}
		if err == nil || errors.Is(err, errFull) || !retryable(v.ctx, err) {
			return k, err
		}
		if errors.Is(err, store.ErrReferenceTaken) {
			taken++
		}
	}
	return desk.Case{}, err
}

// create makes the case in one transaction. Nothing in it comes from the number
// or the conversation (Q10, Q20), nor from the browser.
func (p *Portal) create(v *visit, f desk.Form, secret string, e entry, taken int) (desk.Case, error) {
	c := v.company
	keyID, err := p.currentKey(v.ctx)
	if err != nil {
		return desk.Case{}, err
	}
	tracking, err := p.tracking(v.ctx, c.Tenant, keyID, secret)
	if err != nil {
		return desk.Case{}, err
	}
	id := store.AnonymousCaseID(f.Hash)
	k := desk.Case{
		ID:           id,
		Reference:    store.Reference(id, taken),
		Title:        e.title,
		Description:  e.description,
		State:        desk.CaseNew,
		Source:       desk.SourceWhatsApp,
		Type:         f.CaseType,
		Priority:     desk.PriorityMedium,
		Project:      f.Project,
		Service:      f.Service,
		Category:     f.Category,
		ProjectName:  f.ProjectName,
		ServiceName:  f.ServiceName,
		CategoryName: f.CategoryName,
		GivenContact: e.contact,
		Anonymous:    true,
		Suspected:    e.suspected,
		Language:     v.text().Lang(),
		TrackingKey:  keyID,
		CreatedAt:    v.now,
		ChangedAt:    v.now,
	}
	return k, c.MakeAnonymousCase(v.ctx, f, k, link.Hash(tracking))
}

// addAgain adds what a form sent again says beyond the case, once per content,
// whatever the case's state: nothing that was written is lost.
func (p *Portal) addAgain(v *visit, k desk.Case, e entry) (desk.Case, error) {
	text := e.news(k)
	if text == "" {
		return k, nil
	}
	return p.add(v, k, store.Hash("resent", k.ID, text), text)
}

// add writes a line of the person into the case's history, unless the line is
// there already; fault.Conflict if the case changed meanwhile.
func (p *Portal) add(v *visit, k desk.Case, id, text string) (desk.Case, error) {
	there, err := v.company.HasCaseEvent(v.ctx, k.ID, id)
	if err != nil || there {
		return k, err
	}
	if k.Version >= store.MaxCaseEvents { // each line of history is a version of the case
		return k, errFull
	}
	was := k
	k.ChangedAt = v.now
	return k, v.company.AddToCase(v.ctx, was, k, desk.CaseEvent{ID: id, Case: k.ID, Kind: desk.CaseMessage, Text: text, At: v.now})
}

// stamp says when the page was shown: "<unix milliseconds>.<signature>". The key
// is the tracking secret that the form will have, which nobody holds yet; after
// the keys were rotated a page shown before counts as forged.
func (p *Portal) stamp(ctx context.Context, tenant, secret string, at time.Time) (string, error) {
	keyID, err := p.currentKey(ctx)
	if err != nil {
		return "", err
	}
	key, err := p.tracking(ctx, tenant, keyID, secret)
	if err != nil {
		return "", err
	}
	when := strconv.FormatInt(at.UnixMilli(), 10)
	mac := hmac.New(sha256.New, []byte(key))
	mac.Write([]byte("opened " + when))
	return when + "." + base64.RawURLEncoding.EncodeToString(mac.Sum(nil)), nil
}

// slow tells whether the form was shown at least desk.MinFormTime ago. Without a
// time, or with one that is not ours, it was not.
func (p *Portal) slow(v *visit, secret, stamp string) bool {
	when, _, _ := strings.Cut(stamp, ".")
	ms, err := strconv.ParseInt(when, 10, 64)
	if err != nil {
		return false
	}
	at := time.UnixMilli(ms)
	ours, err := p.stamp(v.ctx, v.company.Tenant, secret, at)
	return err == nil && hmac.Equal([]byte(ours), []byte(stamp)) && v.now.Sub(at) >= desk.MinFormTime
}
