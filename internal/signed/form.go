package signed

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strings"
	"time"
)

// The formats of times in signatures and in policies.
const (
	dayFormat    = "20060102"
	timeFormat   = "20060102T150405Z"
	expiryFormat = "2006-01-02T15:04:05.000Z"
)

// algorithm is the one of Signature Version 4.
const algorithm = "AWS4-HMAC-SHA256"

// Form signs the policy of a form by which anyone can post a file to S3 until
// then, to the millisecond, on these conditions (S3 developer guide, "POST
// Policy"). It gives the fields that prove it, named in lower case: the form has
// them besides those that the conditions allow, and no other. It makes no call.
func (s *Service) Form(ctx context.Context, until time.Time, conditions []any) (map[string]string, error) {
	credentials, err := s.Credentials.Retrieve(ctx)
	if err != nil {
		return nil, fmt.Errorf("credentials: %w", err)
	}
	now := s.Now().UTC()
	scope := []string{now.Format(dayFormat), s.Region, s.Name, "aws4_request"}
	fields := map[string]string{
		"x-amz-algorithm":  algorithm,
		"x-amz-credential": credentials.AccessKeyID + "/" + strings.Join(scope, "/"),
		"x-amz-date":       now.Format(timeFormat),
	}
	if credentials.SessionToken != "" {
		fields["x-amz-security-token"] = credentials.SessionToken
	}
	all := append([]any{}, conditions...)
	for _, name := range []string{"x-amz-algorithm", "x-amz-credential", "x-amz-date", "x-amz-security-token"} {
		if value, ok := fields[name]; ok {
			all = append(all, map[string]string{name: value})
		}
	}
	policy, err := json.Marshal(map[string]any{"expiration": until.UTC().Format(expiryFormat), "conditions": all})
	if err != nil {
		return nil, fmt.Errorf("policy: %w", err)
	}
	fields["policy"] = base64.StdEncoding.EncodeToString(policy)
	fields["x-amz-signature"] = policySignature(credentials.SecretAccessKey, scope, fields["policy"])
	return fields, nil
}

// policySignature signs a policy as it stands in the form, in base64.
func policySignature(secret string, scope []string, policy string) string {
	key := []byte("AWS4" + secret)
	for _, part := range append(scope[:len(scope):len(scope)], policy) {
		mac := hmac.New(sha256.New, key)
		mac.Write([]byte(part))
		key = mac.Sum(nil)
	}
	return hex.EncodeToString(key)
}
