package simulator

import (
	"encoding/json"
	"fmt"
	"net/http"
	"regexp"
	"strings"

	"buzon/internal/desk"
)

// metaMessage is what can be checked of a message to Meta.
type metaMessage struct {
	Product   string `json:"messaging_product"`
	To        string `json:"to"`        // a number
	Recipient string `json:"recipient"` // a business-scoped id
	Type      string `json:"type"`
	Ref       string `json:"biz_opaque_callback_data"`
	Text      struct {
		Body string `json:"body"`
	} `json:"text"`
	Interactive struct {
		Type   string   `json:"type"`
		Header metaText `json:"header"`
		Body   metaText `json:"body"`
		Footer metaText `json:"footer"`
		Action struct {
			Button   string `json:"button"`
			Sections []struct {
				Title string    `json:"title"`
				Rows  []metaRow `json:"rows"`
			} `json:"sections"`
			Buttons []struct {
				Type  string  `json:"type"`
				Reply metaRow `json:"reply"`
			} `json:"buttons"`
		} `json:"action"`
	} `json:"interactive"`
	Image    *metaFile `json:"image"`
	Video    *metaFile `json:"video"`
	Audio    *metaFile `json:"audio"`
	Document *metaFile `json:"document"`
	Sticker  *metaFile `json:"sticker"`
	Location *struct {
		Longitude *json.Number `json:"longitude"`
		Latitude  *json.Number `json:"latitude"`
	} `json:"location"`
	Template metaTemplate `json:"template"`
}

type metaText struct {
	Type string `json:"type"`
	Text string `json:"text"`
}

type metaRow struct {
	ID          string `json:"id"`
	Title       string `json:"title"`
	Description string `json:"description"`
}

type metaFile struct {
	ID       string `json:"id"`
	Link     string `json:"link"`
	Caption  string `json:"caption"`
	Filename string `json:"filename"`
}

// metaTemplate is the use of a template.
type metaTemplate struct {
	Name     string `json:"name"`
	Language struct {
		Code string `json:"code"`
	} `json:"language"`
	Components []struct {
		Type       string `json:"type"`
		SubType    string `json:"sub_type"`
		Index      any    `json:"index"` // a number, or one in a string
		Parameters []struct {
			Type     string    `json:"type"`
			Text     string    `json:"text"`
			Image    *metaFile `json:"image"`
			Video    *metaFile `json:"video"`
			Document *metaFile `json:"document"`
		} `json:"parameters"`
	} `json:"components"`
}

// The limits of the Cloud API that are not Gupshup's (providers.md 2.4).
const (
	maxButtonID = 256
	maxRef      = 512 // bytes
)

// scopedID is a business-scoped id: who has no number for us.
var scopedID = regexp.MustCompile(`^[A-Z]{2}\.[A-Za-z0-9.]{1,128}$`)

// person is whom the message is for.
func (m metaMessage) person() string {
	if m.Recipient != "" {
		return m.Recipient
	}
	return strings.TrimPrefix(m.To, "+")
}

// check checks all but what depends on the account.
func (m metaMessage) check(c *checks) {
	c.want(m.Product == "whatsapp", "messaging_product is not whatsapp")
	if m.Recipient == "" {
		c.want(validNumber(m.person()), "to is no number")
	} else {
		c.want(m.To == "" && scopedID.MatchString(m.Recipient), "recipient is no user id")
	}
	c.want(len(m.Ref) <= maxRef, "biz_opaque_callback_data has %d bytes, at most %d are allowed", len(m.Ref), maxRef)
	switch m.Type {
	case "text":
		c.text("text.body", m.Text.Body, maxText)
	case "interactive":
		m.checkInteractive(c)
	case "location":
		c.want(m.Location != nil && m.Location.Longitude != nil && m.Location.Latitude != nil, "longitude and latitude are required")
	case "contacts", "reaction":
	case "template":
		c.want(m.Template.Name != "" && m.Template.Language.Code != "", "template name and language are required")
	default:
		f, ok := m.file()
		c.want(ok, "unknown type")
		c.metaFile(m.Type, f)
	}
}

// file is the file of a message of that type.
func (m metaMessage) file() (*metaFile, bool) {
	f, ok := map[string]*metaFile{
		"image": m.Image, "video": m.Video, "audio": m.Audio, "document": m.Document, "sticker": m.Sticker,
	}[m.Type]
	return f, ok
}

func (c *checks) metaFile(name string, f *metaFile) {
	if f == nil {
		c.want(false, "%s is missing", name)
		return
	}
	c.want((f.ID == "") != (f.Link == ""), "%s takes either an id or a link", name)
	c.link(f.Link, f.ID)
	c.most("caption", f.Caption, maxBody)
	c.want(f.Caption == "" || name != "audio" && name != "sticker", "%s has no caption", name)
	c.want(f.Filename == "" || name == "document", "%s has no filename", name)
}

func (m metaMessage) checkInteractive(c *checks) {
	i := m.Interactive
	c.text("body", i.Body.Text, maxBody)
	c.most("header", i.Header.Text, maxHeader)
	c.most("footer", i.Footer.Text, maxHeader)
	switch i.Type {
	case "list":
		c.text("button", i.Action.Button, maxButtonTitle)
		var rows []metaRow
		for n, section := range i.Action.Sections {
			name := fmt.Sprintf("section %d", n+1)
			c.most(name+" title", section.Title, maxRowTitle)
			c.want(len(i.Action.Sections) == 1 || section.Title != "", "%s title is empty", name)
			c.want(len(section.Rows) > 0, "%s has no rows", name)
			rows = append(rows, section.Rows...)
		}
		c.want(len(rows) >= 1 && len(rows) <= maxRows, "list has %d rows, 1 to %d are allowed", len(rows), maxRows)
		c.rows("row", rows, maxRowTitle, maxPostback)
	case "button":
		var rows []metaRow
		for _, b := range i.Action.Buttons {
			c.want(b.Type == "reply", "button is not of type reply")
			rows = append(rows, b.Reply)
		}
		c.want(len(rows) >= 1 && len(rows) <= maxButtons, "%d buttons, 1 to %d are allowed", len(rows), maxButtons)
		c.rows("button", rows, maxButtonTitle, maxButtonID)
	default:
		c.want(false, "unknown type of interactive")
	}
}

// rows checks rows or buttons: all have an id of their own and a title.
func (c *checks) rows(kind string, rows []metaRow, mostTitle, mostID int) {
	seen := map[string]bool{}
	for i, r := range rows {
		name := fmt.Sprintf("%s %d", kind, i+1)
		c.text(name+" id", r.ID, mostID)
		c.text(name+" title", r.Title, mostTitle)
		c.want(!strings.ContainsAny(r.Title, "\r\n"), "%s title has a line break", name)
		c.most(name+" description", r.Description, maxDescription)
		c.want(!seen[r.ID], "%s id is used twice", name)
		seen[r.ID] = true
	}
}

// values are the values of a template in Gupshup's order: those of the body, then
// those of the buttons. file is the kind of its file.
func (t metaTemplate) values() (values []string, file string, ok bool) {
	var buttons []string
	for _, part := range t.Components {
		for _, p := range part.Parameters {
			switch {
			case part.Type == "header":
				file = p.Type
			case p.Type != "text" || strings.TrimSpace(p.Text) == "" || strings.ContainsAny(p.Text, "\r\n\t"):
				return nil, "", false
			case part.Type == "body":
				values = append(values, p.Text)
			case part.Type == "button":
				buttons = append(buttons, p.Text)
			default:
				return nil, "", false
			}
		}
	}
	return append(values, buttons...), file, true
}

// headerFile is the link and the id of the file on top.
func (t metaTemplate) headerFile() (link, id string) {
	for _, part := range t.Components {
		for _, p := range part.Parameters {
			for _, f := range []*metaFile{p.Image, p.Video, p.Document} {
				if f != nil {
					return f.Link, f.ID
				}
			}
		}
	}
	return "", ""
}

// templateOfMeta finds a template by name and language in an account that a token
// opens.
func (s *Simulator) templateOfMeta(name, language, given string) (Template, bool, error) {
	found, err := s.Phones.Templates(func(t Template) bool {
		return t.Provider == desk.ProviderMeta && t.Name == name && t.Language == language
	})
	if err != nil {
		return Template{}, false, err
	}
	for _, t := range found {
		known, err := s.Phones.KeyOf(metaApp(t.Account))
		if l, ok := s.lineOfAccount(t.Provider, t.Account); ok {
			known = l.AccessToken
		}
		if err != nil || same(known, given) {
			return t, err == nil, err
		}
	}
	return Template{}, false, nil
}

// unsendableMeta tells what forbids a message; nil: nothing does. A file's id has to
// be that of a file that was uploaded.
func (s *Simulator) unsendableMeta(m metaMessage, given string) (*graphError, error) {
	if f, ok := m.file(); ok && f.ID != "" {
		if _, ok, err := s.Phones.FileOf(f.ID); err != nil || !ok {
			e := invalid("Media ID is not valid")
			return &e, err
		}
	}
	if m.Type != "template" {
		return nil, nil
	}
	no := func(status, code int, message, details string) (*graphError, error) {
		return &graphError{status: status, code: code, message: fmt.Sprintf("(#%d) %s", code, message), details: details}, nil
	}
	t, ok, err := s.templateOfMeta(m.Template.Name, m.Template.Language.Code, given)
	if err != nil {
		return nil, err
	}
	values, file, readable := m.Template.values()
	problem := ""
	if readable {
		problem = t.mismatch(len(values), file)
	}
	switch {
	case !ok:
		return no(http.StatusNotFound, metaNoSuch, "Template name does not exist in the translation", "")
	case t.State == "paused":
		return no(http.StatusBadRequest, metaPaused, "Template is paused", "")
	case t.State == "disabled":
		return no(http.StatusBadRequest, metaDisabled, "Template is disabled", "")
	case t.State != stateApproved:
		return no(http.StatusNotFound, metaNoSuch, "Template name does not exist in the translation", "template is not approved")
	case !readable:
		return no(http.StatusBadRequest, metaParams, "Number of parameters does not match the expected number of params", "a parameter cannot be read")
	case problem != "":
		return no(http.StatusBadRequest, metaParams, "Number of parameters does not match the expected number of params", problem)
	}
	return nil, nil
}
