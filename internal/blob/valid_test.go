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
