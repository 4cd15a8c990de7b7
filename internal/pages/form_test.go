package pages

import (
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"buzon/internal/desk"
	"buzon/internal/link"
	"buzon/internal/store"
	"buzon/internal/table"
)

// has fails the test for each of the parts that the page lacks.
func has(t *testing.T, page string, parts ...string) {
	t.Helper()
	for _, part := range parts {
		if !strings.Contains(page, part) {
			t.Errorf("the page lacks %q:\n%s", part, page)
		}
	}
}

func hasNot(t *testing.T, page string, parts ...string) {
	t.Helper()
	for _, part := range parts {
		if strings.Contains(page, part) {
			t.Errorf("the page must not hold %q:\n%s", part, page)
		}
	}
}

var hidden = regexp.MustCompile(`<input type="hidden" name="([a-z]+)" value="([^"]*)">`)

// hiddenFields are the hidden inputs of a page, as a browser posts them.
func hiddenFields(page string) url.Values {
	f := url.Values{}
	for _, m := range hidden.FindAllStringSubmatch(page, -1) {
		f.Set(m[1], m[2])
	}
	return f
}

// TestForm_S1_32: the link leads to a form that creates the case.
func TestForm_S1_32(t *testing.T) {
	w := newWorld(t, nil)
	rec := w.get("/c/" + w.form("es"))
	if rec.Code != http.StatusOK {
		t.Fatalf("GET form: %d", rec.Code)
	}
	has(t, rec.Body.String(), `<html lang="es">`, "Servicios públicos", "Alumbrado", "Farola apagada", "Escriba Cancelar en WhatsApp",
		`name="title"`, `name="description"`, `name="contact"`, `name="lang" value="es"`, ">Crear caso</button>", company)
}

// TestCreate_S1_33_S1_34: the button creates the case and opens the tracking page
// with the link, the only means to follow it.
func TestCreate_S1_33_S1_34(t *testing.T) {
	w := newWorld(t, nil)
	w.public = "https://portal.example/"
	secret := w.form("es")
	rec := w.send("POST", "/c/"+secret, text(" Farola\tapagada ", "Línea 1\r\nLínea 2\rLínea\x00 3\n"))
	if rec.Code != http.StatusSeeOther {
		t.Fatalf("POST form: %d\n%s", rec.Code, rec.Body)
	}
	location := rec.Header().Get("Location")
	page := w.get(location).Body.String()
	path := strings.TrimSuffix(location, "?created=1")
	has(t, page, "Caso creado", `<input id="link" name="tracking_link" value="https://portal.example`+path+`" readonly`, "Es la única forma de seguir su caso: cópielo y guárdelo")
	k, history := w.theCase(path)
	has(t, page, k.Reference)
	if len(history) != 1 || history[0].Kind != desk.CaseCreated {
		t.Errorf("history %v, want one line: created", history)
	}
	f, err := w.company().Form(t.Context(), link.Hash(secret))
	if err != nil {
		t.Fatal(err)
	}
	id := store.AnonymousCaseID(f.Hash)
	want := desk.Case{
		ID: id, Reference: store.Reference(id, 0), Title: "Farola apagada", Description: "Línea 1\nLínea 2\nLínea 3",
		State: desk.CaseNew, Source: "whatsapp", Type: "t1", Priority: "medium", Project: "p1", Service: "s1", Category: "c1",
		ProjectName: "Servicios públicos", ServiceName: "Alumbrado", CategoryName: "Farola apagada",
		Anonymous: true, Suspected: true, Language: "es", TrackingKey: "k1", CreatedAt: begin, ChangedAt: begin,
		Versioned: desk.Versioned{Version: 1},
	}
	if d := cmp.Diff(want, k); d != "" {
		t.Errorf("case (-want +got):\n%s", d)
	}
	// Every later view holds the link as well, without its query.
	has(t, w.get(path+"?lang=en").Body.String(), `name="tracking_link" value="https://portal.example`+path+`" readonly`)
}

// TestSecret_T38: the tracking secret has 256 bits in base64url, and only its
// hash is stored.
func TestSecret_T38(t *testing.T) {
	w := newWorld(t, nil)
	seen := map[string]bool{}
	for range 20 {
		path := w.mustCreate(w.form("es"), text("a", "b"))
		if !regexp.MustCompile(`^/t/demo-[A-Za-z0-9_-]{43}$`).MatchString(path) || seen[path] {
			t.Errorf("tracking path %q: wrong shape or twice", path)
		}
		seen[path] = true
	}
	for _, it := range w.items() {
		for path := range seen {
			if strings.Contains(it, strings.TrimPrefix(path, "/t/")) {
				t.Errorf("a tracking secret is stored: %s", it)
			}
		}
	}
}

// TestAnonymous_Q10: nothing stored leads from the number to the case, or back.
func TestAnonymous_Q10(t *testing.T) {
	w := newWorld(t, nil)
	secret := w.form("es")
	f := text("Farola", "No enciende")
	f.Set("contact", "ana@example.com")
	path := w.mustCreate(secret, f)
	w.send("POST", path+"/messages", url.Values{"text": {"Sigue igual"}})
	k, _ := w.theCase(path)
	conv := ""
	for _, it := range w.items() {
		if strings.Contains(it, number) {
			conv += it
		}
	}
	if !strings.Contains(conv, "CONV#") {
		t.Fatal("the conversation is not in the table: this test proves nothing")
	}
	for _, name := range []string{k.ID, k.Reference, link.Hash(secret), strings.TrimPrefix(path, "/t/")} {
		if strings.Contains(conv, name) {
			t.Errorf("an item with the number names %q", name)
		}
	}
	checked := 0
	for _, it := range w.items() {
		if !strings.Contains(it, "#CASE#") && !strings.Contains(it, "#FORM#") && !strings.Contains(it, "#TRACKING#") && !strings.Contains(it, "#REFERENCE#") {
			continue
		}
		checked++
		for _, forbidden := range []string{number, "Ana Prueba", `"conversation"`, `"contact"`, `"turn"`, `"number"`, `"person"`, `"phone"`, `"channel"`, "192.0.2.1"} {
			if strings.Contains(it, forbidden) {
				t.Errorf("an item of the case holds %s: %s", forbidden, it)
			}
		}
	}
	if checked != 6 { // form, case, two lines, tracking, reference
		t.Errorf("%d items of the case looked at, want 6", checked)
	}
}

// TestStates: what GET and POST of a form answer in each of its states.
func TestStates(t *testing.T) {
	unknown := tenant + "-" + strings.Repeat("A", 43)
	for _, c := range []struct {
		name      string
		used      bool
		wait      time.Duration
		get, post int
	}{
		{"fresh", false, 0, 200, 303},
		{"a millisecond before it expires", false, desk.DefaultFormLife - time.Millisecond, 200, 303},
		{"expired at that moment", false, desk.DefaultFormLife, 410, 410},
		{"expired and kept", false, desk.DefaultFormLife + desk.FormKeptAfterExpiry - time.Millisecond, 410, 410},
		{"kept long enough", false, desk.DefaultFormLife + desk.FormKeptAfterExpiry, 404, 404},
		{"used", true, 0, 200, 303},
		{"used goes before expired", true, desk.DefaultFormLife + time.Hour, 200, 303},
		{"used, kept long enough", true, desk.DefaultFormLife + desk.FormKeptAfterExpiry, 404, 404},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t, nil)
			secret := w.form("es")
			first := ""
			if c.used {
				first = w.mustCreate(secret, text("a", "b"))
			}
			w.pass(c.wait)
			rec := w.get("/c/" + secret)
			if rec.Code != c.get {
				t.Errorf("GET: %d, want %d", rec.Code, c.get)
			}
			if c.used && c.get == 200 {
				has(t, rec.Body.String(), "Este formulario ya se envió")
				hasNot(t, rec.Body.String(), first, `href="/t/`, "<form")
			}
			rec = w.send("POST", "/c/"+secret, text("a", "b"))
			if rec.Code != c.post {
				t.Errorf("POST: %d, want %d", rec.Code, c.post)
			}
			if c.used && c.post == 303 && rec.Header().Get("Location") != first+"?created=1" {
				t.Errorf("POST again leads to %q, want %q", rec.Header().Get("Location"), first+"?created=1")
			}
			if c.post == 410 {
				has(t, w.send("POST", "/c/"+secret, text("Mi título", "Mi texto")).Body.String(), "Mi título\n\nMi texto", "le enviaremos un enlace nuevo")
			}
		})
	}
	w := newWorld(t, nil)
	for _, secret := range []string{unknown, "other-" + strings.Repeat("A", 43), "demo", "x", "demo-" + strings.Repeat("A", 42), "DEMO-" + strings.Repeat("A", 43), "%00", "demo-%2e%2e"} {
		for _, method := range []string{"GET", "HEAD", "POST"} {
			if rec := w.send(method, "/c/"+secret, nil); rec.Code != 404 {
				t.Errorf("%s /c/%s: %d, want 404", method, secret, rec.Code)
			}
		}
	}
}

// TestPreviews_T40: a GET has no effect, so that crawlers that preview links
// burn nothing.
func TestPreviews_T40(t *testing.T) {
	w := newWorld(t, nil)
	secret := w.form("es")
	before := w.items()
	for i := range 100 {
		method := []string{"GET", "HEAD"}[i%2]
		if rec := w.send(method, "/c/"+secret, nil, "User-Agent", "WhatsApp/2.23"); rec.Code != 200 {
			t.Fatalf("preview %d: %d", i, rec.Code)
		}
	}
	if d := cmp.Diff(before, w.items()); d != "" {
		t.Errorf("a GET changed the table:\n%s", d)
	}
	w.mustCreate(secret, text("a", "b"))
}

// TestAgain_R8: a form makes one case, whoever sends it again and how often; new
// text is added once per content, and nothing is lost.
func TestAgain_R8(t *testing.T) {
	w := newWorld(t, nil)
	secret := w.form("es")
	path := w.mustCreate(secret, text("Farola", "No enciende"))
	for _, c := range []struct {
		name string
		form url.Values
		want []string
	}{
		{"a double submit", text("Farola", "No enciende"), nil},
		{"the same with other spaces and line ends", text("  Farola ", "No enciende\r\n"), nil},
		{"nothing at all: the page was gone", url.Values{}, nil},
		{"other text", text("Farola", "Ahora parpadea"), []string{"Farola\n\nAhora parpadea"}},
		{"the other text again", text("Farola", "Ahora parpadea"), []string{"Farola\n\nAhora parpadea"}},
		{"the first again", text("Farola", "No enciende"), []string{"Farola\n\nAhora parpadea"}},
		{"only a contact", url.Values{"title": {"Farola"}, "description": {"No enciende"}, "contact": {"ana@example.com"}}, []string{"Farola\n\nAhora parpadea", "ana@example.com"}},
		{"a title alone", url.Values{"title": {"Calle 9"}}, []string{"Farola\n\nAhora parpadea", "ana@example.com", "Calle 9"}},
	} {
		w.pass(time.Second)
		if again := w.mustCreate(secret, c.form); again != path {
			t.Errorf("%s: leads to another place", c.name)
		}
		if d := cmp.Diff(c.want, w.texts(path)); d != "" {
			t.Errorf("%s: added texts (-want +got):\n%s", c.name, d)
		}
	}
	if n := w.cases(); n != 1 {
		t.Errorf("%d cases, want 1", n)
	}
	rec := w.send("POST", "/c/"+secret, text(strings.Repeat("x", desk.MaxCaseTitle+1), "b"))
	if rec.Code != 422 {
		t.Errorf("a title too long, sent again: %d, want 422", rec.Code)
	}
}

// TestBrowsers_R8: browsers that post other texts at once make one case, and all
// texts are in it.
func TestBrowsers_R8(t *testing.T) {
	w := newWorld(t, nil)
	secret := w.form("es")
	const browsers = 4
	locations := make([]string, browsers)
	var all sync.WaitGroup
	for i := range browsers {
		all.Go(func() {
			rec := w.send("POST", "/c/"+secret, text("Farola", fmt.Sprintf("texto %d", i)))
			locations[i] = fmt.Sprint(rec.Code, rec.Header().Get("Location"))
		})
	}
	all.Wait()
	for _, l := range locations {
		if l != locations[0] || !strings.HasPrefix(l, "303/t/") {
			t.Fatalf("answers differ: %q", locations)
		}
	}
	if n := w.cases(); n != 1 {
		t.Fatalf("%d cases, want 1", n)
	}
	path := strings.TrimSuffix(strings.TrimPrefix(locations[0], "303"), "?created=1")
	k, _ := w.theCase(path)
	said := k.Description + strings.Join(w.texts(path), "")
	for i := range browsers {
		if strings.Count(said, fmt.Sprintf("texto %d", i)) != 1 {
			t.Errorf("text %d is not there once: %q", i, said)
		}
	}
}

// TestReferenceTaken: a reference that another case has is no obstacle.
func TestReferenceTaken(t *testing.T) {
	w := newWorld(t, nil)
	secret := w.form("es")
	id := store.AnonymousCaseID(link.Hash(secret))
	for try := range 2 {
		key := table.Key{PK: "T#" + tenant + "#REFERENCE#" + store.Reference(id, try), SK: "REFERENCE"}
		if err := w.table.Write(t.Context(), table.Create(table.Item{Key: key, Body: []byte(`{"case":"x"}`)})); err != nil {
			t.Fatal(err)
		}
	}
	k, _ := w.theCase(w.mustCreate(secret, text("a", "b")))
	if want := store.Reference(id, 2); k.Reference != want {
		t.Errorf("reference %s, want %s", k.Reference, want)
	}
}

// TestLimits: both edges of every limit, in code points.
func TestLimits(t *testing.T) {
	w := newWorld(t, nil)
	ok := text("a", "b")
	with := func(name, value string) url.Values {
		f := url.Values{"title": ok["title"], "description": ok["description"]}
		f.Set(name, value)
		return f
	}
	const emoji = "\U0001F6A8" // one code point, two UTF-16 units, four bytes
	for _, c := range []struct {
		name string
		form url.Values
		code int
		say  string
	}{
		{"no title", with("title", ""), 422, "Escriba un título"},
		{"a title of spaces", with("title", " \t\r\n"), 422, "Escriba un título"},
		{"a title that nobody can see", with("title", "\u200b\u2060"), 422, "Escriba un título"},
		{"a title of one character", with("title", "á"), 303, ""},
		{"128 characters of title", with("title", strings.Repeat(emoji, 128)), 303, ""},
		{"129 characters of title", with("title", strings.Repeat("x", 129)), 422, "hasta 128 caracteres: sobran 1"},
		{"128 and spaces around", with("title", " "+strings.Repeat("x", 128)+" "), 303, ""},
		{"no description", with("description", "\n\n"), 422, "Escriba una descripción"},
		{"20,000 characters of description", with("description", strings.Repeat(emoji, 20_000)), 303, ""},
		{"20,001 characters of description", with("description", strings.Repeat("x", 20_001)), 422, "hasta 20.000 caracteres: sobran 1"},
		{"a line end counts as one", with("description", "a"+strings.Repeat("\r\n", 19_998)+"b"), 303, ""},
		{"no contact", with("contact", ""), 303, ""},
		{"200 characters of contact", with("contact", strings.Repeat("x", desk.MaxContactField)), 303, ""},
		{"201 characters of contact", with("contact", strings.Repeat("x", desk.MaxContactField+1)), 422, "hasta 200 caracteres: sobran 1"},
		{"a title that is not UTF-8", with("title", "caf\xe9"), 422, "Algunos caracteres no se pudieron leer"},
		{"a description that is not UTF-8", with("description", "\xff\xfe"), 422, "Algunos caracteres no se pudieron leer"},
	} {
		rec := w.send("POST", "/c/"+w.form("es"), c.form)
		if rec.Code != c.code {
			t.Errorf("%s: %d, want %d", c.name, rec.Code, c.code)
		}
		if c.code == 422 && strings.Count(rec.Body.String(), c.say) != 2 {
			t.Errorf("%s: %q must stand in the summary and beside the field", c.name, c.say)
		}
	}
}

// TestProblems: a refused form keeps all that was written and says what to put
// right, first on top, then beside each field.
func TestProblems(t *testing.T) {
	w := newWorld(t, nil)
	secret := w.form("es")
	shown := hiddenFields(w.get("/c/" + secret).Body.String())
	w.pass(time.Minute)
	f := shown
	f.Set("title", "")
	f.Set("description", strings.Repeat("x", 20_001))
	f.Set("contact", `"><b>ana`)
	rec := w.send("POST", "/c/"+secret, f)
	page := rec.Body.String()
	if rec.Code != 422 {
		t.Fatalf("%d, want 422", rec.Code)
	}
	has(t, page, "<title>Error: Cree su caso · "+company, `role="alert"`, `tabindex="-1" autofocus`, "Hay un problema",
		`<a href="#title">Escriba un título</a>`, `<a href="#description">La descripción`, `id="title-why"`, `aria-invalid="true"`,
		strings.Repeat("x", 20_001)+"</textarea>", `value="&#34;&gt;&lt;b&gt;ana"`, `name="opened" value="`+shown.Get("opened")+`"`)
	if w.cases() != 0 {
		t.Error("a refused form made a case")
	}
	f.Set("title", "Farola")
	f.Set("description", "No enciende")
	if k, _ := w.theCase(w.mustCreate(secret, f)); k.Suspected {
		t.Error("suspected, though the page was open for a minute")
	}
}

// TestSuspected_T41: the traps mark a case, they refuse none.
func TestSuspected_T41(t *testing.T) {
	for _, c := range []struct {
		name   string
		after  time.Duration
		change func(url.Values)
		want   bool
	}{
		{"after three seconds", 3 * time.Second, func(url.Values) {}, false},
		{"a millisecond sooner", 3*time.Second - time.Millisecond, func(url.Values) {}, true},
		{"at once", 0, func(url.Values) {}, true},
		{"with the trap filled in", time.Minute, func(f url.Values) { f.Set("website", "http://spam.example") }, true},
		{"without a time", time.Minute, func(f url.Values) { f.Del("opened") }, true},
		{"with a time of its own", time.Minute, func(f url.Values) { f.Set("opened", fmt.Sprintf("%d.AAAA", begin.Add(-time.Hour).UnixMilli())) }, true},
		{"with a moved time", time.Minute, func(f url.Values) { f.Set("opened", "1"+f.Get("opened")[1:]+"x") }, true},
		{"with a time that is none", time.Minute, func(f url.Values) { f.Set("opened", "..") }, true},
	} {
		w := newWorld(t, nil)
		secret := w.form("es")
		f := hiddenFields(w.get("/c/" + secret).Body.String())
		f.Set("title", "a")
		f.Set("description", "b")
		c.change(f)
		w.pass(c.after)
		if k, _ := w.theCase(w.mustCreate(secret, f)); k.Suspected != c.want {
			t.Errorf("%s: suspected %v, want %v", c.name, k.Suspected, c.want)
		}
	}
	w := newWorld(t, nil)
	other := hiddenFields(w.get("/c/" + w.form("es")).Body.String())
	w.pass(time.Minute)
	f := text("a", "b")
	f.Set("opened", other.Get("opened"))
	if k, _ := w.theCase(w.mustCreate(w.form("es"), f)); !k.Suspected {
		t.Error("the time of another form was taken")
	}
}

// TestLanguage: the form's language, unless the person chooses another; the
// choice keeps what was typed, creates nothing, and goes with the case.
func TestLanguage(t *testing.T) {
	w := newWorld(t, nil)
	secret := w.form("pt")
	has(t, w.send("GET", "/c/"+secret, nil, "Accept-Language", "en").Body.String(), `<html lang="pt">`, "Criar caso")
	has(t, w.get("/c/"+secret+"?lang=en").Body.String(), `<html lang="en">`, "Create case", `name="lang" value="en"`)
	has(t, w.get("/c/"+secret+"?lang=fr").Body.String(), `<html lang="pt">`)
	f := text("Título a medias", "texto\nde dos líneas")
	f.Set("lang", "pt")
	f.Set("switch", "en")
	f.Set("opened", "123.abc")
	rec := w.send("POST", "/c/"+secret, f)
	if rec.Code != 200 || w.cases() != 0 {
		t.Errorf("switch: %d and %d cases, want 200 and none", rec.Code, w.cases())
	}
	has(t, rec.Body.String(), `<html lang="en">`, "Título a medias", "texto\nde dos líneas</textarea>", `value="123.abc"`)
	hasNot(t, rec.Body.String(), "There is a problem")
	f.Del("switch")
	f.Set("lang", "en")
	path := w.mustCreate(secret, f)
	if k, _ := w.theCase(path); k.Language != "en" {
		t.Errorf("language of the case %q, want en", k.Language)
	}
	has(t, w.get(path).Body.String(), `<html lang="en">`, "21 November 2026, 07:01 UTC", `datetime="2026-11-21T07:01:00Z"`)
	has(t, w.get(path+"?lang=es").Body.String(), "21 de noviembre de 2026, 07:01 UTC")
	has(t, w.send("GET", "/c/demo-x", nil, "Accept-Language", "pt-BR").Body.String(), `<html lang="pt">`, "Não encontramos esta página")
	has(t, w.get("/c/demo-x").Body.String(), `<html lang="es">`)
	f.Set("switch", "es")
	if rec := w.send("POST", "/c/"+secret, f); rec.Code != 200 || !strings.Contains(rec.Body.String(), "ya se envió") {
		t.Errorf("switch on a used form: %d, want 200 already sent", rec.Code)
	}
}

// TestScripts_T42: what people write is text on every page.
func TestScripts_T42(t *testing.T) {
	for _, evil := range []string{
		`<script>alert(1)</script>`, `"><img src=x onerror=alert(1)>`, `'"</textarea><svg/onload=alert(1)>`,
		`javascript:alert(1)`, `{{.Case}}`, `<!--`, `]]><b>`, "<a href=\"java\tscript:alert(1)\">x</a>", `&lt;script&gt;`,
	} {
		w := newWorld(t, nil)
		secret := w.form("es")
		f := text(evil, evil)
		f.Set("contact", evil)
		f.Set("switch", "es")
		pages := []string{w.send("POST", "/c/"+secret, f).Body.String()}
		f.Del("switch")
		path := w.mustCreate(secret, f)
		w.send("POST", path+"/messages", url.Values{"text": {evil}})
		pages = append(pages, w.get(path).Body.String(), w.get(path+"?created=1&lang="+url.QueryEscape(evil)+"&earlier="+url.QueryEscape(evil)).Body.String())
		for _, page := range pages {
			hasNot(t, page, "<script>", "<img", "<svg/onload", "<b>", "<!--", `href="java`, `href="#ZgotmplZ`)
		}
		if k, _ := w.theCase(path); k.Title != strings.ReplaceAll(evil, "\t", " ") || k.Description != evil {
			t.Errorf("stored %q and %q, want as it was written: %q", k.Title, k.Description, evil)
		}
	}
}
