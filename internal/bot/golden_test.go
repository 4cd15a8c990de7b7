package bot

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"buzon/internal/desk"
)

var update = flag.Bool("update", false, "rewrite testdata")

// TestTranscripts: S1-01: dialogues as people see them, word for word, in each
// language. They are there to be read by somebody who speaks it.
func TestTranscripts(t *testing.T) {
	busy := func(lang string) World {
		w := registered(lang)
		w.Settings.Menu = append(w.Settings.Menu, desk.MenuItem{Number: 6, Label: map[string]string{"es": "Horario", "en": "Opening hours", "pt": "Horário"},
			Action: desk.ActionText, Text: map[string]string{"es": "De 8 a 17 h.", "en": "8 am to 5 pm.", "pt": "Das 8 às 17 h."}})
		return w
	}
	eachLanguage(t, func(t *testing.T, lang string) {
		var out strings.Builder
		for _, c := range []struct {
			title string
			world World
			lines []string
		}{
			{"A person who is not known", town(lang), []string{"> hola", "> 1", "tap Agua", "tap Cobros", "tap →", "> {next}", "tap C03", "> gracias"}},
			{"A registered person", busy(lang), []string{"> hola", "> 6", "> x", "> 5", "tap Obras", "tap Quejas", "tap Vías", "> {cancel}"}},
			{"One way only", world(lang, project("Agua", group{"Redes", service{"Fugas", 1}})), []string{"> hola", "> x", "> x", "> x"}},
			{"A project that is withdrawn, and time that runs out", town(lang), []string{"> hola", "drop Agua", "tap Agua", "wait 60m", "timeout"}},
			{"A template that can not be used", templated(func(t *desk.Template) { t.Active = false })(lang), []string{"> hola", "tap Salud", "tap Citas", "tap C01"}},
			{"Nothing to offer", world(lang), []string{"> hola"}},
			{"A project without services", world(lang, project("Agua"), project("Salud")), []string{"> hola", "tap Agua"}},
			{"A service without categories", world(lang, project("Agua", service{"Fugas", 0})), []string{"> hola"}},
		} {
			p := newPhone(t, c.world, lang)
			fmt.Fprintf(&out, "== %s ==\n", c.title)
			for _, line := range c.lines {
				fmt.Fprintf(&out, "\n%s\n", line)
				for _, r := range p.do(line) {
					out.WriteString(transcript(r))
				}
			}
			out.WriteString("\n")
		}
		name := filepath.Join("testdata", lang+".txt")
		if *update {
			if err := os.WriteFile(name, []byte(out.String()), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(string(want), out.String()); d != "" {
			t.Errorf("%s (run with -update if it is meant):\n%s", name, d)
		}
	})
}

// transcript tells a reply as it stands on a screen.
func transcript(r desk.Outgoing) string {
	b := ""
	for _, line := range strings.Split(r.Text, "\n") {
		b += strings.TrimRight("    "+line, " ") + "\n"
	}
	if r.Type == desk.ReplyList {
		b += "    [" + r.Button + "]\n"
		for _, row := range r.Rows {
			b += "      ( ) " + row.Title + "\n"
		}
	}
	return b + "    --\n"
}
