package secret

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"buzon/internal/fault"
)

// Limits of SSM on names, which every implementation enforces with a fault.Invalid.
const (
	MaxName  = 1011 // bytes
	MaxParts = 15
)

// ValidName tells with a fault.Invalid why no store takes such a name.
func ValidName(name string) error {
	if len(name) > MaxName {
		return fmt.Errorf("secret name of %d bytes, at most %d are taken: %w", len(name), MaxName, fault.Invalid)
	}
	rest, ok := strings.CutPrefix(name, "/")
	if !ok {
		return fmt.Errorf("secret name does not begin with a slash: %w", fault.Invalid)
	}
	parts := strings.Split(rest, "/")
	if len(parts) > MaxParts {
		return fmt.Errorf("secret name of %d parts, at most %d are taken: %w", len(parts), MaxParts, fault.Invalid)
	}
	for i, part := range parts {
		if part == "" {
			return fmt.Errorf("secret name: part %d is empty: %w", i+1, fault.Invalid)
		}
		for j := range len(part) {
			if c := part[j]; !('0' <= c && c <= '9' || 'A' <= c && c <= 'Z' || 'a' <= c && c <= 'z' || strings.IndexByte("_.-", c) >= 0) {
				return fmt.Errorf("secret name: part %d holds a character that is not allowed: %w", i+1, fault.Invalid)
			}
		}
	}
	return nil
}

// ValidValue tells with a fault.Invalid why no store takes such a value: it is
// empty, longer than MaxValue, or not UTF-8. The error never holds the value.
func ValidValue(value string) error {
	if len(value) == 0 || len(value) > MaxValue {
		return fmt.Errorf("secret value of %d bytes, 1 to %d are taken: %w", len(value), MaxValue, fault.Invalid)
	}
	if !utf8.ValidString(value) {
		return fmt.Errorf("secret value is not UTF-8: %w", fault.Invalid)
	}
	return nil
}
