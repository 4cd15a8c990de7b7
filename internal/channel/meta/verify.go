package meta

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"net/url"
	"strings"

	"buzon/internal/channel"
)

// SignatureHeader carries the signature of a webhook body.
const SignatureHeader = "X-Hub-Signature-256"

const signaturePrefix = "sha256="

// Verify implements channel.Signed: exactly one header, "sha256=" and 64 lower-case hexadecimal digits of the
// HMAC-SHA-256. An empty secret signs nothing.
func (p Provider) Verify(c channel.Credentials, header http.Header, body []byte) bool {
	secret := c.AppSecret
	values := header.Values(SignatureHeader)
	if secret == "" || len(values) != 1 {
		return false
	}
	digits, ok := strings.CutPrefix(values[0], signaturePrefix)
	if !ok || strings.ToLower(digits) != digits {
		return false
	}
	given, err := hex.DecodeString(digits)
	if err != nil {
		return false
	}
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write(body)
	return hmac.Equal(given, mac.Sum(nil))
}

// maxChallenge is how many bytes of a challenge are given back.
const maxChallenge = 256

// Handshake implements channel.Signed: Meta tests a new webhook address; the
// challenge is to be the whole answer, as plain text. It is refused if the token is
// not the channel's, which must not be empty, or if anything stands twice or is not
// what it has to be.
func (p Provider) Handshake(c channel.Credentials, query url.Values) (challenge string, ok bool) {
	verifyToken := c.VerifyToken
	one := func(key string) string {
		if len(query[key]) != 1 {
			return ""
		}
		return query[key][0]
	}
	// Digests of equal length, so that the time tells nothing of the token's.
	given, want := sha256.Sum256([]byte(one("hub.verify_token"))), sha256.Sum256([]byte(verifyToken))
	challenge = one("hub.challenge")
	if !hmac.Equal(given[:], want[:]) || verifyToken == "" || one("hub.mode") != "subscribe" || !printable(challenge) {
		return "", false
	}
	return challenge, true
}

func printable(s string) bool {
	for i := range len(s) {
		if s[i] < ' ' || s[i] > '~' {
			return false
		}
	}
	return s != "" && len(s) <= maxChallenge
}
