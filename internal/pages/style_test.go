package pages

import (
	"math"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// TestContrast: every pair of ink and ground that the style uses can be read, in
// light and in dark (WCAG 2.2, 1.4.3 and 1.4.11).
func TestContrast(t *testing.T) {
	css := string(assets["portal.css"].body)
	light, rest, ok := strings.Cut(css, "@media (prefers-color-scheme: dark)")
	if !ok {
		t.Fatal("no dark scheme")
	}
	dark, _, _ := strings.Cut(rest, "\n}\n")
	day := tokens(light)
	night := tokens(dark)
	for name := range day {
		if _, ok := night[name]; !ok {
			t.Errorf("--%s has no dark twin", name)
		}
	}
	for _, c := range []struct {
		ink, ground string
		least       float64
	}{
		{"ink", "paper", 7}, {"ink", "card", 7}, {"ink", "tint", 7}, {"quiet", "paper", 4.5}, {"quiet", "card", 4.5}, {"quiet", "tint", 4.5},
		{"action", "card", 4.5}, {"action", "tint", 4.5}, {"on-action", "action", 4.5}, {"on-action", "action-deep", 4.5},
		{"on-band", "band", 7}, {"on-band", "band-deep", 7}, {"band", "on-band", 7},
		{"new-ink", "new-fill", 7}, {"pending-ink", "pending-fill", 7}, {"waiting-ink", "waiting-fill", 7}, {"done-ink", "done-fill", 7},
		{"closed-ink", "closed-fill", 7}, {"error-ink", "error-fill", 7}, {"error-ink", "card", 4.5},
		{"border", "card", 3}, {"focus", "card", 3}, {"focus", "paper", 3}, {"error-ink", "card", 3},
	} {
		for scheme, of := range map[string]map[string]string{"light": day, "dark": night} {
			if got := contrast(of[c.ink], of[c.ground]); got < c.least {
				t.Errorf("%s: %s on %s is %.2f:1, at least %.1f", scheme, c.ink, c.ground, got, c.least)
			}
		}
	}
	if got := contrast("767676", "ffffff"); math.Abs(got-4.54) > 0.01 {
		t.Errorf("contrast of #767676 on white: %.2f, known to be 4.54", got)
	}
}

var token = regexp.MustCompile(`--([a-z-]+): #([0-9a-f]{6});`)

func tokens(css string) map[string]string {
	all := map[string]string{}
	for _, m := range token.FindAllStringSubmatch(css, -1) {
		all[m[1]] = m[2]
	}
	return all
}

// contrast is the ratio of WCAG 2.2; 0 for what is no colour.
func contrast(a, b string) float64 {
	la, lb := luminance(a), luminance(b)
	return (max(la, lb) + 0.05) / (min(la, lb) + 0.05)
}

func luminance(hex string) float64 {
	n, err := strconv.ParseUint(hex, 16, 32)
	if err != nil || len(hex) != 6 {
		return math.Inf(-1)
	}
	part := func(shift uint) float64 {
		v := float64(n>>shift&255) / 255
		if v <= 0.04045 {
			return v / 12.92
		}
		return math.Pow((v+0.055)/1.055, 2.4)
	}
	return 0.2126*part(16) + 0.7152*part(8) + 0.0722*part(0)
}
