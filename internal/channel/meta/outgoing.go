package meta

import (
	"strconv"
	"strings"
	"unicode/utf8"

	"buzon/internal/channel"
	"buzon/internal/channel/cloudapi"
	"buzon/internal/channel/httpsend"
	"buzon/internal/desk"
)

// maxRef is how many bytes of our own Meta gives back with every status.
const maxRef = 512

// What a message is made of (Cloud API, "Messages").
type (
	message struct {
		Product     string       `json:"messaging_product"`
		Kind        string       `json:"recipient_type"`
		To          string       `json:"to,omitempty"`        // a number
		Recipient   string       `json:"recipient,omitempty"` // a business-scoped id
		Type        string       `json:"type"`
		Text        *textBody    `json:"text,omitempty"`
		Interactive *interactive `json:"interactive,omitempty"`
		Image       *file        `json:"image,omitempty"`
		Video       *file        `json:"video,omitempty"`
		Audio       *file        `json:"audio,omitempty"`
		Document    *file        `json:"document,omitempty"`
		Sticker     *file        `json:"sticker,omitempty"`
		Template    *template    `json:"template,omitempty"`
		Ref         string       `json:"biz_opaque_callback_data,omitempty"`
	}
	textBody struct {
		PreviewURL bool   `json:"preview_url"`
		Body       string `json:"body"`
	}
	interactive struct {
		Type   string  `json:"type"`
		Header *header `json:"header,omitempty"`
		Body   content `json:"body"`
		Action action  `json:"action"`
	}
	header struct {
		Type string `json:"type"`
		Text string `json:"text"`
	}
	content struct {
		Text string `json:"text"`
	}
	action struct {
		Button   string    `json:"button,omitempty"`
		Sections []section `json:"sections,omitempty"`
		Buttons  []button  `json:"buttons,omitempty"`
	}
	section struct {
		Rows []row `json:"rows"`
	}
	row struct {
		ID          string `json:"id"`
		Title       string `json:"title"`
		Description string `json:"description,omitempty"`
	}
	button struct {
		Type  string `json:"type"`
		Reply row    `json:"reply"`
	}
	file struct {
		ID       string `json:"id,omitempty"`
		Link     string `json:"link,omitempty"`
		Caption  string `json:"caption,omitempty"`
		Filename string `json:"filename,omitempty"` // of a document
	}
	template struct {
		Name       string      `json:"name"`
		Language   language    `json:"language"`
		Components []component `json:"components,omitempty"`
	}
	language struct {
		Code string `json:"code"`
	}
	component struct {
		Type       string      `json:"type"`
		SubType    string      `json:"sub_type,omitempty"`
		Index      string      `json:"index,omitempty"`
		Parameters []parameter `json:"parameters"`
	}
	parameter struct {
		Type     string  `json:"type"`
		Text     *string `json:"text,omitempty"`
		Image    *file   `json:"image,omitempty"`
		Video    *file   `json:"video,omitempty"`
		Document *file   `json:"document,omitempty"`
	}
)

// encode makes the message, or says why it cannot go.
func encode(a channel.Account, to string, out desk.Outgoing, ref string) (*message, *channel.Error) {
	dest := cloudapi.Person(to)
	switch {
	case dest == "":
		return nil, cloudapi.Impossible("invalid_destination")
	case len(ref) > maxRef:
		return nil, cloudapi.Impossible("reference_too_long")
	case a.Channel.PhoneNumberID == "" || a.Credentials.AccessToken == "":
		return nil, httpsend.Unconfigured()
	}
	m := &message{Product: "whatsapp", Kind: "individual", Ref: ref}
	if strings.Contains(dest, ".") {
		m.Recipient = dest
	} else {
		m.To = dest
	}
	switch out.Type {
	case desk.ReplyText:
		m.Type, m.Text = "text", &textBody{Body: out.Text}
		return m, cloudapi.Sized(out.Text, desk.MaxText)
	case desk.ReplyList:
		return m, m.list(a.Channel.CompanyName, out)
	case desk.ReplyButtons:
		return m, m.buttons(out)
	case desk.ReplyMedia:
		return m, m.media(out)
	case desk.ReplyTemplate:
		return m, m.template(out)
	}
	return nil, cloudapi.Impossible("unsupported_type")
}

// list makes a list of one section.
func (m *message) list(company string, out desk.Outgoing) *channel.Error {
	if err := cloudapi.Sized(out.Text, desk.MaxListBody); err != nil {
		return err
	}
	rows, err := cloudapi.ListRows(out.Rows)
	if err != nil {
		return err
	}
	label := cloudapi.Cut(cloudapi.Line(out.Button), desk.MaxListButton)
	if label == "" {
		return cloudapi.Impossible("button_empty")
	}
	s := section{Rows: make([]row, len(rows))}
	for i, r := range rows {
		s.Rows[i] = row(r)
	}
	m.Type = "interactive"
	m.Interactive = &interactive{Type: "list", Body: content{out.Text}, Action: action{Button: label, Sections: []section{s}}}
	if title := cloudapi.Cut(cloudapi.Line(company), cloudapi.MaxHeader); title != "" {
		m.Interactive.Header = &header{Type: "text", Text: title}
	}
	return nil
}

func (m *message) buttons(out desk.Outgoing) *channel.Error {
	if err := cloudapi.Sized(out.Text, desk.MaxListBody); err != nil {
		return err
	}
	rows, err := cloudapi.Buttons(out.Rows)
	if err != nil {
		return err
	}
	list := make([]button, len(rows))
	for i, r := range rows {
		list[i] = button{Type: "reply", Reply: row(r)}
	}
	m.Type = "interactive"
	m.Interactive = &interactive{Type: "button", Body: content{out.Text}, Action: action{Buttons: list}}
	return nil
}

// media sends a file by the id that Upload gave, or by a link. A sound or sticker
// has no caption.
func (m *message) media(out desk.Outgoing) *channel.Error {
	f, err := located(out.Media)
	switch {
	case err != nil:
		return err
	case utf8.RuneCountInString(out.Text) > cloudapi.MaxCaption:
		return cloudapi.Impossible("text_too_long")
	}
	f.Caption = out.Text
	m.Type = out.Media.Kind
	switch out.Media.Kind {
	case "image":
		m.Image = f
	case "video":
		m.Video = f
	case "file", "document":
		m.Type, m.Document = "document", f
		f.Filename = out.Media.Name
	case "audio":
		m.Audio = f
	case "sticker":
		m.Sticker = f
	default:
		return cloudapi.Impossible("unsupported_type")
	}
	if out.Text != "" && (m.Audio != nil || m.Sticker != nil) {
		return cloudapi.Impossible("caption_unsupported")
	}
	return nil
}

// located is a file where Meta finds it: the id before the link.
func located(m *desk.MediaLink) (*file, *channel.Error) {
	switch {
	case m == nil || m.ID == "" && m.URL == "":
		return nil, cloudapi.Impossible("media_missing")
	case m.ID != "":
		return &file{ID: m.ID}, nil
	}
	return &file{Link: m.URL}, nil
}

// template names a template by its name and language; Meta's id of it does not
// serve to send. The code of one of Authentication stands in its button too.
func (m *message) template(out desk.Outgoing) *channel.Error {
	use := out.Template
	if use == nil || use.Name == "" || use.Language == "" {
		return cloudapi.Impossible("template_missing")
	}
	own := len(use.Params) - len(use.URLs) // of the body
	if own < 0 || use.OTP && (own != 1 || len(use.URLs) > 0) {
		return cloudapi.Impossible("template_parameters")
	}
	t := &template{Name: use.Name, Language: language{use.Language}}
	if out.Media != nil {
		top, err := headerOf(out.Media)
		if err != nil {
			return err
		}
		t.Components = append(t.Components, top)
	}
	if own > 0 {
		t.Components = append(t.Components, component{Type: "body", Parameters: texts(use.Params[:own]...)})
	}
	if use.OTP {
		t.Components = append(t.Components, urlButton(0, use.Params[0]))
	}
	for i, place := range use.URLs {
		t.Components = append(t.Components, urlButton(place, use.Params[own+i]))
	}
	m.Type, m.Template = "template", t
	return nil
}

func headerOf(m *desk.MediaLink) (component, *channel.Error) {
	f, err := located(m)
	if err != nil {
		return component{}, err
	}
	p := parameter{Type: m.Kind}
	switch m.Kind {
	case "image":
		p.Image = f
	case "video":
		p.Video = f
	case "file", "document":
		p.Type, p.Document = "document", f
		f.Filename = m.Name
	default:
		return component{}, cloudapi.Impossible("unsupported_type")
	}
	return component{Type: "header", Parameters: []parameter{p}}, nil
}

// urlButton fills the variable at the end of a button's address. A button that
// copies a code counts as one.
func urlButton(place int, value string) component {
	return component{Type: "button", SubType: "url", Index: strconv.Itoa(place), Parameters: texts(value)}
}

func texts(values ...string) []parameter {
	list := make([]parameter, len(values))
	for i := range values {
		list[i] = parameter{Type: "text", Text: &values[i]}
	}
	return list
}
