package dynamo

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"sync"
	"unicode/utf8"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"buzon/internal/table"
)

const (
	// indexName of the one index.
	indexName = "Index"
	// sideBySide is how many reads of MaxOps items a question to the index has
	// under way.
	sideBySide = 4
	// maxPageBytes of items end a page of the index, as 1 MB ends one of the base
	// table: what a page holds in memory is that and one more round of reads.
	maxPageBytes = 1 << 20
)

// Query is [table.Table.Query]. A page ends at the limit or at DynamoDB's 1 MB.
// A page that ends at the limit has a Next even if nothing follows.
func (t *Table) Query(ctx context.Context, q table.Q) (table.Page, error) {
	if err := table.ValidateQuery(q); err != nil {
		return table.Page{}, err
	}
	after, err := q.After()
	if err != nil {
		return table.Page{}, err
	}
	out, err := t.client.Query(ctx, t.question(q, after), guarded)
	if err != nil {
		return table.Page{}, t.readError(ctx, "query", err)
	}
	var page table.Page
	if len(out.LastEvaluatedKey) > 0 {
		last, err := decodePlace(out.LastEvaluatedKey)
		if err != nil {
			return table.Page{}, err
		}
		page.Next = q.CursorAfter(last)
	}
	if q.Index {
		return t.listed(ctx, q, out.Items, page)
	}
	for _, attributes := range out.Items {
		it, err := decodeItem(attributes)
		if err != nil {
			return table.Page{}, err
		}
		page.Items = append(page.Items, it)
	}
	return page, nil
}

func (t *Table) question(q table.Q, after table.Item) *sdk.QueryInput {
	in := &sdk.QueryInput{
		TableName:                 &t.name,
		ConsistentRead:            aws.Bool(true),
		ExpressionAttributeValues: attributes{":pk": text(q.PK)},
		Limit:                     aws.Int32(int32(cmp.Or(q.Limit, table.MaxPage))),
		ScanIndexForward:          aws.Bool(!q.Reverse),
	}
	pk, sk := "PK", "SK"
	if q.Index {
		in.IndexName, in.ConsistentRead = aws.String(indexName), nil
		pk, sk = "IndexPK", "IndexSK"
	}
	condition := pk + " = :pk"
	bound := func(expression string, values attributes) {
		condition += " AND " + expression
		for name, v := range values {
			in.ExpressionAttributeValues[name] = v
		}
	}
	switch {
	case q.Prefix != "":
		bound("begins_with("+sk+", :prefix)", attributes{":prefix": text(q.Prefix)})
	case q.From != "" && q.To != "":
		bound(sk+" BETWEEN :from AND :last", attributes{":from": text(q.From), ":last": text(lastBefore(q.To))})
	case q.From != "":
		bound(sk+" >= :from", attributes{":from": text(q.From)})
	case q.To != "":
		bound(sk+" < :to", attributes{":to": text(q.To)})
	}
	in.KeyConditionExpression = &condition
	if after.Key != (table.Key{}) {
		in.ExclusiveStartKey = placeAttributes(after)
	}
	return in
}

// lastBefore is the greatest sort key that is less than to. A key condition has
// one comparison, and the one with two bounds, BETWEEN, includes both; sort keys
// are at most MaxSKBytes of UTF-8, so that each but the least has a neighbour. It
// is empty for the least.
func lastBefore(to string) string {
	r, size := utf8.DecodeLastRuneInString(to)
	to = to[:len(to)-size]
	switch r {
	case 0:
		return to // the neighbour of what ends with the least character is what it follows
	case 0xE000:
		r = 0xD7FF // between them lie the surrogates, which are no characters
	default:
		r--
	}
	to += string(r)
	// The greatest characters of 4 bytes down to 1.
	for n, last := range []string{"\U0010FFFF", "\uFFFF", "\u07FF", "\x7F"} {
		to += strings.Repeat(last, (table.MaxSKBytes-len(to))/(4-n))
	}
	return to
}

// listed adds to the page the items that entries of the index stand for, as they
// are stored now. One that is gone or that stands at another place by now is left
// out. The page may end before the entries do.
func (t *Table) listed(ctx context.Context, q table.Q, entries []attributes, page table.Page) (table.Page, error) {
	places := make([]table.Item, len(entries))
	for i, entry := range entries {
		var err error
		if places[i], err = decodePlace(entry); err != nil {
			return table.Page{}, err
		}
	}
	size, read := 0, 0
	for round := range slices.Chunk(places, sideBySide*table.MaxOps) {
		if size >= maxPageBytes {
			page.Next = q.CursorAfter(places[read-1])
			break
		}
		read += len(round)
		found, err := t.getRound(ctx, round)
		if err != nil {
			return table.Page{}, err
		}
		for _, place := range round {
			if it := found[place.Key]; it.Exists() && it.Index == place.Index {
				page.Items = append(page.Items, it)
				size += table.Size(it)
			}
		}
	}
	return page, nil
}

// getRound reads the items of up to sideBySide × MaxOps places.
func (t *Table) getRound(ctx context.Context, places []table.Item) (map[table.Key]table.Item, error) {
	var keys []table.Key
	seen := make(map[table.Key]bool, len(places))
	for _, place := range places { // while an item moves it may have two entries
		if !seen[place.Key] {
			keys = append(keys, place.Key)
			seen[place.Key] = true
		}
	}
	chunks := slices.Collect(slices.Chunk(keys, table.MaxOps))
	parts := make([]map[table.Key]table.Item, len(chunks))
	errs := make([]error, len(chunks))
	var group sync.WaitGroup
	for i, chunk := range chunks {
		group.Go(func() { parts[i], errs[i] = t.getMany(ctx, "query", chunk) })
	}
	group.Wait()
	found := make(map[table.Key]table.Item, len(keys))
	for i, part := range parts {
		if errs[i] != nil {
			return nil, errs[i]
		}
		for k, it := range part {
			found[k] = it
		}
	}
	return found, nil
}
