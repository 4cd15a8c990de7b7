package simulator

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"buzon/internal/desk"
	"buzon/internal/fault"
	"buzon/internal/web"
)

// chatLength is how many messages the page shows.
const chatLength = 100

// bubble is a message as the page shows it.
type bubble struct {
	Seq     uint64    `json:"seq"`
	At      time.Time `json:"at"`
	Mine    bool      `json:"mine"` // the person's
	Header  string    `json:"header,omitempty"`
	Text    string    `json:"text,omitempty"`
	Footer  string    `json:"footer,omitempty"`
	Media   string    `json:"media,omitempty"` // kind of a file
	Link    string    `json:"link,omitempty"`  // of the file
	Button  string    `json:"button,omitempty"`
	Rows    []choice  `json:"rows,omitempty"`    // behind Button
	Buttons []choice  `json:"buttons,omitempty"` // under the bubble
	// Problem is why the system did not take the person's message.
	Problem string `json:"problem,omitempty"`
}

// choice is something to tap.
type choice struct {
	Section     string `json:"section,omitempty"` // before the first of its section
	Title       string `json:"title"`
	Description string `json:"description,omitempty"`
	Type        string `json:"type,omitempty"` // of the message that a tap sends
	ReplyID     string `json:"reply_id,omitempty"`
	Link        string `json:"link,omitempty"` // a tap opens it instead
}

// chat gives the last messages of both sides, oldest first.
func (s *Simulator) chat(w http.ResponseWriter, r *http.Request) error {
	app, provider, err := s.app(r.Context(), r.PathValue("channel"))
	if err != nil {
		return err
	}
	var in fault.Input
	number := numberOf(r.URL.Query().Get("number"), "number", provider, &in)
	if err := in.Err(); err != nil {
		return err
	}
	items := []bubble{}
	line, _ := s.lineOfApp(app)
	err = s.Phones.Newest(app, number, func(e Entry) bool {
		items = append(items, s.bubble(r.Context(), line, e))
		return len(items) == chatLength
	})
	if err != nil {
		return err
	}
	slices.Reverse(items)
	web.JSON(w, http.StatusOK, map[string][]bubble{"items": items})
	return nil
}

func (s *Simulator) bubble(ctx context.Context, line Line, e Entry) bubble {
	b := bubble{Seq: e.Seq, At: e.At}
	if e.Said != nil {
		b.Mine, b.Text, b.Link = true, e.Said.Text, e.Said.URL
		switch e.Said.Type {
		case "text", "list_reply", "button_reply", "quick_reply":
		default:
			b.Media = e.Said.Type
		}
		if e.Answer != 0 && e.Answer/100 != 2 {
			b.Problem = "The webhook answered " + strconv.Itoa(e.Answer) + "."
		}
		return b
	}
	if use, ok := e.template(); ok {
		s.showTemplate(ctx, line, e, use, &b)
		return b
	}
	m, ok := e.session()
	if !ok {
		b.Text = string(e.Message)
		return b
	}
	switch m.Type {
	case "text":
		b.Text = m.Text
	case "list":
		b.Header, b.Text, b.Footer = m.Title, m.Body, m.Footer
		for _, g := range m.GlobalButtons {
			b.Button = g.Title
		}
		for _, item := range m.Items {
			section := item.Title
			for _, o := range item.Options {
				b.Rows = append(b.Rows, choice{section, o.Title, o.Description, "list_reply", o.PostbackText, ""})
				section = ""
			}
		}
	case "quick_reply":
		b.Header, b.Text, b.Footer, b.Link = m.Content.Header, m.Content.Text, m.Content.Caption, m.Content.URL
		for _, o := range m.Options {
			b.Buttons = append(b.Buttons, choice{Title: o.Title, Type: "button_reply", ReplyID: o.PostbackText})
		}
	default:
		s.showFile(m.Type, cmp.Or(m.OriginalURL, m.URL), m.MediaID, &b)
		if m.Caption != nil {
			b.Text = *m.Caption
		}
	}
	return b
}

// uploadedFile is the address of a file that was handed to Gupshup's stand-in.
var uploadedFile = regexp.MustCompile(`^` + regexp.QuoteMeta(gupshupFiles) + `[^/]+/wa/media/(\d+)\?`)

// showFile shows a file by its link. Of one that was handed to the provider only name
// and size are known.
func (s *Simulator) showFile(kind, link, id string, b *bubble) {
	b.Media, b.Link = kind, link
	if m := uploadedFile.FindStringSubmatch(link); m != nil {
		b.Link, id = "", m[1]
	}
	if f, ok, err := s.Phones.FileOf(id); err == nil && ok {
		b.Media = fmt.Sprintf("%s: %s, %d bytes", kind, f.Name, f.Size)
	}
}

// templateUse is a template as a message of either provider uses it: by its id at
// Gupshup, by name and language at Meta.
type templateUse struct {
	id, name, language string
	values             []string
	file               string // kind of the file on top
	link, media        string // of that file
}

// template is the template that a message of the system uses; false: none.
func (e Entry) template() (u templateUse, ok bool) {
	switch {
	case !e.fromSystem():
		return u, false
	case e.Path == PathTemplate:
		var m sentTemplate
		if json.Unmarshal(e.Message, &m) != nil {
			return u, false
		}
		u.id, u.values, u.file = m.Template.ID, m.Template.Params, m.file()
		var header map[string]json.RawMessage
		var file metaFile
		if len(m.Message) > 0 && json.Unmarshal(m.Message, &header) == nil && json.Unmarshal(header[u.file], &file) == nil {
			u.link, u.media = file.Link, file.ID
		}
		return u, true
	case strings.HasPrefix(e.Path, graph):
		var m metaMessage
		if json.Unmarshal(e.Message, &m) != nil || m.Type != "template" {
			return u, false
		}
		u.name, u.language = m.Template.Name, m.Template.Language.Code
		u.values, u.file, _ = m.Template.values()
		u.link, u.media = m.Template.headerFile()
		return u, true
	}
	return u, false
}

// sentTemplate finds the template that a message of a line uses; one without an id:
// there is none.
func (s *Simulator) sentTemplate(line Line, u templateUse) (t Template, err error) {
	if u.id == "" {
		t, _, err = s.templateOfMeta(u.name, u.language, line.AccessToken)
		return t, err
	}
	t, _, err = s.Phones.TemplateOf(desk.ProviderGupshup, u.id)
	return t, err
}

// showTemplate fills the body of the template and shows its buttons. What is left of
// the values after those is the address of a button, as with Create Case.
func (s *Simulator) showTemplate(ctx context.Context, line Line, e Entry, u templateUse, b *bubble) {
	t, err := s.sentTemplate(line, u)
	if err != nil || t.ID == "" {
		own, err := s.Template(ctx, line, u.id)
		if err != nil {
			b.Text = "Template " + cmp.Or(u.id, u.name)
			for i, v := range u.values {
				b.Text += "\n{{" + strconv.Itoa(i+1) + "}} " + v
			}
			return
		}
		t.Body = own.Body
	}
	if u.file != "" {
		s.showFile(u.file, u.link, u.media, b)
	}
	b.Text = filled(t.Body, u.values)
	rest := u.values[min(variables(t.Body), len(u.values)):]
	for _, button := range t.Buttons {
		c := choice{Title: cmp.Or(button.Text, "Copy code")}
		switch button.Type {
		case buttonQuickReply:
			c.Type, c.ReplyID = "quick_reply", e.ID
		case buttonURL:
			c.Link = button.URL
			if variables(button.URL) > 0 && len(rest) > 0 {
				c.Link, rest = filled(button.URL, rest[:1]), rest[1:]
			}
		case buttonPhone:
			c.Link = "tel:" + button.Phone
		default: // copying a code shows nothing
			continue
		}
		b.Buttons = append(b.Buttons, c)
	}
	if len(t.Buttons) == 0 && len(rest) > 0 {
		b.Buttons = []choice{{Title: "Create Case", Link: s.PublicURL + "/c/" + rest[len(rest)-1]}}
	}
}

// filled is a text with values in the places of its variables.
func filled(text string, values []string) string {
	return placeholder.ReplaceAllStringFunc(text, func(mark string) string {
		n, _ := strconv.Atoi(placeholder.FindStringSubmatch(mark)[1]) // two digits
		if n < 1 || n > len(values) {
			return mark
		}
		return values[n-1]
	})
}
