package gupshup

import (
	"bytes"
	"encoding/json"
	"net/url"
	"strings"
	"unicode/utf8"

	"buzon/internal/channel"
	"buzon/internal/desk"
)

// Limits of what is sent, beside those of package desk (providers.md 2.4).
const (
	maxCaption = 1024
	maxHeader  = 60
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
		OriginalURL string `json:"originalUrl"`
		PreviewURL  string `json:"previewUrl"`
		Caption     string `json:"caption"`
	}
	fileMessage struct {
		Type     string  `json:"type"`
		URL      string  `json:"url"`
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
)

// encode makes the path and form of a request, or says why the message cannot go.
func encode(a channel.Account, to string, out desk.Outgoing, ref string) (path string, form url.Values, err *channel.Error) {
	dest, source := person(to), person(a.Channel.Identifier)
	switch {
	case dest == "":
		return "", nil, impossible("invalid_destination")
	case source == "" || a.Channel.App == "" || a.Credentials.APIKey == "":
		return "", nil, &channel.Error{Verdict: channel.ChannelDown, Code: channel.CodeNotSent, Reason: "channel_not_configured", Cause: desk.WaitCredential}
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
		err = impossible("unsupported_type")
	}
	if err != nil {
		return "", nil, err
	}
	form.Set("message", toJSON(message))
	return pathMessage, form, nil
}

// impossible is a message that could never go, found without asking.
func impossible(reason string) *channel.Error {
	return &channel.Error{Verdict: channel.Refused, Code: channel.CodeNotSent, Reason: reason}
}

// sized checks a text that has to be there.
func sized(s string, most int) *channel.Error {
	switch {
	case strings.TrimSpace(s) == "":
		return impossible("text_empty")
	case utf8.RuneCountInString(s) > most:
		return impossible("text_too_long")
	}
	return nil
}

func text(out desk.Outgoing) (any, *channel.Error) {
	return textMessage{Type: "text", Text: out.Text}, sized(out.Text, desk.MaxText)
}

// list makes a list of one section. A row whose title had to be cut shows its full
// name in its description.
func list(company string, out desk.Outgoing, ref string) (any, *channel.Error) {
	if err := sized(out.Text, desk.MaxListBody); err != nil {
		return nil, err
	}
	if err := rows(out.Rows, desk.ListRows); err != nil {
		return nil, err
	}
	label := cut(line(out.Button), desk.MaxListButton)
	if label == "" {
		return nil, impossible("button_empty")
	}
	options := make([]option, len(out.Rows))
	full, short := titles(out.Rows, desk.MaxListTitle)
	for i, r := range out.Rows {
		about := line(r.Description)
		if short[i] != full[i] {
			about = full[i]
			if r.Description != "" {
				about += " · " + line(r.Description)
			}
		}
		options[i] = option{Type: "text", Title: short[i], Description: cut(about, desk.MaxListDescription), PostbackText: r.ID}
	}
	return listMessage{
		Type:          "list",
		Title:         cut(line(company), maxHeader),
		Body:          out.Text,
		MsgID:         ref,
		GlobalButtons: []option{{Type: "text", Title: label}},
		Items:         []section{{Title: label, Subtitle: label, Options: options}},
	}, nil
}

func buttons(out desk.Outgoing, ref string) (any, *channel.Error) {
	if err := sized(out.Text, desk.MaxListBody); err != nil {
		return nil, err
	}
	if err := rows(out.Rows, desk.MaxButtons); err != nil {
		return nil, err
	}
	options := make([]option, len(out.Rows))
	_, short := titles(out.Rows, desk.MaxButtonTitle)
	for i, r := range out.Rows {
		options[i] = option{Type: "text", Title: short[i], PostbackText: r.ID}
	}
	return buttonsMessage{Type: "quick_reply", MsgID: ref, Content: buttonsContent{Type: "text", Text: out.Text}, Options: options}, nil
}

// rows checks the choices of a list or buttons.
func rows(list []desk.Row, most int) *channel.Error {
	switch {
	case len(list) == 0:
		return impossible("choices_missing")
	case len(list) > most:
		return impossible("too_many_choices")
	}
	for _, r := range list {
		if line(r.Title) == "" || r.ID == "" {
			return impossible("choice_empty")
		}
		if len(r.ID) > desk.MaxRowID {
			return impossible("choice_id_too_long")
		}
	}
	return nil
}

// titles are the rows' titles on one line each, full and cut.
func titles(list []desk.Row, most int) (full, short []string) {
	full = make([]string, len(list))
	for i, r := range list {
		full[i] = line(r.Title)
	}
	return full, CutTitles(full, most)
}

// line is s without line breaks, which titles must not have.
func line(s string) string { return strings.Join(strings.Fields(s), " ") }

func media(out desk.Outgoing) (any, *channel.Error) {
	m := out.Media
	switch {
	case m == nil || m.URL == "":
		return nil, impossible("media_missing")
	case utf8.RuneCountInString(out.Text) > maxCaption:
		return nil, impossible("text_too_long")
	}
	switch m.Kind {
	case "image":
		return imageMessage{Type: m.Kind, OriginalURL: m.URL, PreviewURL: m.URL, Caption: out.Text}, nil
	case "video":
		return fileMessage{Type: m.Kind, URL: m.URL, Caption: &out.Text}, nil
	case "file":
		return fileMessage{Type: m.Kind, URL: m.URL, Filename: m.Name, Caption: &out.Text}, nil
	case "audio", "sticker":
		return fileMessage{Type: m.Kind, URL: m.URL}, nil
	}
	return nil, impossible("unsupported_type")
}

// template adds the fields of a template, with its header's file if it has one.
func template(form url.Values, out desk.Outgoing) *channel.Error {
	t := out.Template
	if t == nil || t.ProviderID == "" {
		return impossible("template_missing")
	}
	use := templateUse{ID: t.ProviderID, Params: t.Params}
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
	if kind != "image" && kind != "video" && kind != "document" || out.Media.URL == "" {
		return impossible("unsupported_type")
	}
	file := map[string]string{"link": out.Media.URL}
	if kind == "document" && out.Media.Name != "" {
		file["filename"] = out.Media.Name
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
