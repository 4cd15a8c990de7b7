package embedded_test

import (
	"context"
	"fmt"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"

	"buzon/internal/table"
	"buzon/internal/table/embedded"
	"buzon/internal/table/tabletest"
)

func canceled(t *testing.T) context.Context {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	return ctx
}

// turn is a message with its conversation as the table sees it: two items of
// about 500 bytes, one of them in the index.
func turn(i, writer int) []table.Op {
	body := fmt.Appendf(nil, `{"text":"%0480d"}`, i)
	pk := fmt.Sprint("T#acme#CONV#", writer)
	row := table.Item{Key: table.Key{PK: pk, SK: fmt.Sprintf("TURN#%08d", i)}, Body: body}
	row.Index = table.Key{PK: pk + "#TURNS", SK: row.SK}
	return []table.Op{
		table.Create(row),
		table.Save(table.Item{Key: table.Key{PK: pk, SK: "CONV"}, Version: int64(i), Body: body}),
	}
}

// BenchmarkEmbeddedWrite2 is one transaction of two items, durable when it is
// answered (sync) or not.
func BenchmarkEmbeddedWrite2(b *testing.B) {
	for _, sync := range []bool{true, false} {
		for _, writers := range []int{1, 16} {
			b.Run(fmt.Sprintf("sync=%v/writers=%d", sync, writers), func(b *testing.B) {
				benchWrite(b, embedded.Options{NoSync: !sync}, writers)
			})
		}
	}
}

func benchWrite(b *testing.B, opts embedded.Options, writers int) {
	tab, err := embedded.Open(filepath.Join(b.TempDir(), "t.db"), opts)
	if err != nil {
		b.Fatal(err)
	}
	defer tab.Close()
	b.ReportAllocs()
	b.ResetTimer()
	var next atomic.Int64
	var group sync.WaitGroup
	for w := range writers {
		group.Go(func() {
			for i := 0; next.Add(1) <= int64(b.N); i++ {
				if err := tab.Write(b.Context(), turn(i, w)...); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	group.Wait()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "writes/s")
}

// BenchmarkEmbeddedGet reads one of 10,000 items of about 500 bytes.
func BenchmarkEmbeddedGet(b *testing.B) {
	tab := tabletest.Open(b)
	const n = 10_000
	for i := range n {
		if err := tab.Write(b.Context(), turn(i, 0)...); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		k := table.Key{PK: "T#acme#CONV#0", SK: fmt.Sprintf("TURN#%08d", i*7919%n)}
		items, err := tab.Get(b.Context(), k)
		if err != nil || !items[0].Exists() {
			b.Fatalf("%v: %+v (%v)", k, items, err)
		}
		i++
	}
}
