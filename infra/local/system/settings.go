package system

import (
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// Settings of a local run (contract section 1). The zero value is not usable: see
// [Read].
type Settings struct {
	Port      int    // PORT; 0 takes a free one
	Data      string // DATA: the folder of all that is kept
	PublicURL string // PUBLIC_URL: begins the links handed to people; empty: where it listens
	LogLevel  slog.Level
	// GupshupURL and MetaURL are where these providers are; empty: the simulator
	// stands in for them.
	GupshupURL string
	MetaURL    string
	// These are read and checked so that a mistake shows at once; no provider and
	// no download uses them yet.
	GupshupPartnerURL string
	ViberURL          string
	MediaHosts        []string
	// AWS reads the settings of package cloud, if TABLE is set: then table, queues
	// and files are on AWS or on engines that stand in for it. nil: they are in Data.
	AWS func(name string) string
}

// The defaults of settings.
const (
	DefaultPort = 3000
	DefaultData = ".buzon"
)

// maxPort is the highest TCP port.
const maxPort = 65535

// Read reads the settings by name from get, which gives "" for what is not set:
// os.Getenv. The error names each setting that cannot be, one a line.
func Read(get func(name string) string) (Settings, error) {
	s := Settings{Port: DefaultPort, Data: cmp.Or(get("DATA"), DefaultData)}
	var problems []error
	bad := func(name, want string) {
		problems = append(problems, fmt.Errorf("setting %s: %q is not %s", name, get(name), want))
	}
	if v := get("PORT"); v != "" {
		n, err := strconv.Atoi(v)
		if err != nil || n < 0 || n > maxPort {
			bad("PORT", "a port from 0 to 65535")
		}
		s.Port = n
	}
	if v := get("LOG_LEVEL"); v != "" {
		if s.LogLevel.UnmarshalText([]byte(v)) != nil {
			bad("LOG_LEVEL", "one of debug, info, warn, error")
		}
	}
	for name, dst := range map[string]*string{
		"PUBLIC_URL": &s.PublicURL, "GUPSHUP_URL": &s.GupshupURL, "GUPSHUP_PARTNER_URL": &s.GupshupPartnerURL,
		"META_URL": &s.MetaURL, "VIBER_URL": &s.ViberURL,
	} {
		v := get(name)
		if v == "" {
			continue
		}
		base, ok := baseURL(v)
		if !ok {
			bad(name, "http:// or https:// with a host and nothing after it")
		}
		*dst = base
	}
	for _, host := range strings.FieldsFunc(get("MEDIA_HOSTS"), func(r rune) bool { return r == ',' || r == ' ' }) {
		if !hostPort(host) {
			bad("MEDIA_HOSTS", "a list of host:port with commas between")
			break
		}
		s.MediaHosts = append(s.MediaHosts, host)
	}
	if get("TABLE") != "" {
		s.AWS = get
	}
	slices.SortFunc(problems, func(a, b error) int { return strings.Compare(a.Error(), b.Error()) })
	return s, errors.Join(problems...)
}

// baseURL takes scheme and host, and one slash after them.
func baseURL(v string) (string, bool) {
	u, err := url.Parse(strings.TrimSuffix(v, "/"))
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.Hostname() == "" ||
		u.Path != "" || u.RawQuery != "" || u.ForceQuery || strings.Contains(v, "#") || u.User != nil {
		return "", false
	}
	if p := u.Port(); p != "" && !validPort(p) {
		return "", false
	}
	return u.Scheme + "://" + u.Host, true
}

func hostPort(v string) bool {
	host, port, err := net.SplitHostPort(v)
	if err != nil || host == "" || !validPort(port) {
		return false
	}
	if _, err := netip.ParseAddr(host); err == nil {
		return true
	}
	u, err := url.Parse("http://" + v)
	return err == nil && u.Host == v && !strings.ContainsAny(host, "/?#@")
}

func validPort(p string) bool {
	n, err := strconv.Atoi(p)
	return err == nil && n >= 1 && n <= maxPort
}
