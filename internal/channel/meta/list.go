package meta

import (
	"context"
	"net/http"
	"net/url"
	"strconv"

	"buzon/internal/channel"
	"buzon/internal/channel/cloudapi"
	"buzon/internal/channel/httpsend"
	"buzon/internal/channel/strictjson"
)

// Limits of a list of templates.
const (
	pageSize  = 100     // templates asked for at a time
	maxPages  = 100     // 10,000 templates; WhatsApp allows an account 6,000
	maxPage   = 8 << 20 // bytes of one page
	maxCursor = 4 << 10 // bytes of a cursor
)

// fields are what is asked of each template.
const fields = "id,name,language,category,status,rejected_reason,quality_score,components"

// List implements channel.Templates. The list goes on while a page names a next
// one, whose address is never followed: only its cursor is used. A template may come
// twice, when others are added or removed meanwhile.
func (p Provider) List(ctx context.Context, a channel.Account, each func([]channel.Listed) error) error {
	if a.Channel.AccountID == "" || a.Credentials.AccessToken == "" {
		return httpsend.Unconfigured()
	}
	cursor, whole := "", true
	for range maxPages {
		got, err := p.page(ctx, a, cursor)
		if err != nil {
			return httpsend.Harmless(err)
		}
		if err := each(got.list); err != nil {
			return err
		}
		whole = whole && got.whole
		switch {
		case got.next == "" && !whole:
			return cloudapi.Unreadable()
		case got.next == "":
			return nil
		case got.next == cursor:
			return httpsend.Harmless(httpsend.Unknown("same_page_again"))
		}
		cursor = got.next
	}
	return &channel.Error{Verdict: channel.Refused, Code: "too_many_templates", Reason: "too_many_templates"}
}

// page is one page of a list.
type page struct {
	list  []channel.Listed
	whole bool   // nothing had to be left out of list
	next  string // the cursor of the next page; empty: there is none
}

// page reads one page of the list, bounded by ctx and 20 s.
func (p Provider) page(ctx context.Context, a channel.Account, cursor string) (page, *channel.Error) {
	ctx, cancel := context.WithTimeout(ctx, httpsend.Timeout)
	defer cancel()
	query := url.Values{"limit": {strconv.Itoa(pageSize)}, "fields": {fields}}
	if cursor != "" {
		query.Set("after", cursor)
	}
	got, bad := p.call(ctx, a, request{method: http.MethodGet, path: at(a.Channel.AccountID, "message_templates") + "?" + query.Encode(), most: maxPage})
	if bad != nil {
		return page{}, bad
	}
	doc, _ := strictjson.Parse(got.Body)
	if !got.OK() || doc.Get("error").Given() {
		return page{}, p.refusal(got, a)
	}
	read, ok := readPage(doc)
	if !ok || got.Cut {
		return page{}, httpsend.Unknown(strconv.Itoa(got.Status))
	}
	return read, nil
}

// readPage reads a page. Templates that cannot be identified, or whose state is
// missing, are left out. A next page without a cursor that leads there breaks it.
func readPage(doc strictjson.Value) (read page, ok bool) {
	data, paging := doc.Get("data"), doc.Get("paging")
	if data.Kind() != strictjson.Array || paging.Kind() == strictjson.Ambiguous || paging.Given() && paging.Kind() != strictjson.Object {
		return page{}, false
	}
	read.list = make([]channel.Listed, 0, data.Len())
	for v := range data.Elems() {
		if l := listed(v); l.ProviderID != "" && l.Name != "" && l.Language != "" && l.State != "" {
			read.list = append(read.list, l)
		}
	}
	read.whole = len(read.list) == data.Len()
	more := paging.Get("next")
	if more.Kind() == strictjson.Missing || more.Kind() == strictjson.Null {
		return read, true
	}
	if address, isText := more.Text(); !isText || address == "" {
		return page{}, false
	}
	read.next, _ = paging.Path("cursors", "after").Text()
	return read, read.next != "" && len(read.next) <= maxCursor
}
