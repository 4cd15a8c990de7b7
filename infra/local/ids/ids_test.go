package ids

import (
	"regexp"
	"testing"
)

func TestIDsHaveTheirShapeAndDiffer(t *testing.T) {
	for name, c := range map[string]struct {
		make  func() string
		shape string
	}{
		"UUID":   {UUID, `^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`},
		"WAMID":  {WAMID, `^wamid\.[0-9A-Za-z+/]{40}$`},
		"Secret": {Secret, `^[0-9A-Za-z_-]{43}$`},
	} {
		seen := map[string]bool{}
		for range 200 {
			id := c.make()
			if !regexp.MustCompile(c.shape).MatchString(id) {
				t.Errorf("%s: %q is not of the shape %s", name, id, c.shape)
			}
			if seen[id] {
				t.Errorf("%s: %q twice", name, id)
			}
			seen[id] = true
		}
	}
}
