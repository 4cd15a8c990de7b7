package api

import (
	"slices"
	"strings"
	"testing"

	"buzon/internal/desk"
	"buzon/internal/locale"
)

// providerWords are the words of providers for the state of a template that mean
// something to us.
var providerWords = []string{
	"approved", "paused", "disabled", "deactivated", "desactivated", "locked", "flagged", "archived", "reinstated", "rejected", "failed",
	"pending", "submitted", "in_review", "in_appeal", "appealed", "sandbox_requested", "deleted", "missing", "refused",
}

// TestStateWords: each state that stands in a sentence has a word in each language,
// and each word is one of a state.
func TestStateWords(t *testing.T) {
	states := slices.Clone(providerWords)
	for _, s := range desk.CaseStates() {
		states = append(states, string(s))
	}
	for _, word := range providerWords {
		if !desk.KnownProviderState(word) {
			t.Errorf("%q is no word that we know", word)
		}
	}
	for _, lang := range desk.Languages {
		words := locale.For(lang)
		for _, s := range states {
			word := words.Text("state." + s)
			if !words.Has("state."+s) || strings.Contains(word, "_") || lang != "en" && word == s {
				t.Errorf("%s: %q is called %q", lang, s, word)
			}
		}
		for _, key := range words.Keys() {
			if s, ok := strings.CutPrefix(key, "state."); ok && !slices.Contains(states, s) {
				t.Errorf("%s: %q is the word of no state", lang, s)
			}
		}
	}
}

// TestSentencesNameStatesInTheirLanguage: no word of the program stands in a sentence
// for people; a provider's word that we do not know stays as it came.
func TestSentencesNameStatesInTheirLanguage(t *testing.T) {
	s := seed(t)
	withFiles(s)
	closed := s.openCase("Fuga")
	s.ok(200, "PATCH", "/v1/cases/"+closed, `{"state":"closed"}`)
	send := "POST /v1/templates/" + s.template + "/messages"
	const message = `{"number":"+573009990000","params":{"1":"x"}}`
	for _, c := range []struct {
		status     desk.TemplateStatus
		word       string
		call, body string
		es, en, pt string
	}{
		{desk.TemplatePending, "in_review", send, message, "estado «pendiente»", "is pending", "estado “pendente”"},
		{desk.TemplateRejected, "rejected", send, message, "estado «rechazado»", "is rejected", "estado “recusado”"},
		{desk.TemplateApproved, "paused", send, message, "«en pausa»", "“paused”", "“em pausa”"},
		{desk.TemplateApproved, "missing", send, message, "«fuera de la lista del proveedor»", "“missing from the provider's list”", "“fora da lista do provedor”"},
		{desk.TemplateApproved, "limited_by_moon", send, message, "«limited_by_moon»", "“limited_by_moon”", "“limited_by_moon”"},
		{desk.TemplateApproved, "approved", send, `{"params":{"1":"x"}}`, "Indique a quién se envía: un número", "Say who it is for: a number or", "Indique para quem é: um número"},
		{desk.TemplateApproved, "approved", "PATCH /v1/cases/" + closed, `{"state":"waiting"}`, "de «cerrado» a «en espera»", "from “closed” to “waiting”", "de “fechado” para “em espera”"},
	} {
		v := must(s.demo.Template(t.Context(), s.template))
		v.Status, v.ProviderState = c.status, c.word
		check(t, s.demo.SaveTemplate(t.Context(), v, nil))
		method, path, _ := strings.Cut(c.call, " ")
		for lang, want := range map[string]string{"es": c.es, "en": c.en, "pt": c.pt} {
			a := s.do(s.admin, method, path, c.body, "Accept-Language: "+lang)
			if a.status < 400 || !strings.Contains(a.text, want) {
				t.Errorf("%s %s in %s: %d %s, want %q", c.status, c.word, lang, a.status, a.text, want)
			}
		}
	}
}
