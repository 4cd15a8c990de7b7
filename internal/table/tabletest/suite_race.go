package tabletest

import (
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"

	"buzon/internal/fault"
	"buzon/internal/table"
)

// together runs n times at once and reports what goes wrong.
func (b *bench) together(n int, work func(i int) error) {
	b.Helper()
	start := make(chan struct{})
	var group sync.WaitGroup
	for i := range n {
		group.Go(func() {
			<-start
			if err := work(i); err != nil {
				b.Error(err)
			}
		})
	}
	close(start)
	group.Wait()
}

func testRacingCreates(b *bench) {
	key := b.key("", "a")
	var winners atomic.Int64
	var winner atomic.Int64
	b.together(40, func(i int) error {
		err := b.Write(b.Context(), table.Create(table.Item{Key: key, Body: fmt.Appendf(nil, `{"by":%d}`, i)}))
		if err == nil {
			winners.Add(1)
			winner.Store(int64(i))
			return nil
		}
		if errors.Is(err, fault.Conflict) {
			return nil
		}
		return err
	})
	want := table.Item{Key: key, Version: 1, Body: fmt.Appendf(nil, `{"by":%d}`, winner.Load())}
	if diff := compare([]table.Item{want}, b.get(key)); winners.Load() != 1 || diff != "" {
		b.Errorf("%d winners (-want +got)\n%s", winners.Load(), diff)
	}
}

// counter is the body of the items that the races count in.
type counter struct{ N int }

func count(it table.Item) (int, error) {
	if !it.Exists() {
		return 0, nil
	}
	var c counter
	err := json.Unmarshal(it.Body, &c)
	return c.N, err
}

func counted(it table.Item, n int) table.Item {
	it.Body = fmt.Appendf(nil, `{"N":%d}`, n)
	return it
}

const (
	racers = 8
	rounds = 10
)

func testRacingUpdates(b *bench) {
	key := b.key("", "a")
	add := func() error {
		for {
			items, err := b.Get(b.Context(), key)
			if err != nil {
				return err
			}
			n, err := count(items[0])
			if err != nil {
				return err
			}
			err = b.Write(b.Context(), table.Save(counted(items[0], n+1)))
			if !errors.Is(err, fault.Conflict) {
				return err
			}
		}
	}
	b.together(racers, func(int) error {
		for range rounds {
			if err := add(); err != nil {
				return err
			}
		}
		return nil
	})
	it := b.get(key)[0]
	if n, err := count(it); err != nil || n != racers*rounds || it.Version != racers*rounds {
		b.Errorf("counted %d at version %d (%v), want %d", n, it.Version, err, racers*rounds)
	}
}

// testRacingTransactions moves amounts between two accounts. A reader may see
// them at two moments, but what a Write of two checks confirms was one moment.
func testRacingTransactions(b *bench) {
	left, right := b.key("l", "a"), b.key("r", "a")
	const total = 1000
	b.write(table.Create(counted(table.Item{Key: left}, total)), table.Create(counted(table.Item{Key: right}, 0)))
	read := func() (l, r table.Item, nl, nr int, err error) {
		items, err := b.Get(b.Context(), left, right)
		if err != nil {
			return l, r, 0, 0, err
		}
		nl, errL := count(items[0])
		nr, errR := count(items[1])
		return items[0], items[1], nl, nr, errors.Join(errL, errR)
	}
	move := func() error {
		for {
			l, r, nl, nr, err := read()
			if err != nil {
				return err
			}
			err = b.Write(b.Context(), table.Update(counted(r, nr+1)), table.Update(counted(l, nl-1)))
			if !errors.Is(err, fault.Conflict) {
				return err
			}
		}
	}
	look := func() error {
		l, r, nl, nr, err := read()
		if err != nil {
			return err
		}
		err = b.Write(b.Context(), table.Check(left, l.Version), table.Check(right, r.Version))
		if errors.Is(err, fault.Conflict) {
			return nil
		}
		if err == nil && (nl+nr != total || l.Version != r.Version) {
			return fmt.Errorf("confirmed %d at version %d and %d at version %d", nl, l.Version, nr, r.Version)
		}
		return err
	}
	b.together(racers, func(i int) error {
		for range rounds {
			work := move
			if i%2 == 1 {
				work = look
			}
			if err := work(); err != nil {
				return err
			}
		}
		return nil
	})
	_, _, nl, nr, err := read()
	if want := racers / 2 * rounds; err != nil || nr != want || nl != total-want {
		b.Errorf("%d and %d (%v), want %d and %d", nl, nr, err, total-want, want)
	}
}
