package gupshup

import (
	"regexp"
	"strconv"
	"strings"

	"buzon/internal/channel"
	"buzon/internal/desk"
)

// rule is what a code means for a message and its channel.
type rule struct {
	verdict channel.Verdict
	reason  string
	cause   string
	pair    bool
}

func refused(reason string) rule { return rule{verdict: channel.Refused, reason: reason} }
func later(reason, cause string) rule {
	return rule{verdict: channel.Later, reason: reason, cause: cause}
}
func down(reason, cause string) rule {
	return rule{verdict: channel.ChannelDown, reason: reason, cause: cause}
}

// rules holds every code that we know: Gupshup's own (providers.md 1.11), Meta's,
// which it passes on (2.6), and the HTTP statuses that say enough by themselves.
// 131053, a file that Meta cannot take, counts as refused: the same file fails again.
var rules = map[string]rule{
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

	"2":      later("provider_error", desk.WaitUnavailable),
	"4":      later("rate_limited", desk.WaitRateLimited),
	"10":     down("permission_missing", desk.WaitCredential),
	"190":    down("token_expired", desk.WaitCredential),
	"368":    down("policy_block", desk.WaitCredential),
	"470":    refused("outside_window"),
	"80007":  later("rate_limited", desk.WaitRateLimited),
	"130429": later("rate_limited", desk.WaitRateLimited),
	"131000": later("provider_error", desk.WaitUnavailable),
	"131016": later("provider_error", desk.WaitUnavailable),
	"131021": refused("recipient_is_sender"),
	"131026": refused("undeliverable"),
	"131030": refused("recipient_not_allowed"),
	"131047": refused("outside_window"),
	"131048": later("spam_limited", desk.WaitRateLimited),
	"131049": refused("marketing_limit"),
	"131051": refused("unsupported_type"),
	"131053": refused("media_refused"),
	"131056": {verdict: channel.Later, reason: "pair_limited", cause: desk.WaitPair, pair: true},
	"132000": refused("template_parameters"),
	"132001": refused("template_missing"),
	"132005": refused("template_too_long"),
	"132007": refused("template_policy"),
	"132012": refused("template_parameters"),
	"132015": refused("template_paused"),
	"132016": refused("template_disabled"),
	"133010": down("number_unregistered", desk.WaitCredential),
	"133016": later("rate_limited", desk.WaitRateLimited),
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
	{"number does not exist", "1002"},
	{"outside the allowed window", "470"},
}

// lookup finds the rule of a code: as it stands in the table, or of its range.
func lookup(code string) (rule, bool) {
	if r, ok := rules[code]; ok {
		return r, true
	}
	n, err := strconv.Atoi(code)
	switch {
	case err != nil:
	case 200 <= n && n <= 299:
		return rules["10"], true
	case 501 <= n && n <= 599:
		return rules["500"], true
	case 132000 <= n && n <= 132999:
		return refused("template_refused"), true
	}
	return rule{}, false
}

// codeInWords finds a code that stands at the beginning of an explanation, "1003:
// …", or as Meta writes it, "(#131056) …".
var codeInWords = regexp.MustCompile(`^\s*\(?#?(\d{3,6})\)?(?:[\s:.,-]|$)`)

// find is the rule for an error with a code, with words, or with both.
func find(code, text string) (string, rule, bool) {
	if r, ok := lookup(code); ok {
		return code, r, true
	}
	if m := codeInWords.FindStringSubmatch(text); m != nil && code == "" {
		if r, ok := lookup(m[1]); ok {
			return m[1], r, true
		}
	}
	lower := strings.ToLower(text)
	for _, w := range words {
		if code == "" && strings.Contains(lower, w.text) {
			return w.code, rules[w.code], true
		}
	}
	return code, rule{}, false
}

// Failure is the reason of a message that failed after it was accepted: short
// snake-case English for a code that we know, else the provider's own words, at
// most 200 characters, long numbers taken out; never empty.
func Failure(code, reason string) string {
	if _, r, ok := find(strings.TrimSpace(code), reason); ok {
		return r.reason
	}
	if reason = clean(reason); reason != "" {
		return reason
	}
	return "unknown_failure"
}

// longNumber is what may be somebody's number.
var longNumber = regexp.MustCompile(`\+?\d[\d ().-]{5,}\d`)

// clean makes a provider's words fit to be kept and shown: one line, no phone
// numbers, none of the secrets, at most maxWords characters.
func clean(s string, secrets ...string) string {
	for _, secret := range secrets {
		if secret != "" {
			s = strings.ReplaceAll(s, secret, ellipsis)
		}
	}
	s = strings.ToValidUTF8(s, "")
	s = longNumber.ReplaceAllString(s, ellipsis)
	return strings.TrimSpace(cutRunes(strings.Join(strings.Fields(s), " "), maxWords))
}
