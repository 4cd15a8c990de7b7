package web_test

import (
	"context"
	"net/http"
	"testing"

	"github.com/aws/aws-lambda-go/events"

	"buzon/internal/web"
)

func TestBase(t *testing.T) {
	for _, c := range []struct{ say, public, proto, want string }{
		{"a setting counts", "https://mail.example", "http", "https://mail.example"},
		{"a slash at its end does not", "https://mail.example/", "https", "https://mail.example"},
		{"without one it is what was asked: by TLS at the gateway", "", "https", "https://abc.execute-api.example"},
		{"and without TLS on one machine", "", "http", "http://abc.execute-api.example"},
		{"a front that says nothing has none", "", "", "http://abc.execute-api.example"},
	} {
		got := ""
		e := events.APIGatewayV2HTTPRequest{RawPath: "/c/x", Headers: map[string]string{"host": "abc.execute-api.example", "x-forwarded-proto": c.proto}}
		e.RequestContext.HTTP.Method = "GET"
		handler := web.Bridge(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { got = web.Base(c.public, r) }))
		if _, err := handler(context.Background(), e); err != nil {
			t.Fatal(err)
		}
		if got != c.want {
			t.Errorf("%s: %s, want %s", c.say, got, c.want)
		}
	}
}
