package pages

import (
	"errors"
	"net/http"
	"net/url"
	"unicode/utf8"

	"buzon/internal/desk"
	"buzon/internal/link"
	"buzon/internal/store"
)

// The fields of the form that adds to a case; lang and switch are as in the other.
const (
	fieldText = "text"
	fieldKey  = "key" // of the page: the same key and text twice is one message
)

// maxKey is the longest key that is looked at.
const maxKey = 64

// openCase finds the case that a tracking secret opens and shows the page as its
// company's; fault.NotFound if it opens none.
func (p *Portal) openCase(v *visit) (desk.Case, error) {
	secret := v.r.PathValue("tracking")
	c, err := p.enter(secret)
	if err != nil {
		return desk.Case{}, err
	}
	k, err := c.Tracked(v.ctx, link.Hash(secret))
	if err != nil {
		return desk.Case{}, err
	}
	v.shown = k.Language
	return k, v.show(c)
}

// showCase is the tracking page. Asked with created=1 it begins with the
// confirmation that the case was made (S1-33).
func (p *Portal) showCase(v *visit) (answer, error) {
	k, err := p.openCase(v)
	if err != nil {
		return answer{}, err
	}
	return p.caseAnswer(v, k, http.StatusOK, "", nil)
}

// caseAnswer is the tracking page, with what was written to be added so far.
func (p *Portal) caseAnswer(v *visit, k desk.Case, status int, text string, problems []problem) (answer, error) {
	history, err := v.company.CaseHistory(v.ctx, k.ID)
	if err != nil {
		return answer{}, err
	}
	return answer{status: status, template: "case", page: p.caseView(v, k, history, text, problems)}, nil
}

// showRecord is what a person may keep in a file: reference, link and date.
func (p *Portal) showRecord(v *visit) (answer, error) {
	k, err := p.openCase(v)
	if err != nil {
		return answer{}, err
	}
	t := v.text()
	text := t.Text("page.record.text",
		"reference", k.Reference, "title", k.Title, "link", p.trackingLink(v),
		"created", longTime(t, k.CreatedAt), "company", v.name)
	return answer{status: http.StatusOK, text: text + "\n", file: k.Reference + ".txt"}, nil
}

func (p *Portal) trackingLink(v *visit) string {
	return p.base(v.r) + "/t/" + v.r.PathValue("tracking")
}

// postMessage adds what the person writes to the case and leads back to it. It
// changes no state; a closed case takes no more.
func (p *Portal) postMessage(v *visit) (answer, error) {
	k, err := p.openCase(v)
	if err != nil {
		return answer{}, v.keeping(err)
	}
	posted, err := readFields(v.r)
	if err != nil {
		return answer{}, err
	}
	v.choose(posted[fieldLang])
	text, valid := paragraphs(posted[fieldText])
	if k.State == desk.CaseClosed {
		return answer{}, &refusal{status: http.StatusConflict, kept: text, hint: "page.error.closed"}
	}
	if posted[fieldSwitch] != "" {
		v.choose(posted[fieldSwitch])
		return p.caseAnswer(v, k, http.StatusOK, text, nil)
	}
	if wrong := v.checkMessage(text, valid); wrong != "" {
		return p.caseAnswer(v, k, http.StatusUnprocessableEntity, text, []problem{{Field: fieldText, Text: wrong}})
	}
	key := posted[fieldKey]
	if key == "" || len(key) > maxKey {
		key = p.NewID()
	}
	id := store.Hash("message", k.ID, key, text)
	switch err := p.addMessage(v, k, id, text); {
	case errors.Is(err, errClosed):
		return answer{}, &refusal{status: http.StatusConflict, kept: text, hint: "page.error.closed"}
	case errors.Is(err, errFull):
		return answer{}, &refusal{status: http.StatusConflict, kept: text, hint: "page.error.full"}
	case err != nil:
		return answer{}, refuse(err, text)
	}
	return answer{location: v.caseURL(k, nil) + "#" + eventAnchor(id)}, nil
}

func (v *visit) checkMessage(text string, valid bool) string {
	t := v.text()
	n := utf8.RuneCountInString(text)
	switch {
	case !valid:
		return t.Text("page.error.unreadable")
	case blank(text):
		return t.Text("page.error.text_required")
	case n > desk.MaxCaseMessage:
		return t.Text("page.error.text_too_long", "max", grouped(t, desk.MaxCaseMessage), "over", grouped(t, n-desk.MaxCaseMessage))
	}
	return ""
}

// errClosed: the case was closed.
var errClosed = errors.New("case closed")

// addMessage adds the line at whatever version the case has, once.
func (p *Portal) addMessage(v *visit, k desk.Case, id, text string) error {
	var err error
	for try := 0; try < maxTries; try++ {
		if try > 0 {
			if k, err = v.company.Case(v.ctx, k.ID); err != nil {
				return err
			}
			if k.State == desk.CaseClosed {
				return errClosed
			}
		}
		_, err = p.add(v, k, id, text)
		if err == nil || errors.Is(err, errFull) || !retryable(v.ctx, err) {
			return err
		}
	}
	return err
}

// caseURL is the address of the tracking page within the site, in the language
// of this visit if that is not the case's own.
func (v *visit) caseURL(k desk.Case, query url.Values) string {
	if query == nil {
		query = url.Values{}
	}
	if v.lang != "" && v.lang != k.Language {
		query.Set(fieldLang, v.lang)
	}
	u := "/t/" + v.r.PathValue("tracking")
	if len(query) > 0 {
		u += "?" + query.Encode()
	}
	return u
}

func eventAnchor(id string) string { return "e-" + id }
