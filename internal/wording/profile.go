package wording

import "buzon/internal/desk"

// Limits of a request. Those of a provider that are stricter than the seed's
// make warnings, the others problems.
const (
	MaxBody       = 1024 // providers.md 1.10, 2.4; also of what is sent, with its values
	MaxKind       = 3    // buttons of one kind (S3-43, S3-45)
	MaxButtons    = 10   // of both kinds (providers.md 1.10, 2.4)
	MaxButtonText = 25   // providers.md 2.4
	MaxURL        = 2000 // of a button: Meta's "Template components"
	MinPhone      = 8    // digits of a button's number
	MaxPhone      = 15   // likewise: E.164

	// MaxParams is as many variables as a body has room for.
	MaxParams    = MaxBody / len("{{1}}")
	MaxParamName = 60 // ours: the providers do not see the names

	MaxSample = 200 // characters of a sample value; ours
	MaxCode   = 15  // an Authentication code: Meta's "Authentication templates"
	MaxSpaces = 4   // in a row, in a value: Meta's error 132018 names them
)

// What Gupshup and Meta refuse, or have refused, beyond these limits.
const (
	GupshupMaxName    = 180 // providers.md 1.10
	MetaMaxName       = 512 // providers.md 2.4
	MaxURLButtons     = 2   // Gupshup's "Template Button List"; Meta's "Template components"
	MaxPhoneButtons   = 1   // likewise
	GupshupButtonText = 20  // older pages of Gupshup's; newer ones name no limit

	AdviceNewlines = 2  // in a row: Meta's rejection reasons
	AdviceEmojis   = 10 // in a body, likewise
	// AdviceWordsPer and one more are the words, variables among them, that a body
	// needs for each variable: what other customers of Meta's have measured.
	AdviceWordsPer = 3
)

// Profile is what a provider takes.
type Profile struct {
	Provider string // desk.Provider…
	Label    string // its name for people
	MaxName  int    // characters of the technical name (Q24)
	// MaxURLs and MaxPhones are how many buttons of these kinds it takes, ButtonText
	// how long a button's text may be without doubt: more is a warning.
	MaxURLs    int
	MaxPhones  int
	ButtonText int
}

// ProfileOf gives the profile of a provider; false if it has no templates.
func ProfileOf(provider string) (Profile, bool) {
	switch provider {
	case desk.ProviderGupshup:
		return Profile{provider, "Gupshup", GupshupMaxName, MaxURLButtons, MaxPhoneButtons, GupshupButtonText}, true
	case desk.ProviderMeta:
		return Profile{provider, "Meta", MetaMaxName, MaxURLButtons, MaxPhoneButtons, MaxButtonText}, true
	}
	return Profile{}, false
}

// Providers are those that have templates.
func Providers() []string { return []string{desk.ProviderGupshup, desk.ProviderMeta} }
