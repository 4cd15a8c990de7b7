package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"buzon/internal/desk"
	"buzon/internal/table"
	"buzon/internal/table/tabletest"
)

// TestBuiltAsDeployed: the programs are measured with the flags that they are
// deployed with.
func TestBuiltAsDeployed(t *testing.T) {
	top, err := topFolder()
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ file, has string }{
		{"Makefile", "go build -trimpath -tags " + buildTags + ` -ldflags="` + buildLdflag + `"`},
		{"Makefile", "CGO_ENABLED=0 GOOS=linux"},
	} {
		raw, err := os.ReadFile(filepath.Join(top, c.file))
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(string(raw), c.has) {
			t.Errorf("%s does not hold %q", c.file, c.has)
		}
	}
}

// TestReadTemplate: every function is measured with the settings of the template.
func TestReadTemplate(t *testing.T) {
	top, err := topFolder()
	if err != nil {
		t.Fatal(err)
	}
	template, err := readTemplate(top)
	if err != nil {
		t.Fatal(err)
	}
	list, err := programs(top)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range list {
		if name == hello || name == sdkHello {
			continue
		}
		d, ok := template[name]
		if !ok {
			t.Errorf("function %s is not in the template", name)
		}
		if !slices.Contains(d.env, "GOMAXPROCS=1") {
			t.Errorf("function %s has %v: less than 1,769 MB is less than one processor", name, d.env)
		}
	}
	for name, gb := range map[string]float64{"webhook": memoryGB, "outbound": memoryGB, "inbound": inboundGB} {
		if got := template[name].memory; float64(got) != 1024*gb {
			t.Errorf("%s has %d MB, its price is reckoned with %v GB", name, got, gb)
		}
	}
	if template["webhook"].memory != modelMemory {
		t.Errorf("webhook has %d MB, the model is made for %d", template["webhook"].memory, modelMemory)
	}
}

// TestPrograms: every function is measured, and each that has a goal is there.
func TestPrograms(t *testing.T) {
	top, err := topFolder()
	if err != nil {
		t.Fatal(err)
	}
	list, err := programs(top)
	if err != nil {
		t.Fatal(err)
	}
	known := map[string]bool{}
	for _, name := range list {
		known[name] = true
		if _, err := os.Stat(filepath.Join(top, source(name), "main.go")); err != nil {
			t.Error(err)
		}
	}
	for name := range weightGoals {
		if !known[name] {
			t.Errorf("function %s has a goal and is not there", name)
		}
	}
	if !known[hello] || !known[sdkHello] {
		t.Errorf("programs are %v, without what they are compared with", list)
	}
}

func TestSample(t *testing.T) {
	for _, c := range []struct {
		name          string
		of            sample
		quarter, half time.Duration
	}{
		{name: "of nothing is zero"},
		{name: "of one is itself", of: sample{7}, quarter: 7, half: 7},
		{name: "does not depend on the order", of: sample{9, 1, 5, 3}, quarter: 3, half: 5},
		{name: "one that is far out changes nothing", of: sample{1, 2, 3, 4, 1000}, quarter: 2, half: 3},
	} {
		t.Run(c.name, func(t *testing.T) {
			if c.of.quantile(0.25) != c.quarter || c.of.median() != c.half {
				t.Errorf("quarter %d, half %d; want %d and %d", c.of.quantile(0.25), c.of.median(), c.quarter, c.half)
			}
		})
	}
}

// TestAgainst: a round in which everything was slow changes nothing.
func TestAgainst(t *testing.T) {
	for _, c := range []struct {
		name     string
		of, base sample
		want     float64
	}{
		{"of nothing is zero", nil, nil, 0},
		{"twice as long in every round", sample{4, 400, 8}, sample{2, 200, 4}, 2},
		{"one round out of step", sample{4, 6, 900}, sample{2, 3, 3}, 2},
	} {
		if got := c.of.against(c.base); got != c.want {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
	}
}

func TestGoals(t *testing.T) {
	for _, c := range []struct {
		name string
		goal goal
		want bool
	}{
		{"as much as allowed is reached", atMost(1, "", 1.6, 1.6, ""), true},
		{"more is not", atMost(1, "", 1.61, 1.6, ""), false},
		{"as much as asked is reached", atLeast(9, "", 3000, 3000, ""), true},
		{"less is not", atLeast(9, "", 2999, 3000, ""), false},
	} {
		if c.goal.Reached != c.want {
			t.Errorf("%s: reached is %v", c.name, c.goal.Reached)
		}
	}
}

func TestPackageOf(t *testing.T) {
	for symbol, want := range map[string]string{
		"net/http.(*Client).Do":                     "net/http",
		"github.com/aws/smithy-go.x":                "github.com/aws/smithy-go",
		"go:itab.*net/http.bodyEOFSignal,io.Reader": "net/http",
		"type:.eq.net/http.http2FrameHeader":        "net/http",
		"buzon/internal/store.get[go.shape.string]": "buzon/internal/store",
		"main.main":       "main",
		"runtime.pclntab": "runtime",
		"type:*":          "",
		"go:func.*":       "",
		"_cgo_init":       "",
	} {
		if got := packageOf(symbol); got != want {
			t.Errorf("package of %s is %q, want %q", symbol, got, want)
		}
	}
}

// TestMemoryTable: conditions hold as on any table, else what is measured above it
// is not the system's work.
func TestMemoryTable(t *testing.T) {
	a, b := table.Key{PK: "p", SK: "a"}, table.Key{PK: "p", SK: "b"}
	at := func(k table.Key, version int64) table.Item {
		return table.Item{Key: k, Version: version, Body: []byte(`{}`)}
	}
	for _, c := range []struct {
		name  string
		given []table.Op
		ops   []table.Op
		fails bool
		want  int64 // version of a afterwards
	}{
		{name: "a create makes version 1", ops: []table.Op{table.Create(at(a, 0))}, want: 1},
		{name: "a second create is refused", given: []table.Op{table.Create(at(a, 0))}, ops: []table.Op{table.Create(at(a, 0))}, fails: true, want: 1},
		{name: "an update raises the version", given: []table.Op{table.Create(at(a, 0))}, ops: []table.Op{table.Update(at(a, 1))}, want: 2},
		{name: "an update at another version is refused", given: []table.Op{table.Create(at(a, 0))}, ops: []table.Op{table.Update(at(a, 2))}, fails: true, want: 1},
		{name: "a raise to more is stored as it is", given: []table.Op{table.Raise(at(a, 3))}, ops: []table.Op{table.Raise(at(a, 5))}, want: 5},
		{name: "a raise to the same is refused", given: []table.Op{table.Raise(at(a, 3))}, ops: []table.Op{table.Raise(at(a, 3))}, fails: true, want: 3},
		{name: "a delete removes", given: []table.Op{table.Create(at(a, 0))}, ops: []table.Op{table.Delete(a, 1)}},
		{name: "all or none", ops: []table.Op{table.Create(at(a, 0)), table.Check(b, 7)}, fails: true},
	} {
		t.Run(c.name, func(t *testing.T) {
			m := newMemoryTable()
			for _, op := range c.given {
				if err := m.Write(t.Context(), op); err != nil {
					t.Fatal(err)
				}
			}
			if err := m.Write(t.Context(), c.ops...); (err != nil) != c.fails {
				t.Errorf("error %v", err)
			}
			items, err := m.Get(t.Context(), a)
			if err != nil || items[0].Version != c.want {
				t.Errorf("version %d and error %v, want %d", items[0].Version, err, c.want)
			}
		})
	}
}

// TestMessage: what is called 3 KB is, within a tenth.
func TestMessage(t *testing.T) {
	if n := len(message(1)); n < 2765 || n > 3379 {
		t.Errorf("the webhook has %d bytes", n)
	}
}

// TestStandIn: what the functions are told is an item as DynamoDB would give it.
func TestStandIn(t *testing.T) {
	key := attributes{"PK": {"S": "T#acme#CHANNEL#acme-1"}, "SK": {"S": "CHANNEL"}}
	it := itemAt(key)
	if it["id"]["S"] != "acme-1" || it["state"]["S"] != string(desk.ChannelActive) || it["Version"]["N"] != "3" || it["PK"]["S"] != key["PK"]["S"] {
		t.Errorf("item is %v", it)
	}
	if got := attribute(map[string]any{"a": true, "n": 2.0})["M"].(map[string]any); got["n"].(map[string]any)["N"] != "2" {
		t.Errorf("attribute is %v", got)
	}
}

// TestSizes: a transaction's items beyond their first KB are noted, a lone write
// is not.
func TestSizes(t *testing.T) {
	body := func(n int) []byte { return []byte(`{"x":"` + strings.Repeat("x", n) + `"}`) }
	s := &sizes{Table: tabletest.Open(t)}
	at := func(sk string, n int) table.Op {
		return table.Create(table.Item{Key: table.Key{PK: "p", SK: sk}, Body: body(n)})
	}
	for _, ops := range [][]table.Op{{at("a", 3000)}, {at("b", 100), at("c", 2100)}} {
		if err := s.Write(t.Context(), ops...); err != nil {
			t.Fatal(err)
		}
	}
	if s.items.Load() != 2 || s.further.Load() != 2 {
		t.Errorf("%d items with %d further KB, want 2 and 2", s.items.Load(), s.further.Load())
	}
}
