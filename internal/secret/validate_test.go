package secret

import (
	"errors"
	"strings"
	"testing"

	"buzon/internal/fault"
)

func TestValidName(t *testing.T) {
	for _, c := range []struct {
		why, name string
		valid     bool
	}{
		{"the shortest", "/a", true},
		{"every allowed character", "/buzon/demo/channels/aZ09_.-", true},
		{"MaxName bytes", "/" + strings.Repeat("n", MaxName-1), true},
		{"one more", "/" + strings.Repeat("n", MaxName), false},
		{"MaxParts parts", strings.Repeat("/p", MaxParts), true},
		{"one more", strings.Repeat("/p", MaxParts+1), false},
		{"nothing", "", false},
		{"no part", "/", false},
		{"no slash before", "a/b", false},
		{"a slash behind", "/a/", false},
		{"an empty part", "/a//b", false},
		{"a space", "/a b", false},
		{"no ASCII", "/ñ", false},
	} {
		if err := ValidName(c.name); (err == nil) != c.valid || err != nil && !errors.Is(err, fault.Invalid) {
			t.Errorf("%s: %v", c.why, err)
		}
	}
}

func TestValidValue(t *testing.T) {
	for _, c := range []struct {
		why, value string
		valid      bool
	}{
		{"one byte", "x", true},
		{"none", "", false},
		{"MaxValue bytes", strings.Repeat("x", MaxValue), true},
		{"one more", strings.Repeat("x", MaxValue+1), false},
		{"lines and letters of all scripts", "ñ\n三", true},
		{"bytes that are no text", "x\xff", false},
	} {
		if err := ValidValue(c.value); (err == nil) != c.valid || err != nil && !errors.Is(err, fault.Invalid) {
			t.Errorf("%s: %v", c.why, err)
		}
	}
}
