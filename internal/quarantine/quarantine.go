// Package quarantine keeps what came in and cannot be handled as it is: raw, with
// its reason, so that nothing is lost and it can be tried again.
package quarantine

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"

	"buzon/internal/blob"
	"buzon/internal/desk"
	"buzon/internal/fault"
	"buzon/internal/queue"
	"buzon/internal/store"
)

// SystemTenant is where a queue message is kept that names no company. It is no
// valid short id, so no company can have it and read what is there.
const SystemTenant = "-system"

// Keep keeps a message of a queue that makes no turn. Of the approvals' it arms a
// timer for what the message was about, unless one is armed.
func Keep(ctx context.Context, st *store.Store, blobs blob.Store, stage string, body []byte, reason string) error {
	tenant, _, _ := queue.Open[struct{}](stage, body)
	c, q, err := Item(ctx, st, blobs, stage, tenant, body, reason)
	if err != nil {
		return err
	}
	_, e, err := queue.Open[desk.ApprovalEvent](desk.StageApprovals, body)
	if approval := err == nil && store.ValidTenant(tenant); approval {
		if q.Channel = e.Verdict.Channel; e.Sync != nil {
			q.Channel = e.Sync.Channel
		}
		if err := store.Retry(func() error { return lookAgain(ctx, c, e) }); err != nil {
			return err
		}
	}
	return store.Retry(func() error { return c.Quarantine(ctx, q) })
}

// Item makes the item of a queue message and opens the store of the company that
// it belongs to: of SystemTenant if tenant can be none's.
func Item(ctx context.Context, st *store.Store, blobs blob.Store, stage, tenant string, body []byte, reason string) (store.Company, desk.Quarantined, error) {
	if !store.ValidTenant(tenant) {
		tenant = SystemTenant
	}
	c := st.In(tenant)
	q := desk.Quarantined{Stage: stage, Reason: reason, ReceivedAt: st.Now()}
	return c, q, Body(ctx, blobs, c, &q, body)
}

// Body puts a body into q: whole if it is short, else whole into the file store
// and cut here.
func Body(ctx context.Context, blobs blob.Store, c store.Company, q *desk.Quarantined, body []byte) error {
	q.ID, q.Body = store.BodyID(body), body
	if len(body) <= desk.MaxQuarantineInline {
		return nil
	}
	q.Blob = "quarantine/" + c.Tenant + "/" + q.ID
	err := blobs.Put(ctx, q.Blob, "application/octet-stream", bytes.NewReader(body))
	if err != nil && !errors.Is(err, fault.Conflict) { // there already: the same bytes
		return fmt.Errorf("quarantine %s: %w", q.ID, err)
	}
	return nil
}

// Whole is the body of q as it came, of which most bytes at most are read.
func Whole(ctx context.Context, blobs blob.Store, q desk.Quarantined, most int64) ([]byte, error) {
	if !q.Cut {
		return q.Body, nil
	}
	f, _, err := blobs.Get(ctx, q.Blob)
	if err != nil {
		return nil, fmt.Errorf("quarantined %s: %w", q.ID, err)
	}
	defer f.Close()
	body, err := io.ReadAll(io.LimitReader(f, most+1))
	if err != nil {
		return nil, fmt.Errorf("quarantined %s: %w", q.ID, err)
	}
	return body, nil
}
