package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"buzon/infra/ops/wording"
)

func TestLintTemplate(t *testing.T) {
	const request = `{"name":"pedido","display_name":"Pedido","language":"es","category":"utility","type":"text","body":"Su pedido ya salió."}`
	dir := t.TempDir()
	file := func(name, content string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	good, bad := file("good.json", request), file("bad.json", "["+request+",{}]")
	whole := file("whole.json", request+strings.Repeat(" ", wording.MaxFile-len(request)))
	over := file("over.json", request+strings.Repeat(" ", wording.MaxFile-len(request)+1))
	for _, c := range []struct {
		say, in string
		args    []string
		code    int
		out     string
		errs    string
	}{
		{"a good request", "", []string{good}, exitWell, "lint-template: 1 ✓, 0 ✗\n", ""},
		{"a bad one in a list", "", []string{good, bad}, exitWrong, "lint-template: 2 ✓, 1 ✗\n", ""},
		{"from the standard input", request, nil, exitWell, "✓ -: \"pedido\"\n", ""},
		{"beside a file", "{}", []string{good, "-"}, exitWrong, "lint-template: 1 ✓, 1 ✗\n", ""},
		{"in Spanish", "{}", []string{"-lang", "es"}, exitWrong, "✗ body: Es obligatorio. (required)\n", ""},
		{"a file as large as it may be", "", []string{whole}, exitWell, "1 ✓", ""},
		{"one byte more", "", []string{over}, exitWrong, "", "over.json: more than 4 MiB\n  → "},
		{"a file that is not there", "", []string{filepath.Join(dir, "none.json")}, exitWrong, "", "none.json: no such file"},
	} {
		d := newDesk(t)
		d.in = strings.NewReader(c.in)
		code := d.do(t, append([]string{"lint-template"}, c.args...)...)
		if code != c.code || !strings.Contains(d.out.String(), c.out) || !strings.Contains(d.errs.String(), c.errs) {
			t.Errorf("%s: %d\n%s%s", c.say, code, &d.out, &d.errs)
		}
	}
	d := newDesk(t)
	code := d.do(t, "lint-template", "--json", bad)
	var requests []wording.Request
	if err := json.Unmarshal([]byte(d.out.String()), &requests); err != nil || code != exitWrong || len(requests) != 2 ||
		len(requests[0].Problems) != 0 || len(requests[1].Problems) != 6 || requests[1].Where != bad+" 2" {
		t.Errorf("--json: %d, %v, %s", code, err, &d.out)
	}
}
