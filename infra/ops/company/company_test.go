package company

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	sdk "github.com/aws/aws-sdk-go-v2/service/lambda"

	"buzon/infra/ops/awstest"
	"buzon/infra/ops/trouble"
)

func TestID(t *testing.T) {
	for name, want := range map[string]string{
		"Acme":                      "acme",
		"Café del Ñandú, S.A.":      "cafedelnandusa",
		"Prefeitura de São Paulo 2": "prefeituradesaop",
		"ABCDEFGHIJKLMNOP":          "abcdefghijklmnop",
		"ABCDEFGHIJKLMNOPQ":         "abcdefghijklmnop",
		"三":                         "",
		"":                          "",
		"№ 4711 — GmbH":             "4711gmbh",
	} {
		if got := ID(name); got != want {
			t.Errorf("%q: %q, want %q", name, got, want)
		}
	}
}

func FuzzID(f *testing.F) {
	f.Add("Café del Ñandú")
	f.Add("ＡＢＣ İstanbul \xff")
	f.Fuzz(func(t *testing.T, name string) {
		id := ID(name)
		if len(id) > 16 || strings.Trim(id, "abcdefghijklmnopqrstuvwxyz0123456789") != "" {
			t.Errorf("%q makes %q", name, id)
		}
	})
}

// refused tells what an operator is told.
func refused(t *testing.T, say string, err error, text, mend string) {
	t.Helper()
	var e *trouble.Error
	if !errors.As(err, &e) || !strings.Contains(e.Text, text) || !strings.Contains(e.Mend, mend) {
		t.Errorf("%s: %#v", say, err)
	}
}

func TestOnAWS(t *testing.T) {
	failed := map[string]string{"X-Amz-Function-Error": "Unhandled"}
	for _, c := range []struct {
		say        string
		answer     awstest.Answer
		text, mend string
	}{
		{"made", awstest.Answer{Body: `{"tenant":"acme","admin_token":"bzn_acme_x"}`}, "", ""},
		{"exists", awstest.Answer{Header: failed, Body: `{"errorMessage":"tenant acme: conflict","errorType":"wrapError"}`}, "company acme: exists already", "ID="},
		{"a name that cannot be", awstest.Answer{Header: failed, Body: `{"errorMessage":"name: invalid","errorType":"wrapError"}`}, "name: invalid", "a name"},
		{"a missing table", awstest.Answer{Header: failed, Body: `{"errorMessage":"table buzon: not there","errorType":"Missing"}`}, "table buzon: not there", "make doctor"},
		{"out of time", awstest.Answer{Header: failed, Body: `{"errorMessage":"RequestId: 1 Error: Task timed out after 30.00 seconds"}`}, "timed out", "make logs"},
		{"is not there", awstest.Answer{Header: failed, Body: `{"errorMessage":"company acme: not found","errorType":"wrapError"}`}, "there is none", "make tenant"},
		{"no reason", awstest.Answer{Header: failed, Body: `null`}, "without saying why", "make logs"},
		{"no token", awstest.Answer{Body: `{"tenant":"acme"}`}, "no token", "make doctor"},
		{"of another company", awstest.Answer{Body: `{"tenant":"other","admin_token":"bzn_other_x"}`}, "no token", "make doctor"},
		{"not JSON", awstest.Answer{Body: `<html>`}, "no token", "make doctor"},
	} {
		a := awstest.Well()
		a.Answers["Invoke buzon-admin"] = c.answer
		made, err := OnAWS(t.Context(), sdk.NewFromConfig(a.Config()), "buzon-admin", "acme", "Acme")
		if c.text == "" {
			if err != nil || made != (Made{"acme", "bzn_acme_x"}) {
				t.Errorf("%s: %+v, %v", c.say, made, err)
			}
			continue
		}
		refused(t, c.say, err, c.text, c.mend)
		if made != (Made{}) {
			t.Errorf("%s: %+v", c.say, made)
		}
	}
}

// TestTokenOnAWS: a token that was lost is made anew by the same function.
func TestTokenOnAWS(t *testing.T) {
	a := awstest.Well()
	a.Answers["Invoke buzon-admin"] = awstest.Answer{Body: `{"tenant":"acme","admin_token":"bzn_acme_y"}`}
	made, err := TokenOnAWS(t.Context(), sdk.NewFromConfig(a.Config()), "buzon-admin", "acme")
	if err != nil || made != (Made{"acme", "bzn_acme_y"}) {
		t.Errorf("%+v, %v", made, err)
	}
}

// once counts calls that break after they took effect.
type once struct{ calls int }

func (o *once) RoundTrip(*http.Request) (*http.Response, error) {
	o.calls++
	return nil, errors.New("connection reset")
}

// TestOnAWSAsksOnce: a second call would find the company there, its token lost.
func TestOnAWSAsksOnce(t *testing.T) {
	o := &once{}
	c := awstest.Well().Config()
	c.HTTPClient, c.RetryMaxAttempts = &http.Client{Transport: o}, 3
	if _, err := OnAWS(t.Context(), sdk.NewFromConfig(c), "buzon-admin", "acme", "Acme"); err == nil || o.calls != 1 {
		t.Errorf("%d calls, %v", o.calls, err)
	}
}

func TestCheck(t *testing.T) {
	a := awstest.Well()
	if missing, err := Check(t.Context(), sdk.NewFromConfig(a.Config()), "buzon-admin"); err != nil || missing != nil {
		t.Errorf("%q, %v", missing, err)
	}
	a.Set("Invoke buzon-admin", `{"missing":["one","two"]}`)
	if missing, err := Check(t.Context(), sdk.NewFromConfig(a.Config()), "buzon-admin"); err != nil || len(missing) != 2 {
		t.Errorf("%q, %v", missing, err)
	}
	a.Set("Invoke buzon-admin", `no`)
	if _, err := Check(t.Context(), sdk.NewFromConfig(a.Config()), "buzon-admin"); err == nil {
		t.Error("no JSON was taken for an answer")
	}
}

func TestLocal(t *testing.T) {
	status, body := 0, ""
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var in map[string]string
		if err := json.NewDecoder(r.Body).Decode(&in); err != nil || len(in) != 2 || in["id"] != "acme" || in["name"] != "Acme" || r.Method+r.URL.Path != "POST/simulator/tenants" || r.Header.Get("Accept-Language") != "en" {
			t.Errorf("asked %s %s %v %v, %v", r.Method, r.URL.Path, r.Header, in, err)
		}
		w.WriteHeader(status)
		w.Write([]byte(body))
	}))
	for _, c := range []struct {
		say        string
		status     int
		body       string
		text, mend string
	}{
		{"made", 201, `{"tenant":"acme","admin_token":"bzn_acme_x"}`, "", ""},
		{"exists", 409, `{"title":"Conflict"}`, "exists already", "ID="},
		{"an older program", 404, `404 page not found`, "makes no companies", "make run"},
		{"refused with a reason", 422, `{"detail":"invalid","errors":[{"field":"name","detail":"too long"}]}`, "name: too long", ""},
		{"refused in a sentence", 503, `{"detail":"try again"}`, "try again", ""},
		{"refused in other words", 500, "\xffbroken", "broken", ""},
		{"no token", 201, `{}`, "no token", ""},
	} {
		status, body = c.status, c.body
		made, err := Local(t.Context(), server.Client(), server.URL, "acme", "Acme")
		if c.text == "" {
			if err != nil || made != (Made{"acme", "bzn_acme_x"}) {
				t.Errorf("%s: %+v, %v", c.say, made, err)
			}
			continue
		}
		refused(t, c.say, err, c.text, c.mend)
	}
	server.Close()
	_, err := Local(t.Context(), server.Client(), server.URL, "acme", "Acme")
	refused(t, "nothing runs", err, "nothing answers at "+server.URL, "start make run first")
	_, err = Local(t.Context(), server.Client(), "http://cases.example.org", "acme", "Acme")
	refused(t, "another machine", err, "not an address of this machine", "STACK=")
}

func TestLoopback(t *testing.T) {
	for base, want := range map[string]bool{
		"http://127.0.0.1:3000": true, "http://localhost:3000": true, "https://[::1]:3000": true, "http://127.9.9.9": true,
		"http://127.0.0.1.example.org": false, "http://10.0.0.1": false, "ftp://127.0.0.1": false, "127.0.0.1:3000": false, "": false, "http://%": false,
	} {
		if got := Loopback(base); got != want {
			t.Errorf("%q: %t", base, got)
		}
	}
}
