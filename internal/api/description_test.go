package api

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"flag"
	"net/http"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"

	"buzon/internal/api/apidocs"
	"buzon/internal/locale"
	"github.com/google/go-cmp/cmp"
)

// TestDescriptionIsValid: openapi.yaml is OpenAPI 3.1, its examples fit their
// schemas, and every operation is told in full.
func TestDescriptionIsValid(t *testing.T) {
	doc := spec()
	if !doc.IsOpenAPI31OrLater() {
		t.Errorf("openapi: %s", doc.OpenAPI)
	}
	if err := doc.Validate(t.Context()); err != nil {
		t.Fatal(err)
	}
	ids := map[string]bool{}
	for path, item := range doc.Paths.Map() {
		for method, op := range item.Operations() {
			name := method + " " + path
			if op.Summary == "" || op.Description == "" || op.OperationID == "" || len(op.Tags) != 1 {
				t.Errorf("%s: not told in full", name)
			}
			if ids[op.OperationID] {
				t.Errorf("%s: operationId %s is there twice", name, op.OperationID)
			}
			ids[op.OperationID] = true
			for _, p := range op.Parameters {
				if p.Value.Example == nil || p.Value.Description == "" {
					t.Errorf("%s: parameter %s without example or description", name, p.Value.Name)
				}
			}
			if op.RequestBody != nil {
				checkContent(t, name+" body", op.RequestBody.Value.Content)
			}
			for status, r := range op.Responses.Map() {
				if r.Value.Description == nil || *r.Value.Description == "" {
					t.Errorf("%s: answer %s without description", name, status)
				}
				if !strings.Contains(path, "gupshup") { // its errors are not for reading
					checkContent(t, name+" "+status, r.Value.Content)
				}
			}
		}
	}
}

// checkContent: each body has an example, and it fits.
func checkContent(t *testing.T, where string, content openapi3.Content) {
	t.Helper()
	for kind, m := range content {
		example := m.Example
		for _, x := range m.Examples {
			example = x.Value.Value
		}
		if example == nil {
			t.Errorf("%s: %s without example", where, kind)
			continue
		}
		if strings.HasSuffix(kind, "json") && m.Schema.Value.Properties != nil {
			if err := spec().ValidateSchemaJSON(m.Schema.Value, example, openapi3.EnableFormatValidation()); err != nil {
				t.Errorf("%s: example: %v", where, err)
			}
		}
	}
}

// elsewhere are the public operations that openapi.yaml describes and other packages
// serve.
var elsewhere = []string{
	"POST /webhooks/gupshup/{channel}/{secret}",
	"GET /webhooks/whatsapp/{channel}",
	"POST /webhooks/whatsapp/{channel}",
	"POST /callbacks/templates/gupshup/{channel}/{secret}",
	"GET /c/{form}",
	"POST /c/{form}",
	"GET /t/{tracking}",
	"POST /t/{tracking}/messages",
}

// TestRoutesAreDescribed: every route stands in openapi.yaml with its role, and
// every operation there is a route, of this package or one served elsewhere.
func TestRoutesAreDescribed(t *testing.T) {
	served := map[string]string{} // pattern → role
	for _, rt := range routes() {
		served[rt.method+" "+rt.pattern] = rt.role
	}
	for _, pattern := range elsewhere {
		served[pattern] = anybody
	}
	told := map[string]string{}
	for path, item := range spec().Paths.Map() {
		for method, op := range item.Operations() {
			role, _ := op.Extensions["x-role"].(string)
			told[method+" "+path] = role
			if open := op.Security != nil; open != (role == "") {
				t.Errorf("%s %s: security and x-role differ", method, path)
			}
		}
	}
	if d := cmp.Diff(served, told); d != "" {
		t.Errorf("routes and openapi.yaml differ:\n%s", d)
	}
}

// TestCodes: openapi.yaml lists each code of a problem that there is a text for.
func TestCodes(t *testing.T) {
	var want []string
	for _, key := range locale.For("en").Keys() {
		if code, ok := strings.CutPrefix(key, "problem."); ok && !strings.HasPrefix(code, "title.") {
			want = append(want, code)
		}
	}
	if d := cmp.Diff(want, codes()); d != "" {
		t.Errorf("codes that have a text, and those in openapi.yaml:\n%s", d)
	}
}

var update = flag.Bool("update", false, "rewrite docs.html")

// TestDocs: the page tells every operation, all its anchors resolve, and its
// policy lets nothing in but its own style.
func TestDocs(t *testing.T) {
	made := apidocs.Page(descriptionYAML)
	if *update {
		if err := os.WriteFile("docs.html", made, 0o644); err != nil {
			t.Fatal(err)
		}
		docsPage = made
	}
	if !bytes.Equal(docsPage, made) {
		t.Error("docs.html is not what openapi.yaml makes: go test ./internal/api -run TestDocs -update")
	}
	w := newWorld(t)
	a := w.do("", "GET", "/docs", "")
	if a.status != 200 {
		t.Fatalf("%d %s", a.status, a.text)
	}
	ids := map[string]bool{}
	for _, m := range regexp.MustCompile(` id="([^"]+)"`).FindAllStringSubmatch(a.text, -1) {
		if ids[m[1]] {
			t.Errorf("id %s is there twice", m[1])
		}
		ids[m[1]] = true
	}
	links := regexp.MustCompile(` href="([^"]*)"`).FindAllStringSubmatch(a.text, -1)
	for _, m := range links {
		if name, ok := strings.CutPrefix(m[1], "#"); ok && !ids[name] {
			t.Errorf("link to %q leads nowhere", m[1])
		} else if !ok && m[1] != "/openapi.yaml" && m[1] != "data:," {
			t.Errorf("link to %q leads away", m[1])
		}
	}
	if len(links) < 200 {
		t.Errorf("only %d links", len(links))
	}
	for path, item := range spec().Paths.Map() {
		for method, op := range item.Operations() {
			if !ids[op.OperationID] || !strings.Contains(a.text, `<b class="method">`+method+`</b> <code>`+path+`</code>`) {
				t.Errorf("%s %s is not on the page", method, path)
			}
		}
	}
	for _, status := range []string{"400", "401", "403", "404", "405", "409", "412", "413", "415", "422", "500", "503"} {
		if !ids["problem-"+status] {
			t.Errorf("status %s, to which errors lead, is not on the page", status)
		}
	}
	style := a.text[strings.Index(a.text, "<style>")+len("<style>") : strings.Index(a.text, "</style>")]
	sum := sha256.Sum256([]byte(style))
	policy := a.header.Get("Content-Security-Policy")
	if !strings.Contains(policy, "style-src 'sha256-"+base64.StdEncoding.EncodeToString(sum[:])+"'") || !strings.HasPrefix(policy, "default-src 'none'") {
		t.Errorf("policy %q does not let the style in", policy)
	}
	for _, not := range []string{"<script", " style=", " onclick", "ZgotmplZ"} {
		if strings.Contains(a.text, not) {
			t.Errorf("the page holds %q", not)
		}
	}
	for _, want := range []string{
		`curl -X POST &#34;$BUZON/v1/projects&#34;`, `&#39;Idempotency-Key: `, "Needs the token of an agent or an admin.",
		"one of es, en, pt", "It is too long: the maximum is {max}.", `<dt id="reason-other_app">`,
		`<dt id="text-bot.form"><code>bot.form</code> <span class="quiet">may hold <code>{category}</code> <code>{hours}</code> <code>{project}</code> <code>{service}</code></span>`,
	} {
		if !strings.Contains(a.text, want) {
			t.Errorf("the page does not hold %q", want)
		}
	}
}

// TestDescriptionIsServed: the file itself, without a token.
func TestDescriptionIsServed(t *testing.T) {
	a := newWorld(t).do("", "GET", "/openapi.yaml", "")
	if a.status != 200 || a.text != string(descriptionYAML) || a.header.Get("Content-Type") != "application/yaml" {
		t.Errorf("%d %q, %d bytes", a.status, a.header.Get("Content-Type"), len(a.text))
	}
}

// TestHealth: liveness with the version, without a token.
func TestHealth(t *testing.T) {
	a := newWorld(t).do("", "GET", "/health", "")
	if a.status != 200 || strings.TrimSpace(a.text) != `{"status":"ok","version":"1.2.3"}` {
		t.Errorf("%d %s", a.status, a.text)
	}
}

// TestNoRoute: unknown paths and wrong methods are problems (405 with Allow).
func TestNoRoute(t *testing.T) {
	w := newWorld(t)
	for _, c := range []struct {
		method, path string
		status       int
		allow        string
	}{
		{"GET", "/v1/nothing", 404, ""},
		{"GET", "/v2/projects", 404, ""},
		{"GET", "/v1/projects/a/b/c", 404, ""},
		{"DELETE", "/v1/projects", 405, "GET, HEAD, POST"},
		{"PUT", "/v1/projects/x", 405, "DELETE, GET, HEAD, PATCH"},
		{"POST", "/health", 405, "GET, HEAD"},
	} {
		a := w.do(w.admin, c.method, c.path, "")
		if a.status != c.status || a.header.Get("Allow") != c.allow || a.header.Get("Content-Type") != "application/problem+json" {
			t.Errorf("%s %s: %d Allow %q %s", c.method, c.path, a.status, a.header.Get("Allow"), a.text)
		}
	}
}

// TestHead: HEAD is answered wherever GET is, with the same headers.
func TestHead(t *testing.T) {
	s := seed(t)
	for _, path := range []string{"/v1/projects", "/v1/projects/" + s.project, "/health", "/docs"} {
		get, head := s.do(s.admin, "GET", path, ""), s.do(s.admin, "HEAD", path, "")
		for _, h := range []http.Header{get.header, head.header} {
			h.Del("X-Request-Id")
		}
		if head.status != get.status {
			t.Errorf("HEAD %s: %d, GET %d", path, head.status, get.status)
		}
		if d := cmp.Diff(get.header, head.header); d != "" {
			t.Errorf("HEAD %s has other headers:\n%s", path, d)
		}
	}
}

// TestCallers: every route says who calls it.
func TestCallers(t *testing.T) {
	for _, rt := range routes() {
		if rt.caller == "" || !slices.Contains([]string{anybody, agent, admin}, rt.role) {
			t.Errorf("%s %s: caller %q, role %q", rt.method, rt.pattern, rt.caller, rt.role)
		}
	}
}
