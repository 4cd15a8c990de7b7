package wording

import (
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"unicode"

	"buzon/internal/desk"
)

// paramPattern is a name that people read and programs use as a key of JSON:
// letters and digits of any script, with single spaces, dots, hyphens or
// underscores between them.
var paramPattern = regexp.MustCompile(`^[\pL\pN][\pL\pM\pN]*([ ._-][\pL\pN][\pL\pM\pN]*)*$`)

var phonePattern = regexp.MustCompile(`^\+[1-9][0-9]{` + strconv.Itoa(MinPhone-1) + `,` + strconv.Itoa(MaxPhone-1) + `}$`)

// buttonKinds are those that a request may have.
var buttonKinds = []string{desk.ButtonQuickReply, desk.ButtonPhone, desk.ButtonURL}

// buttons: at most three, of one kind: quick replies or calls to action (S3-42 …
// S3-47); both kinds only where the company allows it (Q29).
func (c *check) buttons(given []desk.TemplateButton) {
	replies, calls := 0, 0
	for i, b := range given {
		if i == MaxButtons {
			break
		}
		b = desk.TemplateButton{Kind: b.Kind, Text: tidy(b.Text), Phone: tidy(b.Phone), URL: tidy(b.URL)}
		c.button("buttons["+strconv.Itoa(i)+"]", b)
		c.t.Buttons = append(c.t.Buttons, b)
		switch b.Kind {
		case desk.ButtonQuickReply:
			replies++
		case desk.ButtonPhone, desk.ButtonURL:
			calls++
		}
	}
	if replies > MaxKind || calls > MaxKind || len(given) > MaxButtons {
		c.Add("buttons", "too_many_buttons", "max", strconv.Itoa(MaxKind))
	}
	if replies > 0 && calls > 0 && !c.mix {
		c.Add("buttons", "mixed_buttons")
	}
	c.adviseButtons()
}

// button checks one; those before it are in c.t.Buttons.
func (c *check) button(at string, b desk.TemplateButton) {
	c.oneOf(at+".kind", b.Kind, buttonKinds)
	c.buttonText(at+".text", b.Text)
	if b.Kind == desk.ButtonPhone {
		if c.required(at+".phone", b.Phone) && !phonePattern.MatchString(b.Phone) {
			c.Add(at+".phone", "invalid_phone")
		}
	} else if b.Phone != "" {
		c.Add(at+".phone", "not_allowed")
	}
	if b.Kind == desk.ButtonURL {
		if c.required(at+".url", b.URL) {
			c.buttonURL(at+".url", b.URL)
		}
	} else if b.URL != "" {
		c.Add(at+".url", "not_allowed")
	}
}

func (c *check) buttonText(at, text string) {
	if !c.required(at, text) {
		return
	}
	switch {
	case strings.ContainsAny(text, "\n\r\t\u2028\u2029"):
		c.Add(at, "one_line", "max", strconv.Itoa(MaxSpaces))
	case !c.clean(at, text, false):
	case strings.ContainsAny(text, "{}"):
		c.Add(at, "no_variables")
	}
	c.short(at, text, MaxButtonText)
	for _, b := range c.t.Buttons {
		if strings.EqualFold(b.Text, text) { // a tap comes back as its text
			c.Add(at, "twice")
			break
		}
	}
}

// buttonURL: a whole web address, at whose very end one variable may stand.
func (c *check) buttonURL(at, address string) {
	if !c.short(at, address, MaxURL) {
		return
	}
	found, mistakes := holes(address)
	for _, m := range mistakes {
		c.Add(at, "bad_variable", "found", m, "example", variable(1))
	}
	if len(mistakes) > 0 {
		return
	}
	fixed, ends := FixedPart(address)
	if ends && len(found) > 1 || !ends && len(found) > 0 {
		c.Add(at, "url_variable", "variable", variable(1))
		return
	}
	u, err := url.Parse(fixed)
	if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.User != nil || u.Opaque != "" ||
		!strings.Contains(strings.Trim(u.Hostname(), "."), ".") || !urlText(fixed) {
		c.Add(at, "invalid_url", "example", "https://ejemplo.com/pedidos")
		return
	}
	if ends && u.Path == "" && u.RawQuery == "" && !u.ForceQuery && !strings.Contains(fixed, "#") {
		c.Add(at, "url_variable", "variable", variable(1)) // it would be a part of the host's name
		return
	}
	c.adviseURL(at, u)
}

// urlText tells whether all of it may stand in a web address: no space, no
// control character and none of those that RFC 3986 leaves out. Letters of other
// scripts may: browsers encode them.
func urlText(s string) bool {
	return clean(s, false) && !strings.ContainsFunc(s, func(r rune) bool {
		return unicode.IsSpace(r) || strings.ContainsRune("\"<>\\^`{|}", r)
	})
}

// FixedPart is a button's address without the variable at its end, and whether
// it has one.
func FixedPart(address string) (fixed string, variable bool) {
	return strings.CutSuffix(address, "{{1}}")
}

// ButtonParam is the name by which the variable of a button's address is given,
// in samples and when sending: "button[0]" is the first button's. No name of
// Params is like it.
func ButtonParam(button int) string { return "button[" + strconv.Itoa(button) + "]" }
