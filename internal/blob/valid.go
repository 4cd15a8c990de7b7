package blob

import (
	"fmt"
	"mime"
	"strings"

	"buzon/internal/fault"
)

// MaxType is the longest content type in bytes.
const MaxType = 255

// ValidType tells with a fault.Invalid why no store takes such a content type.
func ValidType(contentType string) error {
	if _, _, err := mime.ParseMediaType(contentType); err != nil || len(contentType) > MaxType {
		return fmt.Errorf("content type of %d bytes: %w", len(contentType), fault.Invalid)
	}
	for i := range len(contentType) {
		if contentType[i] < ' ' || contentType[i] > '~' {
			return fmt.Errorf("content type: byte %d is not printable ASCII: %w", i, fault.Invalid)
		}
	}
	return nil
}

// Valid tells with a fault.Invalid why no store signs such a link.
func (d Download) Valid() error {
	if d.Expires <= 0 || d.Expires > MaxLink {
		return fmt.Errorf("link for %s, at most %s are given: %w", d.Expires, MaxLink, fault.Invalid)
	}
	if d.ContentType == "" {
		return nil
	}
	return ValidType(d.ContentType)
}

// Valid tells with a fault.Invalid why no store signs such a form.
func (u Upload) Valid() error {
	if u.Expires <= 0 || u.Expires > MaxForm {
		return fmt.Errorf("form for %s, at most %s are given: %w", u.Expires, MaxForm, fault.Invalid)
	}
	if u.MinBytes < 0 || u.MaxBytes < max(1, u.MinBytes) || u.MaxBytes > MaxUpload {
		return fmt.Errorf("form for %d to %d bytes, at most %d are taken: %w", u.MinBytes, u.MaxBytes, MaxUpload, fault.Invalid)
	}
	if strings.Contains(u.ContentType, "$") {
		return fmt.Errorf("form with a $ in its content type: %w", fault.Invalid)
	}
	return ValidType(u.ContentType)
}
