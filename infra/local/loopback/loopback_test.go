package loopback

import (
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
)

func TestOnlyThisMachineGetsIn(t *testing.T) {
	const here = "127.0.0.1:50000"
	cases := []struct {
		sentence string
		remote   string
		host     string
		header   [2]string
		in       bool
	}{
		{"the address that is printed", here, "127.0.0.1:3000", [2]string{}, true},
		{"without a port", here, "127.0.0.1", [2]string{}, true},
		{"another loopback address", here, "127.8.9.1:3000", [2]string{}, true},
		{"by name", here, "localhost:3000", [2]string{}, true},
		{"by name in capitals", here, "LocalHost:3000", [2]string{}, true},
		{"by name with its root", here, "localhost.:3000", [2]string{}, true},
		{"IPv6", "[::1]:50000", "[::1]:3000", [2]string{}, true},
		{"IPv6 without a port", "[::1]:50000", "[::1]", [2]string{}, true},
		{"IPv4 in IPv6", "[::ffff:127.0.0.1]:50000", "[::ffff:127.0.0.1]:3000", [2]string{}, true},
		{"another machine", "192.0.2.1:50000", "127.0.0.1:3000", [2]string{}, false},
		{"a caller without an address", "", "127.0.0.1:3000", [2]string{}, false},
		{"a caller by unix socket", "@", "127.0.0.1:3000", [2]string{}, false},
		{"another name for this machine (DNS rebinding)", here, "evil.example:3000", [2]string{}, false},
		{"a name that begins like the address", here, "127.0.0.1.evil.example", [2]string{}, false},
		{"a name that ends like localhost", here, "evil-localhost", [2]string{}, false},
		{"a name below localhost", here, "a.localhost:3000", [2]string{}, false},
		{"the address as one number", here, "2130706433", [2]string{}, false},
		{"the address in short", here, "127.1:3000", [2]string{}, false},
		{"a zone, which is no browser's", here, "[::1%lo]:3000", [2]string{}, false},
		{"a zone that makes it a URL's user", here, "::1%1B@", [2]string{}, false},
		{"any address", here, "0.0.0.0:3000", [2]string{}, false},
		{"a port that is no number", here, "127.0.0.1:http", [2]string{}, false},
		{"no host", here, "", [2]string{}, false},
		{"a tunnel's Forwarded", here, "127.0.0.1:3000", [2]string{"Forwarded", "for=192.0.2.1"}, false},
		{"a tunnel's X-Forwarded-For", here, "127.0.0.1:3000", [2]string{"X-Forwarded-For", "192.0.2.1"}, false},
		{"a tunnel's X-Forwarded-Host, in small letters and empty", here, "127.0.0.1:3000", [2]string{"x-forwarded-host", ""}, false},
		{"another header", here, "127.0.0.1:3000", [2]string{"X-Request-Id", "1"}, true},
	}
	for _, c := range cases {
		reached := false
		h := Only(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { reached = true }))
		r := httptest.NewRequest("GET", "/simulator", nil)
		r.RemoteAddr, r.Host = c.remote, c.host
		if c.header[0] != "" {
			r.Header.Set(c.header[0], c.header[1])
		}
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		want := http.StatusNotFound
		if c.in {
			want = http.StatusOK
		}
		if reached != c.in || w.Code != want {
			t.Errorf("%s: reached %v with %d, want %v with %d", c.sentence, reached, w.Code, c.in, want)
		}
	}
}

// FuzzHost: a Host that gets in is, to a URL's parser too, localhost or an
// address of this machine.
func FuzzHost(f *testing.F) {
	for _, seed := range []string{"127.0.0.1:3000", "localhost", "[::1]:1", "[::1%25lo]:1", "::1%1B@", "localhost:", "127.0.0.1.", "[127.0.0.1]", "::1", "a:b:c", "[", "]:1", ""} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, h string) {
		if !host(h) {
			return
		}
		u, err := url.Parse("http://" + h)
		if err != nil {
			return // no browser asks for it
		}
		name := strings.ToLower(strings.TrimSuffix(u.Hostname(), "."))
		if ip := net.ParseIP(strings.SplitN(name, "%", 2)[0]); name != "localhost" && (ip == nil || !ip.IsLoopback()) {
			t.Errorf("%q gets in as %q", h, name)
		}
	})
}
