package simulator

// Bounds of a number with its country code, in digits (ITU E.164).
const (
	minDigits = 5
	maxDigits = 15
)

// validNumber tells whether s is a number in digits, without a plus sign.
func validNumber(s string) bool {
	if len(s) < minDigits || len(s) > maxDigits || s[0] == '0' {
		return false
	}
	for _, r := range s {
		if r < '0' || r > '9' {
			return false
		}
	}
	return true
}
