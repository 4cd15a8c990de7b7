package store

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"buzon/internal/desk"
	"buzon/internal/fault"
	"buzon/internal/table"
)

// OnceKept is how long an answer is remembered (contract section 3).
const OnceKept = 24 * time.Hour

// Answer is what a creating call answered, without what is shown only once. It
// is written in the transaction of what it created.
type Answer struct {
	Key      string          `json:"key"`       // hash of token, method, path and Idempotency-Key
	BodyHash string          `json:"body_hash"` // SHA-256 in hex of the request's body
	Status   int             `json:"status"`
	Location string          `json:"location,omitempty"`
	ETag     string          `json:"etag,omitempty"`
	Body     json.RawMessage `json:"body,omitempty"`
	Until    time.Time       `json:"until"`
	desk.Versioned
}

// AnswerKey names a call for its answer.
func AnswerKey(token, method, path, key string) string { return Hash("once", token, method, path, key) }

// Remembered gives the answer of a call made before and not yet forgotten;
// fault.NotFound without one. The Version of an expired one is needed to replace
// it: it comes with the fault.
func (c Company) Remembered(ctx context.Context, key string) (Answer, error) {
	a, err := get[Answer](ctx, c.Table, c.onceKey(key), "remembered answer")
	if err == nil && !c.Now().Before(a.Until) {
		return Answer{Versioned: a.Versioned}, fmt.Errorf("remembered answer: expired: %w", fault.NotFound)
	}
	return a, err
}

// Remember is the operation that keeps an answer for OnceKept, at its Version.
func (c Company) Remember(a Answer) Also {
	a.Until = c.Now().Add(OnceKept)
	it := item(c.onceKey(a.Key), a)
	it.Expires = a.Until
	return Also{table.Save(it)}
}
