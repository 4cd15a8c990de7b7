// Package wording holds the rules of message templates: what a request may say
// (Check), what its provider is likely to refuse all the same (the warnings of
// the template), which values a send needs (Params) and which file may go with
// it (CheckFile). The API and an operator's command use the same ones.
//
// It is pure: no I/O, no clock. Everything that is wrong is told at once, each
// with the path of its field and a code whose sentence is the locale key
// "problem." + code. Characters are Unicode code points (Q12).
package wording

import (
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"buzon/internal/desk"
	"buzon/internal/fault"
)

// Draft is what somebody asks for: the body of POST /v1/channels/{id}/templates.
type Draft struct {
	Name        string                `json:"name"`         // technical (S3-23)
	DisplayName string                `json:"display_name"` // what agents see (S3-24)
	Language    string                `json:"language"`     // one of Languages
	Category    string                `json:"category"`
	Type        string                `json:"type"`
	Body        string                `json:"body"`
	Params      []string              `json:"params,omitempty"` // the names of {{1}}, {{2}} … (S3-39)
	Buttons     []desk.TemplateButton `json:"buttons,omitempty"`
	// Samples are values for the provider's reviewer by name: one of Params, or
	// ButtonParam of a button whose address ends with a variable.
	Samples map[string]string `json:"samples,omitempty"`
}

// Options are what a company may set.
type Options struct {
	// MixButtons lets one template have both kinds of button (Q29).
	MixButtons bool
}

// The values that a request may have.
var (
	languages  = []string{"en", "es"}                                                                       // S3-25
	categories = []string{desk.CategoryMarketing, desk.CategoryUtility, desk.CategoryAuthentication}        // S3-26
	types      = []string{desk.TemplateText, desk.TemplateImage, desk.TemplateDocument, desk.TemplateVideo} // S3-27
)

// namePattern is Q24's: lower case, words of letters and digits with one
// underscore between them.
var namePattern = regexp.MustCompile(`^[a-z0-9]+(_[a-z0-9]+)*$`)

// The fixed parts of an Authentication template. The Spanish body is the seed's
// (S3-29); the English one is ours (Q25), as are the names and the button (Q26).
const (
	presetES, presetEN = "Tu código de verificación es {{1}}", "Your verification code is {{1}}"
	codeES, codeEN     = "código", "code"
	copyES, copyEN     = "Copiar código", "Copy code"
)

// Preset is the body of every Authentication template of that language; empty
// for a language that templates do not have.
func Preset(language string) string {
	switch language {
	case "es":
		return presetES
	case "en":
		return presetEN
	}
	return ""
}

// Check applies every rule to a request at once. Without problems the template
// is ready to be stored and submitted: texts are trimmed, an Authentication
// template has its body, parameter and button, and Samples holds a value for
// each variable. Warnings are set in any case. What concerns other templates (is
// the name taken?) and all that follows from time and ids is the caller's.
func Check(d Draft, p Profile, o Options) (desk.Template, []fault.Problem) {
	c := &check{profile: p, mix: o.MixButtons, t: desk.Template{
		Name: d.Name, DisplayName: tidy(d.DisplayName), Language: d.Language, Category: d.Category, Type: d.Type,
		Body: tidy(d.Body), Params: slices.Clone(d.Params),
	}}
	c.name()
	if c.required("display_name", c.t.DisplayName) && c.clean("display_name", c.t.DisplayName, false) {
		c.short("display_name", c.t.DisplayName, desk.MaxName)
	}
	c.oneOf("language", c.t.Language, languages)
	c.oneOf("category", c.t.Category, categories)
	if c.oneOf("type", c.t.Type, types) {
		c.adviseType()
	}
	if c.t.Category == desk.CategoryAuthentication {
		c.authentication(d)
	} else {
		c.body()
		c.buttons(d.Buttons)
	}
	c.samples(d.Samples)
	return c.t, c.Problems
}

// check is one request on its way through the rules.
type check struct {
	fault.Input
	t       desk.Template
	profile Profile
	mix     bool
}

func (c *check) warn(field, code string, params ...string) {
	var in fault.Input
	in.Add(field, code, params...)
	c.t.Warnings = append(c.t.Warnings, desk.Warning(in.Problems[0]))
}

// tidy is how texts are kept: without space around them, one kind of line end.
func tidy(s string) string { return strings.TrimSpace(strings.ReplaceAll(s, "\r\n", "\n")) }

func (c *check) required(field, s string) bool {
	if s == "" {
		c.Add(field, "required")
	}
	return s != ""
}

func (c *check) oneOf(field, s string, values []string) bool {
	switch {
	case s == "":
		c.Add(field, "required")
	case !slices.Contains(values, s):
		c.Add(field, "not_one_of", "values", strings.Join(values, ", "))
	default:
		return true
	}
	return false
}

// clean: no control characters, but line ends and tabs where there are lines.
func (c *check) clean(field, s string, lines bool) bool {
	if !clean(s, lines) {
		c.Add(field, "control_character")
		return false
	}
	return true
}

func clean(s string, lines bool) bool {
	return utf8.ValidString(s) && !strings.ContainsFunc(s, func(r rune) bool {
		return (unicode.IsControl(r) || r == '\u2028' || r == '\u2029') && !(lines && (r == '\n' || r == '\t'))
	})
}

func (c *check) short(field, s string, most int) bool {
	if utf8.RuneCountInString(s) > most {
		c.Add(field, "too_long", "max", strconv.Itoa(most))
		return false
	}
	return true
}

// name: the technical name is taken as it comes, not trimmed: a space is a
// mistake (S3-23).
func (c *check) name() {
	if !c.required("name", c.t.Name) {
		return
	}
	if !namePattern.MatchString(c.t.Name) {
		c.Add("name", "template_name", "example", "pedido_enviado")
	}
	c.short("name", c.t.Name, c.profile.MaxName)
}

// authentication: text only, a fixed body with one parameter, and a button that
// nobody chooses (S3-28 … S3-30, Q25, Q26).
func (c *check) authentication(d Draft) {
	if c.t.Type != desk.TemplateText && slices.Contains(types, c.t.Type) {
		c.Add("type", "authentication_type")
	}
	given := c.t.Body
	c.t.Body = Preset(c.t.Language)
	if given != "" && given != c.t.Body && (c.t.Body != "" || given != presetES && given != presetEN) {
		text := c.t.Body
		if text == "" {
			text = presetES
		}
		c.Add("body", "authentication_body", "text", text)
	}
	name, button := codeES, copyES
	if c.t.Language == "en" {
		name, button = codeEN, copyEN
		c.warn("body", "preset_ours")
	}
	c.warn("body", "provider_text")
	if len(c.t.Params) == 0 {
		c.t.Params = []string{name}
	}
	c.params(1)
	if len(d.Buttons) > 0 {
		c.Add("buttons", "authentication_buttons")
	}
	c.t.Buttons = []desk.TemplateButton{{Kind: desk.ButtonOTP, Text: button}}
}
