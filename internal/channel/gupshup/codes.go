package gupshup

import (
	"regexp"
	"strconv"
	"strings"

	"buzon/internal/channel"
	"buzon/internal/channel/cloudapi"
	"buzon/internal/desk"
)

func refused(reason string) cloudapi.Rule {
	return cloudapi.Rule{Verdict: channel.Refused, Reason: reason}
}

func later(reason, cause string) cloudapi.Rule {
	return cloudapi.Rule{Verdict: channel.Later, Reason: reason, Cause: cause}
}

func down(reason, cause string) cloudapi.Rule {
	return cloudapi.Rule{Verdict: channel.ChannelDown, Reason: reason, Cause: cause}
}

// rules holds Gupshup's own codes (providers.md 1.11) and the HTTP statuses that say
// enough by themselves. Meta's codes, which it passes on, are package cloudapi's.
var rules = map[string]cloudapi.Rule{
	"401": down("credential_refused", desk.WaitCredential),
	"402": down("wallet_empty", desk.WaitWallet),
	"403": down("credential_refused", desk.WaitCredential),
	"408": later("provider_timeout", desk.WaitUnavailable),
	"429": later("rate_limited", desk.WaitRateLimited),
	"500": later("provider_error", desk.WaitUnavailable),

	"1001": down("app_not_mapped", desk.WaitCredential),
	"1002": refused("not_on_whatsapp"),
	"1003": down("wallet_empty", desk.WaitWallet),
	"1004": refused("outside_window"),
	"1005": refused("template_mismatch"),
	"1006": refused("not_opted_in"),
	"1007": refused("template_mismatch"),
	"1008": refused("not_opted_in"),
	"1010": refused("media_unreachable"),
	"1011": refused("media_size"),
	"1012": refused("opted_out"),
	"4001": later("rate_limited", desk.WaitRateLimited),
	"4002": later("provider_error", desk.WaitUnavailable),
	"4003": refused("template_mismatch"),
	"4004": refused("cloud_api_only"),
	"4005": refused("template_paused"),
}

// words name a rule where an answer has no code: a piece of the text in lower case
// and the code whose rule holds. The first that fits counts.
var words = []struct{ text, code string }{
	{"too many requests", "429"},
	{"rate limit", "429"},
	{"authentication failed", "401"},
	{"unauthorized", "401"},
	{"unauthorised", "401"},
	{"invalid api key", "401"},
	{"user not found with apikey", "401"},
	{"bot not found", "1001"},
	{"invalid app details", "1001"},
	{"wallet", "1003"},
	{"insufficient balance", "1003"},
	{"low balance", "1003"},
	{"account restricted", "368"},
	{"account has been restricted", "368"},
	{"account violation", "368"},
	{"account disabled", "368"},
	{"account has been disabled", "368"},
	{"account locked", "131031"},
	{"account has been locked", "131031"},
	{"number does not exist", "1002"},
	{"outside the allowed window", "470"},
}

// lookup finds the rule of a code: Gupshup's own, an HTTP status, or Meta's. Nought
// is no code of Gupshup's, whatever Meta means by it.
func lookup(code string) (cloudapi.Rule, bool) {
	if r, ok := rules[code]; ok {
		return r, true
	}
	if n, err := strconv.Atoi(code); err == nil && 501 <= n && n <= 599 {
		return rules["500"], true
	}
	if code == "0" {
		return cloudapi.Rule{}, false
	}
	return cloudapi.Lookup(code)
}

// codeInWords finds a code that stands at the beginning of an explanation, "1003:
// …", or as Meta writes it, "(#131056) …".
var codeInWords = regexp.MustCompile(`^\s*\(?#?(\d{3,6})\)?(?:[\s:.,-]|$)`)

// find is the rule for an error with a code, with words, or with both. Words that
// stand in asked too, which is what the request said, prove nothing: they may be its
// own, repeated.
func find(code, text, asked string) (string, cloudapi.Rule, bool) {
	if r, ok := lookup(code); ok {
		return code, r, true
	}
	if code != "" {
		return code, cloudapi.Rule{}, false
	}
	if m := codeInWords.FindStringSubmatch(text); m != nil && !strings.Contains(asked, m[0]) {
		if r, ok := lookup(m[1]); ok {
			return m[1], r, true
		}
	}
	for _, w := range words {
		if says(text, w.text, asked) {
			r, ok := lookup(w.code)
			return w.code, r, ok
		}
	}
	return "", cloudapi.Rule{}, false
}

// says tells whether a piece, in lower case, stands in text and not in asked.
func says(text, piece, asked string) bool {
	return strings.Contains(folded(text), piece) && !strings.Contains(folded(asked), piece)
}

// folded is s in lower case, in one line.
func folded(s string) string { return strings.ToLower(strings.Join(strings.Fields(s), " ")) }

// Failure is the reason of a message that failed after it was accepted: short
// snake-case English for a code that we know, else the provider's own words, at
// most 200 characters, long numbers taken out; never empty.
func Failure(code, reason string) string {
	if _, r, ok := find(strings.TrimSpace(code), reason, ""); ok {
		return r.Reason
	}
	if reason = cloudapi.Clean(reason); reason != "" {
		return reason
	}
	return "unknown_failure"
}

// Cause is the Wait… word of a code that concerns the whole channel until somebody
// acts (its credential, wallet or suspension), for messages that fail after they
// were accepted; empty for every other code.
func Cause(code string) string {
	r, _ := lookup(strings.TrimSpace(code))
	return r.ChannelCause()
}
