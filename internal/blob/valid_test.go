package blob_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"buzon/internal/blob"
	"buzon/internal/fault"
)

func TestValidType(t *testing.T) {
	long := "text/plain; name=" + strings.Repeat("x", blob.MaxType-len("text/plain; name="))
	for _, c := range []struct {
		contentType string
		ok          bool
	}{
		{"text/plain", true}, {"text/plain; charset=utf-8", true}, {blob.DefaultType, true},
		{long, true}, {long + "x", false},
		{"", false}, {"x y", false}, {"/", false}, {"text/é", false}, {"text/plain\r\nX: y", false},
		{"text/plain; name=\"a\tb\"", false},
	} {
		if err := blob.ValidType(c.contentType); (err == nil) != c.ok || err != nil && !errors.Is(err, fault.Invalid) {
			t.Errorf("%q: %v", c.contentType, err)
		}
	}
}

func TestDownloadValid(t *testing.T) {
	for _, c := range []struct {
		d  blob.Download
		ok bool
	}{
		{blob.Download{Expires: 1}, true},
		{blob.Download{Expires: blob.MaxLink}, true},
		{blob.Download{Expires: blob.MaxLink + 1}, false},
		{blob.Download{Expires: 0}, false},
		{blob.Download{Expires: -time.Second}, false},
		{blob.Download{Expires: 1, ContentType: "text/plain"}, true},
		{blob.Download{Expires: 1, ContentType: "text"}, true},
		{blob.Download{Expires: 1, ContentType: "x y"}, false},
	} {
		if err := c.d.Valid(); (err == nil) != c.ok || err != nil && !errors.Is(err, fault.Invalid) {
			t.Errorf("%+v: %v", c.d, err)
		}
	}
}

func TestUploadValid(t *testing.T) {
	for _, c := range []struct {
		say string
		u   blob.Upload
		ok  bool
	}{
		{"as short and small as may be", blob.Upload{ContentType: "a/b", MaxBytes: 1, Expires: 1}, true},
		{"as long and large as may be", blob.Upload{ContentType: "a/b", MinBytes: blob.MaxUpload, MaxBytes: blob.MaxUpload, Expires: blob.MaxForm}, true},
		{"longer", blob.Upload{ContentType: "a/b", MaxBytes: 1, Expires: blob.MaxForm + 1}, false},
		{"no time at all", blob.Upload{ContentType: "a/b", MaxBytes: 1}, false},
		{"larger", blob.Upload{ContentType: "a/b", MaxBytes: blob.MaxUpload + 1, Expires: 1}, false},
		{"nothing", blob.Upload{ContentType: "a/b", Expires: 1}, false},
		{"less than nothing", blob.Upload{ContentType: "a/b", MinBytes: -1, MaxBytes: 1, Expires: 1}, false},
		{"no size between the edges", blob.Upload{ContentType: "a/b", MinBytes: 3, MaxBytes: 2, Expires: 1}, false},
		{"one size", blob.Upload{ContentType: "a/b", MinBytes: 3, MaxBytes: 3, Expires: 1}, true},
		{"no type", blob.Upload{MaxBytes: 1, Expires: 1}, false},
		{"a type that is none", blob.Upload{ContentType: "a b", MaxBytes: 1, Expires: 1}, false},
		{"a type that a policy would read otherwise", blob.Upload{ContentType: "a/$b", MaxBytes: 1, Expires: 1}, false},
	} {
		if err := c.u.Valid(); (err == nil) != c.ok || err != nil && !errors.Is(err, fault.Invalid) {
			t.Errorf("%s: %v", c.say, err)
		}
	}
}
