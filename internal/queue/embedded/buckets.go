package embedded

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"time"

	"go.etcd.io/bbolt"

	"buzon/internal/queue"
)

// buckets is one queue inside a transaction. Numbers (seq) grow in the order
// of sending.
//
//	state   seq                   -> state as JSON
//	body    seq                   -> body
//	order   group 0 seq           -> nothing: the records of a group in order
//	groups  group                 -> time, seq: its entry in ready
//	ready   time, seq, group      -> nothing: when each group can be received
//	hidden  time, seq             -> nothing: records received, until when hidden
//	dedup   group 0 dedup         -> until when
//	forget  time, group 0 dedup   -> nothing: dedup by its end
//	dead    seq                   -> dead letter as JSON
//	counts  "live", "dead"        -> number of records
type buckets struct {
	state, body, order, groups, ready, hidden, dedup, forget, dead, counts *bbolt.Bucket
}

// state of a record. Names of stored fields stay.
type state struct {
	ID       string    `json:"id"`
	Group    string    `json:"group"`
	Sent     time.Time `json:"sent"`
	Receives int       `json:"receives"`
	Visible  time.Time `json:"visible"`
	// Void: the last receipt is no longer good.
	Void bool `json:"void,omitempty"`
}

type deadLetter struct {
	state
	Body []byte `json:"body"`
}

// forgetAtOnce is how many ended deduplication ids one send clears away.
const forgetAtOnce = 20

func openBuckets(tx *bbolt.Tx, name string) (*buckets, error) {
	var b buckets
	parts := []struct {
		name string
		into **bbolt.Bucket
	}{
		{"state", &b.state}, {"body", &b.body}, {"order", &b.order}, {"groups", &b.groups}, {"ready", &b.ready},
		{"hidden", &b.hidden}, {"dedup", &b.dedup}, {"forget", &b.forget}, {"dead", &b.dead}, {"counts", &b.counts},
	}
	if top := tx.Bucket([]byte(name)); top != nil {
		for _, p := range parts {
			*p.into = top.Bucket([]byte(p.name))
		}
		return &b, nil
	}
	top, err := tx.CreateBucket([]byte(name))
	if err != nil {
		return nil, err
	}
	for _, p := range parts {
		if *p.into, err = top.CreateBucket([]byte(p.name)); err != nil {
			return nil, err
		}
	}
	return &b, nil
}

// send stores the message unless its deduplication id still counts.
func (b *buckets) send(m queue.Message, id string, now time.Time) error {
	if err := b.forgetEnded(now); err != nil {
		return err
	}
	key := join(m.Group, []byte(m.Dedup))
	if until := b.dedup.Get(key); until != nil && before(now, until) {
		return nil
	}
	until := stamp(now.Add(queue.DedupWindow))
	if err := b.dedup.Put(key, until); err != nil {
		return err
	}
	if err := b.forget.Put(append(until, key...), nil); err != nil {
		return err
	}
	seq, err := b.state.NextSequence()
	if err != nil {
		return err
	}
	k := number(seq)
	if err := b.putState(k, state{ID: id, Group: m.Group, Sent: now.UTC(), Visible: now}); err != nil {
		return err
	}
	if err := b.body.Put(k, m.Body); err != nil {
		return err
	}
	if err := b.order.Put(join(m.Group, k), nil); err != nil {
		return err
	}
	if err := b.add("live", 1); err != nil {
		return err
	}
	if b.groups.Get([]byte(m.Group)) != nil {
		return nil // its place in ready is that of its first record
	}
	return b.arrange(m.Group, now)
}

// forgetEnded clears away some deduplication ids whose time is over. An id sent
// again after its end has a later one, and its old entry clears only itself.
func (b *buckets) forgetEnded(now time.Time) error {
	var ended [][]byte
	c := b.forget.Cursor()
	for k, _ := c.First(); k != nil && !before(now, k) && len(ended) < forgetAtOnce; k, _ = c.Next() {
		ended = append(ended, bytes.Clone(k))
	}
	for _, k := range ended {
		if bytes.Equal(b.dedup.Get(k[8:]), k[:8]) {
			if err := b.dedup.Delete(k[8:]); err != nil {
				return err
			}
		}
		if err := b.forget.Delete(k); err != nil {
			return err
		}
	}
	return nil
}

func (b *buckets) receive(now time.Time, limit int, visibility time.Duration, skip func(string) bool) ([]queue.Received, error) {
	var out []queue.Received
	for len(out) < limit {
		group, ok := b.firstReady(now, skip)
		if !ok {
			break
		}
		got, err := b.take(group, now, limit-len(out), visibility)
		if err != nil {
			return nil, err
		}
		out = append(out, got...)
	}
	return out, nil
}

// firstReady is the group that has been receivable for the longest time.
func (b *buckets) firstReady(now time.Time, skip func(string) bool) (string, bool) {
	c := b.ready.Cursor()
	for k, _ := c.First(); k != nil && !before(now, k); k, _ = c.Next() {
		if group := string(k[16:]); !skip(group) {
			return group, true
		}
	}
	return "", false
}

// nextReady is when the first group that is not skipped can be received.
func (b *buckets) nextReady(skip func(string) bool) (time.Time, bool) {
	c := b.ready.Cursor()
	for k, _ := c.First(); k != nil; k, _ = c.Next() {
		if !skip(string(k[16:])) {
			return unstamp(k), true
		}
	}
	return time.Time{}, false
}

// take hides the first records of a group of which none is hidden, and buries
// those that were received too often.
func (b *buckets) take(group string, now time.Time, limit int, visibility time.Duration) ([]queue.Received, error) {
	var out []queue.Received
	for _, k := range b.head(group, limit) {
		s, err := b.getState(k)
		if err != nil {
			return nil, err
		}
		if s.Receives >= queue.MaxReceives {
			if err := b.bury(k, s); err != nil {
				return nil, err
			}
			continue
		}
		if err := b.hide(k, &s, now.Add(visibility)); err != nil {
			return nil, err
		}
		s.Receives++
		s.Void = false
		if err := b.putState(k, s); err != nil {
			return nil, err
		}
		out = append(out, queue.Received{
			Record:  queue.Record{ID: s.ID, Group: s.Group, Body: bytes.Clone(b.body.Get(k)), Receives: s.Receives, Sent: s.Sent},
			Receipt: receipt(binary.BigEndian.Uint64(k), s.Receives),
		})
	}
	return out, b.arrange(group, now)
}

// settle ends a delivery; false if the receipt does not hold the record.
func (b *buckets) settle(seq uint64, end settlement, now time.Time) (bool, error) {
	k := number(seq)
	if b.state.Get(k) == nil {
		return end.done, nil
	}
	s, err := b.getState(k)
	if err != nil {
		return false, err
	}
	if s.Void || end.receipt != receipt(seq, s.Receives) {
		return false, nil
	}
	if end.done {
		if err := b.remove(k, s); err != nil {
			return false, err
		}
		return true, b.arrange(s.Group, now)
	}
	if !now.Before(s.Visible) {
		return false, nil
	}
	if err := b.hide(k, &s, now.Add(end.after)); err != nil {
		return false, err
	}
	if err := b.putState(k, s); err != nil {
		return false, err
	}
	return true, b.arrange(s.Group, now)
}

// hide moves the record's entry in hidden; the state is the caller's to store.
func (b *buckets) hide(k []byte, s *state, until time.Time) error {
	if err := b.hidden.Delete(append(stamp(s.Visible), k...)); err != nil {
		return err
	}
	s.Visible = until
	return b.hidden.Put(append(stamp(until), k...), nil)
}

// bury makes a record a dead letter.
func (b *buckets) bury(k []byte, s state) error {
	letter, err := json.Marshal(deadLetter{s, b.body.Get(k)})
	if err != nil {
		return err
	}
	if err := b.dead.Put(k, letter); err != nil {
		return err
	}
	if err := b.add("dead", 1); err != nil {
		return err
	}
	return b.remove(k, s)
}

// remove takes a record out of everything but ready.
func (b *buckets) remove(k []byte, s state) error {
	for _, del := range []struct {
		from *bbolt.Bucket
		key  []byte
	}{{b.state, k}, {b.body, k}, {b.order, join(s.Group, k)}, {b.hidden, append(stamp(s.Visible), k...)}} {
		if err := del.from.Delete(del.key); err != nil {
			return err
		}
	}
	return b.add("live", -1)
}

// arrange puts the group where it belongs in ready: when its last hidden record
// is visible, or now if none is hidden. Hidden ones are among the first
// MaxBatch, because a group is received only when none is.
func (b *buckets) arrange(group string, now time.Time) error {
	name := []byte(group)
	if old := b.groups.Get(name); old != nil {
		if err := b.ready.Delete(append(bytes.Clone(old), name...)); err != nil {
			return err
		}
	}
	head := b.head(group, queue.MaxBatch)
	if len(head) == 0 {
		return b.groups.Delete(name)
	}
	at := now
	for _, k := range head {
		s, err := b.getState(k)
		if err != nil {
			return err
		}
		if s.Visible.After(at) {
			at = s.Visible
		}
	}
	place := append(stamp(at), head[0]...)
	if err := b.groups.Put(name, place); err != nil {
		return err
	}
	return b.ready.Put(append(bytes.Clone(place), name...), nil)
}

// head lists the first records of a group.
func (b *buckets) head(group string, limit int) [][]byte {
	prefix := join(group, nil)
	var keys [][]byte
	c := b.order.Cursor()
	for k, _ := c.Seek(prefix); bytes.HasPrefix(k, prefix) && len(keys) < limit; k, _ = c.Next() {
		keys = append(keys, bytes.Clone(k[len(prefix):]))
	}
	return keys
}

// releaseAll makes hidden records visible and their receipts void.
func (b *buckets) releaseAll(now time.Time) error {
	var keys [][]byte
	c := b.hidden.Cursor()
	for k, _ := c.Seek(stamp(now)); k != nil; k, _ = c.Next() {
		keys = append(keys, bytes.Clone(k[8:]))
	}
	for _, k := range keys {
		s, err := b.getState(k)
		if err != nil {
			return err
		}
		if err := b.hide(k, &s, now); err != nil {
			return err
		}
		s.Void = true
		if err := b.putState(k, s); err != nil {
			return err
		}
		if err := b.arrange(s.Group, now); err != nil {
			return err
		}
	}
	return nil
}

func (b *buckets) inFlight(now time.Time) int {
	n := 0
	c := b.hidden.Cursor()
	for k, _ := c.Seek(stamp(now)); k != nil; k, _ = c.Next() {
		if before(now, k) {
			n++
		}
	}
	return n
}

func (b *buckets) deadLetters(limit int) ([]queue.Received, error) {
	var out []queue.Received
	c := b.dead.Cursor()
	for k, v := c.First(); k != nil && len(out) < limit; k, v = c.Next() {
		var d deadLetter
		if err := json.Unmarshal(v, &d); err != nil {
			return nil, fmt.Errorf("dead letter: %w", err)
		}
		out = append(out, queue.Received{
			Record:  queue.Record{ID: d.ID, Group: d.Group, Body: d.Body, Receives: d.Receives, Sent: d.Sent},
			Receipt: receipt(binary.BigEndian.Uint64(k), d.Receives),
		})
	}
	return out, nil
}

func (b *buckets) deleteDead(seq uint64) error {
	if b.dead.Get(number(seq)) == nil {
		return nil
	}
	if err := b.dead.Delete(number(seq)); err != nil {
		return err
	}
	return b.add("dead", -1)
}

func (b *buckets) getState(k []byte) (state, error) {
	var s state
	if err := json.Unmarshal(b.state.Get(k), &s); err != nil {
		return state{}, fmt.Errorf("record %d: %w", binary.BigEndian.Uint64(k), err)
	}
	return s, nil
}

func (b *buckets) putState(k []byte, s state) error {
	text, err := json.Marshal(s)
	if err != nil {
		return err
	}
	return b.state.Put(k, text)
}

func (b *buckets) count(name string) uint64 {
	if v := b.counts.Get([]byte(name)); v != nil {
		return binary.BigEndian.Uint64(v)
	}
	return 0
}

func (b *buckets) add(name string, n int) error {
	return b.counts.Put([]byte(name), number(b.count(name)+uint64(n)))
}

// join is a key of a group and what distinguishes its members; a group holds no 0.
func join(group string, rest []byte) []byte {
	k := make([]byte, 0, len(group)+1+len(rest))
	k = append(k, group...)
	k = append(k, 0)
	return append(k, rest...)
}

func number(n uint64) []byte { return binary.BigEndian.AppendUint64(nil, n) }

// stamp is a time after 1970 as a key that sorts.
func stamp(t time.Time) []byte { return number(uint64(t.UnixNano())) }

func unstamp(k []byte) time.Time { return time.Unix(0, int64(binary.BigEndian.Uint64(k))) }

// before tells whether now is before the stamp at the beginning of k.
func before(now time.Time, k []byte) bool {
	return uint64(now.UnixNano()) < binary.BigEndian.Uint64(k)
}
