package api

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base32"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"hash/crc32"
	"io"
	"strings"

	"buzon/internal/desk"
	"buzon/internal/store"
)

// An integration token is "bzn_<company>_<id>_<secret>_<sum>" (T43): the
// company's short id and the token's, so that it is found with one read; 256
// random bits; and a CRC-32 of all before it, by which scanners of leaked
// secrets know one from a look-alike and a mistyped one is refused unread.
const (
	tokenPrefix = "bzn_"
	tokenIDLen  = 8  // 5 random bytes in base32
	secretLen   = 43 // 32 random bytes in base64url
	sumLen      = 8
)

var tokenIDs = base32.NewEncoding("0123456789abcdefghjkmnpqrstvwxyz").WithPadding(base32.NoPadding)

// NewToken makes a token for a company: the value, which is shown once, and what
// is stored of it. Description, specialist and times are the caller's to set.
func NewToken(tenant string, random io.Reader) (value string, t desk.Token, err error) {
	var bits [5 + 32]byte
	if _, err := io.ReadFull(random, bits[:]); err != nil {
		return "", desk.Token{}, fmt.Errorf("token: %w", err)
	}
	id := tokenIDs.EncodeToString(bits[:5])
	head := tokenPrefix + tenant + "_" + id + "_" + base64.RawURLEncoding.EncodeToString(bits[5:])
	value = head + "_" + checksum(head)
	return value, desk.Token{ID: id, Hash: tokenHash(value), LastFour: value[len(value)-4:]}, nil
}

// parseToken gives the company and id that a token names; false if it is not
// shaped like one or its sum is wrong. The secret may hold "_" itself, so the
// parts are told by their lengths.
func parseToken(value string) (tenant, id string, ok bool) {
	const tail = 1 + tokenIDLen + 1 + secretLen + 1 + sumLen
	at := len(value) - tail
	if !strings.HasPrefix(value, tokenPrefix) || at <= len(tokenPrefix) {
		return "", "", false
	}
	tenant = value[len(tokenPrefix):at]
	id = value[at+1 : at+1+tokenIDLen]
	head, sum := value[:len(value)-1-sumLen], value[len(value)-sumLen:]
	ok = value[at] == '_' && value[at+1+tokenIDLen] == '_' && value[len(head)] == '_' &&
		checksum(head) == sum && store.ValidTenant(tenant) && validID(id)
	return tenant, id, ok
}

func checksum(head string) string {
	return fmt.Sprintf("%08x", crc32.ChecksumIEEE([]byte(head)))
}

func tokenHash(value string) string {
	sum := sha256.Sum256([]byte(value))
	return hex.EncodeToString(sum[:])
}

// isValue tells whether value is the token t, in a time that says nothing.
func isValue(t desk.Token, value string) bool {
	return subtle.ConstantTimeCompare([]byte(t.Hash), []byte(tokenHash(value))) == 1
}
