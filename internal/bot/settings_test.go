package bot

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"buzon/internal/desk"
)

// TestDefaultSettings: Q1, Q11: entry 5 alone, an hour, a day.
func TestDefaultSettings(t *testing.T) {
	want := desk.BotSettings{
		Language: "pt",
		Menu: []desk.MenuItem{{Number: 5, Action: desk.ActionAnonymousCase, Label: map[string]string{
			"es": "Crear un caso anónimo", "en": "Create an anonymous case", "pt": "Criar um caso anônimo"}}},
		TimeoutMinutes: 60,
		FormHours:      24,
	}
	if d := cmp.Diff(want, DefaultSettings("pt")); d != "" {
		t.Error(d)
	}
	if got := DefaultSettings("fr").Language; got != "es" {
		t.Errorf("settings for an unknown language speak %q", got)
	}
}

// TestLanguage: Q46, A9: the person's culture, else the setting, else Spanish.
func TestLanguage(t *testing.T) {
	for _, c := range []struct{ culture, setting, want string }{
		{"pt", "en", "pt"},
		{"pt-BR", "en", "pt"},
		{"es_MX", "en", "es"},
		{" EN ", "pt", "en"},
		{"", "en", "en"},
		{"fr", "en", "en"},
		{"", "", "es"},
		{"fr", "de", "es"},
	} {
		w := World{Person: Person{Culture: c.culture}, Settings: desk.BotSettings{Language: c.setting}}
		if got := language(w); got != c.want {
			t.Errorf("culture %q, setting %q: %q, want %q", c.culture, c.setting, got, c.want)
		}
	}
}

// TestLanguageStays: the language of a dialogue is fixed when it begins.
func TestLanguageStays(t *testing.T) {
	p := newPhone(t, town("pt"), "pt")
	p.do("> oi")
	p.w.Settings.Language = "en"
	p.w.Person.Culture = "en"
	if got := show("pt", p.do("tap Salud")[0]); got != "prompt.service: Citas, Vacunas" {
		t.Errorf("%q", got)
	}
}

// TestTimeout: Q11 at both edges.
func TestTimeout(t *testing.T) {
	for _, c := range []struct {
		minutes int
		want    time.Duration
	}{
		{-1, time.Hour}, {0, time.Hour}, {1, time.Minute}, {60, time.Hour},
		{1380, 23 * time.Hour}, {1381, 23 * time.Hour}, {1 << 40, 23 * time.Hour},
	} {
		w := town("es")
		w.Settings.TimeoutMinutes = c.minutes
		d := Decide(w, nil, Input{Message: &desk.Content{Type: desk.Text}, Now: begin.In(time.FixedZone("x", 3600))})
		if got := d.TimeoutAt.Sub(begin); got != c.want || d.TimeoutAt.Location() != time.UTC {
			t.Errorf("%d minutes: %v, want %v in UTC", c.minutes, got, c.want)
		}
	}
}

// TestOwnTexts: a company's text replaces the shipped one of a key that exists,
// with its parameters.
func TestOwnTexts(t *testing.T) {
	first := func(change func(*World)) []desk.Outgoing {
		w := with(town, change)("es")
		return newPhone(t, w, "es").do("> hola")
	}
	if got := first(own("bot.greeting.unregistered", "{hello} Aquí {company}. {otra}"))[0].Text; got != "¡Hola! Aquí Acme. {otra}" {
		t.Errorf("own greeting: %q", got)
	}
	if got := first(own("bot.greeting.unregistered", "  "))[0].Text; !strings.HasPrefix(got, "¡Hola! Soy el asistente de Acme.") {
		t.Errorf("an empty text: %q", got)
	}
	if got := first(own("bot.list.button", strings.Repeat("a", 50)))[1].Button; got != strings.Repeat("a", 19)+"…" {
		t.Errorf("own button: %q", got)
	}
	if got := first(own("bot.prompt.project", strings.Repeat("a", 2000)))[1].Text; utf16Len(got) != desk.MaxListBody {
		t.Errorf("own prompt of %d characters", utf16Len(got))
	}
	if got := first(own("bot.hello", strings.Repeat("a", 9000)))[0].Text; utf16Len(got) != desk.MaxText {
		t.Errorf("own greeting of %d characters", utf16Len(got))
	}
	w := with(of(many(11)...), own("bot.list.next", "Más"))("en")
	p := newPhone(t, w, "en")
	p.do("> hi")
	for _, typed := range []string{"> mas", "tap → @1", "> siguiente"} {
		if typed == "> siguiente" {
			p.do("tap → @1")
		}
		if got := p.s().Page; typed == "> mas" && got != 1 {
			t.Fatalf("page %d", got)
		}
		p.do(typed)
		if got := p.s().Page; got != 2 {
			t.Errorf("Q2 %s: page %d, want 2", typed, got)
		}
	}
}

// s is the state as it is stored.
func (p *phone) s() state {
	s, _ := readState(p.state)
	return s
}

// TestMenuLabels: a label in the dialogue's language, else the company's, else any;
// the shipped one if it has none.
func TestMenuLabels(t *testing.T) {
	for _, c := range []struct {
		label map[string]string
		want  string
	}{
		{map[string]string{"pt": "Caso", "en": "Case"}, "5. Caso"},
		{map[string]string{"es": "Caso es", "en": "Case"}, "5. Case"},
		{map[string]string{"es": "Caso es"}, "5. Caso es"},
		{nil, "5. Criar um caso anônimo"},
	} {
		w := registered("pt")
		w.Settings.Language = "en"
		w.Settings.Menu = []desk.MenuItem{{Number: 5, Label: c.label, Action: desk.ActionAnonymousCase}}
		text := newPhone(t, w, "pt").do("> oi")[0].Text
		if !strings.HasSuffix(text, "\n"+c.want) {
			t.Errorf("label %v: %q, want %q at the end", c.label, text, c.want)
		}
	}
	w := registered("es")
	w.Settings.Menu = nil
	if text := newPhone(t, w, "es").do("> hola")[0].Text; !strings.HasSuffix(text, "\n5. Crear un caso anónimo") {
		t.Errorf("without a menu: %q", text)
	}
}

// TestNames: names come from outside; a greeting says them on one line.
func TestNames(t *testing.T) {
	w := registered("es")
	w.Person.Name = " Ana\n\tMaría {company} "
	text := newPhone(t, w, "es").do("> hola")[0].Text
	if !strings.HasPrefix(text, "¡Hola, Ana María {company}! Soy el asistente de Acme.\n") {
		t.Errorf("%q", text)
	}
	w.Person.Name = strings.Repeat("ñ", 5000)
	text = newPhone(t, w, "es").do("> hola")[0].Text
	if !strings.HasSuffix(text, "5. Crear un caso anónimo") || utf16Len(text) > 400 {
		t.Errorf("a long name leaves no room for the menu: %d characters", utf16Len(text))
	}
}
