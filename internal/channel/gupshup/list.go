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
	for n := 0; ; n++ {
		page, err := p.page(ctx, a, n, pageSize)
		switch {
		case err != nil:
			return err
		case len(page) == 0:
			return nil
		case n == maxPages:
			return &channel.Error{Verdict: channel.Refused, Code: "too_many_templates", Reason: "too_many_templates"}
		}
		if err := each(page); err != nil {
			return err
		}
		if len(page) < pageSize {
			return nil
		}
	}
}

// Check implements channel.Provider with the smallest page of the list.
func (p Provider) Check(ctx context.Context, a channel.Account) error {
	_, err := p.page(ctx, a, 0, 1)
	switch {
	case err == nil:
		return nil
	case err.Verdict == channel.ChannelDown && err.Cause != desk.WaitCredential:
		// An empty wallet or a suspension says nothing of the credentials.
		return &channel.Error{Verdict: channel.Later, Code: err.Code, Reason: err.Reason, Cause: err.Cause}
	}
	return err
}

// page is one page of the list, bounded by ctx and 20 s.
func (p Provider) page(ctx context.Context, a channel.Account, n, size int) ([]channel.Listed, *channel.Error) {
	if a.Channel.AppID == "" || a.Credentials.APIKey == "" {
		return nil, httpsend.Unconfigured()
	}
	ctx, cancel := context.WithTimeout(ctx, httpsend.Timeout)
	defer cancel()
	path := templatesPath(a) + "?pageNo=" + strconv.Itoa(n) + "&pageSize=" + strconv.Itoa(size)
	got, bad := p.call(ctx, a, http.MethodGet, path, "", nil, maxPage)
	if bad != nil {
		return nil, httpsend.Harmless(bad)
	}
	list, bad := p.listed(got, a)
	return list, httpsend.Harmless(bad)
}

// templatesPath is where an account's templates are requested and listed.
func templatesPath(a channel.Account) string {
	return "/wa/app/" + url.PathEscape(a.Channel.AppID) + "/template"
}

// listed reads a page. One of its templates that cannot be identified, or whose
// state is missing, breaks it: a template must not seem to be gone because it was
// not understood.
func (p Provider) listed(got httpsend.Answer, a channel.Account) ([]channel.Listed, *channel.Error) {
	doc, _ := strictjson.Parse(got.Body)
	status, _ := doc.Get("status").Text()
	if !got.OK() || status == "error" {
		return nil, p.refusal(got, a)
	}
	broken := httpsend.Unknown(strconv.Itoa(got.Status))
	templates := doc.Get("templates")
	if got.Cut || status != "success" || templates.Kind() != strictjson.Array {
		return nil, broken
	}
	list := make([]channel.Listed, 0, templates.Len())
	for v := range templates.Elems() {
		t := listedTemplate(v)
		if t.ProviderID == "" || t.State == "" {
			return nil, broken
		}
		list = append(list, t)
	}
	return list, nil
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
	}
	if len(t.ProviderID) > cloudapi.MaxID {
		t.ProviderID = ""
	}
	if strings.EqualFold(t.Reason, "none") {
		t.Reason = ""
	}
	if next := announced(v.Get("containerMeta")); next != t.Category {
		t.NextCategory = next
	}
	return t
}

// word is a state or quality of Gupshup's.
func word(s string) string { return cloudapi.CutRunes(strings.ToLower(s), cloudapi.MaxCode) }

// announced is the category that a template will have. containerMeta is JSON
// inside a string; an object will do.
func announced(meta strictjson.Value) string {
	if inside, ok := meta.Text(); ok {
		meta, _ = strictjson.Parse([]byte(inside))
	}
	next, _ := meta.Get("correctCategory").Text()
	return cloudapi.Category(next)
}
