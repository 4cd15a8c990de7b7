package cloud

import (
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// settings are read from the environment by name. What is missing or cannot be is
// remembered, so that one start tells of all of it.
type settings struct {
	get      func(name string) string
	problems []string
}

// Text is a setting that may be empty.
func (s *settings) Text(name string) string { return s.get(name) }

// need is a setting without which nothing works.
func (s *settings) need(name string) string {
	v := s.get(name)
	if v == "" {
		s.problem("setting " + name + " is missing")
	}
	return v
}

// Number is a setting from 0 to most; unset, it is without.
func (s *settings) Number(name string, without, most int) int {
	v := s.get(name)
	if v == "" {
		return without
	}
	n, err := strconv.Atoi(v)
	if err != nil || n < 0 || n > most {
		s.problem(fmt.Sprintf("setting %s: %q is not a number from 0 to %d", name, v, most))
		return without
	}
	return n
}

// Address is Base of a setting without which nothing works.
func (s *settings) Address(name string) string {
	s.need(name)
	return s.Base(name, "")
}

// Base is a setting that holds scheme and host, such as "https://api.example.org",
// without a slash at the end; unset, it is without.
func (s *settings) Base(name, without string) string {
	v := s.get(name)
	if v == "" {
		return without
	}
	base, ok := BaseURL(v)
	if !ok {
		s.problem(fmt.Sprintf("setting %s: %q is not http:// or https:// with a host and nothing after it", name, v))
		return without
	}
	return base
}

func (s *settings) problem(text string) {
	if !slices.Contains(s.problems, text) {
		s.problems = append(s.problems, text)
	}
}

// Err is one sentence that names every setting that is missing or cannot be; nil
// if there is none among those asked for so far.
func (s *settings) Err() error {
	if len(s.problems) == 0 {
		return nil
	}
	return errors.New(strings.Join(s.problems, "; "))
}

// BaseURL takes scheme and host, and one slash after them, which it leaves out;
// false for any other text.
func BaseURL(v string) (string, bool) {
	u, err := url.Parse(strings.TrimSuffix(v, "/"))
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" ||
		u.Path != "" || u.RawQuery != "" || u.ForceQuery || strings.Contains(v, "#") || u.User != nil {
		return "", false
	}
	if u.Port() != "" {
		if n, err := strconv.ParseUint(u.Port(), 10, 16); err != nil || n == 0 {
			return "", false
		}
	} else if strings.HasSuffix(u.Host, ":") {
		return "", false
	}
	if strings.HasPrefix(u.Host, "[") {
		if _, err := netip.ParseAddr(u.Hostname()); err != nil {
			return "", false
		}
	}
	return u.Scheme + "://" + u.Host, true
}
