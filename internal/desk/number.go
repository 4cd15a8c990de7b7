package desk

import "strings"

// OtherSpelling is the other way in which a mobile number is written where WhatsApp
// has two, and either may be what a person writes from: Mexico with and without a 1
// after 52, Argentina with and without a 9 after 54, Brazil with and without a 9
// before the last eight digits (providers.md 2.5). Both are one person's. number is in
// digits; empty: it has one spelling.
func OtherSpelling(number string) string {
	country, rest := number[:min(2, len(number))], number[min(2, len(number)):]
	mark, area := "", 0
	switch country {
	case "52":
		mark = "1"
	case "54":
		mark = "9"
	case "55":
		mark, area = "9", 2
	default:
		return ""
	}
	if len(rest) < area {
		return ""
	}
	prefix, local := country+rest[:area], rest[area:]
	short := 10 - area // digits of a local number without the mark
	switch {
	case len(local) == short+1 && strings.HasPrefix(local, mark):
		local = local[1:]
		number = prefix + local
	case len(local) == short:
		number = prefix + mark + local
	default:
		return ""
	}
	if country == "55" && local[0] < '6' { // a landline: it never had the 9
		return ""
	}
	return number
}
