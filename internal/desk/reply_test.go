package desk

import (
	"reflect"
	"slices"
	"testing"
)

func TestWithForm(t *testing.T) {
	const public, secret = "https://b.example", "acme-S"
	for _, c := range []struct {
		why      string
		in, want Outgoing
	}{
		{"the link in a text", Outgoing{Text: "Abra {form_link}."}, Outgoing{Text: "Abra https://b.example/c/acme-S."}},
		{"twice", Outgoing{Text: "{form_link} {form_link}"}, Outgoing{Text: "https://b.example/c/acme-S https://b.example/c/acme-S"}},
		{"the secret alone, for a button's address", Outgoing{Text: "{form_secret}"}, Outgoing{Text: "acme-S"}},
		{"no mark", Outgoing{Text: "hola", Type: ReplyText}, Outgoing{Text: "hola", Type: ReplyText}},
		{"something like a mark", Outgoing{Text: "{form} {FORM_LINK}"}, Outgoing{Text: "{form} {FORM_LINK}"}},
		{
			"parameters of a template",
			Outgoing{Type: ReplyTemplate, Template: &TemplateUse{Name: "t", Params: []string{"Ana", "{form_secret}", "{form_link}"}}},
			Outgoing{Type: ReplyTemplate, Template: &TemplateUse{Name: "t", Params: []string{"Ana", "acme-S", "https://b.example/c/acme-S"}}},
		},
	} {
		kept := c.in
		if c.in.Template != nil {
			use := *c.in.Template
			use.Params = append([]string(nil), use.Params...)
			kept.Template = &use
		}
		if got := c.in.WithForm(public, secret); !reflect.DeepEqual(got, c.want) {
			t.Errorf("%s: %+v", c.why, got)
		}
		if !reflect.DeepEqual(c.in, kept) {
			t.Errorf("%s: the stored reply holds the secret now: %+v", c.why, c.in)
		}
	}
	// A secret is put in as it is, even one that looks like a mark.
	if got := (Outgoing{Text: "{form_link}"}).WithForm("", "{form_secret}").Text; got != "/c/{form_secret}" {
		t.Errorf("filled in twice: %q", got)
	}
}

// A one-time code is masked, whatever else a template is sent with.
func TestMasked(t *testing.T) {
	for _, test := range []struct {
		say    string
		use    TemplateUse
		want   []string
		secret bool
	}{
		{"a code", TemplateUse{OTP: true, Params: []string{"739164"}}, []string{MaskedCode}, true},
		{"a code that is masked already", TemplateUse{OTP: true, Params: []string{MaskedCode}}, []string{MaskedCode}, false},
		{"all that an Authentication template is given", TemplateUse{OTP: true, Params: []string{MaskedCode, "10"}}, []string{MaskedCode, MaskedCode}, true},
		{"no parameters", TemplateUse{OTP: true}, nil, false},
		{"a template that has no code", TemplateUse{Params: []string{"739164"}}, []string{"739164"}, false},
	} {
		given := slices.Clone(test.use.Params)
		got := test.use.Masked()
		if !slices.Equal(got.Params, test.want) || test.use.Secret() != test.secret || got.Secret() {
			t.Errorf("%s: %q, secret %t, then %t", test.say, got.Params, test.use.Secret(), got.Secret())
		}
		if !slices.Equal(test.use.Params, given) {
			t.Errorf("%s: what was given became %q", test.say, test.use.Params)
		}
	}
}
