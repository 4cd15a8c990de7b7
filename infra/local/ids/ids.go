// Package ids makes ids as providers do, and secrets.
package ids

import (
	"crypto/rand"
	"encoding/base64"
	"fmt"
)

// UUID is a random UUID, version 4 (RFC 9562).
func UUID() string {
	var b [16]byte
	rand.Read(b[:])
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}

// WAMID is a fresh id as WhatsApp gives its messages.
func WAMID() string {
	var b [30]byte
	rand.Read(b[:])
	return "wamid." + base64.StdEncoding.EncodeToString(b[:])
}

// Secret is 256 bits of base64url: 43 characters.
func Secret() string {
	var b [32]byte
	rand.Read(b[:])
	return base64.RawURLEncoding.EncodeToString(b[:])
}
