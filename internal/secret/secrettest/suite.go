// Package secrettest holds the contract of secret stores as a suite.
package secrettest

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"buzon/internal/fault"
	"buzon/internal/secret"
)

// Suite is what every secret store of this system must do. Open gives a store
// without secrets each time.
func Suite(t *testing.T, open func(t *testing.T) secret.Store) {
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) { c.run(&check{t, open(t)}) })
	}
}

const name = "/buzon/demo/channels/x"

var cases = []struct {
	name string
	run  func(*check)
}{
	{"what was never set is not found", func(c *check) { c.missing(name) }},
	{"what is put is got, as often as it changes", func(c *check) {
		for _, v := range []string{"a", "b", " \n\"ñ三😀\\ ", "\tx\r\n", "\u00a0x\u2003", strings.Repeat("x", secret.MaxValue)} {
			c.must(c.Put(c.Context(), name, v))
			c.holds(name, v)
		}
	}},
	{"names are whole: a part or a longer one is another", func(c *check) {
		c.must(c.Put(c.Context(), "/a/b", "x"))
		c.missing("/a")
		c.missing("/a/b/c")
		c.missing("/A/b")
	}},
	{"create sets only what is not there", func(c *check) {
		c.must(c.Create(c.Context(), name, "first"))
		c.refused(c.Create(c.Context(), name, "second"), fault.Conflict)
		c.holds(name, "first")
		c.must(c.Delete(c.Context(), name))
		c.must(c.Create(c.Context(), name, "third"))
		c.holds(name, "third")
	}},
	{"of many who create at once, one does", func(c *check) {
		var wg sync.WaitGroup
		results := make([]error, 8)
		for i := range results {
			wg.Go(func() { results[i] = c.Create(c.Context(), name, fmt.Sprint(i)) })
		}
		wg.Wait()
		winner := ""
		for i, err := range results {
			if err == nil {
				winner += fmt.Sprint(i)
			} else {
				c.refused(err, fault.Conflict)
			}
		}
		c.holds(name, winner)
	}},
	{"writers of different names do not undo each other", func(c *check) {
		var wg sync.WaitGroup
		for i := range 8 {
			wg.Go(func() {
				if err := c.Put(c.Context(), fmt.Sprint(name, i), fmt.Sprint(i)); err != nil {
					c.Error(err)
				}
			})
		}
		wg.Wait()
		for i := range 8 {
			c.holds(fmt.Sprint(name, i), fmt.Sprint(i))
		}
	}},
	{"what is deleted is gone, and can be deleted again", func(c *check) {
		c.must(c.Put(c.Context(), name, "x"))
		c.must(c.Delete(c.Context(), name))
		c.missing(name)
		c.must(c.Delete(c.Context(), name))
	}},
	{"T48: a value that is refused is not in the error", func(c *check) {
		for _, v := range []string{"", strings.Repeat("canary", 1000), "canary\xff"} {
			for _, err := range []error{c.Put(c.Context(), name, v), c.Create(c.Context(), name, v)} {
				c.refused(err, fault.Invalid)
				if err != nil && strings.Contains(err.Error(), "canary") {
					c.Errorf("error %v", err)
				}
			}
		}
		c.missing(name)
	}},
	{"names that are none are refused", func(c *check) {
		for _, n := range []string{"", "/", "a", "/a/", "//a", "/a b", "/ñ", strings.Repeat("/p", secret.MaxParts+1), "/" + strings.Repeat("n", secret.MaxName)} {
			_, err := c.Get(c.Context(), n)
			c.refused(err, fault.Invalid)
			_, err = c.Fresh(c.Context(), n)
			c.refused(err, fault.Invalid)
			c.refused(c.Put(c.Context(), n, "v"), fault.Invalid)
			c.refused(c.Create(c.Context(), n, "v"), fault.Invalid)
			c.refused(c.Delete(c.Context(), n), fault.Invalid)
		}
	}},
}

// check is one case under way.
type check struct {
	*testing.T
	secret.Store
}

func (c *check) must(err error) {
	c.Helper()
	if err != nil {
		c.Fatal(err)
	}
}

func (c *check) refused(err error, kind fault.Kind) {
	c.Helper()
	if !errors.Is(err, kind) {
		c.Errorf("got %v, want %v", err, kind)
	}
}

func (c *check) holds(name, want string) {
	c.Helper()
	got, err := c.Get(c.Context(), name)
	c.must(err)
	fresh, err := c.Fresh(c.Context(), name)
	c.must(err)
	if got != want || fresh != want {
		c.Errorf("%s: got %q, fresh %q, want %q", name, got, fresh, want)
	}
}

func (c *check) missing(name string) {
	c.Helper()
	_, err := c.Get(c.Context(), name)
	c.refused(err, fault.NotFound)
	_, err = c.Fresh(c.Context(), name)
	c.refused(err, fault.NotFound)
}
