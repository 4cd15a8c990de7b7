package api

import (
	"errors"
	"fmt"
	"net/http"

	"buzon/internal/desk"
	"buzon/internal/fault"
	"buzon/internal/store"
	"buzon/internal/web"
)

// resource is what the verbs need to know of a kind of thing that has an
// address of its own.
type resource[T any, P versioned[T]] struct {
	path string // of one, before its id: "/v1/projects/"
	id   func(T) string
	load func(c *call, id string) (T, error)
	// save writes a new thing or one at its version; was is how it was read.
	save func(c *call, was, v T, also store.Also) error
	del  func(c *call, v T) error
	// read takes what a caller may set, new or not. It notes what is wrong in o;
	// what it returns is another error.
	read func(c *call, o *web.Object, v *T) error
	view func(T) any
}

// post makes a thing that begins as fresh gives it.
func (k resource[T, P]) post(fresh func(*call) (T, error)) func(*call) error {
	return func(c *call) error {
		return c.create(func(o *web.Object) (made, error) {
			v, err := fresh(c)
			if err != nil {
				return made{}, err
			}
			if err := k.read(c, o, &v); err != nil {
				return made{}, err
			}
			if err := o.Err(); err != nil {
				return made{}, err
			}
			stored := v
			P(&stored).SetVersion(1)
			return made{
				location: k.path + k.id(v), version: 1, body: k.view(stored), again: k.view(stored),
				save: func(also store.Also) error {
					var none T
					return k.save(c, none, v, also)
				},
			}, nil
		})
	}
}

func (k resource[T, P]) get(c *call) error {
	v, err := k.find(c)
	if err != nil {
		return err
	}
	return c.ok(P(&v).StoredVersion(), k.view(v))
}

func (k resource[T, P]) patch(c *call) error {
	return change[T, P](c, func() (T, error) { return k.find(c) }, k.view,
		func(o *web.Object, v *T) error { return k.read(c, o, v) },
		func(was T, v *T) error { return k.save(c, was, *v, nil) })
}

func (k resource[T, P]) delete(c *call) error {
	return remove[T, P](c, func() (T, error) { return k.find(c) }, func(v T) error {
		err := k.del(c, v)
		if errors.Is(err, store.ErrInUse) {
			return &web.Refused{Status: http.StatusConflict, Code: "in_use"}
		}
		return err
	})
}

// find reads the thing that the path names.
func (k resource[T, P]) find(c *call) (T, error) {
	id, err := c.id("id")
	if err != nil {
		var none T
		return none, err
	}
	return k.load(c, id)
}

// nameRule is the rule of the names of things and people.
var nameRule = web.Text{Required: true, Max: desk.MaxName}

// exists tells whether load finds what an id in a body means; an error is
// neither yes nor no.
func exists[T any](id string, load func() (T, error)) (T, bool, error) {
	var none T
	if !validID(id) {
		return none, false, nil
	}
	v, err := load()
	if errors.Is(err, fault.NotFound) {
		return none, false, nil
	}
	if err != nil {
		return none, false, fmt.Errorf("%s: %w", id, err)
	}
	return v, true, nil
}
