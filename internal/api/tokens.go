package api

import (
	"fmt"
	"strconv"
	"time"

	"buzon/internal/desk"
	"buzon/internal/fault"
	"buzon/internal/store"
	"buzon/internal/web"
)

// tokenView is an integration token. Its value is there once, in the answer to
// what made it (S5-17).
type tokenView struct {
	ID          string     `json:"id"`
	Version     int64      `json:"version"`
	Description string     `json:"description"`
	ExpiresAt   *time.Time `json:"expires_at"`
	LastFour    string     `json:"last_four"`
	CreatedAt   *time.Time `json:"created_at"`
	Token       *string    `json:"token"`
}

func viewToken(t desk.Token) tokenView {
	return tokenView{t.ID, t.Version, t.Description, when(t.ExpiresAt), t.LastFour, when(t.CreatedAt), nil}
}

func postToken(c *call) error {
	return c.create(func(o *web.Object) (made, error) {
		s, err := specialists.find(c)
		if err != nil {
			return made{}, err
		}
		value, t, err := NewToken(c.company.Tenant, c.Random)
		if err != nil {
			return made{}, err
		}
		t.Specialist, t.CreatedAt = s.ID, c.now()
		o.Text("description", &t.Description, nameRule)
		readExpiry(o, &t.ExpiresAt, c.Now())
		if err := o.Err(); err != nil {
			return made{}, err
		}
		stored := t
		stored.Version = 1
		again := viewToken(stored)
		body := again
		body.Token = &value
		return made{
			location: specialists.path + s.ID + "/tokens/" + t.ID, version: 1, body: body, again: again,
			save: func(also store.Also) error { return c.company.SaveToken(c.ctx(), t, also) },
		}, nil
	})
}

// readExpiry: it is mandatory, ahead, and at most a year (Q44).
func readExpiry(o *web.Object, at *time.Time, now time.Time) {
	o.Time("expires_at", at)
	switch {
	case !o.Has("expires_at"):
		o.Add("expires_at", "required")
	case at.IsZero(): // told already
	case !at.After(now):
		o.Add("expires_at", "past")
	case at.After(now.Add(desk.MaxTokenLife)):
		o.Add("expires_at", "too_far", "days", strconv.Itoa(int(desk.MaxTokenLife/(24*time.Hour))))
	}
}

// listTokens lists what is not revoked (S5-18, S5-19), expired ones too. Ids of
// tokens are random: a specialist's few are read whole and sorted here.
func listTokens(c *call) error {
	s, err := specialists.find(c)
	if err != nil {
		return err
	}
	q := c.query()
	if err := q.err(); err != nil {
		return err
	}
	var all []desk.Token
	for cursor := ""; ; {
		some, next, err := c.company.Tokens(c.ctx(), s.ID, MaxLimit, cursor)
		if err != nil {
			return err
		}
		all = append(all, some...)
		if next == "" {
			return answerPage(c, q, all, func(t desk.Token) (time.Time, string) { return t.CreatedAt, t.ID }, viewToken)
		}
		cursor = next
	}
}

// deleteToken revokes: the token is refused from the next call on and kept for
// the audit (Q45).
func deleteToken(c *call) error {
	load := func() (desk.Token, error) {
		s, err := specialists.find(c)
		if err != nil {
			return desk.Token{}, err
		}
		id, err := c.id("token")
		if err != nil {
			return desk.Token{}, err
		}
		t, err := c.company.Token(c.ctx(), id)
		if err == nil && (t.Specialist != s.ID || !t.RevokedAt.IsZero()) {
			err = fmt.Errorf("token %s: %w", id, fault.NotFound)
		}
		return t, err
	}
	return remove(c, load, func(t desk.Token) error {
		t.RevokedAt = c.now()
		return c.company.SaveToken(c.ctx(), t, nil)
	})
}
