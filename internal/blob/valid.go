package blob

import (
	"fmt"
	"mime"

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
