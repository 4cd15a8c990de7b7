package simulator

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"unicode/utf8"

	"buzon/infra/local/ids"
	"buzon/internal/desk"
)

// The limits of Gupshup for templates (providers.md 1.10, 2.4), in characters.
const (
	maxTemplateName   = 180
	maxTemplateBody   = 1024
	maxVertical       = 180
	maxTemplateButton = 25
	maxTemplateURL    = 2000
	maxTemplatePhone  = 20
	mostButtons       = 10
	mostURLButtons    = 2
	mostPhoneButtons  = 1
)

// maxPage is the longest page of the list.
const maxPage = 100

// The largest files that Gupshup takes, in bytes.
const (
	maxUploadForm = 17 << 20
	maxUpload     = 16 << 20
)

// The codes of Gupshup for a template that cannot be sent (providers.md 1.11).
const (
	codeMismatch = "4003"
	codePaused   = "4005"
)

// ofApp handles a request of the app that the path names, with its key.
func (s *Simulator) ofApp(h func(w http.ResponseWriter, r *http.Request, app string)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		app := r.PathValue("app")
		ok, err := s.authorized(app, r.Header.Get("apikey"))
		switch {
		case err != nil:
			s.failed(w, err)
		case !ok:
			unauthorized(w)
		default:
			h(w, r, app)
		}
	}
}

// requestTemplate takes a request for a template, which is pending then.
func (s *Simulator) requestTemplate(w http.ResponseWriter, r *http.Request, app string) {
	r.Body = http.MaxBytesReader(w, r.Body, maxForm)
	if r.ParseForm() != nil {
		refuse(w, http.StatusBadRequest, "Invalid Request")
		return
	}
	t, problem := readRequest(r.PostForm)
	if problem != "" {
		refuse(w, http.StatusBadRequest, problem)
		return
	}
	t.Provider, t.Account, t.ID, t.State = desk.ProviderGupshup, app, ids.UUID(), statePending
	t.CreatedAt, t.ChangedAt = s.Now(), s.Now()
	switch err := s.Phones.AddTemplate(t); {
	case errors.Is(err, errTaken):
		refuse(w, http.StatusBadRequest, "Template Already exists with same namespace and elementName and languageCode")
	case errors.Is(err, errFull):
		refuse(w, http.StatusBadRequest, "Template limit reached")
	case err != nil:
		s.failed(w, err)
	default:
		answer(w, http.StatusOK, map[string]any{"status": "success", "template": gupshupItem(t)})
	}
}

var (
	elementName  = regexp.MustCompile(`^[a-z0-9_]+$`)
	languageCode = regexp.MustCompile(`^[a-z]{2,3}(_[A-Z]{2})?$`)
)

// readRequest reads a request for a template. Whether a variable may stand at an end
// of the body is left to the reviewer.
func readRequest(form url.Values) (Template, string) {
	var c checks
	t := Template{
		Name: form.Get("elementName"), Label: form.Get("vertical"), Language: form.Get("languageCode"),
		Category: strings.ToLower(form.Get("category")), Type: strings.ToLower(form.Get("templateType")),
		Body: form.Get("content"), Example: form.Get("example"),
	}
	c.want(elementName.MatchString(t.Name), "elementName may have lower case letters, digits and underscores")
	c.most("elementName", t.Name, maxTemplateName)
	c.want(languageCode.MatchString(t.Language), "languageCode is not a language")
	c.category(t.Category)
	c.text("vertical", t.Label, maxVertical)
	c.body("content", t.Body)
	c.example(t)
	c.want(form.Get("enableSample") == "true", "enableSample is not true")
	switch t.Type {
	case "text":
	case "image", "document", "video":
		c.want(form.Get("mediaId") != "" || form.Get("mediaUrl") != "" || form.Get("exampleMedia") != "", "%s without a sample", t.Type)
	default:
		c.want(false, "unknown templateType")
	}
	if b := form.Get("buttons"); b != "" {
		c.want(json.Unmarshal([]byte(b), &t.Buttons) == nil, "buttons is not a list")
		c.buttons(t)
	}
	if t.Category == desk.CategoryAuthentication {
		n, err := strconv.Atoi(form.Get("codeExpirationMinutes"))
		c.want(strings.HasPrefix(t.Body, "{{1}} is your verification code."), "content of AUTHENTICATION is not the preset")
		c.want(form.Get("codeExpirationMinutes") == "" || err == nil && n >= 1 && n <= 90, "codeExpirationMinutes is not from 1 to 90")
	}
	return t, c.problem
}

func (c *checks) category(category string) {
	switch category {
	case desk.CategoryMarketing, desk.CategoryUtility, desk.CategoryAuthentication:
	default:
		c.want(false, "unknown category")
	}
}

// body checks the text of a template and its variables.
func (c *checks) body(name, body string) {
	c.want(utf8.ValidString(body), "%s is not UTF-8", name)
	c.text(name, body, maxTemplateBody)
	seen := map[int]bool{}
	for _, m := range placeholder.FindAllStringSubmatch(body, -1) {
		n, _ := strconv.Atoi(m[1]) // two digits
		seen[n] = true
	}
	for n := range len(seen) {
		c.want(seen[n+1], "variables of %s are not {{1}} to {{%d}}", name, len(seen))
	}
	rest := placeholder.ReplaceAllString(body, "")
	c.want(!strings.Contains(rest, "{{") && !strings.Contains(rest, "}}"), "%s has braces that do not match", name)
}

// example checks that a template's example is its body with values in it.
func (c *checks) example(t Template) {
	if c.problem != "" {
		return
	}
	var pattern strings.Builder
	for i, fixed := range placeholder.Split(t.Body, -1) {
		if i > 0 {
			pattern.WriteString(".+")
		}
		pattern.WriteString(regexp.QuoteMeta(fixed))
	}
	fits, err := regexp.MatchString("(?s)^"+pattern.String()+"$", t.Example)
	c.want(err == nil && fits, "example does not match content")
}

// buttons checks the buttons of a template, which both providers write alike.
func (c *checks) buttons(t Template) {
	count, runs, last := map[string]int{}, 0, ""
	for i, b := range t.Buttons {
		name := fmt.Sprintf("button %d", i+1)
		count[b.Type]++
		if b.Type == buttonQuickReply && last != b.Type {
			runs++
		}
		last = b.Type
		if b.Type != buttonOTP {
			c.text(name+" text", b.Text, maxTemplateButton)
			c.want(t.Category != desk.CategoryAuthentication, "%s is not for AUTHENTICATION", name)
		}
		switch b.Type {
		case buttonQuickReply:
		case buttonPhone:
			c.text(name+" phone_number", b.Phone, maxTemplatePhone)
		case buttonURL:
			c.buttonURL(name, b)
		case buttonOTP:
			c.want(t.Category == desk.CategoryAuthentication && b.OTP == "COPY_CODE", "%s is for AUTHENTICATION", name)
		default:
			c.want(false, "%s is of an unknown type", name)
		}
	}
	c.want(len(t.Buttons) <= mostButtons, "%d buttons, at most %d are allowed", len(t.Buttons), mostButtons)
	c.want(count[buttonURL] <= mostURLButtons, "%d buttons of URL, at most %d are allowed", count[buttonURL], mostURLButtons)
	c.want(count[buttonPhone] <= mostPhoneButtons, "%d buttons of PHONE_NUMBER, at most %d is allowed", count[buttonPhone], mostPhoneButtons)
	c.want(runs <= 1, "quick replies are not together")
}

func (c *checks) buttonURL(name string, b TemplateButton) {
	c.text(name+" url", b.URL, maxTemplateURL)
	fixed, variable := strings.CutSuffix(b.URL, "{{1}}")
	u, err := url.Parse(fixed)
	c.want(err == nil && (u.Scheme == "https" || u.Scheme == "http") && u.Host != "" && !strings.Contains(fixed, "{{"), "%s url is no address", name)
	if variable {
		c.want(len(b.Example) == 1 && len(b.Example[0]) > len(fixed) && strings.HasPrefix(b.Example[0], fixed), "%s example does not match its url", name)
	}
}

// listTemplates gives a page of an app's templates, oldest first.
func (s *Simulator) listTemplates(w http.ResponseWriter, r *http.Request, app string) {
	number := func(name string, usual, most int) (int, bool) {
		v := r.URL.Query().Get(name)
		if v == "" {
			return usual, true
		}
		n, err := strconv.Atoi(v)
		return n, err == nil && n >= 0 && n <= most
	}
	page, ok := number("pageNo", 0, MaxTemplates)
	size, fine := number("pageSize", 10, maxPage)
	if !ok || !fine || size == 0 {
		refuse(w, http.StatusBadRequest, "Invalid pageNo or pageSize")
		return
	}
	all, err := s.Phones.Templates(func(t Template) bool { return t.Provider == desk.ProviderGupshup && t.Account == app })
	if err != nil {
		s.failed(w, err)
		return
	}
	items := []map[string]any{}
	for _, t := range all[min(page*size, len(all)):min((page+1)*size, len(all))] {
		items = append(items, gupshupItem(t))
	}
	answer(w, http.StatusOK, map[string]any{"status": "success", "templates": items})
}

// gupshupItem is a template as Gupshup lists it.
func gupshupItem(t Template) map[string]any {
	meta := map[string]string{"example": t.Example}
	container := map[string]any{"appId": t.Account, "data": t.Body, "sampleText": t.Example, "buttons": t.Buttons}
	data := t.Body
	for _, b := range t.Buttons {
		data += " | [" + b.Text + "]"
	}
	item := map[string]any{
		"id": t.ID, "appId": t.Account, "elementName": t.Name, "languageCode": t.Language, "languagePolicy": "deterministic",
		"category": strings.ToUpper(t.Category), "templateType": strings.ToUpper(t.Type), "vertical": t.Label, "data": data,
		"status": strings.ToUpper(t.State), "quality": "UNKNOWN", "stage": "NONE",
		"meta": inside(meta), "containerMeta": inside(container),
		"createdOn": t.CreatedAt.UnixMilli(), "modifiedOn": t.ChangedAt.UnixMilli(),
	}
	if t.Reason != "" {
		item["reason"] = t.Reason
	}
	return item
}

// inside is JSON in a string.
func inside(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err) // unreachable: only what can be written
	}
	return string(b)
}

// upload takes a file: what it is, not its bytes.
func (s *Simulator) upload(w http.ResponseWriter, r *http.Request, app string) {
	f, problem := readFile(w, r, maxUploadForm, maxUpload)
	if problem != "" {
		refuse(w, http.StatusBadRequest, problem)
		return
	}
	f.App = app
	id, err := s.Phones.AddFile(f)
	if err != nil {
		s.failed(w, err)
		return
	}
	answer(w, http.StatusOK, map[string]any{"status": "success", "media": map[string]string{
		"id": id, "fileName": f.Name, "url": gupshupFiles + url.PathEscape(app) + "/wa/media/" + id + "?download=false",
	}})
}

// gupshupFiles begins the addresses of files at Gupshup.
const gupshupFiles = "https://filemanager.gupshup.io/wa/"

// readFile reads a form with one file, of at most most bytes, and forgets its bytes.
func readFile(w http.ResponseWriter, r *http.Request, mostForm, most int64) (f File, problem string) {
	r.Body = http.MaxBytesReader(w, r.Body, mostForm)
	form, err := r.MultipartReader()
	if err != nil {
		return f, "Invalid Request"
	}
	for {
		part, err := form.NextPart()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return f, "Invalid File"
		}
		if part.FormName() != "file" {
			continue
		}
		if f, problem = readPart(part, most); problem != "" {
			return f, problem
		}
	}
	if f.Size == 0 {
		return f, "file is empty"
	}
	return f, ""
}

func readPart(part *multipart.Part, most int64) (File, string) {
	f := File{Name: part.FileName()}
	var err error
	if f.Type, _, err = mime.ParseMediaType(part.Header.Get("Content-Type")); err != nil {
		return f, "Invalid File Type"
	}
	f.Size, err = io.Copy(io.Discard, io.LimitReader(part, most+1))
	switch {
	case err != nil:
		return f, "Invalid File"
	case f.Size > most:
		return f, "File Size Exceeded"
	}
	return f, ""
}

// unsendable tells what forbids a message with a template: Gupshup's code and words;
// none: nothing does. A template that this list never had is let through for an app
// of no line.
func (s *Simulator) unsendable(app, key string, body json.RawMessage) (code, problem string, err error) {
	var m sentTemplate
	if err := json.Unmarshal(body, &m); err != nil {
		return "", "", err
	}
	_, ofLine := s.lineOfApp(app)
	t, ok, err := s.Phones.TemplateOf(desk.ProviderGupshup, m.Template.ID)
	if err != nil {
		return "", "", err
	}
	if !ok {
		if ofLine || t.State == stateDeleted {
			return codeMismatch, "Template Match Failed", nil
		}
		return "", "", nil
	}
	if ok, err := s.authorized(t.Account, key); err != nil || !ok {
		return codeMismatch, "Template Match Failed", err
	}
	problem = t.mismatch(len(m.Template.Params), m.file())
	switch {
	case t.State == "paused":
		return codePaused, "Template is Paused", nil
	case t.State != stateApproved:
		return codeMismatch, "Template is not Approved", nil
	case problem != "":
		return codeMismatch, "Template Match Failed: " + problem, nil
	}
	return "", "", nil
}

// mismatch tells why so many values and a file of this kind do not fit the template.
func (t Template) mismatch(values int, file string) string {
	least, most := t.params()
	wanted := t.Type
	if wanted == "text" {
		wanted = ""
	}
	switch {
	case values < least || values > most:
		return fmt.Sprintf("%d params, not %d to %d", values, least, most)
	case file != wanted:
		return "header is not of type " + t.Type
	}
	return ""
}

// file is the kind of the file on top of the message; empty without one.
func (m sentTemplate) file() string {
	var header struct {
		Type string `json:"type"`
	}
	if len(m.Message) > 0 && json.Unmarshal(m.Message, &header) != nil {
		return "?"
	}
	return header.Type
}
