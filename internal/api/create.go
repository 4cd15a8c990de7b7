package api

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"

	"buzon/internal/fault"
	"buzon/internal/store"
	"buzon/internal/web"
)

const (
	// MaxIdempotencyKey is the longest Idempotency-Key in bytes.
	MaxIdempotencyKey = 255
	// attempts is how often a call begins again when somebody else was faster.
	attempts = 5
)

// made is a resource on its way into the store.
type made struct {
	location string
	version  int64 // that it has once it is stored
	body     any   // what is answered
	again    any   // what a repeat gets: body without what is shown once
	save     func(store.Also) error
}

// create answers a call that creates: 201 with Location, ETag and the resource.
// The same Idempotency-Key and body, by the same token on the same path, gives
// the first answer again for [store.OnceKept]; the answer is written in the
// transaction of what it tells, so there is no moment at which one is there
// without the other. make may run again.
func (c *call) create(make func(o *web.Object) (made, error)) error {
	body, err := web.ReadBody(c.w, c.r)
	if err != nil {
		return err
	}
	key, err := c.answerKey()
	if err != nil {
		return err
	}
	sum := sha256.Sum256(body)
	answer := store.Answer{Key: key, BodyHash: hex.EncodeToString(sum[:]), Status: http.StatusCreated}
	for range attempts {
		done, err := c.again(&answer)
		if done || err != nil {
			return err
		}
		o, err := web.ParseObject(body)
		if err != nil {
			return err
		}
		m, err := make(o)
		if err != nil {
			return err
		}
		answer.Location, answer.ETag = m.location, etag(m.version)
		if answer.Body, err = json.Marshal(m.again); err != nil {
			return fmt.Errorf("answer: %w", err)
		}
		var also store.Also
		if key != "" {
			also = c.company.Remember(answer)
		}
		err = m.save(also)
		if errors.Is(err, fault.Conflict) {
			continue // somebody else, or the same call at the same time: look again
		}
		if err != nil {
			return err
		}
		c.created(answer, m.body)
		return nil
	}
	return fmt.Errorf("create: %w", fault.Conflict)
}

// again answers a call that was made before. Else it sets the version at which
// the answer is to be written.
func (c *call) again(answer *store.Answer) (done bool, err error) {
	if answer.Key == "" {
		return false, nil
	}
	kept, err := c.company.Remembered(c.ctx(), answer.Key)
	switch {
	case errors.Is(err, fault.NotFound):
		answer.Versioned = kept.Versioned
		return false, nil
	case err != nil:
		return false, err
	case kept.BodyHash != answer.BodyHash:
		return false, badKey("idempotency_mismatch")
	}
	c.created(kept, kept.Body)
	return true, nil
}

func (c *call) created(a store.Answer, body any) {
	h := c.w.Header()
	h.Set("Location", a.Location)
	h.Set("ETag", a.ETag)
	web.JSON(c.w, a.Status, body)
}

// answerKey names this call by token, method, path and Idempotency-Key; empty
// without that header.
func (c *call) answerKey() (string, error) {
	sent := c.r.Header.Values("Idempotency-Key")
	if len(sent) == 0 {
		return "", nil
	}
	if len(sent) > 1 || len(sent[0]) == 0 || len(sent[0]) > MaxIdempotencyKey {
		return "", badKey("idempotency_key")
	}
	for _, b := range []byte(sent[0]) {
		if b < ' ' || b > '~' {
			return "", badKey("idempotency_key")
		}
	}
	return store.AnswerKey(c.token.ID, c.r.Method, c.r.URL.Path, sent[0]), nil
}

func badKey(code string) error {
	params := map[string]string{"max": strconv.Itoa(MaxIdempotencyKey)}
	return &web.Refused{
		Status: http.StatusUnprocessableEntity, Code: code, Params: params,
		Problems: []fault.Problem{{Field: "Idempotency-Key", Code: code, Params: params}},
	}
}
