package pages

import (
	"bufio"
	"bytes"
	"encoding/json"
	"net/http/httptest"
	"os"
	"os/exec"
	"testing"

	"buzon/internal/desk"
)

// TestBrowser runs every page in Chromium (browser/run.mjs): accessibility, widths,
// schemes, with and without JavaScript. It needs Node, Chromium and the packages
// of browser/package.json, so it runs when BUZON_BROWSER=1 says that they are
// there. BUZON_SHOTS names a folder for pictures, to be looked at by people.
func TestBrowser_S1_32_S1_33_S1_34(t *testing.T) {
	if os.Getenv("BUZON_BROWSER") != "1" {
		t.Log("browser: not asked for (make browser)")
		return
	}
	w := newWorld(t, nil)
	server := httptest.NewServer(w.mux)
	defer server.Close()
	expired := server.URL + "/c/" + w.form("es")
	w.pass(desk.DefaultFormLife)
	forms := map[string][]string{}
	for _, lang := range desk.Languages {
		for range 12 {
			forms[lang] = append(forms[lang], server.URL+"/c/"+w.form(lang))
		}
	}
	states := map[desk.CaseState]string{}
	for _, s := range []desk.CaseState{desk.CaseWaiting, desk.CaseClosed} {
		path := w.mustCreate(w.form("es"), text("Farola apagada en la calle 12", "No enciende desde el lunes.\n\nEs la que está frente a la escuela."))
		w.move(path, desk.CaseInProgress)
		w.move(path, s)
		states[s] = server.URL + path
	}
	input, err := json.Marshal(map[string]any{
		"base": server.URL, "forms": forms, "expired": expired, "states": states, "shots": os.Getenv("BUZON_SHOTS"),
	})
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), "node", "run.mjs")
	cmd.Dir = "browser"
	cmd.Env = append(os.Environ(), "BUZON_PAGES="+string(input))
	var said bytes.Buffer
	cmd.Stderr = &said
	out, err := cmd.Output()
	checks := 0
	lines := bufio.NewScanner(bytes.NewReader(out))
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var c struct {
			Check  string
			OK     bool
			Detail []string
		}
		if err := json.Unmarshal(lines.Bytes(), &c); err != nil {
			t.Fatalf("%v: %s", err, lines.Bytes())
		}
		checks++
		if !c.OK {
			t.Errorf("%s: %q", c.Check, c.Detail)
		}
	}
	if err != nil || checks < 200 {
		t.Errorf("%d checks, %v\n%s", checks, err, said.Bytes())
	}
	if w.log.Len() > 0 {
		t.Errorf("the portal complained: %s", w.log)
	}
}
