package embedded_test

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"buzon/internal/fault"
	"buzon/internal/table"
	"buzon/internal/table/embedded"
	"buzon/internal/table/tabletest"
)

func TestSuite(t *testing.T) {
	tabletest.Suite(t, func(t *testing.T) table.Table { return tabletest.Open(t) })
}

func open(t *testing.T, path string, opts embedded.Options) *embedded.Table {
	t.Helper()
	tab, err := embedded.Open(path, opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = tab.Close() }) // a second Close in some tests
	return tab
}

func key(sk string) table.Key { return table.Key{PK: "p", SK: sk} }

func create(sk string) table.Op {
	return table.Create(table.Item{Key: key(sk), Index: table.Key{PK: "i", SK: sk}, Body: []byte(`{"x":1}`)})
}

func all(t *testing.T, tab table.Table, q table.Q) []table.Item {
	t.Helper()
	var items []table.Item
	for {
		page, err := tab.Query(t.Context(), q)
		if err != nil {
			t.Fatal(err)
		}
		items = append(items, page.Items...)
		if q.Cursor = page.Next; q.Cursor == "" {
			return items
		}
	}
}

func TestReopenedTableHoldsAllThatWasWritten(t *testing.T) {
	path := filepath.Join(t.TempDir(), "t.db")
	tab := open(t, path, embedded.Options{})
	if err := tab.Write(t.Context(), create("a"), create("b")); err != nil {
		t.Fatal(err)
	}
	if err := tab.Close(); err != nil {
		t.Fatal(err)
	}
	tab = open(t, path, embedded.Options{})
	for _, q := range []table.Q{{PK: "p"}, {PK: "i", Index: true}} {
		if n := len(all(t, tab, q)); n != 2 {
			t.Errorf("%+v: %d items, want 2", q, n)
		}
	}
}

func TestWriteIsInTheFileWhenItReturns(t *testing.T) {
	dir := t.TempDir()
	tab := open(t, filepath.Join(dir, "t.db"), embedded.Options{})
	for i := range 5 {
		if err := tab.Write(t.Context(), create(fmt.Sprint(i))); err != nil {
			t.Fatal(err)
		}
		copied := filepath.Join(dir, fmt.Sprint("copy", i))
		copyFile(t, filepath.Join(dir, "t.db"), copied)
		if n := len(all(t, open(t, copied, embedded.Options{}), table.Q{PK: "p"})); n != i+1 {
			t.Errorf("%d items in a copy of the file, want %d", n, i+1)
		}
	}
}

func copyFile(t *testing.T, from, to string) {
	t.Helper()
	src, err := os.Open(from)
	if err != nil {
		t.Fatal(err)
	}
	defer src.Close()
	dst, err := os.Create(to)
	if err != nil {
		t.Fatal(err)
	}
	_, err = io.Copy(dst, src)
	if err = errors.Join(err, dst.Close()); err != nil {
		t.Fatal(err)
	}
}

func TestOpenSaysThatTheFileIsInUse(t *testing.T) {
	path := filepath.Join(t.TempDir(), "t.db")
	open(t, path, embedded.Options{NoSync: true})
	start := time.Now()
	_, err := embedded.Open(path, embedded.Options{})
	if want := "table " + path + ": in use by another process"; err == nil || err.Error() != want {
		t.Errorf("error %v, want %q", err, want)
	}
	if d := time.Since(start); d > 10*time.Second { // about one, on an idle machine
		t.Errorf("it took %v", d)
	}
}

func TestOpenRefusesWhatIsNoTable(t *testing.T) {
	dir := t.TempDir()
	text := filepath.Join(dir, "text")
	if err := os.WriteFile(text, []byte(strings.Repeat("not a table\n", 2000)), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, path := range map[string]string{
		"a text file":       text,
		"a folder":          dir,
		"a missing folder":  filepath.Join(dir, "none", "t.db"),
		"half a table file": half(t, dir),
	} {
		tab, err := embedded.Open(path, embedded.Options{})
		if err == nil {
			t.Errorf("%s: opened (%v)", name, tab.Close())
			continue
		}
		if !strings.HasPrefix(err.Error(), "table "+path+": ") {
			t.Errorf("%s: error %q does not begin with the file", name, err)
		}
	}
}

// half gives a file that was cut within its first pages.
func half(t *testing.T, dir string) string {
	t.Helper()
	path := filepath.Join(dir, "half")
	if err := open(t, path, embedded.Options{}).Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(path, 100); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestClosedTableAnswersWithAnError(t *testing.T) {
	tab := open(t, filepath.Join(t.TempDir(), "t.db"), embedded.Options{NoSync: true})
	for range 2 {
		if err := tab.Close(); err != nil {
			t.Fatal(err)
		}
	}
	_, getErr := tab.Get(t.Context(), key("a"))
	_, queryErr := tab.Query(t.Context(), table.Q{PK: "p"})
	for name, err := range map[string]error{
		"get": getErr, "query": queryErr, "write": tab.Write(t.Context(), create("a")),
	} {
		for _, kind := range []fault.Kind{fault.Busy, fault.Conflict, fault.Invalid} {
			if err == nil || errors.Is(err, kind) {
				t.Errorf("%s: error %v, want one that is no fault", name, err)
			}
		}
	}
}

func TestCloseFinishesTheWritesThatItTook(t *testing.T) {
	path := filepath.Join(t.TempDir(), "t.db")
	tab := open(t, path, embedded.Options{NoSync: true})
	var written atomic.Int64
	var group sync.WaitGroup
	started := make(chan struct{}, 16)
	for w := range 16 {
		group.Go(func() {
			for i := 0; tab.Write(t.Context(), create(fmt.Sprint(w, " ", i))) == nil; i++ {
				written.Add(1)
				if i == 3 {
					started <- struct{}{}
				}
			}
		})
	}
	<-started
	if err := tab.Close(); err != nil {
		t.Fatal(err)
	}
	group.Wait()
	if n := len(all(t, open(t, path, embedded.Options{NoSync: true}), table.Q{PK: "p"})); int64(n) != written.Load() {
		t.Errorf("%d items stored, %d writes were answered", n, written.Load())
	}
}

func TestEndedContextDoesNothing(t *testing.T) {
	tab := tabletest.Open(t)
	ctx := canceled(t)
	if err := tab.Write(ctx, create("a")); err == nil {
		t.Error("the write took place")
	}
	if _, err := tab.Get(ctx, key("a")); err == nil {
		t.Error("get answered")
	}
	if _, err := tab.Query(ctx, table.Q{PK: "p"}); err == nil {
		t.Error("query answered")
	}
	if n := len(all(t, tab, table.Q{PK: "p"})); n != 0 {
		t.Errorf("%d items stored", n)
	}
}

func TestGetSeesOneMoment(t *testing.T) {
	tab := tabletest.Open(t)
	a, b := create("a"), create("b")
	if err := tab.Write(t.Context(), a, b); err != nil {
		t.Fatal(err)
	}
	stop := make(chan struct{})
	var group sync.WaitGroup
	group.Go(func() {
		defer close(stop)
		for range 300 {
			a.Item.Version++
			b.Item.Version++
			if err := tab.Write(t.Context(), table.Update(a.Item), table.Update(b.Item)); err != nil {
				t.Error(err)
				return
			}
		}
	})
	for running := true; running; {
		select {
		case <-stop:
			running = false
		default:
		}
		items, err := tab.Get(t.Context(), key("a"), key("b"))
		if err != nil {
			t.Fatal(err)
		}
		if items[0].Version != items[1].Version {
			t.Fatalf("versions %d and %d", items[0].Version, items[1].Version)
		}
	}
	group.Wait()
}

func TestNextIsEmptyAtAnExactLimit(t *testing.T) {
	tab := tabletest.Open(t)
	if err := tab.Write(t.Context(), create("a"), create("b")); err != nil {
		t.Fatal(err)
	}
	for _, q := range []table.Q{{PK: "p", Limit: 2}, {PK: "i", Index: true, Limit: 2}, {PK: "p", Limit: 2, Reverse: true}} {
		page, err := tab.Query(t.Context(), q)
		if err != nil || len(page.Items) != 2 || page.Next != "" {
			t.Errorf("%+v: %d items, next %q, %v", q, len(page.Items), page.Next, err)
		}
	}
}

func TestPageEndsAfterAMegabyte(t *testing.T) {
	tab := tabletest.Open(t)
	body := []byte(`{"x":"` + strings.Repeat("x", 300<<10) + `"}`)
	for i := range 6 {
		if err := tab.Write(t.Context(), table.Create(table.Item{Key: key(fmt.Sprint(i)), Body: body})); err != nil {
			t.Fatal(err)
		}
	}
	page, err := tab.Query(t.Context(), table.Q{PK: "p"})
	if err != nil || len(page.Items) != 4 || page.Next == "" {
		t.Errorf("%d items of 300 KB in a page (next %q, %v), want 4 and a cursor", len(page.Items), page.Next, err)
	}
}

func TestSweepTakesWhatExpired(t *testing.T) {
	tab := tabletest.Open(t)
	now := time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)
	put := func(sk string, expires time.Time) {
		op := create(sk)
		op.Item.Expires = expires
		if err := tab.Write(t.Context(), op); err != nil {
			t.Fatal(err)
		}
	}
	put("before 1970", time.Unix(-5, 0))
	put("a day ago", now.Add(-24*time.Hour))
	put("just now", now)
	put("later", now.Add(time.Hour))
	put("never", time.Time{})
	put("prolonged", now.Add(-time.Hour))
	it := create("prolonged").Item
	it.Version, it.Expires = 1, now.Add(time.Hour)
	if err := tab.Write(t.Context(), table.Update(it)); err != nil {
		t.Fatal(err)
	}
	for i, want := range []struct {
		gone int
		left string
	}{
		{1, "a day ago, just now, later, never, prolonged"},
		{1, "just now, later, never, prolonged"},
		{0, "just now, later, never, prolonged"},
	} {
		gone, err := tab.Sweep(t.Context(), now, 1)
		if err != nil {
			t.Fatal(err)
		}
		for _, q := range []table.Q{{PK: "p"}, {PK: "i", Index: true}} {
			var left []string
			for _, it := range all(t, tab, q) {
				left = append(left, it.SK)
			}
			if got := strings.Join(left, ", "); gone != want.gone || got != want.left {
				t.Errorf("sweep %d: %d gone, left %s; want %d, %s", i, gone, got, want.gone, want.left)
			}
		}
	}
	if gone, err := tab.Sweep(t.Context(), now.Add(48*time.Hour), table.MaxOps); gone != 3 || err != nil {
		t.Errorf("%d gone (%v), want 3", gone, err)
	}
}
