// Package blobtest holds what tests of file stores share: the contract as a
// suite, and a hostile wrapper.
package blobtest

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"buzon/internal/blob"
	"buzon/internal/fault"
)

// Subject is a store under test.
type Subject struct {
	blob.Store
	// Client fetches links and posts forms; nil: http.DefaultClient.
	Client *http.Client
	// Advance lets time pass for links and forms: it moves their clock, or, with Waits,
	// waits a little longer than asked for.
	Advance func(time.Duration)
	// Waits tells that Advance takes real time, so that the suite asks for little.
	Waits bool
	// Cannot tells which cases the store cannot meet, and why, by their names. It
	// is for engines that stand for S3 in tests, and for nothing that S3 does.
	Cannot map[string]string
}

// Suite is what every file store of this system must do. Open gives a store
// without objects each time; all of them have the same exceptions.
func Suite(t *testing.T, open func(t *testing.T) Subject) {
	suite(t, slices.Concat(cases, formCases), open)
}

// Forms is the part of Suite that is about forms.
func Forms(t *testing.T, open func(t *testing.T) Subject) { suite(t, formCases, open) }

func suite(t *testing.T, cases []suiteCase, open func(t *testing.T) Subject) {
	cannot := open(t).Cannot
	excepted := 0
	for _, c := range cases {
		if reason, ok := cannot[c.name]; ok {
			excepted++
			t.Logf("exception %d: %s: %s", excepted, c.name, reason)
			continue
		}
		t.Run(c.name, func(t *testing.T) { c.run(&check{t, open(t)}) })
	}
	if excepted != len(cannot) {
		t.Errorf("%d exceptions name no case of the suite", len(cannot)-excepted)
	}
}

type suiteCase struct {
	name string
	run  func(*check)
}

var cases = []suiteCase{
	{"what is put is got, with its size, hash and type", func(c *check) {
		for key, body := range map[string]string{
			"a":                              "hello",
			"t/demo/a/0!_.*'()-Zz":           "\x00\xff\r\n",
			"empty":                          "",
			strings.Repeat("k/", 511) + "kk": strings.Repeat("0123456789abcdef", 1<<16),
		} {
			c.put(key, body)
			c.holds(key, body)
		}
	}},
	{"a key of 1,024 bytes may be one part", func(c *check) {
		key := strings.Repeat("k", blob.MaxKey)
		c.put(key, "x")
		c.holds(key, "x")
	}},
	{"what was read of a body before is not put", func(c *check) {
		body := strings.NewReader("head and rest")
		_, err := body.Seek(5, io.SeekStart)
		c.must(err)
		c.must(c.Put(c.Context(), "a", "text/plain", body))
		c.holds("a", "and rest")
	}},
	{"an empty type is octets", func(c *check) {
		c.must(c.Put(c.Context(), "a", "", strings.NewReader("x")))
		r, info, err := c.Get(c.Context(), "a")
		c.must(err)
		c.must(r.Close())
		if info.ContentType != "application/octet-stream" {
			c.Errorf("type %q", info.ContentType)
		}
	}},
	{"R9: a key is written once", func(c *check) {
		c.put("a", "first")
		c.refused(c.Put(c.Context(), "a", "text/plain", strings.NewReader("second")), fault.Conflict)
		c.holds("a", "first")
	}},
	{"R9: of many who write a key at once, one does", func(c *check) {
		var wg sync.WaitGroup
		results := make([]error, 8)
		for i := range results {
			wg.Go(func() {
				results[i] = c.Put(c.Context(), "a", "text/plain", strings.NewReader(strings.Repeat(fmt.Sprint(i), 10000)))
			})
		}
		wg.Wait()
		winner := -1
		for i, err := range results {
			switch {
			case err == nil && winner < 0:
				winner = i
			case err == nil:
				c.Errorf("%d and %d both wrote", winner, i)
			case !errors.Is(err, fault.Conflict):
				c.Errorf("%d: %v, want a conflict", i, err)
			}
		}
		if winner < 0 {
			c.Fatal("nobody wrote")
		}
		c.holds("a", strings.Repeat(fmt.Sprint(winner), 10000))
	}},
	{"a body that breaks off leaves nothing", func(c *check) {
		if err := c.Put(c.Context(), "a", "text/plain", &broken{strings.NewReader("half")}); err == nil {
			c.Error("no error")
		}
		c.missing("a")
		c.put("a", "whole")
		c.holds("a", "whole")
	}},
	{"what is not there is not found", func(c *check) { c.missing("a") }},
	{"keys are whole: a part or a longer one is another", func(c *check) {
		c.put("a/b", "x")
		c.missing("a")
		c.missing("a/b/c")
		c.missing("A/b")
	}},
	{"objects whose keys are part of one another stand side by side", func(c *check) {
		c.put("a/b", "x")
		c.put("a", "y")
		c.put("a/b/c", "z")
		c.holds("a", "y")
		c.holds("a/b", "x")
		c.holds("a/b/c", "z")
	}},
	{"what is deleted is gone, and can be deleted again and put again", func(c *check) {
		c.put("a", "x")
		c.must(c.Delete(c.Context(), "a"))
		c.missing("a")
		c.must(c.Delete(c.Context(), "a"))
		c.put("a", "y")
		c.holds("a", "y")
	}},
	{"T25: keys that could lead elsewhere are refused", func(c *check) {
		for _, key := range []string{
			"", "/a", "a/", "a//b", ".", "..", "../a", "a/../b", "a/./b", "a b", "a\\b", "a\x00", "a%2e", "ä", "a?b", "a#b", "a:b",
			strings.Repeat("k", 1025),
		} {
			c.refused(c.Put(c.Context(), key, "text/plain", strings.NewReader("x")), fault.Invalid)
			_, _, err := c.Get(c.Context(), key)
			c.refused(err, fault.Invalid)
			c.refused(c.Delete(c.Context(), key), fault.Invalid)
			_, err = c.Link(c.Context(), key, blob.Download{FileName: "x", Expires: time.Minute})
			c.refused(err, fault.Invalid)
			_, err = c.Form(c.Context(), key, image)
			c.refused(err, fault.Invalid)
		}
	}},
	{"a type that is none is refused", func(c *check) {
		for _, contentType := range []string{"x y", "text/plain\r\nX: y", "text/é", "/"} {
			c.refused(c.Put(c.Context(), "a", contentType, strings.NewReader("x")), fault.Invalid)
			_, err := c.Link(c.Context(), "a", blob.Download{FileName: "x", ContentType: contentType, Expires: time.Minute})
			c.refused(err, fault.Invalid)
			_, err = c.Form(c.Context(), "a", blob.Upload{ContentType: contentType, MaxBytes: 1, Expires: time.Minute})
			c.refused(err, fault.Invalid)
		}
	}},
	{"T22: a link downloads as an attachment, under the name and type it says", func(c *check) {
		c.put("t/demo/a/it's(1)", "hello")
		status, h, body := c.fetch(c.link("t/demo/a/it's(1)", blob.Download{FileName: "Número 1.pdf", ContentType: "application/pdf", Expires: time.Minute}))
		if status != 200 || body != "hello" || h.Get("Content-Type") != "application/pdf" {
			c.Errorf("%d %q %v", status, body, h)
		}
		disposition, params, err := mime.ParseMediaType(h.Get("Content-Disposition"))
		if disposition != "attachment" || params["filename"] != "Número 1.pdf" || err != nil {
			c.Errorf("disposition %q: %v", h.Get("Content-Disposition"), err)
		}
	}},
	{"T30: a link lives for MaxLink at most", func(c *check) {
		c.put("a", "x")
		c.link("a", blob.Download{FileName: "x", Expires: blob.MaxLink})
		for _, d := range []time.Duration{blob.MaxLink + 1, 0, -time.Second} {
			_, err := c.Link(c.Context(), "a", blob.Download{FileName: "x", Expires: d})
			c.refused(err, fault.Invalid)
		}
	}},
	{"T30: an expired link is refused", func(c *check) {
		c.put("a", "x")
		life, last := time.Minute, time.Second
		if c.Waits { // its clock has whole seconds, and goes on meanwhile
			life, last = 5*time.Second, 3*time.Second
		}
		link := c.link("a", blob.Download{FileName: "x", Expires: life})
		c.Advance(life - last)
		if status, _, _ := c.fetch(link); status != 200 {
			c.Errorf("%s before: %d", last, status)
		}
		c.Advance(last)
		if status, _, body := c.fetch(link); status != 403 || strings.Contains(body, "x\n") {
			c.Errorf("after: %d %q", status, body)
		}
	}},
	{"a link that was changed is refused", func(c *check) {
		c.put("a", "mine")
		c.put("b", "other")
		link := c.link("a", blob.Download{FileName: "x.pdf", ContentType: "application/pdf", Expires: time.Minute})
		u, err := url.Parse(link)
		c.must(err)
		u.Path = u.Path[:len(u.Path)-1] + "b"
		changed := []string{u.String(), strings.Replace(link, "pdf", "htm", 1)}
		u, err = url.Parse(link)
		c.must(err)
		for name := range u.Query() {
			q := u.Query()
			q.Set(name, q.Get(name)+"1")
			changed = append(changed, (&url.URL{Scheme: u.Scheme, Host: u.Host, Path: u.Path, RawQuery: q.Encode()}).String())
			q.Del(name)
			changed = append(changed, (&url.URL{Scheme: u.Scheme, Host: u.Host, Path: u.Path, RawQuery: q.Encode()}).String())
		}
		for _, link := range changed {
			if status, _, body := c.fetch(link); status < 400 || status > 403 || strings.Contains(body, "mine") || strings.Contains(body, "other") {
				c.Errorf("%s: %d %q", link, status, body)
			}
		}
	}},
	{"a link to what is gone downloads nothing", func(c *check) {
		c.put("a", "x")
		link := c.link("a", blob.Download{FileName: "x", Expires: time.Minute})
		c.must(c.Delete(c.Context(), "a"))
		if status, _, _ := c.fetch(link); status != 404 {
			c.Errorf("status %d", status)
		}
	}},
	{"a link gives a range", func(c *check) {
		c.put("a", "0123456789")
		req, err := http.NewRequestWithContext(c.Context(), http.MethodGet, c.link("a", blob.Download{FileName: "x", Expires: time.Minute}), nil)
		c.must(err)
		req.Header.Set("Range", "bytes=2-4")
		if status, _, body := c.do(req); status != 206 || body != "234" {
			c.Errorf("%d %q", status, body)
		}
	}},
	{"a call that was given up does nothing", func(c *check) {
		ctx, cancel := context.WithCancel(c.Context())
		cancel()
		if err := c.Put(ctx, "a", "text/plain", strings.NewReader("x")); err == nil {
			c.Error("put: no error")
		}
		c.missing("a")
	}},
}

// broken is a body whose reading fails at its end.
type broken struct{ *strings.Reader }

func (b *broken) Read(p []byte) (int, error) {
	n, err := b.Reader.Read(p)
	if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	return n, err
}

func (b *broken) WriteTo(w io.Writer) (int64, error) {
	n, err := b.Reader.WriteTo(w)
	return n, errors.Join(err, io.ErrUnexpectedEOF)
}

// check is one case under way.
type check struct {
	*testing.T
	Subject
}

func (c *check) must(err error) {
	c.Helper()
	if err != nil {
		c.Fatal(err)
	}
}

func (c *check) refused(err error, kind fault.Kind) {
	c.Helper()
	if !errors.Is(err, kind) {
		c.Errorf("got %v, want %v", err, kind)
	}
}

func (c *check) put(key, body string) {
	c.Helper()
	c.must(c.Put(c.Context(), key, "text/plain; charset=utf-8", strings.NewReader(body)))
}

func (c *check) holds(key, want string) {
	c.Helper()
	r, info, err := c.Get(c.Context(), key)
	c.must(err)
	body, err := io.ReadAll(r)
	c.must(errors.Join(err, r.Close()))
	if !bytes.Equal(body, []byte(want)) {
		c.Errorf("got %d bytes, want %d", len(body), len(want))
	}
	if info.Size != int64(len(want)) || info.SHA256 != sha256.Sum256([]byte(want)) || !strings.HasPrefix(info.ContentType, "text/plain") {
		c.Errorf("info %+v", info)
	}
}

func (c *check) missing(key string) {
	c.Helper()
	_, _, err := c.Get(c.Context(), key)
	c.refused(err, fault.NotFound)
}

func (c *check) link(key string, d blob.Download) string {
	c.Helper()
	link, err := c.Link(c.Context(), key, d)
	c.must(err)
	return link
}

func (c *check) fetch(link string) (int, http.Header, string) {
	c.Helper()
	req, err := http.NewRequestWithContext(c.Context(), http.MethodGet, link, nil)
	c.must(err)
	return c.do(req)
}

func (c *check) do(req *http.Request) (int, http.Header, string) {
	c.Helper()
	status, header, body, err := c.try(req)
	c.must(err)
	return status, header, body
}

func (c *check) try(req *http.Request) (status int, header http.Header, body string, err error) {
	client := c.Client
	if client == nil {
		client = http.DefaultClient
	}
	res, err := client.Do(req)
	if err != nil {
		return 0, nil, "", err
	}
	text, err := io.ReadAll(res.Body)
	return res.StatusCode, res.Header, string(text), errors.Join(err, res.Body.Close())
}
