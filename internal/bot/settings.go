package bot

import (
	"strings"
	"time"

	"buzon/internal/desk"
	"buzon/internal/locale"
)

// maxTimeout is the longest time that a dialogue waits, whatever the settings
// say: the sentence that it has ended must leave within the 24 hours in which
// WhatsApp lets us write (Q11).
const maxTimeout = 23 * time.Hour

// DefaultSettings are the settings that ship: the menu has entry 5 alone (Q1),
// a text with a link ends the dialogue. A language that is none of
// desk.Languages counts as the first.
func DefaultSettings(lang string) desk.BotSettings {
	if locale.For(lang) == nil {
		lang = desk.Languages[0]
	}
	label := map[string]string{}
	for _, l := range desk.Languages {
		label[l] = locale.For(l).Text("bot.menu.anonymous_case")
	}
	return desk.BotSettings{
		Language:       lang,
		Menu:           []desk.MenuItem{{Number: 5, Label: label, Action: desk.ActionAnonymousCase}},
		TimeoutMinutes: int(desk.DefaultDialogueTimeout / time.Minute),
		FormHours:      int(desk.DefaultFormLife / time.Hour),
	}
}

// menu is the menu of the settings, or the shipped one if they have none.
func menu(s desk.BotSettings) []desk.MenuItem {
	if len(s.Menu) > 0 {
		return s.Menu
	}
	return DefaultSettings(s.Language).Menu
}

func timeout(s desk.BotSettings) time.Duration {
	if s.TimeoutMinutes <= 0 {
		return desk.DefaultDialogueTimeout
	}
	return time.Duration(min(s.TimeoutMinutes, int(maxTimeout/time.Minute))) * time.Minute
}

func formHours(s desk.BotSettings) int {
	if s.FormHours <= 0 {
		return int(desk.DefaultFormLife / time.Hour)
	}
	return s.FormHours
}

// language of a dialogue that begins: the person's culture, else the company's
// setting, else the first of desk.Languages.
func language(w World) string {
	for _, l := range []string{w.Person.Culture, w.Settings.Language} {
		if l = baseLanguage(l); locale.For(l) != nil {
			return l
		}
	}
	return desk.Languages[0]
}

// baseLanguage is "es" for "es-CO" and "es_MX".
func baseLanguage(tag string) string {
	tag = strings.ToLower(strings.TrimSpace(tag))
	if i := strings.IndexAny(tag, "-_"); i >= 0 {
		return tag[:i]
	}
	return tag
}

// inLanguage picks from texts by language: lang, else the company's, else the
// first of desk.Languages that has one.
func inLanguage(texts map[string]string, lang string, s desk.BotSettings) string {
	for _, l := range append([]string{lang, s.Language}, desk.Languages[:]...) {
		if t := strings.TrimSpace(texts[l]); t != "" {
			return t
		}
	}
	return ""
}

// text is the company's text for a key "bot.…" in the language, else the shipped one.
func text(s desk.BotSettings, lang, key string, params ...string) string {
	if own := strings.TrimSpace(s.Texts[lang][key]); own != "" && knownText(lang, key) {
		return locale.Fill(own, params...)
	}
	return locale.For(lang).Text(key, params...)
}

// knownText tells whether a company may give its own text for the key.
func knownText(lang, key string) bool {
	family, _, _ := strings.Cut(key, ".")
	return family == "bot" && locale.For(lang).Has(key)
}
