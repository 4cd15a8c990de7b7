package simulator

import (
	"bytes"
	"crypto/subtle"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"unicode/utf8"

	"buzon/infra/local/ids"
	"buzon/internal/desk"
)

// The paths of Gupshup's API (providers.md 1.9, 1.10).
const (
	PathMessage   = "/wa/api/v1/msg"
	PathTemplate  = "/wa/api/v1/template/msg"
	pathTemplates = "/wa/app/{app}/template"
	pathUpload    = "/wa/{app}/wa/media/v2"
)

// maxForm is the longest request that a stand-in reads, but for files.
const maxForm = 256 << 10

// Gupshup stands in for Gupshup's API: it checks what is sent as the real one
// does, keeps it as the person's messages and answers with an id. What becomes of
// them is told to the webhook by [Simulator.Tell]. Templates are pending until their
// reviewer says something (verdict).
//
// An app of a Line has that line's key. Any other app is taken to exist, with the
// key of its first request, so that a channel that somebody adds works too.
func (s *Simulator) Gupshup() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST "+PathMessage, func(w http.ResponseWriter, r *http.Request) { s.take(w, r, sessionMessage) })
	mux.HandleFunc("POST "+PathTemplate, func(w http.ResponseWriter, r *http.Request) { s.take(w, r, templateMessage) })
	mux.HandleFunc("POST "+pathTemplates, s.ofApp(s.requestTemplate))
	mux.HandleFunc("GET "+pathTemplates, s.ofApp(s.listTemplates))
	mux.HandleFunc("POST "+pathUpload, s.ofApp(s.upload))
	return mux
}

// take handles one send; message reads what is sent from the form, or says what
// is wrong with it.
func (s *Simulator) take(w http.ResponseWriter, r *http.Request, message func(form map[string][]string) (json.RawMessage, string)) {
	r.Body = http.MaxBytesReader(w, r.Body, maxForm)
	if err := r.ParseForm(); err != nil {
		refuse(w, http.StatusBadRequest, "Invalid Request")
		return
	}
	form := r.PostForm
	app := form.Get("src.name")
	key := r.Header.Get("apikey")
	authorized, err := s.authorized(app, key)
	switch {
	case err != nil:
		s.failed(w, err)
	case app == "":
		refuse(w, http.StatusBadRequest, "Mapped Bot Not Found")
	case !authorized:
		unauthorized(w)
	case form.Get("channel") != "whatsapp":
		refuse(w, http.StatusBadRequest, "Invalid Channel")
	case !validNumber(form.Get("source")):
		refuse(w, http.StatusBadRequest, "Invalid Source")
	case !validNumber(form.Get("destination")):
		refuse(w, http.StatusBadRequest, "Invalid Destination")
	default:
		body, problem := message(form)
		if problem != "" {
			refuse(w, http.StatusBadRequest, problem)
			return
		}
		if r.URL.Path == PathTemplate {
			code, problem, err := s.unsendable(app, key, body)
			switch {
			case err != nil:
				s.failed(w, err)
				return
			case problem != "":
				answer(w, http.StatusBadRequest, map[string]any{"status": "error", "code": code, "message": problem})
				return
			}
		}
		e := Entry{
			App: app, Number: form.Get("destination"), At: s.Now(), ID: ids.UUID(), WAMID: ids.WAMID(),
			Source: form.Get("source"), Path: r.URL.Path, Message: body,
		}
		if _, known := s.lineOfApp(app); !known {
			e.Tries = maxTries // nobody knows its webhook
		}
		if _, err := s.Phones.Add(e); err != nil {
			s.failed(w, err)
			return
		}
		s.wake()
		answer(w, http.StatusAccepted, map[string]any{"status": "submitted", "messageId": e.ID})
	}
}

// authorized tells whether a key is that of an app, by its name or its id.
func (s *Simulator) authorized(app, key string) (bool, error) {
	if app == "" || key == "" {
		return false, nil
	}
	for _, l := range s.Lines {
		if l.Provider == desk.ProviderGupshup && (l.App == app || l.AppID == app) {
			return same(l.APIKey, key), nil
		}
	}
	known, err := s.Phones.Key(app, key)
	return same(known, key), err
}

// same compares secrets; an empty one is like no other.
func same(known, given string) bool {
	return known != "" && subtle.ConstantTimeCompare([]byte(known), []byte(given)) == 1
}

// failed answers a request that could not be handled for a fault of the simulator.
func (s *Simulator) failed(w http.ResponseWriter, err error) {
	s.Log.Error("simulator: request not handled", "error", err)
	refuse(w, http.StatusInternalServerError, "Internal Error")
}

func unauthorized(w http.ResponseWriter) {
	answer(w, http.StatusUnauthorized, map[string]any{"status": "error", "message": map[string]string{"message": "Authentication Failed"}})
}

func refuse(w http.ResponseWriter, status int, message string) {
	answer(w, status, map[string]any{"status": "error", "message": message})
}

func answer(w http.ResponseWriter, status int, v map[string]any) {
	body, err := json.Marshal(v)
	if err != nil {
		panic(err) // unreachable: only what can be written
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(body) // a caller that is gone needs no answer
}

// sentMessage is what can be checked of a session message.
type sentMessage struct {
	Type          string        `json:"type"`
	Text          string        `json:"text"`
	Title         string        `json:"title"`
	Body          string        `json:"body"`
	Footer        string        `json:"footer"`
	Caption       *string       `json:"caption"`
	URL           string        `json:"url"`
	OriginalURL   string        `json:"originalUrl"`
	MediaID       string        `json:"id"`
	GlobalButtons []sentButton  `json:"globalButtons"`
	Items         []sentSection `json:"items"`
	Content       struct {
		Type    string `json:"type"`
		Text    string `json:"text"`
		Header  string `json:"header"`
		Caption string `json:"caption"`
		URL     string `json:"url"`
	} `json:"content"`
	Options   []sentButton `json:"options"`
	Longitude *json.Number `json:"longitude"`
	Latitude  *json.Number `json:"latitude"`
	MsgID     string       `json:"msgid"`
}

// sentSection is a part of a list.
type sentSection struct {
	Title   string       `json:"title"`
	Options []sentButton `json:"options"`
}

// sentButton is a button or a row of a list.
type sentButton struct {
	Title        string `json:"title"`
	Description  string `json:"description"`
	PostbackText string `json:"postbackText"`
}

// The limits of WhatsApp that Gupshup passes on (providers.md 1.9, 2.4), in
// characters.
const (
	maxText        = 4096
	maxBody        = 1024
	maxHeader      = 60
	maxRows        = 10
	maxRowTitle    = 24
	maxDescription = 72
	maxPostback    = 200
	maxButtons     = 3
	maxButtonTitle = 20
	maxParams      = 30
)

// checks gathers the first problem of a message.
type checks struct{ problem string }

func (c *checks) want(ok bool, format string, args ...any) {
	if !ok && c.problem == "" {
		c.problem = fmt.Sprintf(format, args...)
	}
}

// message is the problem as Gupshup words it; empty: there is none.
func (c *checks) message() string {
	if c.problem == "" {
		return ""
	}
	return "Invalid Message: " + c.problem
}

// text checks a text that has to be there and fit.
func (c *checks) text(name, s string, most int) {
	c.want(strings.TrimSpace(s) != "", "%s is empty", name)
	c.most(name, s, most)
}

func (c *checks) most(name, s string, most int) {
	n := utf8.RuneCountInString(s)
	c.want(n <= most, "%s has %d characters, at most %d are allowed", name, n, most)
}

func (c *checks) titles(kind string, buttons []sentButton, most int) {
	seen := map[string]bool{}
	for i, b := range buttons {
		name := fmt.Sprintf("%s %d", kind, i+1)
		c.text(name+" title", b.Title, most)
		c.want(!strings.ContainsAny(b.Title, "\r\n"), "%s title has a line break", name)
		c.most(name+" description", b.Description, maxDescription)
		c.most(name+" postbackText", b.PostbackText, maxPostback)
		if b.PostbackText != "" {
			c.want(!seen[b.PostbackText], "%s postbackText is used twice", name)
			seen[b.PostbackText] = true
		}
	}
}

func sessionMessage(form map[string][]string) (json.RawMessage, string) {
	raw, m, problem := formJSON[sentMessage](form, "message")
	if problem != "" {
		return nil, problem
	}
	var c checks
	switch m.Type {
	case "text":
		c.text("text", m.Text, maxText)
	case "list":
		m.checkList(&c)
	case "quick_reply":
		c.text("text", m.Content.Text, maxBody)
		c.most("header", m.Content.Header, maxHeader)
		c.most("caption", m.Content.Caption, maxHeader)
		c.want(len(m.Options) >= 1 && len(m.Options) <= maxButtons, "%d buttons, 1 to %d are allowed", len(m.Options), maxButtons)
		c.titles("button", m.Options, maxButtonTitle)
	case "image":
		c.link(m.OriginalURL, m.MediaID)
	case "file", "audio", "video", "sticker":
		c.link(m.URL, m.MediaID)
	case "location":
		c.want(m.Longitude != nil && m.Latitude != nil, "longitude and latitude are required")
	case "contact":
	default:
		c.want(false, "unknown type")
	}
	switch m.Type {
	case "image", "file", "video":
		c.want(m.Caption != nil, "caption is null")
		if m.Caption != nil {
			c.most("caption", *m.Caption, maxBody)
		}
	}
	return raw, c.message()
}

func (m sentMessage) checkList(c *checks) {
	rows := 0
	c.most("title", m.Title, maxHeader)
	c.text("body", m.Body, maxBody)
	c.most("footer", m.Footer, maxHeader)
	c.want(len(m.GlobalButtons) == 1, "%d globalButtons, 1 is allowed", len(m.GlobalButtons))
	c.titles("globalButton", m.GlobalButtons, maxButtonTitle)
	var all []sentButton
	for i, item := range m.Items {
		name := fmt.Sprintf("section %d title", i+1)
		c.most(name, item.Title, maxRowTitle)
		c.want(len(m.Items) == 1 || item.Title != "", "%s is empty", name)
		c.want(len(item.Options) > 0, "section %d has no rows", i+1)
		rows += len(item.Options)
		all = append(all, item.Options...)
	}
	c.want(rows >= 1 && rows <= maxRows, "list has %d rows, 1 to %d are allowed", rows, maxRows)
	c.titles("row", all, maxRowTitle)
}

func (c *checks) link(address, id string) {
	c.want(id != "" || strings.HasPrefix(address, "https://") || strings.HasPrefix(address, "http://"), "url is required")
}

// sentTemplate is a template message, as it is kept.
type sentTemplate struct {
	Type     string `json:"type"` // template
	Template struct {
		ID     string   `json:"id"`
		Params []string `json:"params"`
	} `json:"template"`
	Message       json.RawMessage `json:"message,omitempty"` // its header's file or place
	PostbackTexts json.RawMessage `json:"postbackTexts,omitempty"`
}

func templateMessage(form map[string][]string) (json.RawMessage, string) {
	m := sentTemplate{Type: "template"}
	var problem string
	if _, m.Template, problem = formJSON[struct {
		ID     string   `json:"id"`
		Params []string `json:"params"`
	}](form, "template"); problem != "" {
		return nil, problem
	}
	var c checks
	c.want(m.Template.ID != "", "template id is empty")
	c.want(len(m.Template.Params) <= maxParams, "%d params, at most %d are allowed", len(m.Template.Params), maxParams)
	for i, p := range m.Template.Params {
		c.text(fmt.Sprintf("param %d", i+1), p, maxBody)
		c.want(!strings.ContainsAny(p, "\r\n\t"), "param %d has a line break", i+1)
	}
	for name, dst := range map[string]*json.RawMessage{"message": &m.Message, "postbackTexts": &m.PostbackTexts} {
		if len(form[name]) == 0 || form[name][0] == "" {
			continue
		}
		if *dst, _, problem = formJSON[any](form, name); problem != "" {
			return nil, problem
		}
	}
	raw, err := json.Marshal(m)
	if err != nil {
		panic(err) // unreachable: strings and valid JSON
	}
	return raw, c.message()
}

// formJSON reads a field of the form that holds JSON; raw is without needless space.
func formJSON[T any](form map[string][]string, name string) (raw json.RawMessage, v T, problem string) {
	if len(form[name]) != 1 {
		return nil, v, "Invalid " + name
	}
	var b bytes.Buffer
	value := []byte(form[name][0])
	if !utf8.Valid(value) || json.Compact(&b, value) != nil || json.Unmarshal(value, &v) != nil {
		return nil, v, "Invalid " + name + " JSON"
	}
	return b.Bytes(), v, ""
}
