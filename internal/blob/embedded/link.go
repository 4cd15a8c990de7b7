package embedded

import (
	"cmp"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"buzon/internal/blob"
	"buzon/internal/fault"
)

// prefix of the paths that Handler answers.
const prefix = "/files/"

// Link implements [blob.Store]. The address holds for the object of that key,
// stored or not yet; an empty content type means the stored one.
func (s *Store) Link(_ context.Context, key string, d blob.Download) (string, error) {
	if err := blob.ValidKey(key); err != nil {
		return "", err
	}
	if err := d.Valid(); err != nil {
		return "", fmt.Errorf("link to %s: %w", key, err)
	}
	expires := strconv.FormatInt(s.now().Add(d.Expires).UnixMilli(), 10)
	name := blob.SafeName(d.FileName)
	path := url.URL{Path: prefix + key}
	query := url.Values{
		"expires":   {expires},
		"name":      {name},
		"type":      {d.ContentType},
		"signature": {base64.RawURLEncoding.EncodeToString(s.sign(key, expires, name, d.ContentType))},
	}
	return s.base() + path.EscapedPath() + "?" + query.Encode(), nil
}

// sign covers everything that a link says; each part with its length, so that
// no two links have the same text.
func (s *Store) sign(parts ...string) []byte {
	mac := hmac.New(sha256.New, s.key)
	for _, p := range parts {
		// A hash never fails.
		_, _ = fmt.Fprintf(mac, "%d:%s", len(p), p)
	}
	return mac.Sum(nil)
}

// Handler answers the links, under /files/: GET and HEAD, with ranges, always
// as an attachment (T22). A wrong signature and an expired link get 403, both
// before anything is looked up; an object that is gone gets 404. What forms post
// to /files/ itself it answers as S3 does.
func (s *Store) Handler() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Cache-Control", "no-store")
		h.Set("Content-Security-Policy", "sandbox; default-src 'none'; frame-ancestors 'none'")
		h.Set("Referrer-Policy", "no-referrer")
		if r.Method == http.MethodPost && r.URL.Path == prefix {
			s.upload(w, r)
			return
		}
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			h.Set("Allow", "GET, HEAD")
			refuse(w, http.StatusMethodNotAllowed, "only GET and HEAD")
			return
		}
		key, ok := strings.CutPrefix(r.URL.Path, prefix)
		query := r.URL.Query()
		expires, name, contentType := query.Get("expires"), query.Get("name"), query.Get("type")
		// Compared as it is written: a decoder passes over line ends.
		signature := base64.RawURLEncoding.EncodeToString(s.sign(key, expires, name, contentType))
		if !ok || !hmac.Equal([]byte(query.Get("signature")), []byte(signature)) {
			refuse(w, http.StatusForbidden, "this link is not valid")
			return
		}
		millis, err := strconv.ParseInt(expires, 10, 64)
		if err != nil || !s.now().Before(time.UnixMilli(millis)) {
			refuse(w, http.StatusForbidden, "this link has expired")
			return
		}
		o, err := s.open(key)
		if errors.Is(err, fault.NotFound) {
			refuse(w, http.StatusNotFound, "this file is gone")
			return
		}
		if err != nil {
			refuse(w, http.StatusInternalServerError, "this file cannot be read")
			return
		}
		defer func() { _ = o.Close() }()
		h.Set("Content-Disposition", blob.Attachment(name))
		h.Set("Content-Type", cmp.Or(contentType, o.info.ContentType))
		h.Set("ETag", `"`+hex.EncodeToString(o.info.SHA256[:])+`"`)
		http.ServeContent(w, r, "", time.Time{}, o)
	})
}

func refuse(w http.ResponseWriter, status int, why string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.WriteHeader(status)
	// The reader may be gone.
	_, _ = io.WriteString(w, why+"\n")
}
