package desk

import "testing"

// TestOtherSpelling: each pair leads to the other, and everything else nowhere.
func TestOtherSpelling(t *testing.T) {
	for why, pair := range map[string][2]string{
		"Mexico":                          {"525512345678", "5215512345678"},
		"Mexico, beginning with a 1":      {"521123456789", "5211123456789"},
		"Argentina":                       {"541123456789", "5491123456789"},
		"Brazil":                          {"551187654321", "5511987654321"},
		"Brazil, beginning with a 9":      {"551198765432", "5511998765432"},
		"Brazil, the first of the mobile": {"551160000000", "5511960000000"},
	} {
		for i, number := range pair {
			if got := OtherSpelling(number); got != pair[1-i] {
				t.Errorf("%s: %s leads to %q, want %s", why, number, got, pair[1-i])
			}
		}
	}
	for why, number := range map[string]string{
		"nothing": "", "a digit": "5", "a country": "52", "Brazil's area": "5511", "half an area": "551",
		"another country": "491700000001", "one with ten digits more": "571234567890",
		"a digit too few": "52551234567", "a digit too many": "52155123456789", "another mark": "5225512345678",
		"a landline in Brazil": "551150000000", "and with a 9": "5511950000000", "a scoped id": "US.12345678",
	} {
		if got := OtherSpelling(number); got != "" {
			t.Errorf("%s: %s leads to %q", why, number, got)
		}
	}
}
