package cloudapi

import (
	"regexp"
	"strconv"
	"strings"

	"buzon/internal/channel"
	"buzon/internal/desk"
)

// Rule is what an error code means for a message and its channel.
type Rule struct {
	Verdict channel.Verdict
	Reason  string // short snake-case English
	Cause   string // a desk.Wait… word of Later and ChannelDown
	Pair    bool   // Later concerns this person alone
}

func refused(reason string) Rule { return Rule{Verdict: channel.Refused, Reason: reason} }
func later(reason, cause string) Rule {
	return Rule{Verdict: channel.Later, Reason: reason, Cause: cause}
}
func down(reason, cause string) Rule {
	return Rule{Verdict: channel.ChannelDown, Reason: reason, Cause: cause}
}

// codes are Meta's (providers.md 2.6; developers.facebook.com, "Error codes").
// 131053, a file that Meta cannot take, counts as refused: the same file fails
// again. 131050 concerns marketing alone: the person still wants the rest, and what
// they want is kept, as of a preference that says so.
var codes = map[int]Rule{
	0:      down("token_refused", desk.WaitCredential),
	2:      later("provider_error", desk.WaitUnavailable),
	3:      down("permission_missing", desk.WaitCredential),
	4:      later("rate_limited", desk.WaitRateLimited),
	10:     down("permission_missing", desk.WaitCredential),
	190:    down("token_expired", desk.WaitCredential),
	368:    down("policy_block", desk.WaitSuspended),
	470:    refused("outside_window"),
	80007:  later("rate_limited", desk.WaitRateLimited),
	80008:  later("rate_limited", desk.WaitRateLimited),
	130429: later("rate_limited", desk.WaitRateLimited),
	131000: later("provider_error", desk.WaitUnavailable),
	131005: down("permission_missing", desk.WaitCredential),
	131016: later("provider_error", desk.WaitUnavailable),
	131021: refused("recipient_is_sender"),
	131026: refused("undeliverable"),
	131030: refused("recipient_not_allowed"),
	131031: down("account_locked", desk.WaitSuspended),
	131042: down("payment_missing", desk.WaitWallet),
	131045: down("number_unregistered", desk.WaitCredential),
	131047: refused("outside_window"),
	131048: later("spam_limited", desk.WaitRateLimited),
	131049: refused("marketing_limit"),
	131050: refused(desk.ReasonOptedOutMarketing),
	131051: refused("unsupported_type"),
	131053: refused("media_refused"),
	131056: {Verdict: channel.Later, Reason: "pair_limited", Cause: desk.WaitPair, Pair: true},
	131057: later("provider_error", desk.WaitUnavailable),
	132000: refused("template_parameters"),
	132001: refused("template_missing"),
	132005: refused("template_too_long"),
	132007: refused("template_policy"),
	132012: refused("template_parameters"),
	132015: refused("template_paused"),
	132016: refused("template_disabled"),
	133010: down("number_unregistered", desk.WaitCredential),
	133016: later("rate_limited", desk.WaitRateLimited),
}

// Lookup finds the rule of a code of Meta's: as it stands in the table, or of its
// range.
func Lookup(code string) (Rule, bool) {
	n, err := strconv.Atoi(code)
	if err != nil || strconv.Itoa(n) != code {
		return Rule{}, false
	}
	if r, ok := codes[n]; ok {
		return r, true
	}
	switch {
	case 200 <= n && n <= 299:
		return codes[10], true
	case 132000 <= n && n <= 132999:
		return refused("template_refused"), true
	}
	return Rule{}, false
}

// ChannelCause is the Wait… word of a rule that concerns the whole channel until
// somebody acts: its credential, wallet or suspension; empty for every other.
func (r Rule) ChannelCause() string {
	if r.Verdict == channel.ChannelDown {
		return r.Cause
	}
	return ""
}

// longNumber is what may be somebody's number.
var longNumber = regexp.MustCompile(`\+?\d[\d ().-]{5,}\d`)

// Clean makes a provider's words fit to be kept and shown: one line, no phone
// numbers, none of the secrets, at most MaxWords characters.
func Clean(s string, secrets ...string) string {
	for _, secret := range secrets {
		if secret != "" {
			s = strings.ReplaceAll(s, secret, ellipsis)
		}
	}
	s = strings.ToValidUTF8(s, "")
	s = longNumber.ReplaceAllString(s, ellipsis)
	return strings.TrimSpace(CutRunes(strings.Join(strings.Fields(s), " "), MaxWords))
}
