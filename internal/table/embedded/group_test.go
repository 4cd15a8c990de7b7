package embedded

import (
	"bytes"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	bolt "go.etcd.io/bbolt"

	"buzon/internal/table"
)

// openStopped gives a table whose commit loop has ended, so that the test
// commits its groups itself.
func openStopped(t *testing.T) *Table {
	t.Helper()
	tab, err := Open(filepath.Join(t.TempDir(), "t.db"), Options{NoSync: true})
	if err != nil {
		t.Fatal(err)
	}
	tab.once.Do(func() { close(tab.stop) })
	<-tab.done
	t.Cleanup(func() {
		if err := tab.Close(); err != nil {
			t.Error(err)
		}
	})
	return tab
}

func TestGroupJudgesEachWriteOnWhatTheOnesBeforeItLeft(t *testing.T) {
	tab := openStopped(t)
	item := func(sk string, version int64) table.Item {
		return table.Item{Key: table.Key{PK: "p", SK: sk}, Version: version, Body: []byte(`{}`)}
	}
	large := item("large", 1)
	large.Body = []byte(`{"x":"` + strings.Repeat("x", table.MaxItemBytes-1<<10) + `"}`)
	larger := item("large", 2)
	larger.Body = []byte(`{"y":"` + strings.Repeat("y", 2<<10) + `"}`)
	var group []*write
	for _, ops := range [][]table.Op{
		{table.Create(item("a", 0))},
		{table.Create(item("a", 0)), table.Create(item("b", 0))},                  // refused: a is there
		{table.Update(item("a", 1)), table.Check(table.Key{PK: "p", SK: "b"}, 0)}, // b must not be
		{table.Delete(table.Key{PK: "p", SK: "a"}, 1)},                            // refused: a is at 2
		{table.Raise(large)},
		{table.Create(item("c", 0)), table.Raise(larger)}, // invalid once merged
		{table.Delete(table.Key{PK: "p", SK: "a"}, 2)},
		{table.Create(item("a", 0))},
	} {
		group = append(group, &write{ops, make(chan error, 1)})
	}
	tab.commit(group)
	var got []string
	for _, w := range group {
		err := <-w.answer
		var refused *table.Refused
		switch {
		case errors.As(err, &refused):
			got = append(got, fmt.Sprint(refused.Ops))
		case err != nil:
			got = append(got, err.Error())
		default:
			got = append(got, "ok")
		}
	}
	want := []string{"ok", "[0]", "ok", "[0]", "ok", "", "ok", "ok"}
	if want[5] = got[5]; !slices.Equal(got, want) || !strings.Contains(got[5], "invalid") {
		t.Errorf("answers %q", got)
	}
	page, err := tab.Query(t.Context(), table.Q{PK: "p"})
	if err != nil || len(page.Items) != 2 || page.Items[0].Version != 1 || page.Items[0].SK != "a" || page.Items[1].SK != "large" {
		t.Errorf("stored %d items (%v), want a at 1 and large", len(page.Items), err)
	}
}

func TestGroupFailsWholeWhenARecordIsDamaged(t *testing.T) {
	tab := openStopped(t)
	bad := table.Key{PK: "p", SK: "bad"}
	err := tab.db.Update(func(tx *bolt.Tx) error {
		return tx.Bucket([]byte(bucketItems)).Put(itemKey(bad), []byte{0})
	})
	if err != nil {
		t.Fatal(err)
	}
	group := []*write{
		{[]table.Op{table.Create(table.Item{Key: table.Key{PK: "p", SK: "a"}, Body: []byte(`{}`)})}, make(chan error, 1)},
		{[]table.Op{table.Delete(bad, 1)}, make(chan error, 1)},
	}
	tab.commit(group)
	for i, w := range group {
		if err := <-w.answer; !errors.Is(err, errRecord) {
			t.Errorf("write %d: error %v", i, err)
		}
	}
	if items, err := tab.Get(t.Context(), table.Key{PK: "p", SK: "a"}); err != nil || items[0].Exists() {
		t.Errorf("a write of a failed group is stored: %+v (%v)", items, err)
	}
	if _, err := tab.Query(t.Context(), table.Q{PK: "p"}); !errors.Is(err, errRecord) {
		t.Errorf("query over a damaged record: error %v", err)
	}
}

func TestOpenRefusesAnotherFormat(t *testing.T) {
	path := filepath.Join(t.TempDir(), "t.db")
	db, err := bolt.Open(path, 0o600, nil)
	if err != nil {
		t.Fatal(err)
	}
	err = db.Update(func(tx *bolt.Tx) error {
		meta, err := tx.CreateBucket([]byte(bucketMeta))
		return errors.Join(err, meta.Put([]byte(keyFormat), []byte("buzon table 2")))
	})
	if err = errors.Join(err, db.Close()); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(path, Options{}); err == nil || !strings.Contains(err.Error(), `format "buzon table 2"`) {
		t.Errorf("error %v", err)
	}
}

func TestIndexKeysSortLikeTheirSortKeys(t *testing.T) {
	texts := []string{"\x00", "\x00\x00", "\x00\x01", "\x00\xff", "\x01", "a", "a\x00", "a\x00\x01", "a\x01", "ab", "b"}
	for i, a := range texts {
		for j, b := range texts {
			for _, item := range []string{"\x00", "z"} {
				x := indexKey(table.Key{PK: "p", SK: a}, table.Key{PK: "q", SK: item})
				y := indexKey(table.Key{PK: "p", SK: b}, table.Key{PK: "q", SK: "m"})
				if i != j && (i < j) != (bytes.Compare(x, y) < 0) {
					t.Errorf("%q and %q sort as %x and %x", a, b, x, y)
				}
			}
		}
	}
}

// FuzzRecord: a record that reads is one that was written, and none panics.
func FuzzRecord(f *testing.F) {
	k := table.Key{PK: "p", SK: "s"}
	f.Add([]byte{})
	f.Add(encode(table.Item{Key: k, Version: 1, Body: []byte(`{}`)}))
	f.Add(encode(table.Item{
		Key: k, Version: 1 << 40, Index: table.Key{PK: "i", SK: "k"}, Expires: time.Unix(-1, 0), Body: []byte(`{"x":1}`),
	}))
	f.Add([]byte{hasIndex, 1, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1})
	f.Fuzz(func(t *testing.T, b []byte) {
		it, err := decode(k, b)
		if err != nil {
			return
		}
		again, err := decode(k, encode(it))
		if err != nil || !it.Expires.Equal(again.Expires) || it.Version != again.Version || it.Index != again.Index ||
			!bytes.Equal(it.Body, again.Body) {
			t.Errorf("%x: %+v, written and read again %+v (%v)", b, it, again, err)
		}
	})
}

// FuzzQueryCursor: whatever a caller gives as a cursor, the answer is a page
// within the question or an error.
func FuzzQueryCursor(f *testing.F) {
	tab, err := Open(filepath.Join(f.TempDir(), "t.db"), Options{NoSync: true})
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { _ = tab.Close() })
	for _, sk := range []string{"a", "b", "c"} {
		it := table.Item{Key: table.Key{PK: "p", SK: sk}, Index: table.Key{PK: "p", SK: sk}, Body: []byte(`{}`)}
		if err := tab.Write(f.Context(), table.Create(it)); err != nil {
			f.Fatal(err)
		}
	}
	for _, q := range []table.Q{{PK: "p", Limit: 1}, {PK: "p", Limit: 1, Index: true, Reverse: true}} {
		page, err := tab.Query(f.Context(), q)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(page.Next, q.Index, q.Reverse)
	}
	f.Add("", false, false)
	f.Fuzz(func(t *testing.T, cursor string, index, reverse bool) {
		q := table.Q{PK: "p", Limit: 1, Index: index, Reverse: reverse, Cursor: cursor}
		page, err := tab.Query(t.Context(), q)
		if err == nil && len(page.Items) > 1 {
			t.Errorf("%d items", len(page.Items))
		}
	})
}
