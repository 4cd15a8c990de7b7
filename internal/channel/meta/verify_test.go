package meta_test

import (
	"encoding/hex"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"buzon/internal/channel"
	"buzon/internal/channel/meta"
	"buzon/internal/channel/meta/metatest"
	"buzon/internal/desk"
)

// The vectors of providers.md section 7. M2 is M1 as a re-serialiser writes it.
const (
	vectorSecret = "test_app_secret_0123456789abcdef"
	m1Body       = `{"object":"whatsapp_business_account","entry":[{"id":"100000000000001","changes":[{"value":{"messaging_product":"whatsapp","metadata":{"display_phone_number":"15550000001","phone_number_id":"200000000000001"},"contacts":[{"profile":{"name":"Ana \u00d6z"},"wa_id":"491700000001"}],"messages":[{"from":"491700000001","id":"wamid.TESTAAAA0001","timestamp":"1700000000","type":"text","text":{"body":"hi \ud83d\udc4b"}}]},"field":"messages"}]}]}`
	m1Signature  = "sha256=bbc016247f53943058f1aec3d1c27dd11067f4a386d52400b0900465b417b273"
	m2Signature  = "sha256=0b99d85ea73fc5e374496b435a6f8bc346ec4dc3753c365346d24024dbbedae5"
)

var m2Body = strings.NewReplacer(`\u00d6`, "Ö", `\ud83d\udc4b`, "👋").Replace(m1Body)

func verified(secret string, header http.Header, body []byte) bool {
	return meta.Provider{}.Verify(channel.Credentials{AppSecret: secret}, header, body)
}

func answered(token string, query url.Values) (string, bool) {
	return meta.Provider{}.Handshake(channel.Credentials{VerifyToken: token}, query)
}

func signed(values ...string) http.Header { return http.Header{meta.SignatureHeader: values} }

func TestVerifyVectors(t *testing.T) {
	if len(m1Body) != 440 {
		t.Fatalf("M1 has %d bytes", len(m1Body))
	}
	for _, tc := range []struct {
		why, body, signature string
		want                 bool
	}{
		{"M1", m1Body, m1Signature, true},
		{"M2 under its own signature", m2Body, m2Signature, true},
		{"M2 under M1's", m2Body, m1Signature, false},
		{"M1 under M2's", m1Body, m2Signature, false},
	} {
		if got := verified(vectorSecret, signed(tc.signature), []byte(tc.body)); got != tc.want {
			t.Errorf("%s: %v", tc.why, got)
		}
	}
	if b := provider().Parse(demo, []byte(m1Body)); len(b.Changes) != 1 || b.Changes[0].Messages[0].Name != "Ana Öz" || b.Changes[0].Messages[0].Content.Text != "hi 👋" {
		t.Errorf("M1 reads %+v", b)
	}
}

func TestVerifyFormOfTheHeader(t *testing.T) {
	digits := strings.TrimPrefix(m1Signature, "sha256=")
	for why, header := range map[string]http.Header{
		"no header":                  {},
		"an empty one":               signed(""),
		"twice the same":             signed(m1Signature, m1Signature),
		"a wrong one before":         signed(m2Signature, m1Signature),
		"two in one line":            signed(m1Signature + "," + m1Signature),
		"the digits alone":           signed(digits),
		"the prefix alone":           signed("sha256="),
		"upper-case digits":          signed("sha256=" + strings.ToUpper(digits)),
		"one upper-case digit":       signed(strings.Replace(m1Signature, "b", "B", 1)),
		"an upper-case prefix":       signed("SHA256=" + digits),
		"sha1":                       signed("sha1=" + digits),
		"sha1 of its length":         signed("sha1=" + digits[:40]),
		"another separator":          signed("sha256:" + digits),
		"one digit less":             signed(m1Signature[:len(m1Signature)-1]),
		"one byte less":              signed(m1Signature[:len(m1Signature)-2]),
		"one digit more":             signed(m1Signature + "0"),
		"one byte more":              signed(m1Signature + "00"),
		"space before":               signed(" " + m1Signature),
		"space after":                signed(m1Signature + " "),
		"a line break after":         signed(m1Signature + "\n"),
		"space between":              signed("sha256= " + digits),
		"a NUL after":                signed(m1Signature + "\x00"),
		"a letter that is no digit":  signed("sha256=g" + digits[1:]),
		"the prefix twice":           signed("sha256=" + m1Signature),
		"under the old header alone": {"X-Hub-Signature": {m1Signature}},
	} {
		if verified(vectorSecret, header, []byte(m1Body)) {
			t.Errorf("%s: accepted", why)
		}
	}
	h := http.Header{}
	h.Set("x-hub-signature-256", m1Signature)
	if !verified(vectorSecret, h, []byte(m1Body)) {
		t.Error("a header set in lower case: refused")
	}
	if verified("", metatest.Sign("", []byte(m1Body)), []byte(m1Body)) {
		t.Error("signed with no secret: accepted")
	}
	if verified(vectorSecret+"x", signed(m1Signature), []byte(m1Body)) {
		t.Error("another secret: accepted")
	}
}

// TestVerifySeesEveryBit: one bit of body or signature changed, one byte of the body
// lost, added or swapped: refused.
func TestVerifySeesEveryBit(t *testing.T) {
	bodies := map[string][]byte{
		"M1":       []byte(m1Body),
		"a status": metatest.Status{Kind: "read", MessageID: "wamid.O", Destination: "49", At: at}.Body(demo),
		"a verdict": metatest.Template(demo, desk.Verdict{
			ProviderID: "5000000000000000013", Event: "status-update", State: "APPROVED", Name: "order_update", Language: "es", At: at,
		}),
		"nothing": {},
	}
	for name, body := range bodies {
		header := metatest.Sign(vectorSecret, body)
		if !verified(vectorSecret, header, body) {
			t.Fatalf("%s: the good one is refused", name)
		}
		for i := range body {
			for bit := range 8 {
				body[i] ^= 1 << bit
				if verified(vectorSecret, header, body) {
					t.Errorf("%s: bit %d of byte %d may change", name, bit, i)
				}
				body[i] ^= 1 << bit
			}
			if verified(vectorSecret, header, append(append([]byte{}, body[:i]...), body[i+1:]...)) {
				t.Errorf("%s: byte %d may be missing", name, i)
			}
		}
		if verified(vectorSecret, header, append(body, '\n')) {
			t.Errorf("%s: a line break may follow", name)
		}
		mac, err := hex.DecodeString(strings.TrimPrefix(header.Get(meta.SignatureHeader), "sha256="))
		if err != nil {
			t.Fatal(err)
		}
		for i := range mac {
			for bit := range 8 {
				mac[i] ^= 1 << bit
				if verified(vectorSecret, signed("sha256="+hex.EncodeToString(mac)), body) {
					t.Errorf("%s: bit %d of byte %d of the signature may change", name, bit, i)
				}
				mac[i] ^= 1 << bit
			}
		}
		text := []byte(header.Get(meta.SignatureHeader))
		for i := range text {
			for bit := range 8 {
				text[i] ^= 1 << bit
				if verified(vectorSecret, signed(string(text)), body) {
					t.Errorf("%s: the header may be %q", name, text)
				}
				text[i] ^= 1 << bit
			}
		}
	}
}

func FuzzVerify(f *testing.F) {
	f.Add(m1Signature, []byte(m1Body))
	f.Add(m1Signature, []byte(m2Body))
	f.Add("sha256=", []byte(nil))
	f.Add("sha256=zz", []byte("x"))
	f.Fuzz(func(t *testing.T, signature string, body []byte) {
		var accepted bool
		bounds.Check(t, len(body)+len(signature), func() { accepted = verified(vectorSecret, signed(signature), body) })
		right := metatest.Sign(vectorSecret, body).Get(meta.SignatureHeader)
		if accepted != (signature == right) {
			t.Errorf("%q: accepted %v", signature, accepted)
		}
		if !verified(vectorSecret, signed(right), body) {
			t.Error("the right signature is refused")
		}
	})
}

func TestHandshake(t *testing.T) {
	good := url.Values{"hub.mode": {"subscribe"}, "hub.verify_token": {"token"}, "hub.challenge": {"1158201444"}}
	with := func(key string, values ...string) url.Values {
		q := url.Values{}
		for k, v := range good {
			q[k] = v
		}
		if q[key] = values; values == nil {
			delete(q, key)
		}
		return q
	}
	for _, tc := range []struct {
		why   string
		query url.Values
		token string
		want  string // empty: refused
	}{
		{"as Meta asks", good, "token", "1158201444"},
		{"a query with more in it", with("channel", "x"), "token", "1158201444"},
		{"another token", with("hub.verify_token", "Token"), "token", ""},
		{"the beginning of the token", with("hub.verify_token", "toke"), "token", ""},
		{"more than the token", with("hub.verify_token", "token1"), "token", ""},
		{"no token", with("hub.verify_token"), "token", ""},
		{"the token twice", with("hub.verify_token", "token", "token"), "token", ""},
		{"a channel without a token", with("hub.verify_token", ""), "", ""},
		{"neither has one", with("hub.verify_token"), "", ""},
		{"another mode", with("hub.mode", "unsubscribe"), "token", ""},
		{"no mode", with("hub.mode"), "token", ""},
		{"no challenge", with("hub.challenge"), "token", ""},
		{"an empty challenge", with("hub.challenge", ""), "token", ""},
		{"two challenges", with("hub.challenge", "1", "2"), "token", ""},
		{"a challenge of 256 bytes", with("hub.challenge", strings.Repeat("1", 256)), "token", strings.Repeat("1", 256)},
		{"one of 257", with("hub.challenge", strings.Repeat("1", 257)), "token", ""},
		{"the first and last printable characters", with("hub.challenge", "a ~"), "token", "a ~"},
		{"a line break", with("hub.challenge", "1\n2"), "token", ""},
		{"a DEL", with("hub.challenge", "1\x7f"), "token", ""},
		{"a letter that is not ASCII", with("hub.challenge", "ñ"), "token", ""},
	} {
		t.Run(tc.why, func(t *testing.T) {
			got, ok := answered(tc.token, tc.query)
			if got != tc.want || ok != (tc.want != "") {
				t.Errorf("%q, %v; want %q", got, ok, tc.want)
			}
		})
	}
}
