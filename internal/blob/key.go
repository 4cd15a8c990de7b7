package blob

import (
	"fmt"
	"strings"

	"buzon/internal/fault"
)

// MaxKey is the longest key in bytes.
const MaxKey = 1024

// ValidKey tells with a fault.Invalid why a store takes no such key: a length
// or characters other than those of a [Store], or a part between slashes that
// is empty, "." or "..", which proxies and browsers would resolve.
func ValidKey(key string) error {
	if len(key) == 0 || len(key) > MaxKey {
		return fmt.Errorf("object key of %d bytes, 1 to %d are taken: %w", len(key), MaxKey, fault.Invalid)
	}
	for i := range len(key) {
		if !keyByte(key[i]) {
			return fmt.Errorf("object key: byte %d is not allowed: %w", i, fault.Invalid)
		}
	}
	for part := range strings.SplitSeq(key, "/") {
		if part == "" || part == "." || part == ".." {
			return fmt.Errorf("object key: part %q: %w", part, fault.Invalid)
		}
	}
	return nil
}

func keyByte(c byte) bool {
	return '0' <= c && c <= '9' || 'A' <= c && c <= 'Z' || 'a' <= c && c <= 'z' || strings.IndexByte("!_.*'()/-", c) >= 0
}
