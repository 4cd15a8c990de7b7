// Package locale is the one catalogue of texts that people read, in the
// languages of [desk.Languages]: es.json, en.json and pt.json, flat, sorted,
// one key a line. Parameters stand in braces: "{max}".
//
// The tests of this package hold it together: the three files have the same
// keys with the same parameters, every key that the code names exists, and
// every key that exists is used.
package locale

import (
	"embed"
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"sync"

	"golang.org/x/text/language"

	"buzon/internal/desk"
)

//go:embed es.json en.json pt.json
var files embed.FS

// catalogues are read at the first use, which takes a millisecond: a function that
// shows nobody a text never does (performance.md, "Cold start").
var catalogues = sync.OnceValue(read)

// Load reads the catalogues now. A function that needs them does so while it
// starts, which Lambda does not throttle, and not at somebody's first request.
func Load() { catalogues() }

// Locale is the catalogue in one language. It does not change.
type Locale struct {
	lang  string
	texts map[string]string
}

// read reads the embedded files. They are part of the program: one that cannot be
// read stops it, and any test of this package.
func read() map[string]*Locale {
	all := map[string]*Locale{}
	for _, lang := range desk.Languages {
		b, err := files.ReadFile(lang + ".json")
		if err != nil {
			panic(err)
		}
		l := &Locale{lang: lang}
		if err := json.Unmarshal(b, &l.texts); err != nil {
			panic(lang + ".json: " + err.Error())
		}
		all[lang] = l
	}
	return all
}

// For gives the catalogue of exactly that language, one of [desk.Languages]; nil
// for any other word. [Match] turns what people ask for into such a word. A nil
// Locale answers every key with the key.
func For(lang string) *Locale { return catalogues()[lang] }

// Lang is the language, as in [desk.Languages].
func (l *Locale) Lang() string {
	if l == nil {
		return ""
	}
	return l.lang
}

// Has tells whether there is a text for the key.
func (l *Locale) Has(key string) bool {
	if l == nil {
		return false
	}
	_, ok := l.texts[key]
	return ok
}

// Keys lists all keys, sorted.
func (l *Locale) Keys() []string {
	if l == nil {
		return nil
	}
	return slices.Sorted(maps.Keys(l.texts))
}

// Text is the text of the key with its parameters filled in as [Fill] does; the
// key itself if there is no such text.
func (l *Locale) Text(key string, params ...string) string {
	if !l.Has(key) {
		return key
	}
	return Fill(l.texts[key], params...)
}

// TextWith is Text with the parameters in a map, as a fault.Problem has them.
func (l *Locale) TextWith(key string, params map[string]string) string {
	pairs := make([]string, 0, 2*len(params))
	for _, name := range slices.Sorted(maps.Keys(params)) {
		pairs = append(pairs, name, params[name])
	}
	return l.Text(key, pairs...)
}

// Fill replaces "{name}" by its value; params are pairs of name and value.
// Values are put in as they are: braces in a value are text. A parameter that
// is not given stays as it stands.
func Fill(text string, params ...string) string {
	if len(params) < 2 {
		return text
	}
	pairs := make([]string, 0, len(params))
	for i := 0; i+1 < len(params); i += 2 {
		pairs = append(pairs, "{"+params[i]+"}", params[i+1])
	}
	return strings.NewReplacer(pairs...).Replace(text)
}

// maxAccept is the longest Accept-Language that is looked at; browsers send less
// than 200 bytes.
const maxAccept = 1000

var matcher = sync.OnceValue(newMatcher)

func newMatcher() language.Matcher {
	var tags []language.Tag
	for _, lang := range desk.Languages {
		tags = append(tags, language.MustParse(lang))
	}
	return language.NewMatcher(tags)
}

// Match gives the language, one of [desk.Languages], that serves best somebody
// who sends this Accept-Language header (RFC 9110, 12.5.4). Without a match, or
// if the header is empty, longer than 1000 bytes or damaged, it is the fallback,
// and if that is none of the languages, the first of them.
func Match(acceptLanguage, fallback string) string {
	if For(fallback) == nil {
		fallback = desk.Languages[0]
	}
	if acceptLanguage == "" || len(acceptLanguage) > maxAccept {
		return fallback
	}
	tags, _, err := language.ParseAcceptLanguage(acceptLanguage)
	if err != nil || len(tags) == 0 {
		return fallback
	}
	_, i, confidence := matcher().Match(tags...)
	if confidence == language.No {
		return fallback
	}
	return desk.Languages[i]
}
