package web_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/textproto"
	"runtime"
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/aws/aws-lambda-go/events"
	"github.com/google/go-cmp/cmp"

	"buzon/internal/web"
)

// seen is what a handler can see of a request.
type seen struct {
	Method, Path, Escaped, Query, Host, Remote, Body string
	URI                                              string
	Length                                           int64
	Header                                           http.Header
}

func look(t *testing.T, r *http.Request) seen {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	h := http.Header{}
	for name, values := range r.Header {
		sep := ","
		if name == "Cookie" {
			sep = "; "
		}
		h[name] = []string{strings.Join(values, sep)}
	}
	return seen{r.Method, r.URL.Path, r.URL.EscapedPath(), r.URL.RawQuery, r.Host, r.RemoteAddr, string(body), r.RequestURI, r.ContentLength, h}
}

// through runs an event through the bridge and gives what its handler saw.
func through(t *testing.T, e events.APIGatewayV2HTTPRequest) seen {
	var got seen
	h := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { got = look(t, r) })
	if _, err := web.Bridge(h)(t.Context(), e); err != nil {
		t.Fatal(err)
	}
	return got
}

// event decodes an event as Lambda hands it over.
func event(t *testing.T, text string) events.APIGatewayV2HTTPRequest {
	var e events.APIGatewayV2HTTPRequest
	if err := json.Unmarshal([]byte(text), &e); err != nil {
		t.Fatal(err)
	}
	return e
}

func TestBridgeRequest(t *testing.T) {
	for _, c := range []struct {
		name, event string
		want        seen
	}{
		{
			"the sample of the developer guide, in short",
			`{"version":"2.0","rawPath":"/v1/cases","rawQueryString":"q=a%20b&q=c","cookies":["a=1","b=2"],
			  "headers":{"host":"api.example.com","x-many":"1,2","content-type":"application/json"},
			  "requestContext":{"domainName":"other","stage":"$default","http":{"method":"POST","sourceIp":"192.0.2.1"}},
			  "body":"{\"ñ\":1}","isBase64Encoded":false}`,
			seen{"POST", "/v1/cases", "/v1/cases", "q=a%20b&q=c", "api.example.com", "192.0.2.1:0", `{"ñ":1}`, "/v1/cases?q=a%20b&q=c", 8,
				http.Header{"Cookie": {"a=1; b=2"}, "X-Many": {"1,2"}, "Content-Type": {"application/json"}}},
		},
		{
			"bytes in base64, an IPv6 caller, no host header",
			`{"rawPath":"/","headers":{},"requestContext":{"domainName":"x.lambda-url.eu.on.aws","http":{"method":"PUT","sourceIp":"2001:db8::1"}},
			  "body":"AP/+","isBase64Encoded":true}`,
			seen{"PUT", "/", "/", "", "x.lambda-url.eu.on.aws", "[2001:db8::1]:0", "\x00\xff\xfe", "/", 3, http.Header{}},
		},
		{
			"an encoded slash stays one segment",
			`{"rawPath":"/v1/cases/a%2Fb","requestContext":{"http":{"method":"GET"}}}`,
			seen{"GET", "/v1/cases/a/b", "/v1/cases/a%2Fb", "", "", ":0", "", "/v1/cases/a%2Fb", 0, http.Header{}},
		},
		{
			"a path that came decoded is taken as it stands",
			`{"rawPath":"/c/100%","requestContext":{"http":{"method":"GET"}}}`,
			seen{"GET", "/c/100%", "/c/100%25", "", "", ":0", "", "/c/100%", 0, http.Header{}},
		},
		{
			"the name of the stage is no part of the path",
			`{"rawPath":"/prod/v1/me","requestContext":{"stage":"prod","http":{"method":"GET"}}}`,
			seen{"GET", "/v1/me", "/v1/me", "", "", ":0", "", "/v1/me", 0, http.Header{}},
		},
		{
			"a path that only begins like the stage",
			`{"rawPath":"/production","requestContext":{"stage":"prod","http":{"method":"GET"}}}`,
			seen{"GET", "/production", "/production", "", "", ":0", "", "/production", 0, http.Header{}},
		},
		{
			"the stage alone is the root",
			`{"rawPath":"/prod","requestContext":{"stage":"prod","http":{"method":"GET"}}}`,
			seen{"GET", "/", "/", "", "", ":0", "", "/", 0, http.Header{}},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			if d := cmp.Diff(c.want, through(t, event(t, c.event))); d != "" {
				t.Error(d)
			}
		})
	}
}

func TestBridgeRefusesABodyThatIsNoBase64(t *testing.T) {
	called := false
	h := http.HandlerFunc(func(http.ResponseWriter, *http.Request) { called = true })
	if _, err := web.Bridge(h)(t.Context(), events.APIGatewayV2HTTPRequest{Body: "!", IsBase64Encoded: true}); err == nil || called {
		t.Errorf("%v, called %v", err, called)
	}
}

func TestBridgeAnswer(t *testing.T) {
	type answer struct {
		Status  int
		Headers map[string]string
		Cookies []string
		Body    string
		Base64  bool
	}
	for _, c := range []struct {
		name, method string
		serve        http.HandlerFunc
		want         answer
	}{
		{"text goes as it is", "GET", func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			io.WriteString(w, `{"ñ":"😀"}`)
		}, answer{200, map[string]string{"Content-Type": "application/json"}, nil, `{"ñ":"😀"}`, false}},
		{"bytes go in base64", "GET", func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "image/png")
			w.Write([]byte{0x89, 'P', 0xff, 0})
		}, answer{200, map[string]string{"Content-Type": "image/png"}, nil, base64.StdEncoding.EncodeToString([]byte{0x89, 'P', 0xff, 0}), true}},
		{"cookies go in their list, repeated headers are joined", "GET", func(w http.ResponseWriter, r *http.Request) {
			w.Header()["Vary"] = []string{"Accept", "Accept-Language"}
			w.Header().Add("Set-Cookie", "a=1; Path=/")
			w.Header().Add("Set-Cookie", "b=2")
			w.WriteHeader(303)
		}, answer{303, map[string]string{"Vary": "Accept, Accept-Language"}, []string{"a=1; Path=/", "b=2"}, "", false}},
		{"a handler that does nothing is a 200", "GET", func(http.ResponseWriter, *http.Request) {}, answer{Status: 200, Headers: map[string]string{}}},
		{"a type is found for what has none", "GET", func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "<html>") },
			answer{200, map[string]string{"Content-Type": "text/html; charset=utf-8"}, nil, "<html>", false}},
		{"headers after the status come too late", "GET", func(w http.ResponseWriter, r *http.Request) {
			w.WriteHeader(404)
			w.Header().Set("X-Late", "1")
			w.WriteHeader(200)
		}, answer{Status: 404, Headers: map[string]string{}}},
		{"HEAD has the length and no body", "HEAD", func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "text/plain")
			io.WriteString(w, "hello")
		}, answer{200, map[string]string{"Content-Type": "text/plain", "Content-Length": "5"}, nil, "", false}},
		{"204 has no body", "DELETE", func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "text/plain")
			w.WriteHeader(204)
			io.WriteString(w, "x")
		}, answer{204, map[string]string{"Content-Type": "text/plain"}, nil, "", false}},
		{"a handler that gives up is a bare 500", "GET", func(w http.ResponseWriter, r *http.Request) {
			io.WriteString(w, "half")
			panic(http.ErrAbortHandler)
		}, answer{Status: 500, Headers: map[string]string{}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			var e events.APIGatewayV2HTTPRequest
			e.RawPath, e.RequestContext.HTTP.Method = "/", c.method
			got, err := web.Bridge(c.serve)(t.Context(), e)
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(c.want, answer{got.StatusCode, got.Headers, got.Cookies, got.Body, got.IsBase64Encoded}); d != "" {
				t.Error(d)
			}
		})
	}
}

// FuzzBridge: a handler sees the same request through API Gateway as a server
// would have read it from the wire, and its answer arrives byte for byte.
func FuzzBridge(f *testing.F) {
	f.Add("GET", "/v1/cases/a%2Fb?q=%20&q=1", "X-One", "1", "2", "a=1; b=2", []byte("body"))
	f.Add("POST", "//x", "accept-language", "es", "en;q=0.1", "", []byte{0xff, 0})
	f.Add("DELETE", "/%zz?%zz", "Host", "h", "h", "=", []byte(`{"a":"\u00e9"}`))
	f.Add("HEAD", "/?", "cookie", "c=3", "d=4", "e", []byte{})
	f.Add("PUT", "/ñ/*", "Content-Length", "3", "3", ";", []byte("abc"))
	f.Add("0", "/", " ", "0", "0", "0", []byte{})
	f.Add("HEAD", "//??", "cookie", "c=3", "d=4", "e", []byte{})
	f.Add("0", "/J", "Bj6:", "0", "0y", "0", []byte("x"))
	f.Fuzz(func(t *testing.T, method, target, name, one, two, cookie string, body []byte) {
		if strings.ContainsAny(name, ": ") || strings.ContainsFunc(method+target+name+one+two+cookie, unicode.IsControl) {
			return // on the wire that ends a name or a line, or goes on with the header before
		}
		wire, e := model(method, target, name, one, two, cookie, body)
		fromWire, err := http.ReadRequest(bufio.NewReader(bytes.NewReader(wire)))
		if err != nil || fromWire.URL.Host != "" || fromWire.Method == "CONNECT" || !strings.HasPrefix(target, "/") {
			return // a gateway would not have let it through
		}
		want := look(t, fromWire)
		if len(want.Body) != len(body) {
			return // another header changed the framing
		}
		want.Remote = "192.0.2.1:0"
		if want.Query == "" {
			want.URI = strings.TrimSuffix(want.URI, "?") // a gateway does not tell an empty query from none
		}

		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		began := time.Now()
		var got seen
		h := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			got = look(t, r)
			w.Header().Set("Content-Type", "x/y")
			w.Write(body)
		})
		res, err := web.Bridge(h)(t.Context(), e)
		if err != nil {
			t.Fatal(err)
		}
		size := len(wire) + len(body)
		if d := time.Since(began); d > time.Second {
			t.Fatalf("%d bytes took %v", size, d)
		}
		runtime.ReadMemStats(&after)
		if n := after.TotalAlloc - before.TotalAlloc; n > 1<<20+40*uint64(size) {
			t.Fatalf("%d bytes allocated %d", size, n)
		}
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("%q:\n%s", wire, d)
		}
		back := []byte(res.Body)
		if res.IsBase64Encoded {
			if back, err = base64.StdEncoding.DecodeString(res.Body); err != nil {
				t.Fatal(err)
			}
		}
		if method != "HEAD" && !bytes.Equal(back, body) {
			t.Errorf("answered %q, arrived %q", body, back)
		}
	})
}

// model writes a request as a client sends it and as a gateway hands it over.
func model(method, target, name, one, two, cookie string, body []byte) ([]byte, events.APIGatewayV2HTTPRequest) {
	var w bytes.Buffer
	w.WriteString(method + " " + target + " HTTP/1.1\r\nHost: api.example.com\r\n")
	w.WriteString(name + ": " + one + "\r\n" + name + ": " + two + "\r\n")
	if cookie != "" {
		w.WriteString("Cookie: " + cookie + "\r\n")
	}
	w.WriteString("Content-Length: " + itoa(len(body)) + "\r\n\r\n")
	w.Write(body)

	var e events.APIGatewayV2HTTPRequest
	path, query, _ := strings.Cut(target, "?")
	e.RawPath, e.RawQueryString = path, query
	e.RequestContext.HTTP.Method, e.RequestContext.HTTP.SourceIP = method, "192.0.2.1"
	e.RequestContext.Stage = "$default"
	key := strings.ToLower(name)
	e.Headers = map[string]string{"host": "api.example.com", "content-length": itoa(len(body))}
	switch key {
	case "host", "content-length":
		e.Headers[key] = one
	case "cookie":
		e.Cookies = []string{trim(one), trim(two)}
	default:
		e.Headers[key] = trim(one) + "," + trim(two)
	}
	if cookie != "" {
		e.Cookies = append(e.Cookies, trim(cookie))
	}
	e.Body, e.IsBase64Encoded = base64.StdEncoding.EncodeToString(body), true
	return w.Bytes(), e
}

func trim(s string) string { return textproto.TrimString(s) }

func itoa(n int) string { b, _ := json.Marshal(n); return string(b) }

// TestBridgeRunsTheEdge: a whole request through edge and bridge.
func TestBridgeRunsTheEdge(t *testing.T) {
	h, log := edge(routes())
	e := event(t, `{"rawPath":"/c/s3cret","requestContext":{"http":{"method":"PATCH","sourceIp":"192.0.2.1"}}}`)
	res, err := web.Bridge(h)(t.Context(), e)
	if err != nil {
		t.Fatal(err)
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest("PATCH", "/c/s3cret", nil))
	if res.StatusCode != 405 || res.Headers["Allow"] != "GET, HEAD, POST" || strings.Replace(res.Body, "r1", "r2", 1) != w.Body.String() {
		t.Errorf("%+v, want as %s", res, w.Body)
	}
	if strings.Contains(log.String(), "s3cret") {
		t.Errorf("the log holds a secret: %s", log)
	}
}

// TestBridgeLeavesTimeToAnswer: what a handler waits for ends before the function
// does, so that the caller hears of it.
func TestBridgeLeavesTimeToAnswer(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
	defer cancel()
	end, _ := ctx.Deadline()
	var seen time.Time
	h := http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { seen, _ = r.Context().Deadline() })
	if _, err := web.Bridge(h)(ctx, event(t, `{"rawPath":"/","requestContext":{"http":{"method":"GET"}}}`)); err != nil {
		t.Fatal(err)
	}
	if left := end.Sub(seen); left != 500*time.Millisecond {
		t.Errorf("the handler ends %s before the function", left)
	}
}
