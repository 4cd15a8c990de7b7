package gupshup

import (
	"bytes"
	"encoding/json"
	"net/url"
	"strings"
	"unicode/utf8"

	"buzon/internal/channel"
	"buzon/internal/channel/cloudapi"
	"buzon/internal/channel/httpsend"
	"buzon/internal/desk"
)

// The paths of the self-serve API (providers.md 1.9).
const (
	pathMessage  = "/wa/api/v1/msg"
	pathTemplate = "/wa/api/v1/template/msg"
)

// What the message field holds. The caption of a file or button message must be
// there and must not be null.
type (
	textMessage struct {
		Type       string `json:"type"`
		Text       string `json:"text"`
		PreviewURL bool   `json:"previewUrl"`
	}
	imageMessage struct {
		Type        string `json:"type"`
		OriginalURL string `json:"originalUrl,omitempty"`
		PreviewURL  string `json:"previewUrl,omitempty"`
		ID          string `json:"id,omitempty"`
		Caption     string `json:"caption"`
	}
	fileMessage struct {
		Type     string  `json:"type"`
		URL      string  `json:"url,omitempty"`
		ID       string  `json:"id,omitempty"`
		Filename string  `json:"filename,omitempty"`
		Caption  *string `json:"caption,omitempty"`
	}
	option struct {
		Type         string `json:"type"`
		Title        string `json:"title"`
		Description  string `json:"description,omitempty"`
		PostbackText string `json:"postbackText,omitempty"`
	}
	section struct {
		Title    string   `json:"title"`
		Subtitle string   `json:"subtitle"`
		Options  []option `json:"options"`
	}
	listMessage struct {
		Type          string    `json:"type"`
		Title         string    `json:"title,omitempty"`
		Body          string    `json:"body"`
		MsgID         string    `json:"msgid"`
		GlobalButtons []option  `json:"globalButtons"`
		Items         []section `json:"items"`
	}
	buttonsContent struct {
		Type    string `json:"type"`
		Text    string `json:"text"`
		Caption string `json:"caption"`
	}
	buttonsMessage struct {
		Type    string         `json:"type"`
		MsgID   string         `json:"msgid"`
		Content buttonsContent `json:"content"`
		Options []option       `json:"options"`
	}
	templateUse struct {
		ID     string   `json:"id"`
		Params []string `json:"params"`
	}
	// headerFile is the file on top of a template: Gupshup takes link or id.
	headerFile struct {
		Link     string `json:"link,omitempty"`
		ID       string `json:"id,omitempty"`
		Filename string `json:"filename,omitempty"`
	}
)

// encode makes the path and form of a request, or says why the message cannot go.
func encode(a channel.Account, to string, out desk.Outgoing, ref string) (path string, form url.Values, err *channel.Error) {
	dest, source := cloudapi.Person(to), cloudapi.Person(a.Channel.Identifier)
	switch {
	case dest == "":
		return "", nil, cloudapi.Impossible("invalid_destination")
	case source == "" || a.Channel.App == "" || a.Credentials.APIKey == "":
		return "", nil, httpsend.Unconfigured()
	}
	form = url.Values{
		"channel":     {"whatsapp"},
		"source":      {source},
		"destination": {dest},
		"src.name":    {a.Channel.App},
	}
	if out.Type == desk.ReplyTemplate {
		return pathTemplate, form, template(form, out)
	}
	var message any
	switch out.Type {
	case desk.ReplyText:
		message, err = text(out)
	case desk.ReplyList:
		message, err = list(a.Channel.CompanyName, out, ref)
	case desk.ReplyButtons:
		message, err = buttons(out, ref)
	case desk.ReplyMedia:
		message, err = media(out)
	default:
		err = cloudapi.Impossible("unsupported_type")
	}
	if err != nil {
		return "", nil, err
	}
	form.Set("message", toJSON(message))
	return pathMessage, form, nil
}

func text(out desk.Outgoing) (any, *channel.Error) {
	return textMessage{Type: "text", Text: out.Text}, cloudapi.Sized(out.Text, desk.MaxText)
}

// list makes a list of one section.
func list(company string, out desk.Outgoing, ref string) (any, *channel.Error) {
	if err := cloudapi.Sized(out.Text, desk.MaxListBody); err != nil {
		return nil, err
	}
	rows, err := cloudapi.ListRows(out.Rows)
	if err != nil {
		return nil, err
	}
	label := cloudapi.Cut(cloudapi.Line(out.Button), desk.MaxListButton)
	if label == "" {
		return nil, cloudapi.Impossible("button_empty")
	}
	return listMessage{
		Type:          "list",
		Title:         cloudapi.Cut(cloudapi.Line(company), cloudapi.MaxHeader),
		Body:          out.Text,
		MsgID:         ref,
		GlobalButtons: []option{{Type: "text", Title: label}},
		Items:         []section{{Title: label, Subtitle: label, Options: options(rows)}},
	}, nil
}

func buttons(out desk.Outgoing, ref string) (any, *channel.Error) {
	if err := cloudapi.Sized(out.Text, desk.MaxListBody); err != nil {
		return nil, err
	}
	rows, err := cloudapi.Buttons(out.Rows)
	if err != nil {
		return nil, err
	}
	return buttonsMessage{Type: "quick_reply", MsgID: ref, Content: buttonsContent{Type: "text", Text: out.Text}, Options: options(rows)}, nil
}

func options(rows []desk.Row) []option {
	list := make([]option, len(rows))
	for i, r := range rows {
		list[i] = option{Type: "text", Title: r.Title, Description: r.Description, PostbackText: r.ID}
	}
	return list
}

// located is where Gupshup finds a file: its address, or its id where that is all
// we know.
func located(m *desk.MediaLink) (link, id string, err *channel.Error) {
	switch {
	case m == nil || m.URL == "" && m.ID == "":
		return "", "", cloudapi.Impossible("media_missing")
	case m.URL != "":
		return m.URL, "", nil
	}
	return "", m.ID, nil
}

func media(out desk.Outgoing) (any, *channel.Error) {
	m := out.Media
	link, id, err := located(m)
	switch {
	case err != nil:
		return nil, err
	case utf8.RuneCountInString(out.Text) > cloudapi.MaxCaption:
		return nil, cloudapi.Impossible("text_too_long")
	}
	switch m.Kind {
	case "image":
		return imageMessage{Type: m.Kind, OriginalURL: link, PreviewURL: link, ID: id, Caption: out.Text}, nil
	case "video":
		return fileMessage{Type: m.Kind, URL: link, ID: id, Caption: &out.Text}, nil
	case "file":
		return fileMessage{Type: m.Kind, URL: link, ID: id, Filename: m.Name, Caption: &out.Text}, nil
	case "audio", "sticker":
		return fileMessage{Type: m.Kind, URL: link, ID: id}, nil
	}
	return nil, cloudapi.Impossible("unsupported_type")
}

// template adds the fields of a template, with its header's file if it has one.
// The code of Authentication goes twice: into the text and into the button that
// copies it.
func template(form url.Values, out desk.Outgoing) *channel.Error {
	t := out.Template
	if t == nil || t.ProviderID == "" {
		return cloudapi.Impossible("template_missing")
	}
	use := templateUse{ID: t.ProviderID, Params: t.Params}
	if t.OTP {
		if len(t.Params) != 1 {
			return cloudapi.Impossible("template_parameters")
		}
		use.Params = []string{t.Params[0], t.Params[0]}
	}
	if use.Params == nil {
		use.Params = []string{}
	}
	form.Set("template", toJSON(use))
	if out.Media == nil {
		return nil
	}
	kind := out.Media.Kind
	if kind == "file" {
		kind = "document"
	}
	if kind != "image" && kind != "video" && kind != "document" {
		return cloudapi.Impossible("unsupported_type")
	}
	var file headerFile
	var err *channel.Error
	if file.Link, file.ID, err = located(out.Media); err != nil {
		return err
	}
	if kind == "document" {
		file.Filename = out.Media.Name
	}
	form.Set("message", toJSON(map[string]any{"type": kind, kind: file}))
	return nil
}

// toJSON is v without the escapes that are only needed inside HTML. v is one of
// our own types, which always encode.
func toJSON(v any) string {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	_ = enc.Encode(v)
	return strings.TrimSuffix(b.String(), "\n")
}
