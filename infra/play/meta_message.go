package main

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// maxRef is how many bytes Meta gives back with each status.
const maxRef = 512

// scoped is a business-scoped id.
var scoped = regexp.MustCompile(`^[A-Z]{2}\.[A-Za-z0-9]{1,128}$`)

// metaMessage is a message as Meta takes it (providers.md 2.4, 2.5).
type metaMessage struct {
	Product     string `json:"messaging_product"`
	Kind        string `json:"recipient_type"`
	To          string `json:"to"`
	Recipient   string `json:"recipient"`
	Type        string `json:"type"`
	Ref         string `json:"biz_opaque_callback_data"`
	Text        struct{ Body string }
	Interactive struct {
		Type   string
		Header *struct{ Type, Text string }
		Body   struct{ Text string }
		Action struct {
			Button   string
			Sections []struct {
				Title string
				Rows  []struct{ ID, Title, Description string }
			}
			Buttons []struct{ Reply struct{ ID, Title string } }
		}
	}
	Template struct {
		Name       string
		Language   struct{ Code string }
		Components []struct {
			Type       string
			Parameters []struct {
				Type, Text             string
				Image, Video, Document *struct{ ID, Link string }
			}
		}
	}
}

// readMeta takes a send apart and tells what Meta would not accept.
func readMeta(raw []byte) (sent, []string) {
	s := sent{Raw: string(raw)}
	var problems []string
	expect := func(ok bool, format string, args ...any) {
		if !ok {
			problems = append(problems, fmt.Sprintf(format, args...))
		}
	}
	var m metaMessage
	if err := json.Unmarshal(raw, &m); err != nil {
		return s, []string{err.Error()}
	}
	expect(m.Product == "whatsapp" && m.Kind == "individual", "product %q to %q", m.Product, m.Kind)
	expect((m.To == "") != (m.Recipient == ""), "to %q and recipient %q", m.To, m.Recipient)
	expect(m.To == "" || digits.MatchString(m.To), "to %q", m.To)
	expect(m.Recipient == "" || scoped.MatchString(m.Recipient), "recipient %q", m.Recipient)
	expect(m.Ref != "" && len(m.Ref) <= maxRef, "biz_opaque_callback_data of %d bytes", len(m.Ref))
	s.To, s.Ref, s.Kind = m.To+m.Recipient, m.Ref, m.Type
	switch m.Type {
	case "text":
		s.Text = m.Text.Body
		expect(s.Text != "" && length(s.Text) <= maxText, "text of %d characters", length(s.Text))
	case "interactive":
		problems = append(problems, s.readInteractive(m)...)
	case "template":
		s.Text = m.Template.Name
		expect(s.Text != "" && m.Template.Language.Code != "", "template %q %q", s.Text, m.Template.Language.Code)
		for _, c := range m.Template.Components {
			expect(slices.Contains([]string{"header", "body", "button"}, c.Type), "component %q", c.Type)
			for _, v := range c.Parameters {
				for _, f := range []*struct{ ID, Link string }{v.Image, v.Video, v.Document} {
					if f != nil {
						s.File = f.ID
					}
				}
				if v.Type == "text" {
					s.Params = append(s.Params, v.Text)
				}
			}
		}
	default:
		expect(slices.Contains([]string{"image", "document", "audio", "video", "sticker", "location"}, m.Type), "type %q", m.Type)
	}
	return s, problems
}

// readInteractive reads a list or buttons.
func (s *sent) readInteractive(m metaMessage) []string {
	var problems []string
	expect := func(ok bool, format string, args ...any) {
		if !ok {
			problems = append(problems, fmt.Sprintf(format, args...))
		}
	}
	i := m.Interactive
	s.Text = i.Body.Text
	expect(s.Text != "" && length(s.Text) <= maxBody, "body of %d characters", length(s.Text))
	expect(i.Header == nil || i.Header.Type == "text" && i.Header.Text != "" && length(i.Header.Text) <= maxHeader, "header %v", i.Header)
	var titles, ids []string
	limit, most := maxTitle, maxRows
	switch i.Type {
	case "list":
		s.Kind = "list"
		expect(i.Action.Button != "" && length(i.Action.Button) <= maxButton, "button %q", i.Action.Button)
		for _, section := range i.Action.Sections {
			for _, r := range section.Rows {
				s.Rows = append(s.Rows, row{r.Title, r.ID})
				expect(length(r.Description) <= maxAbout, "row description %q", r.Description)
			}
		}
	case "button":
		s.Kind, limit, most = "quick_reply", maxButton, 3
		for _, b := range i.Action.Buttons {
			s.Rows = append(s.Rows, row{b.Reply.Title, b.Reply.ID})
		}
	default:
		expect(false, "interactive %q", i.Type)
	}
	for _, r := range s.Rows {
		titles, ids = append(titles, r.Title), append(ids, r.ID)
		expect(r.Title != "" && length(r.Title) <= limit, "row %q", r.Title)
		expect(r.ID != "" && len(r.ID) <= maxRowID, "row id %q", r.ID)
	}
	expect(len(s.Rows) >= 1 && len(s.Rows) <= most, "%d rows", len(s.Rows))
	expect(distinct(titles) && distinct(ids), "rows that look alike: %q %q", titles, ids)
	return problems
}

// metaVerdict is a reviewer's word on a template: it names the account alone.
func metaVerdict(l line, v seenTemplate, state string) []byte {
	value := object{
		"event": strings.ToUpper(state), "message_template_id": json.Number(v.ProviderID), "message_template_name": v.Name,
		"message_template_language": v.Language, "reason": "NONE",
	}
	return metaEntries(metaEntry("message_template_status_update", value, l))
}
