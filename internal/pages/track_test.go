package pages

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"buzon/internal/desk"
	"buzon/internal/store"
)

// move puts the case of the tracking page into a state, as the desk does.
func (w *world) move(path string, to desk.CaseState) {
	w.t.Helper()
	k, _ := w.theCase(path)
	from := k.State
	k.State, k.ChangedAt = to, w.portal.Now().UTC()
	if to == desk.CaseClosed {
		k.ClosedAt = k.ChangedAt
	}
	e := desk.CaseEvent{ID: w.portal.NewID(), Case: k.ID, Kind: desk.CaseMoved, From: from, To: to, By: "spec1", At: k.ChangedAt}
	if err := w.company().AddToCase(context.Background(), k, k, e); err != nil {
		w.t.Fatal(err)
	}
}

func say(text string) url.Values { return url.Values{"text": {text}} }

// TestFollow_S1_34: the tracking page shows state, words of the case and history,
// in the case's language.
func TestFollow_S1_34(t *testing.T) {
	w := newWorld(t, nil)
	f := text("Farola", "No enciende")
	f.Set("contact", "ana@example.com")
	path := w.mustCreate(w.form("es"), f)
	page := w.get(path + "?created=1").Body.String()
	has(t, page, `<h1 id="created">Caso creado</h1>`, "Qué sigue ahora", `href="`+path+`/record.txt" download`, "Imprimir", "Compartir", "Copiar")
	page = w.get(path).Body.String()
	hasNot(t, page, `id="created"`)
	for _, c := range []struct {
		to   desk.CaseState
		want []string
	}{
		{desk.CaseNew, []string{`<span class="badge new"><svg`, "Nuevo</span>"}},
		{desk.CaseInProgress, []string{`<span class="badge pending"><svg`, "En curso</span>", "Nuevo estado: En curso"}},
		{desk.CaseWaiting, []string{`<span class="badge waiting"><svg`, "Esperamos su respuesta</span>"}},
		{desk.CaseResolved, []string{`<span class="badge done"><svg`, "Resuelto</span>"}},
		{desk.CaseClosed, []string{`<span class="badge closed"><svg`, "Cerrado</span>", "Este caso está cerrado y ya no recibe información"}},
	} {
		w.pass(time.Minute)
		if c.to != desk.CaseNew {
			w.move(path, c.to)
		}
		page = w.get(path).Body.String()
		has(t, page, c.want...)
		has(t, page, "Servicios públicos", "Alumbrado", "Farola apagada", "No enciende", "ana@example.com", company)
		hasNot(t, page, "spec1", number)
		if hasForm := strings.Contains(page, `<form id="add"`); hasForm != (c.to != desk.CaseClosed) {
			t.Errorf("%s: form to add: %v", c.to, hasForm)
		}
	}
}

// TestClosingReason: why a case was resolved is told with the move, and what is given or
// corrected later as an answer; a word of the system is told to nobody.
func TestClosingReason(t *testing.T) {
	const changed = `Nuevo estado: `
	for _, c := range []struct {
		say        string
		from, to   desk.CaseState
		text       string
		shown, not string
	}{
		{"with the move", desk.CaseNew, desk.CaseResolved, "Se cambió <la> farola.", changed + "Resuelto", "Respuesta de"},
		{"corrected later", desk.CaseResolved, desk.CaseResolved, "Se cambió <la> farola.", "Respuesta de " + company, changed},
		{"none", desk.CaseNew, desk.CaseResolved, "", changed + "Resuelto", "farola"},
		{"by the system", desk.CaseNew, desk.CaseClosed, desk.ReasonDeactivated, changed + "Cerrado", desk.ReasonDeactivated},
	} {
		w := newWorld(t, nil)
		path := w.mustCreate(w.form("es"), text("Poste", "Apagado"))
		was, _ := w.theCase(path)
		is := was
		is.State, is.ChangedAt = c.to, w.portal.Now().UTC()
		line := desk.CaseEvent{ID: w.portal.NewID(), Case: was.ID, Kind: desk.CaseMoved, Text: c.text, From: c.from, To: c.to, By: "spec1", At: is.ChangedAt}
		if err := w.company().AddToCase(t.Context(), was, is, line); err != nil {
			t.Fatal(err)
		}
		page := w.get(path).Body.String()
		t.Log(c.say)
		has(t, page, c.shown)
		hasNot(t, page, c.not, "spec1")
		if strings.Contains(page, `<p class="said-text" dir="auto">Se cambió &lt;la&gt; farola.</p>`) != strings.HasPrefix(c.text, "Se") {
			t.Errorf("%s: the reason is not told as it was given", c.say)
		}
	}
}

// TestRecord_S1_34: the link can be kept in a file.
func TestRecord_S1_34(t *testing.T) {
	w := newWorld(t, nil)
	w.public = "https://portal.example"
	path := w.mustCreate(w.form("pt"), text("Poste", "Apagado"))
	k, _ := w.theCase(path)
	rec := w.get(path + "/record.txt")
	has(t, rec.Body.String(), company, "Caso "+k.Reference, "Poste", "https://portal.example"+path+"\n", "É a única forma", "21 de novembro de 2026, 07:01 UTC")
	if got := rec.Header().Get("Content-Disposition"); got != `attachment; filename="`+k.Reference+`.txt"` {
		t.Errorf("Content-Disposition %q", got)
	}
	has(t, w.get(path+"/record.txt?lang=en").Body.String(), "It is the only way")
}

// TestPublicURL: without a setting, links begin with where the request was sent.
func TestPublicURL(t *testing.T) {
	w := newWorld(t, nil)
	path := w.mustCreate(w.form("es"), text("a", "b"))
	has(t, w.get("http://127.0.0.1:3000"+path).Body.String(), `value="http://127.0.0.1:3000`+path+`"`)
	has(t, w.get("https://buzon.example"+path).Body.String(), `value="https://buzon.example`+path+`"`)
}

// TestAdd: what a person adds is in the history once, and changes no state.
func TestAdd(t *testing.T) {
	w := newWorld(t, nil)
	path := w.mustCreate(w.form("es"), text("Farola", "No enciende"))
	w.pass(time.Hour)
	page := w.get(path).Body.String()
	f := hiddenFields(page)
	f.Set("text", "  Sigue\r\nigual ")
	var locations []string
	for range 2 { // a double submit
		rec := w.send("POST", path+"/messages", f)
		if rec.Code != http.StatusSeeOther {
			t.Fatalf("POST message: %d", rec.Code)
		}
		locations = append(locations, rec.Header().Get("Location"))
	}
	if locations[0] != locations[1] || !regexp.MustCompile(`^`+regexp.QuoteMeta(path)+`#e-[0-9a-z]{26}$`).MatchString(locations[0]) {
		t.Errorf("locations %q", locations)
	}
	has(t, w.get(path).Body.String(), `id="`+locations[0][strings.Index(locations[0], "#")+1:]+`"`, "Sigue\nigual", "Usted añadió información")
	w.pass(time.Minute)
	f.Set("text", "Otra cosa") // written after going back: the key is the same
	w.send("POST", path+"/messages", f)
	w.pass(time.Minute)
	for range 2 { // a script: no key, so each post is a message
		w.send("POST", path+"/messages", say("Script"))
		w.pass(time.Minute)
	}
	if d := cmp.Diff([]string{"Sigue\nigual", "Otra cosa", "Script", "Script"}, w.texts(path)); d != "" {
		t.Errorf("texts (-want +got):\n%s", d)
	}
	w.move(path, desk.CaseResolved)
	if rec := w.send("POST", path+"/messages", say("No está resuelto")); rec.Code != 303 {
		t.Errorf("adding to a resolved case: %d, want 303", rec.Code)
	}
	if k, _ := w.theCase(path); k.State != desk.CaseResolved {
		t.Errorf("state %s, want resolved as it was", k.State)
	}
	w.move(path, desk.CaseClosed)
	rec := w.send("POST", path+"/messages", say("Texto que no debe perderse"))
	if rec.Code != 409 {
		t.Errorf("adding to a closed case: %d, want 409", rec.Code)
	}
	has(t, rec.Body.String(), "Texto que no debe perderse</textarea>", "El caso está cerrado")
	if got := w.texts(path); got[len(got)-1] != "No está resuelto" {
		t.Errorf("a closed case took a message: %q", got)
	}
}

// TestFormAfterClosing_R8: a form sent again with other text is not lost on a
// closed case.
func TestFormAfterClosing_R8(t *testing.T) {
	w := newWorld(t, nil)
	secret := w.form("es")
	path := w.mustCreate(secret, text("a", "b"))
	w.move(path, desk.CaseClosed)
	w.mustCreate(secret, text("a", "c"))
	if d := cmp.Diff([]string{"a\n\nc"}, w.texts(path)); d != "" {
		t.Errorf("texts (-want +got):\n%s", d)
	}
	if k, _ := w.theCase(path); k.State != desk.CaseClosed {
		t.Errorf("state %s, want closed", k.State)
	}
}

// TestAddLimits: both edges of a message, and the page that keeps it.
func TestAddLimits(t *testing.T) {
	w := newWorld(t, nil)
	path := w.mustCreate(w.form("es"), text("a", "b"))
	for _, c := range []struct {
		name, text string
		code       int
		say        string
	}{
		{"nothing", "", 422, "Escriba su mensaje"},
		{"spaces", " \r\n\t", 422, "Escriba su mensaje"},
		{"20,000 characters", strings.Repeat("ñ", 20_000), 303, ""},
		{"20,001 characters", strings.Repeat("ñ", 20_001), 422, "hasta 20.000 caracteres: sobran 1"},
		{"not UTF-8", "a\xffb", 422, "Algunos caracteres no se pudieron leer"},
	} {
		rec := w.send("POST", path+"/messages", say(c.text))
		if rec.Code != c.code {
			t.Errorf("%s: %d, want %d", c.name, rec.Code, c.code)
		}
		if c.code == 422 {
			has(t, rec.Body.String(), "<title>Error: Caso", `<a href="#text">`, strings.ToValidUTF8(strings.TrimSpace(c.text), "\uFFFD")+"</textarea>")
			if strings.Count(rec.Body.String(), c.say) != 2 {
				t.Errorf("%s: %q must stand in the summary and beside the field", c.name, c.say)
			}
		}
	}
	f := say("a medias")
	f.Set("switch", "en")
	rec := w.send("POST", path+"/messages", f)
	if rec.Code != 200 || len(w.texts(path)) != 1 {
		t.Errorf("switch: %d, %d texts; want 200 and nothing added", rec.Code, len(w.texts(path)))
	}
	has(t, rec.Body.String(), "a medias</textarea>", `name="lang" value="en"`)
	f.Del("switch")
	f.Set("lang", "en")
	if got := w.send("POST", path+"/messages", f).Header().Get("Location"); !strings.HasPrefix(got, path+"?lang=en#e-") {
		t.Errorf("the chosen language is lost: %q", got)
	}
}

// TestFull: a case takes as many lines as can be read at once, and what does not
// fit is shown to its writer.
func TestFull(t *testing.T) {
	for _, c := range []struct {
		version int64
		code    int
	}{{store.MaxCaseEvents - 1, 303}, {store.MaxCaseEvents, 409}} {
		w := newWorld(t, nil)
		secret := w.form("es")
		path := w.mustCreate(secret, text("a", "b"))
		k, _ := w.theCase(path)
		for k.Version < c.version {
			if err := w.company().SaveCase(t.Context(), k, k); err != nil {
				t.Fatal(err)
			}
			k.Version++
		}
		rec := w.send("POST", path+"/messages", say("uno más"))
		if rec.Code != c.code {
			t.Errorf("version %d: %d, want %d", c.version, rec.Code, c.code)
		}
		if rec := w.send("POST", "/c/"+secret, text("a", "b")); rec.Code != 303 {
			t.Errorf("the same form again: %d, want 303", rec.Code)
		}
		if c.code == 409 {
			has(t, rec.Body.String(), "uno más</textarea>", "tantas anotaciones como caben")
			has(t, w.send("POST", "/c/"+secret, text("a", "otro")).Body.String(), "a\n\notro</textarea>")
		}
	}
}

// TestHistory: the newest lines are shown, the earlier ones on request.
func TestHistory(t *testing.T) {
	w := newWorld(t, nil)
	path := w.mustCreate(w.form("es"), text("a", "b"))
	for i := range linesShown + 1 {
		w.pass(time.Second)
		w.send("POST", path+"/messages", say(fmt.Sprintf("mensaje-%02d.", i)))
	}
	page := w.get(path).Body.String()
	has(t, page, "mensaje-01.", fmt.Sprintf("mensaje-%02d.", linesShown), `href="`+path+`?earlier=1"`)
	hasNot(t, page, "mensaje-00.")
	page = w.get(path + "?earlier=1").Body.String()
	has(t, page, "mensaje-00.", "mensaje-50.")
	hasNot(t, page, "?earlier=2")
	for _, odd := range []string{"-1", "x", "99999999999999999999", "9223372036854775807"} {
		if rec := w.get(path + "?earlier=" + odd); rec.Code != 200 {
			t.Errorf("earlier=%s: %d", odd, rec.Code)
		}
	}
}

// TestMisses_T38: all misses are the same page, for every company and shape.
func TestMisses_T38(t *testing.T) {
	w := newWorld(t, nil)
	path := w.mustCreate(w.form("es"), text("a", "b"))
	flipped := path[:len(path)-1] + "A"
	if flipped == path {
		flipped = path[:len(path)-1] + "Q"
	}
	first := ""
	for _, p := range []string{flipped, "/t/demo-" + strings.Repeat("A", 43), "/t/other-" + strings.Repeat("A", 43), "/t/x", "/t/" + strings.Repeat("x", 5000)} {
		for _, tail := range []string{"", "/messages", "/record.txt"} {
			method := "GET"
			if tail == "/messages" {
				method = "POST"
			}
			rec := w.send(method, p+tail, nil)
			if rec.Code != 404 {
				t.Errorf("%s %.80s: %d, want 404", method, p+tail, rec.Code)
			}
			page := strings.NewReplacer(rec.Header().Get("X-Request-Id"), "ID", p+tail, "PATH", p, "PATH").Replace(rec.Body.String())
			if first == "" {
				first = page
			}
			if d := cmp.Diff(first, page); d != "" {
				t.Errorf("%.80s: another page:\n%s", p+tail, d)
			}
			hasNot(t, page, company)
		}
	}
}
