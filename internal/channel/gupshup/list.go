package gupshup

import (
	"context"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"buzon/internal/channel"
	"buzon/internal/channel/cloudapi"
	"buzon/internal/channel/httpsend"
	"buzon/internal/channel/strictjson"
	"buzon/internal/desk"
)

// Limits of a list of templates.
const (
	pageSize = 100     // templates asked for at a time: the most that Gupshup gives
	maxPages = 100     // full pages: 10,000 templates; WhatsApp allows an account 6,000
	maxPage  = 8 << 20 // bytes of one page
)

// List implements channel.Templates. The list ends with a page of less than 100
// templates, or an empty one. A template may come twice, when others are added or
// removed meanwhile.
func (p Provider) List(ctx context.Context, a channel.Account, each func([]channel.Listed) error) error {
	for n, whole := 0, true; ; n++ {
		page, size, err := p.page(ctx, a, n, pageSize)
		if err != nil {
			return err
		}
		if n == maxPages && size > 0 {
			return &channel.Error{Verdict: channel.Refused, Code: "too_many_templates", Reason: "too_many_templates"}
		}
		if len(page) > 0 {
			if err := each(page); err != nil {
				return err
			}
		}
		whole = whole && len(page) == size
		switch {
		case size >= pageSize:
		case !whole:
			return cloudapi.Unreadable()
		default:
			return nil
		}
	}
}

// Check implements channel.Provider with the smallest page of the list.
func (p Provider) Check(ctx context.Context, a channel.Account) error {
	_, _, err := p.page(ctx, a, 0, 1)
	switch {
	case err == nil:
		return nil
	case err.Verdict == channel.ChannelDown && err.Cause != desk.WaitCredential:
		// An empty wallet or a suspension says nothing of the credentials.
		return &channel.Error{Verdict: channel.Later, Code: err.Code, Reason: err.Reason, Cause: err.Cause}
	}
	return err
}

// page is what can be read of one page of the list, bounded by ctx and 20 s, and how
// many templates the page has.
func (p Provider) page(ctx context.Context, a channel.Account, n, most int) (list []channel.Listed, size int, bad *channel.Error) {
	if a.Channel.AppID == "" || a.Credentials.APIKey == "" {
		return nil, 0, httpsend.Unconfigured()
	}
	ctx, cancel := context.WithTimeout(ctx, httpsend.Timeout)
	defer cancel()
	path := templatesPath(a) + "?pageNo=" + strconv.Itoa(n) + "&pageSize=" + strconv.Itoa(most)
	got, bad := p.call(ctx, a, http.MethodGet, path, "", nil, maxPage)
	if bad != nil {
		return nil, 0, httpsend.Harmless(bad)
	}
	list, size, bad = p.listed(got, a)
	return list, size, httpsend.Harmless(bad)
}

// templatesPath is where an account's templates are requested and listed.
func templatesPath(a channel.Account) string {
	return "/wa/app/" + url.PathEscape(a.Channel.AppID) + "/template"
}

// listed reads a page, of size templates. Those that cannot be identified, or whose
// state is missing, are not in list.
func (p Provider) listed(got httpsend.Answer, a channel.Account) (list []channel.Listed, size int, bad *channel.Error) {
	doc, _ := strictjson.Parse(got.Body)
	status, _ := doc.Get("status").Text()
	if !got.OK() || status == "error" {
		return nil, 0, p.refusal(got, a, "")
	}
	templates := doc.Get("templates")
	if got.Cut || status != "success" || templates.Kind() != strictjson.Array {
		return nil, 0, httpsend.Unknown(strconv.Itoa(got.Status))
	}
	list = make([]channel.Listed, 0, templates.Len())
	for v := range templates.Elems() {
		if t := listedTemplate(v); t.ProviderID != "" && t.State != "" {
			list = append(list, t)
		}
	}
	return list, templates.Len(), nil
}

// listedTemplate reads a template as Gupshup describes it, in lists and in the
// answer to a request. What is missing or odd stays empty.
func listedTemplate(v strictjson.Value) channel.Listed {
	text := func(key string) string {
		s, _ := v.Get(key).Text()
		return strings.TrimSpace(s)
	}
	t := channel.Listed{
		ProviderID: text("id"),
		Name:       cloudapi.CutRunes(text("elementName"), cloudapi.MaxID),
		Language:   cloudapi.CutRunes(text("languageCode"), cloudapi.MaxCode),
		Category:   cloudapi.Category(text("category")),
		State:      word(text("status")),
		Reason:     cloudapi.Clean(text("reason")),
		Quality:    word(text("quality")),
		Type:       word(text("templateType")),
	}
	if len(t.ProviderID) > cloudapi.MaxID {
		t.ProviderID = ""
	}
	if strings.EqualFold(t.Reason, "none") {
		t.Reason = ""
	}
	meta := inside(v.Get("containerMeta"))
	if next, _ := meta.Get("correctCategory").Text(); cloudapi.Category(next) != t.Category {
		t.NextCategory = cloudapi.Category(next)
	}
	body, _ := meta.Get("data").Text()
	if body == "" {
		body = withoutButtons(text("data"))
	}
	t.Body = cloudapi.CutRunes(body, cloudapi.MaxBody)
	return t
}

// word is a state or quality of Gupshup's.
func word(s string) string { return cloudapi.CutRunes(strings.ToLower(s), cloudapi.MaxCode) }

// inside is the JSON that containerMeta holds in a string; an object will do.
func inside(meta strictjson.Value) strictjson.Value {
	if text, ok := meta.Text(); ok {
		meta, _ = strictjson.Parse([]byte(text))
	}
	return meta
}

// withoutButtons is what data says before the buttons, which stand behind the text as
// " | [Sí] | [Ver,https://…]". A header and a footer are lines of data as the body is:
// a template that has one reads as another than ours, which have none. containerMeta's
// data is the body alone (partner-docs.gupshup.io, "Create Template").
func withoutButtons(data string) string {
	if text, _, ok := strings.Cut(data, " | ["); ok && strings.HasSuffix(data, "]") {
		return text
	}
	return data
}
