package meta

import (
	"context"
	"net/http"
	"net/url"
	"strconv"

	"buzon/internal/channel"
	"buzon/internal/channel/httpsend"
	"buzon/internal/channel/strictjson"
)

// Limits of a list of templates.
const (
	pageSize  = 100     // templates asked for at a time
	maxPages  = 100     // 10,000 templates; WhatsApp allows an account 6,000
	maxPage   = 2 << 20 // bytes of one page
	maxCursor = 4 << 10 // bytes of a cursor
)

// fields are what is asked of each template.
const fields = "id,name,language,category,status,rejected_reason,quality_score"

// List implements channel.Templates. The list goes on while a page names a next
// one, whose address is never followed: only its cursor is used. A template may come
// twice, when others are added or removed meanwhile.
func (p Provider) List(ctx context.Context, a channel.Account, each func([]channel.Listed) error) error {
	if a.Channel.AccountID == "" || a.Credentials.AccessToken == "" {
		return httpsend.Unconfigured()
	}
	cursor := ""
	for range maxPages {
		page, next, err := p.page(ctx, a, cursor)
		if err != nil {
			return httpsend.Harmless(err)
		}
		if err := each(page); err != nil {
			return err
		}
		switch next {
		case "":
			return nil
		case cursor:
			return httpsend.Harmless(httpsend.Unknown("same_page_again"))
		}
		cursor = next
	}
	return &channel.Error{Verdict: channel.Refused, Code: "too_many_templates", Reason: "too_many_templates"}
}

// page is one page of the list, bounded by ctx and 20 s, and the cursor of the next;
// empty: there is none.
func (p Provider) page(ctx context.Context, a channel.Account, cursor string) (list []channel.Listed, next string, bad *channel.Error) {
	ctx, cancel := context.WithTimeout(ctx, httpsend.Timeout)
	defer cancel()
	query := url.Values{"limit": {strconv.Itoa(pageSize)}, "fields": {fields}}
	if cursor != "" {
		query.Set("after", cursor)
	}
	got, bad := p.call(ctx, a, request{method: http.MethodGet, path: at(a.Channel.AccountID, "message_templates") + "?" + query.Encode(), most: maxPage})
	if bad != nil {
		return nil, "", bad
	}
	doc, _ := strictjson.Parse(got.Body)
	if !got.OK() || doc.Get("error").Given() {
		return nil, "", p.refusal(got, a)
	}
	list, next, ok := readPage(doc)
	if !ok || got.Cut {
		return nil, "", httpsend.Unknown(strconv.Itoa(got.Status))
	}
	return list, next, nil
}

// readPage reads a page. One of its templates that cannot be identified, or whose
// state is missing, breaks it: a template must not seem to be gone because it was
// not understood. So does a next page without a cursor that leads there.
func readPage(doc strictjson.Value) (list []channel.Listed, next string, ok bool) {
	data, paging := doc.Get("data"), doc.Get("paging")
	if data.Kind() != strictjson.Array || paging.Kind() == strictjson.Ambiguous || paging.Given() && paging.Kind() != strictjson.Object {
		return nil, "", false
	}
	list = make([]channel.Listed, 0, data.Len())
	for v := range data.Elems() {
		l := listed(v)
		if l.ProviderID == "" || l.Name == "" || l.Language == "" || l.State == "" {
			return nil, "", false
		}
		list = append(list, l)
	}
	more := paging.Get("next")
	if more.Kind() == strictjson.Missing || more.Kind() == strictjson.Null {
		return list, "", true
	}
	if address, isText := more.Text(); !isText || address == "" {
		return nil, "", false
	}
	next, _ = paging.Path("cursors", "after").Text()
	return list, next, next != "" && len(next) <= maxCursor
}
