package queue

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"buzon/internal/fault"
	"buzon/internal/fuzztest"
)

type wakeUp struct {
	Conversation string `json:"conversation"`
	Highest      int    `json:"highest"`
}

func TestSealedIsOpened(t *testing.T) {
	in := wakeUp{"c1 ñ", 7}
	raw, err := Seal("outbound", "demo", in)
	if err != nil {
		t.Fatal(err)
	}
	if want := `{"v":1,"stage":"outbound","tenant":"demo","body":{"conversation":"c1 \u00f1","highest":7}}`; string(raw) != want {
		t.Errorf("sealed as %s", raw)
	}
	tenant, body, err := Open[wakeUp]("outbound", raw)
	if tenant != "demo" || body != in || err != nil {
		t.Errorf("opened as %q %+v %v", tenant, body, err)
	}
}

func TestSealRefuses(t *testing.T) {
	for name, err := range map[string]error{
		"no stage":             second(Seal("", "demo", wakeUp{})),
		"no tenant":            second(Seal("outbound", "", wakeUp{})),
		"no body":              second(Seal[*wakeUp]("outbound", "demo", nil)),
		"a body over MaxBody":  second(Seal("outbound", "demo", strings.Repeat("x", MaxBody))),
		"an envelope too long": second(Seal("outbound", "demo", strings.Repeat("x", MaxBody-20))),
	} {
		if !errors.Is(err, fault.Invalid) {
			t.Errorf("%s: %v, want invalid", name, err)
		}
	}
}

func second(_ []byte, err error) error { return err }

func TestOpen(t *testing.T) {
	for _, c := range []struct{ name, raw, tenant, reason string }{
		{"as sealed", `{"v":1,"stage":"outbound","tenant":"demo","body":{"highest":1}}`, "demo", ""},
		{"R16: fields of a newer release are ignored", `{"v":1,"stage":"outbound","tenant":"demo","trace":"x","body":{"highest":1,"new":[1]}}`, "demo", ""},
		{"R16: fields that an older release did not write are zero", `{"v":1,"stage":"outbound","tenant":"demo","body":{}}`, "demo", ""},
		{"space around is no data", " {\"v\":1,\"stage\":\"outbound\",\"tenant\":\"demo\",\"body\":{}}\n", "demo", ""},
		{"nothing", ``, "", NotJSON},
		{"cut short", `{"v":1,"stage":"outbound","tenant":"demo","body":{}`, "", NotJSON},
		{"no object", `[1]`, "", NotJSON},
		{"null", `null`, "", NotJSON},
		{"a second value", `{"v":1,"stage":"outbound","tenant":"demo","body":{}}{}`, "", TrailingData},
		{"a loose end", `{"v":1,"stage":"outbound","tenant":"demo","body":{}}x`, "", TrailingData},
		{"no version", `{"stage":"outbound","tenant":"demo","body":{}}`, "demo", UnknownVersion},
		{"version 2 is not guessed at", `{"v":2,"stage":"outbound","tenant":"demo","body":{}}`, "demo", UnknownVersion},
		{"a version that is no number", `{"v":"1","stage":"outbound","tenant":"demo","body":{}}`, "demo", UnknownVersion},
		{"for another stage", `{"v":1,"stage":"inbound","tenant":"demo","body":{}}`, "demo", WrongStage},
		{"for no stage", `{"v":1,"tenant":"demo","body":{}}`, "demo", WrongStage},
		{"T7: a name in other case is another name", `{"v":1,"Stage":"outbound","tenant":"demo","body":{}}`, "demo", WrongStage},
		{"no tenant", `{"v":1,"stage":"outbound","body":{}}`, "", NoTenant},
		{"an empty tenant", `{"v":1,"stage":"outbound","tenant":"","body":{}}`, "", NoTenant},
		{"no body", `{"v":1,"stage":"outbound","tenant":"demo"}`, "demo", BadBody},
		{"a body of null", `{"v":1,"stage":"outbound","tenant":"demo","body":null}`, "demo", BadBody},
		{"a field of another type", `{"v":1,"stage":"outbound","tenant":"demo","body":{"conversation":"x","highest":"1"}}`, "demo", BadBody},
	} {
		t.Run(c.name, func(t *testing.T) {
			tenant, body, err := Open[wakeUp]("outbound", []byte(c.raw))
			var reason string
			if u := (*Unreadable)(nil); errors.As(err, &u) {
				reason = u.Reason
			}
			if tenant != c.tenant || reason != c.reason || (err == nil) != (c.reason == "") {
				t.Errorf("tenant %q, reason %q, error %v", tenant, reason, err)
			}
			if err != nil && body != (wakeUp{}) {
				t.Errorf("a body came with the error: %+v", body)
			}
		})
	}
}

func FuzzOpen(f *testing.F) {
	f.Add([]byte(`{"v":1,"stage":"s","tenant":"t","body":{"conversation":"c","highest":3}}`))
	f.Add([]byte(`{"v":1,"stage":"s","tenant":"t","body":null} 1`))
	f.Add([]byte(`{"v":1e0,"stage":"s","stage":"x","tenant":"\ud800","body":{}}`))
	f.Add(bytes.Repeat([]byte("["), 20000))
	f.Fuzz(func(t *testing.T, raw []byte) {
		var tenant string
		var body wakeUp
		var err error
		fuzztest.Limit{Memory: 64 << 20}.Check(t, len(raw), func() { tenant, body, err = Open[wakeUp]("s", raw) })
		if err != nil {
			if u := (*Unreadable)(nil); !errors.As(err, &u) {
				t.Fatalf("error %v is not Unreadable", err)
			}
			return
		}
		again, err := Seal("s", tenant, body)
		if errors.Is(err, fault.Invalid) && len(raw) > MaxBody/6 {
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		if tenant2, body2, err := Open[wakeUp]("s", again); tenant2 != tenant || body2 != body || err != nil {
			t.Errorf("%q %+v became %q %+v, %v", tenant, body, tenant2, body2, err)
		}
	})
}
