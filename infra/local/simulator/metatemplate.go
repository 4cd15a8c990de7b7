package simulator

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"buzon/internal/desk"
)

// Limits of Meta for templates (providers.md 2.4, 2.5).
const (
	maxMetaName = 512 // characters
	maxFooter   = 60  // characters
	metaPage    = 100 // templates of a page, at most
	usualPage   = 25  // likewise, unless more are asked for
)

// metaRequest is a request for a template.
type metaRequest struct {
	Name       string     `json:"name"`
	Language   string     `json:"language"`
	Category   string     `json:"category"`
	Components []metaPart `json:"components"`
}

type metaPart struct {
	Type    string           `json:"type"`
	Format  string           `json:"format"`
	Text    string           `json:"text"`
	Buttons []TemplateButton `json:"buttons"`
	Minutes *int             `json:"code_expiration_minutes"`
	Example struct {
		Handle []string   `json:"header_handle"`
		Body   [][]string `json:"body_text"`
	} `json:"example"`
}

// requestMetaTemplate takes a request for a template, which is pending then.
func (s *Simulator) requestMetaTemplate(w http.ResponseWriter, r *http.Request, account string) {
	var m metaRequest
	if _, ok := readMeta(w, r, &m); !ok {
		return
	}
	t, problem := m.template()
	handle := ""
	for _, p := range m.Components {
		handle += strings.Join(p.Example.Handle, " ")
	}
	if problem == "" && t.Type != "text" {
		f, ok, err := s.Phones.FileOf(strings.TrimPrefix(handle, handlePrefix))
		switch {
		case err != nil:
			s.failedMeta(w, err)
			return
		case !ok || f.Awaited:
			problem = "header_handle is no file that was uploaded"
		}
	}
	if problem != "" {
		refuseMeta(w, invalid(problem))
		return
	}
	t.Provider, t.Account, t.State = desk.ProviderMeta, account, statePending
	t.ID = strconv.FormatInt(500_000_000_000_000+rand.Int64N(100_000_000_000_000), 10)
	t.CreatedAt, t.ChangedAt = s.Now(), s.Now()
	switch err := s.Phones.AddTemplate(t); {
	case errors.Is(err, errTaken):
		refuseMeta(w, graphError{
			status: http.StatusBadRequest, code: metaInvalid, subcode: metaNameTaken, message: "Invalid parameter",
			details: "There is already content in this language for this template.",
		})
	case errors.Is(err, errFull):
		refuseMeta(w, invalid("too many templates"))
	case err != nil:
		s.failedMeta(w, err)
	default:
		answer(w, http.StatusOK, map[string]any{"id": t.ID, "status": "PENDING", "category": strings.ToUpper(t.Category)})
	}
}

// template reads a request. Whether a variable may stand at an end of the body is left
// to the reviewer.
func (m metaRequest) template() (Template, string) {
	var c checks
	t := Template{Name: m.Name, Label: m.Name, Language: m.Language, Category: strings.ToLower(m.Category), Type: "text"}
	c.want(elementName.MatchString(t.Name), "name may have lower case letters, digits and underscores")
	c.most("name", t.Name, maxMetaName)
	c.want(languageCode.MatchString(t.Language), "language is not one")
	c.category(t.Category)
	seen := map[string]bool{}
	for _, p := range m.Components {
		c.want(!seen[p.Type], "component %s is there twice", p.Type)
		seen[p.Type] = true
		switch p.Type {
		case "HEADER":
			t.Type = strings.ToLower(p.Format)
			c.want(slices.Contains([]string{"image", "document", "video"}, t.Type) && len(p.Example.Handle) == 1, "header without a format or an example")
		case "BODY":
			c.metaBody(&t, p)
		case "FOOTER":
			c.most("footer", p.Text, maxFooter)
			c.want(p.Minutes == nil || *p.Minutes >= 1 && *p.Minutes <= 90, "code_expiration_minutes is not from 1 to 90")
		case "BUTTONS":
			t.Buttons = p.Buttons
		default:
			c.want(false, "unknown component")
		}
	}
	c.want(seen["BODY"], "body is missing")
	c.buttons(t)
	return t, c.problem
}

// metaBody reads the body. That of Authentication is Meta's own.
func (c *checks) metaBody(t *Template, p metaPart) {
	if t.Category == desk.CategoryAuthentication {
		c.want(p.Text == "", "body of AUTHENTICATION is fixed")
		t.Body = "*{{1}}* is your verification code."
		return
	}
	t.Body = p.Text
	c.body("body", t.Body)
	if n := variables(t.Body); n > 0 {
		c.want(len(p.Example.Body) == 1 && len(p.Example.Body[0]) == n, "body has %d variables, its example others", n)
	}
}

// listMetaTemplates gives a page of an account's templates, oldest first. The cursor
// is how many came before.
func (s *Simulator) listMetaTemplates(w http.ResponseWriter, r *http.Request, account string) {
	size, from := usualPage, 0
	for name, dst := range map[string]*int{"limit": &size, "after": &from} {
		if v := r.URL.Query().Get(name); v != "" {
			n, err := strconv.Atoi(v)
			if err != nil || n < 0 || name == "limit" && (n == 0 || n > metaPage) || name == "after" && n > MaxTemplates {
				refuseMeta(w, invalid(name+" is not one"))
				return
			}
			*dst = n
		}
	}
	all, err := s.Phones.Templates(func(t Template) bool { return t.Provider == desk.ProviderMeta && t.Account == account })
	if err != nil {
		s.failedMeta(w, err)
		return
	}
	from = min(from, len(all))
	to := min(from+size, len(all))
	items := []map[string]any{}
	for _, t := range all[from:to] {
		items = append(items, metaItem(t))
	}
	paging := map[string]any{"cursors": map[string]string{"before": strconv.Itoa(from), "after": strconv.Itoa(to)}}
	if to < len(all) {
		paging["next"] = fmt.Sprintf("https://graph.facebook.com%s%s/message_templates?limit=%d&after=%d", graph, account, size, to)
	}
	answer(w, http.StatusOK, map[string]any{"data": items, "paging": paging})
}

// metaItem is a template as Meta lists it.
func metaItem(t Template) map[string]any {
	components := []any{map[string]any{"type": "BODY", "text": t.Body}}
	if t.Type != "text" {
		components = append(components, map[string]any{"type": "HEADER", "format": strings.ToUpper(t.Type)})
	}
	if len(t.Buttons) > 0 {
		components = append(components, map[string]any{"type": "BUTTONS", "buttons": t.Buttons})
	}
	reason := "NONE"
	if t.Reason != "" {
		reason = t.Reason
	}
	return map[string]any{
		"id": t.ID, "name": t.Name, "language": t.Language, "category": strings.ToUpper(t.Category), "status": strings.ToUpper(t.State),
		"rejected_reason": reason, "quality_score": map[string]any{"score": "UNKNOWN"}, "components": components,
	}
}

// The beginnings of the names that a sample has while it is uploaded and after.
const (
	sessionPrefix = "upload:"
	handlePrefix  = "4::"
)

// beginUpload announces a sample: its name, size and content type.
func (s *Simulator) beginUpload(w http.ResponseWriter, r *http.Request) {
	given := token(r, "Bearer")
	if given == "" {
		refuseToken(w)
		return
	}
	q := r.URL.Query()
	size, err := strconv.ParseInt(q.Get("file_length"), 10, 64)
	if err != nil || size < 1 || size > maxMedia || q.Get("file_name") == "" || q.Get("file_type") == "" {
		refuseMeta(w, invalid("file_length, file_name and file_type are required"))
		return
	}
	id, err := s.Phones.AddFile(File{App: "samples", Name: q.Get("file_name"), Type: q.Get("file_type"), Size: size, Awaited: true})
	if err != nil {
		s.failedMeta(w, err)
		return
	}
	answer(w, http.StatusOK, map[string]any{"id": sessionPrefix + id})
}

// endUpload takes a sample that was announced, all at once.
func (s *Simulator) endUpload(w http.ResponseWriter, r *http.Request) {
	if token(r, "OAuth") == "" {
		refuseToken(w)
		return
	}
	id, ok := strings.CutPrefix(r.PathValue("id"), sessionPrefix)
	f, known, err := s.Phones.FileOf(id)
	if err != nil {
		s.failedMeta(w, err)
		return
	}
	if !ok || !known || !f.Awaited || r.Header.Get("file_offset") != "0" {
		refuseMeta(w, invalid("no such upload, or not from its beginning"))
		return
	}
	n, err := io.Copy(io.Discard, http.MaxBytesReader(w, r.Body, maxMedia+1))
	if err != nil || n != f.Size {
		refuseMeta(w, invalid(fmt.Sprintf("%d bytes, not %d", n, f.Size)))
		return
	}
	if err := s.Phones.Arrived(f); err != nil {
		s.failedMeta(w, err)
		return
	}
	answer(w, http.StatusOK, map[string]any{"h": handlePrefix + id})
}

// sessionOfMeta is a message to Meta as Gupshup has it, for what looks alike on a phone.
func sessionOfMeta(body json.RawMessage) (sentMessage, bool) {
	var m metaMessage
	if json.Unmarshal(body, &m) != nil {
		return sentMessage{}, false
	}
	s := sentMessage{Type: m.Type, Text: m.Text.Body}
	if f, ok := m.file(); ok && f != nil {
		s.URL, s.MediaID, s.Caption = f.Link, f.ID, &f.Caption
		return s, true
	}
	i := m.Interactive
	switch i.Type {
	case "list":
		s.Type, s.Title, s.Body, s.Footer = "list", i.Header.Text, i.Body.Text, i.Footer.Text
		s.GlobalButtons = []sentButton{{Title: i.Action.Button}}
		for _, section := range i.Action.Sections {
			item := sentSection{Title: section.Title}
			for _, r := range section.Rows {
				item.Options = append(item.Options, sentButton{Title: r.Title, Description: r.Description, PostbackText: r.ID})
			}
			s.Items = append(s.Items, item)
		}
	case "button":
		s.Type = "quick_reply"
		s.Content.Header, s.Content.Text, s.Content.Caption = i.Header.Text, i.Body.Text, i.Footer.Text
		for _, b := range i.Action.Buttons {
			s.Options = append(s.Options, sentButton{Title: b.Reply.Title, PostbackText: b.Reply.ID})
		}
	}
	return s, true
}
