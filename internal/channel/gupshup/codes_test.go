package gupshup_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"buzon/internal/channel"
	"buzon/internal/channel/gupshup"
	"buzon/internal/desk"
)

// TestCodes: each code that we know, as a send gets it and as a receipt tells it.
func TestCodes(t *testing.T) {
	R, L, D := channel.Refused, channel.Later, channel.ChannelDown
	tests := []struct {
		codes   string
		verdict channel.Verdict
		reason  string
		cause   string
		pair    bool
	}{
		{"401 403", D, "credential_refused", desk.WaitCredential, false},
		{"402 1003", D, "wallet_empty", desk.WaitWallet, false},
		{"408", L, "provider_timeout", desk.WaitUnavailable, false},
		{"429 4001 4 80007 130429 133016", L, "rate_limited", desk.WaitRateLimited, false},
		{"500 501 599 4002 2 131000 131016", L, "provider_error", desk.WaitUnavailable, false},
		{"1001", D, "app_not_mapped", desk.WaitCredential, false},
		{"1002", R, "not_on_whatsapp", "", false},
		{"1004 470 131047", R, "outside_window", "", false},
		{"1005 1007 4003", R, "template_mismatch", "", false},
		{"1006 1008", R, "not_opted_in", "", false},
		{"1010", R, "media_unreachable", "", false},
		{"1011", R, "media_size", "", false},
		{"1012", R, "opted_out", "", false},
		{"4004", R, "cloud_api_only", "", false},
		{"4005 132015", R, "template_paused", "", false},
		{"10 131005 200 299", D, "permission_missing", desk.WaitCredential, false},
		{"190", D, "token_expired", desk.WaitCredential, false},
		{"368", D, "policy_block", desk.WaitSuspended, false},
		{"131031", D, "account_locked", desk.WaitSuspended, false},
		{"131042", D, "payment_missing", desk.WaitWallet, false},
		{"131021", R, "recipient_is_sender", "", false},
		{"131026", R, "undeliverable", "", false},
		{"131030", R, "recipient_not_allowed", "", false},
		{"131048", L, "spam_limited", desk.WaitRateLimited, false},
		{"131049", R, "marketing_limit", "", false},
		{"131051", R, "unsupported_type", "", false},
		{"131053", R, "media_refused", "", false},
		{"131056", L, "pair_limited", desk.WaitPair, true},
		{"132000 132012", R, "template_parameters", "", false},
		{"132001", R, "template_missing", "", false},
		{"132005", R, "template_too_long", "", false},
		{"132007", R, "template_policy", "", false},
		{"132016", R, "template_disabled", "", false},
		{"132002 132999", R, "template_refused", "", false},
		{"133010", D, "number_unregistered", desk.WaitCredential, false},
		{"0 300 1009 131999 133000 1003x -1003", R, "its words", "", false},
	}
	for _, tc := range tests {
		for code := range strings.FieldsSeq(tc.codes) {
			p := sender(t, func(w http.ResponseWriter, _ *http.Request) {
				w.WriteHeader(http.StatusBadRequest)
				fmt.Fprintf(w, `{"status":"error","code":%q,"message":"its words"}`, code)
			})
			_, err := p.Send(t.Context(), account, person, hello, "ref")
			want := &channel.Error{Verdict: tc.verdict, Code: code, Reason: tc.reason, Cause: tc.cause, Pair: tc.pair}
			if diff := cmp.Diff(want, asError(t, err)); diff != "" {
				t.Errorf("%s: -want +got\n%s", code, diff)
			}
			if got := gupshup.Failure(code, "its words"); got != tc.reason {
				t.Errorf("Failure(%s) = %s, want %s", code, got, tc.reason)
			}
			cause := ""
			if tc.verdict == D {
				cause = tc.cause
			}
			if got := gupshup.Cause(" " + code); got != cause {
				t.Errorf("Cause(%s) = %q, want %q", code, got, cause)
			}
		}
	}
}

func TestFailure(t *testing.T) {
	tests := []struct{ why, code, words, want string }{
		{"a code beats its words", "1002", "Wallet", "not_on_whatsapp"},
		{"space around a code", " 1002 ", "", "not_on_whatsapp"},
		{"no code: known words", "", "Number Does Not Exists On WhatsApp", "not_on_whatsapp"},
		{"no code: one in the words", "", "(#131026) Message undeliverable", "undeliverable"},
		{"an unknown code: the words", "7", "  some\nwords ", "some words"},
		{"a number in them", "7", "user +49 170 0000001 is gone", "user … is gone"},
		{"neither", "", "", "unknown_failure"},
	}
	for _, tc := range tests {
		t.Run(tc.why, func(t *testing.T) {
			if got := gupshup.Failure(tc.code, tc.words); got != tc.want {
				t.Errorf("%q, want %q", got, tc.want)
			}
		})
	}
}

// TestWords: what an answer without a code says, in Gupshup's words.
func TestWords(t *testing.T) {
	tests := []struct{ words, reason string }{
		{"Too Many Requests", "rate_limited"},
		{"API rate limit reached", "rate_limited"},
		{"Authentication Failed", "credential_refused"},
		{"Unauthorized", "credential_refused"},
		{"Unauthorised access to the resource", "credential_refused"},
		{"Invalid API key", "credential_refused"},
		{"Portal User Not Found With APIKey", "credential_refused"},
		{"Mapped Bot Not Found", "app_not_mapped"},
		{"Request Bot Not Found", "app_not_mapped"},
		{"Invalid App Details", "app_not_mapped"},
		{"Wallet balance is low", "wallet_empty"},
		{"Insufficient balance", "wallet_empty"},
		{"Low balance", "wallet_empty"},
		{"Account Restricted", "policy_block"},
		{"Your business account has been restricted from messaging", "policy_block"},
		{"Account violation", "policy_block"},
		{"Account disabled", "policy_block"},
		{"The WhatsApp Business Account has been disabled", "policy_block"},
		{"Account locked", "account_locked"},
		{"Business Account has been locked", "account_locked"},
		{"Number Does Not Exists On WhatsApp", "not_on_whatsapp"},
		{"Message was sent outside the allowed window", "outside_window"},
		{"1003: x", "wallet_empty"},
		{"(#131047) Re-engagement message", "outside_window"},
		{"Invalid Destination", "Invalid Destination"},
	}
	for _, tc := range tests {
		t.Run(tc.words, func(t *testing.T) {
			if got := gupshup.Failure("", tc.words); got != tc.reason {
				t.Errorf("%q, want %q", got, tc.reason)
			}
		})
	}
}
