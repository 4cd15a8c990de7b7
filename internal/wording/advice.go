package wording

import (
	"net/url"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf16"

	"buzon/internal/desk"
)

// CodeNameTakenRejected warns that the provider may refuse a name because it has
// a rejected template of this name and language.
const CodeNameTakenRejected = "name_taken_rejected"

// NameTakenRejected is that warning. Who knows the other templates gives it.
func NameTakenRejected() desk.Warning {
	return desk.Warning{Field: "name", Code: CodeNameTakenRejected}
}

// adviseType: the file of a media template is not part of the request, it is
// uploaded before sending (S3-32).
func (c *check) adviseType() {
	if f, ok := fileOf(c.t.Type); ok {
		c.warn("type", "media_at_sending", "types", f.names, "max", f.megabytes())
	}
}

// adviseBody tells what Gupshup's and Meta's reviewers refuse (providers.md 1.10;
// Meta's common rejection reasons), of a body whose variables are as they should be.
func (c *check) adviseBody(found []hole) {
	body := c.t.Body
	if n := len(found); n > 0 {
		if blank(body[:found[0].from]) {
			c.warn("body", "variable_at_edge", "variable", found[0].String())
		}
		if blank(body[found[n-1].to:]) && (n > 1 || !blank(body[:found[0].from])) {
			c.warn("body", "variable_at_edge", "variable", found[n-1].String())
		}
		for i, h := range found[1:] {
			if blank(body[found[i].to:h.from]) {
				c.warn("body", "variables_adjacent", "first", found[i].String(), "second", h.String())
				break
			}
		}
		if want := AdviceWordsPer*n + 1; words(body) < want {
			c.warn("body", "too_many_variables", "words", strconv.Itoa(words(body)), "want", strconv.Itoa(want))
		}
	}
	if strings.Contains(body, strings.Repeat("\n", AdviceNewlines+1)) {
		c.warn("body", "line_breaks", "max", strconv.Itoa(AdviceNewlines))
	}
	if strings.Contains(body, "\t") || strings.Contains(body, strings.Repeat(" ", MaxSpaces+1)) {
		c.warn("body", "spaces", "max", strconv.Itoa(MaxSpaces))
	}
	if n := emojis(body); n > AdviceEmojis {
		c.warn("body", "emojis", "max", strconv.Itoa(AdviceEmojis))
	}
	if n := len([]rune(body)); n <= MaxBody && len(utf16.Encode([]rune(body))) > MaxBody {
		c.warn("body", "long_in_utf16", "max", strconv.Itoa(MaxBody))
	}
}

// blank: nothing that a reviewer counts as text between variables and edges.
func blank(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return unicode.IsLetter(r) || unicode.IsNumber(r) })
}

// words counts what stands between spaces and holds a letter, a digit or a
// variable.
func words(s string) int {
	n := 0
	for w := range strings.FieldsSeq(s) {
		if !blank(w) {
			n++
		}
	}
	return n
}

// emojis counts pictures; one with a skin colour, or a family of joined ones,
// may count as several.
func emojis(s string) int {
	n := 0
	for _, r := range s {
		if r >= 0x1F000 && r <= 0x1FAFF || r >= 0x2600 && r <= 0x27BF || r == 0x20E3 {
			n++
		}
	}
	return n
}

func (c *check) adviseButtons() {
	count := map[string]int{}
	for i, b := range c.t.Buttons {
		at := "buttons[" + strconv.Itoa(i) + "].text"
		count[b.Kind]++
		if n := len([]rune(b.Text)); n > c.profile.ButtonText && n <= MaxButtonText {
			c.warn(at, "long_button_text", "provider", c.profile.Label, "max", strconv.Itoa(c.profile.ButtonText))
		}
		if emojis(b.Text) > 0 || strings.ContainsAny(b.Text, "*_~`") {
			c.warn(at, "button_characters")
		}
	}
	tooMany := func(kind string, most int) {
		if count[kind] > most {
			c.warn("buttons", "provider_max_buttons", "provider", c.profile.Label, "kind", kind, "max", strconv.Itoa(most))
		}
	}
	tooMany(desk.ButtonURL, c.profile.MaxURLs)
	tooMany(desk.ButtonPhone, c.profile.MaxPhones)
	if c.mix && !grouped(c.t.Buttons) {
		c.warn("buttons", "buttons_not_grouped", "provider", c.profile.Label)
	}
}

// grouped: all quick replies stand together.
func grouped(buttons []desk.TemplateButton) bool {
	changes := 0
	for i := range buttons {
		if i > 0 && (buttons[i].Kind == desk.ButtonQuickReply) != (buttons[i-1].Kind == desk.ButtonQuickReply) {
			changes++
		}
	}
	return changes < 2
}

// shorteners are those that the providers' guides name: they hide where a link
// leads.
var shorteners = []string{"bit.ly", "goo.gl", "tinyurl.com", "t.co", "ow.ly", "is.gd", "cutt.ly", "rebrand.ly"}

func (c *check) adviseURL(at string, u *url.URL) {
	if u.Scheme != "https" {
		c.warn(at, "url_not_https")
	}
	host := strings.TrimPrefix(strings.ToLower(u.Hostname()), "www.")
	if host == "wa.me" || host == "whatsapp.com" || strings.HasSuffix(host, ".whatsapp.com") {
		c.warn(at, "url_whatsapp")
	}
	if slices.Contains(shorteners, host) {
		c.warn(at, "url_shortener")
	}
}
