package signed

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/google/go-cmp/cmp"
)

// example is the policy of AWS's worked example (S3 developer guide, "Example:
// Browser-Based Upload using HTTP POST"), whose lines end in CR LF.
const example = `{ "expiration": "2015-12-30T12:00:00.000Z",
  "conditions": [
    {"bucket": "sigv4examplebucket"},
    ["starts-with", "$key", "user/user1/"],
    {"acl": "public-read"},
    {"success_action_redirect": "http://sigv4examplebucket.s3.amazonaws.com/successful_upload.html"},
    ["starts-with", "$Content-Type", "image/"],
    {"x-amz-meta-uuid": "14365123651274"},
    {"x-amz-server-side-encryption": "AES256"},
    ["starts-with", "$x-amz-meta-tag", ""],

    {"x-amz-credential": "AKIAIOSFODNN7EXAMPLE/20151229/us-east-1/s3/aws4_request"},
    {"x-amz-algorithm": "AWS4-HMAC-SHA256"},
    {"x-amz-date": "20151229T000000Z" }
  ]
}`

// TestPolicySignatureIsThatOfTheDocumentedExample: the signature, and that of
// another policy, key and scope is another.
func TestPolicySignatureIsThatOfTheDocumentedExample(t *testing.T) {
	const secret, want = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", "8afdbf4008c03f22c2cd3cdb72e4afbb1f6a588f3255ac628749a66d7f09699e"
	policy := base64.StdEncoding.EncodeToString([]byte(strings.ReplaceAll(example, "\n", "\r\n")))
	scope := []string{"20151229", "us-east-1", "s3", "aws4_request"}
	if got := policySignature(secret, scope, policy); got != want {
		t.Errorf("got %s", got)
	}
	for _, got := range []string{
		policySignature(secret, scope, policy+"="), policySignature(secret+"x", scope, policy),
		policySignature(secret, []string{"20151230", "us-east-1", "s3", "aws4_request"}, policy),
	} {
		if got == want {
			t.Error("something else has the same signature")
		}
	}
}

func TestForm(t *testing.T) {
	for _, c := range []struct {
		say, token string
		proof      []any // the conditions after the caller's own
	}{
		{"keys of a user", "", []any{
			map[string]any{"x-amz-algorithm": "AWS4-HMAC-SHA256"},
			map[string]any{"x-amz-credential": "AKID/20260301/eu-west-1/s3/aws4_request"},
			map[string]any{"x-amz-date": "20260301T233000Z"},
		}},
		{"keys of a role", "TOKEN==", []any{
			map[string]any{"x-amz-algorithm": "AWS4-HMAC-SHA256"},
			map[string]any{"x-amz-credential": "AKID/20260301/eu-west-1/s3/aws4_request"},
			map[string]any{"x-amz-date": "20260301T233000Z"},
			map[string]any{"x-amz-security-token": "TOKEN=="},
		}},
	} {
		east := time.FixedZone("", 2*60*60)
		s := &Service{
			Name: "s3", Region: "eu-west-1", Now: func() time.Time { return time.Date(2026, 3, 2, 1, 30, 0, 0, east) },
			Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
				return aws.Credentials{AccessKeyID: "AKID", SecretAccessKey: "hunter2", SessionToken: c.token}, nil
			}),
		}
		own := []any{map[string]string{"key": "a"}, []any{"content-length-range", 1, 2}}
		fields, err := s.Form(t.Context(), time.Date(2026, 3, 2, 1, 45, 0, 987654321, east), own)
		if err != nil || len(own) != 2 {
			t.Fatal(c.say, err, own)
		}
		raw, err := base64.StdEncoding.DecodeString(fields["policy"])
		if err != nil {
			t.Fatal(err)
		}
		var got any
		if err := json.Unmarshal(raw, &got); err != nil {
			t.Fatal(err)
		}
		want := any(map[string]any{
			"expiration": "2026-03-01T23:45:00.987Z",
			"conditions": append([]any{map[string]any{"key": "a"}, []any{"content-length-range", 1.0, 2.0}}, c.proof...),
		})
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("%s: %s", c.say, d)
		}
		wantFields := map[string]string{
			"policy":          fields["policy"],
			"x-amz-signature": policySignature("hunter2", []string{"20260301", "eu-west-1", "s3", "aws4_request"}, fields["policy"]),
		}
		for _, condition := range c.proof {
			for name, value := range condition.(map[string]any) {
				wantFields[name] = value.(string)
			}
		}
		if d := cmp.Diff(wantFields, fields); d != "" {
			t.Errorf("%s: %s", c.say, d)
		}
	}
}

func TestFormWithoutCredentials(t *testing.T) {
	gone := errors.New("gone")
	s := &Service{Now: time.Now, Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) { return aws.Credentials{}, gone })}
	if _, err := s.Form(t.Context(), time.Now(), nil); !errors.Is(err, gone) {
		t.Errorf("%v", err)
	}
}
