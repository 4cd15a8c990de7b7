package api

import (
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"buzon/internal/fault"
	"buzon/internal/web"
)

// versioned is a pointer to a desk type that embeds desk.Versioned.
type versioned[T any] interface {
	*T
	SetVersion(int64)
	StoredVersion() int64
}

// errUnchanged is what a save returns that had nothing to write.
var errUnchanged = errors.New("unchanged")

// change is a PATCH or PUT: it reads the stored thing, lets apply change a copy
// by the body and saves it at the version read, from the beginning again when
// somebody else was faster (R11). If-Match is compared at each reading. It
// answers with the changed thing and its version. apply adds problems to the
// object; the errors that it returns are others. It must not write into what
// the copy shares with the original. save may note the time in the copy.
func change[T any, P versioned[T]](c *call, load func() (T, error), view func(T) any,
	apply func(o *web.Object, v *T) error, save func(was T, v *T) error,
) error {
	wanted, err := c.ifMatch()
	if err != nil {
		return err
	}
	var others []string
	if c.r.Method == http.MethodPatch {
		others = append(others, "application/merge-patch+json")
	}
	body, err := web.ReadBody(c.w, c.r, others...)
	if err != nil {
		return err
	}
	for range attempts {
		was, err := load()
		if err != nil {
			return err
		}
		version := P(&was).StoredVersion()
		if !wanted.holds(version) {
			return stale()
		}
		o, err := web.ParseObject(body)
		if err != nil {
			return err
		}
		v := was
		if err := apply(o, &v); err != nil {
			return err
		}
		o.ReadOnly(view(was))
		if err := o.Err(); err != nil {
			return err
		}
		err = save(was, &v)
		switch {
		case err == nil:
			P(&v).SetVersion(version + 1)
		case errors.Is(err, errUnchanged):
		case errors.Is(err, fault.Conflict):
			continue
		default:
			return err
		}
		return c.ok(P(&v).StoredVersion(), view(v))
	}
	return fmt.Errorf("change: %w", fault.Conflict)
}

// remove is a DELETE: 204, at the version read.
func remove[T any, P versioned[T]](c *call, load func() (T, error), del func(T) error) error {
	wanted, err := c.ifMatch()
	if err != nil {
		return err
	}
	for range attempts {
		v, err := load()
		if err != nil {
			return err
		}
		if !wanted.holds(P(&v).StoredVersion()) {
			return stale()
		}
		err = del(v)
		if errors.Is(err, fault.Conflict) {
			continue
		}
		if err != nil {
			return err
		}
		c.w.WriteHeader(http.StatusNoContent)
		return nil
	}
	return fmt.Errorf("delete: %w", fault.Conflict)
}

func stale() error {
	return &web.Refused{
		Status: http.StatusPreconditionFailed, Code: "stale",
		Problems: []fault.Problem{{Field: "If-Match", Code: "stale"}},
	}
}

// match is what If-Match asks for: any version without it and with "*", else
// one of those listed. A version that is weak or none of ours never holds.
type match struct {
	any      bool
	versions []int64
}

func (m match) holds(version int64) bool {
	for _, v := range m.versions {
		if v == version {
			return true
		}
	}
	return m.any
}

// ifMatch reads If-Match (RFC 9110, 13.1.1); what is not a list of entity tags
// is a 400.
func (c *call) ifMatch() (match, error) {
	sent := strings.Join(c.r.Header.Values("If-Match"), ",")
	if strings.TrimSpace(sent) == "*" || len(c.r.Header.Values("If-Match")) == 0 {
		return match{any: true}, nil
	}
	var m match
	for tag := range strings.SplitSeq(sent, ",") {
		tag = strings.TrimSpace(tag)
		strong := strings.TrimPrefix(tag, "W/")
		if len(strong) < 2 || strong[0] != '"' || strong[len(strong)-1] != '"' || strings.Contains(strong[1:len(strong)-1], `"`) {
			return match{}, &web.Refused{
				Status: http.StatusBadRequest, Code: "bad_if_match",
				Problems: []fault.Problem{{Field: "If-Match", Code: "bad_if_match"}},
			}
		}
		n, err := strconv.ParseInt(strong[1:len(strong)-1], 10, 64)
		if err == nil && tag == strong && etag(n) == strong {
			m.versions = append(m.versions, n)
		}
	}
	return m, nil
}
