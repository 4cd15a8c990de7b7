package simulator

import (
	"cmp"
	"context"
	"encoding/json"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"time"

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
	app, err := s.app(r.Context(), r.PathValue("channel"))
	if err != nil {
		return err
	}
	var in fault.Input
	number := numberOf(r.URL.Query().Get("number"), "number", &in)
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
	if e.Path == PathTemplate {
		s.showTemplate(ctx, line, e, &b)
		return b
	}
	var m sentMessage
	if json.Unmarshal(e.Message, &m) != nil {
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
		b.Media, b.Link = m.Type, cmp.Or(m.OriginalURL, m.URL)
		if m.Caption != nil {
			b.Text = *m.Caption
		}
	}
	return b
}

var placeholder = regexp.MustCompile(`\{\{\s*(\d{1,2})\s*\}\}`)

// showTemplate fills the body of the template. What is left of the parameters
// after the body's is the address of its button, as with Create Case.
func (s *Simulator) showTemplate(ctx context.Context, line Line, e Entry, b *bubble) {
	var m sentTemplate
	if json.Unmarshal(e.Message, &m) != nil {
		b.Text = string(e.Message)
		return
	}
	params := m.Template.Params
	t, err := s.Template(ctx, line, m.Template.ID)
	if err != nil {
		b.Text = "Template " + m.Template.ID
		for i, p := range params {
			b.Text += "\n{{" + strconv.Itoa(i+1) + "}} " + p
		}
		return
	}
	inBody := 0
	b.Text = placeholder.ReplaceAllStringFunc(t.Body, func(mark string) string {
		n, _ := strconv.Atoi(placeholder.FindStringSubmatch(mark)[1]) // two digits
		inBody = max(inBody, n)
		if n < 1 || n > len(params) {
			return mark
		}
		return params[n-1]
	})
	if len(params) > inBody {
		b.Buttons = []choice{{Title: "Create Case", Link: s.PublicURL + "/c/" + params[len(params)-1]}}
	}
}
