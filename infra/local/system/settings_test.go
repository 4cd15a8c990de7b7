package system

import (
	"log/slog"
	"reflect"
	"testing"
)

func TestSettings(t *testing.T) {
	defaults := Settings{Port: 3000, Data: ".buzon"}
	with := func(change func(*Settings)) Settings {
		s := defaults
		change(&s)
		return s
	}
	for _, c := range []struct {
		sentence string
		set      map[string]string
		want     Settings
		problem  string
	}{
		{"nothing is set", nil, defaults, ""},
		{"a free port", map[string]string{"PORT": "0"}, with(func(s *Settings) { s.Port = 0 }), ""},
		{"the highest port", map[string]string{"PORT": "65535"}, with(func(s *Settings) { s.Port = 65535 }), ""},
		{"a port too high", map[string]string{"PORT": "65536"}, Settings{}, `setting PORT: "65536" is not a port from 0 to 65535`},
		{"a port below", map[string]string{"PORT": "-1"}, Settings{}, `setting PORT: "-1" is not a port from 0 to 65535`},
		{"a port in words", map[string]string{"PORT": "http"}, Settings{}, `setting PORT: "http" is not a port from 0 to 65535`},
		{"another folder", map[string]string{"DATA": "x/y"}, with(func(s *Settings) { s.Data = "x/y" }), ""},
		{"a level of the log", map[string]string{"LOG_LEVEL": "debug"}, with(func(s *Settings) { s.LogLevel = slog.LevelDebug }), ""},
		{"an unknown level", map[string]string{"LOG_LEVEL": "loud"}, Settings{}, `setting LOG_LEVEL: "loud" is not one of debug, info, warn, error`},
		{"a public address", map[string]string{"PUBLIC_URL": "https://a.example"}, with(func(s *Settings) { s.PublicURL = "https://a.example" }), ""},
		{"with a slash", map[string]string{"PUBLIC_URL": "https://a.example/"}, with(func(s *Settings) { s.PublicURL = "https://a.example" }), ""},
		{
			"with a path", map[string]string{"PUBLIC_URL": "https://a.example/x"}, Settings{},
			`setting PUBLIC_URL: "https://a.example/x" is not http:// or https:// with a host and nothing after it`,
		},
		{"a stand-in with a port", map[string]string{"GUPSHUP_URL": "http://127.0.0.1:9000"}, with(func(s *Settings) { s.GupshupURL = "http://127.0.0.1:9000" }), ""},
		{"a stand-in on IPv6", map[string]string{"GUPSHUP_URL": "http://[::1]:9000"}, with(func(s *Settings) { s.GupshupURL = "http://[::1]:9000" }), ""},
		{
			"a stand-in without a scheme", map[string]string{"GUPSHUP_URL": "127.0.0.1:9000"}, Settings{},
			`setting GUPSHUP_URL: "127.0.0.1:9000" is not http:// or https:// with a host and nothing after it`,
		},
		{
			"another scheme", map[string]string{"GUPSHUP_PARTNER_URL": "ftp://a.example"}, Settings{},
			`setting GUPSHUP_PARTNER_URL: "ftp://a.example" is not http:// or https:// with a host and nothing after it`,
		},
		{
			"a name and a password", map[string]string{"META_URL": "http://a:b@c.example"}, Settings{},
			`setting META_URL: "http://a:b@c.example" is not http:// or https:// with a host and nothing after it`,
		},
		{
			"a query", map[string]string{"VIBER_URL": "http://c.example?"}, Settings{},
			`setting VIBER_URL: "http://c.example?" is not http:// or https:// with a host and nothing after it`,
		},
		{
			"a port that is none", map[string]string{"VIBER_URL": "http://c.example:0"}, Settings{},
			`setting VIBER_URL: "http://c.example:0" is not http:// or https:// with a host and nothing after it`,
		},
		{
			"the other providers", map[string]string{"GUPSHUP_PARTNER_URL": "http://p", "META_URL": "http://m", "VIBER_URL": "http://v"},
			with(func(s *Settings) { s.GupshupPartnerURL, s.MetaURL, s.ViberURL = "http://p", "http://m", "http://v" }), "",
		},
		{
			"hosts of media", map[string]string{"MEDIA_HOSTS": "127.0.0.1:9000, media.example:443,[::1]:80"},
			with(func(s *Settings) { s.MediaHosts = []string{"127.0.0.1:9000", "media.example:443", "[::1]:80"} }), "",
		},
		{"a host without a port", map[string]string{"MEDIA_HOSTS": "a:1,b"}, Settings{}, `setting MEDIA_HOSTS: "a:1,b" is not a list of host:port with commas between`},
		{"a host with a path", map[string]string{"MEDIA_HOSTS": "a/b:1"}, Settings{}, `setting MEDIA_HOSTS: "a/b:1" is not a list of host:port with commas between`},
		{
			"two mistakes are told at once", map[string]string{"PORT": "x", "LOG_LEVEL": "y"}, Settings{},
			"setting LOG_LEVEL: \"y\" is not one of debug, info, warn, error\nsetting PORT: \"x\" is not a port from 0 to 65535",
		},
	} {
		got, err := Read(func(name string) string { return c.set[name] })
		switch {
		case c.problem != "":
			if err == nil || err.Error() != c.problem {
				t.Errorf("%s: %v, want %s", c.sentence, err, c.problem)
			}
		case err != nil || got.AWS != nil || !reflect.DeepEqual(got, c.want):
			t.Errorf("%s: %+v, %v; want %+v", c.sentence, got, err, c.want)
		}
	}
}

func TestWithATableSetTheRestOfAWSIsNeeded(t *testing.T) {
	set := map[string]string{"TABLE": "buzon", "DATA": folder(t), "PORT": "0", "AWS_REGION": "us-east-1", "AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b"}
	settings, err := Read(func(name string) string { return set[name] })
	if err != nil {
		t.Fatal(err)
	}
	_, err = Start(t.Context(), Config{Settings: settings, NoSync: true})
	want := "setting BUCKET is missing; setting INBOUND_QUEUE is missing; setting INBOUND_DEAD is missing; setting OUTBOUND_QUEUE is missing; " +
		"setting OUTBOUND_DEAD is missing; setting APPROVALS_QUEUE is missing; setting APPROVALS_DEAD is missing"
	if err == nil || err.Error() != want {
		t.Errorf("%v, want %s", err, want)
	}
}
