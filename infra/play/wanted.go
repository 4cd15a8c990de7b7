package main

import (
	"encoding/json"
	"fmt"
	"net/url"
	"reflect"
	"regexp"
	"strconv"
	"strings"
)

// wanted is a request for a template, as far as the provider has to hear of it.
type wanted struct {
	Name, Language, Category, Type, Body string
	Display                              string `json:"display_name"`
	Params                               []string
	Buttons                              []struct{ Kind, Text, Phone, URL string }
	Samples                              map[string]string
}

// otpText is the sentence that Gupshup wants of Authentication; WhatsApp puts that of
// the language in its place.
const otpText = "{{1}} is your verification code."

// otpMinutes is how long a code is good.
const otpMinutes = 10

// atGupshup tells what is wrong with the form that Gupshup got (providers.md 1.10).
func (w wanted) atGupshup(f url.Values) error {
	want := url.Values{}
	for key, value := range map[string]string{
		"elementName": w.Name, "languageCode": w.Language, "category": strings.ToUpper(w.Category),
		"templateType": strings.ToUpper(w.Type), "vertical": cutTo(strings.Join(strings.Fields(w.Display), " "), 180),
		"enableSample": "true", "allowTemplateCategoryChange": "false", "content": strings.TrimSpace(w.Body),
	} {
		want.Set(key, value)
	}
	for _, key := range []string{"appId", "example", "mediaId", "mediaUrl"} { // checked where they were taken
		if f.Has(key) {
			want.Set(key, f.Get(key))
		}
	}
	buttons := w.buttons(f.Get("buttons"))
	if w.Category == "authentication" {
		want.Set("content", otpText)
		want.Set("addSecurityRecommendation", "true")
		want.Set("codeExpirationMinutes", strconv.Itoa(otpMinutes))
		buttons = []any{object{"type": "OTP", "otp_type": "COPY_CODE", "text": "Copy code"}}
	} else if err := w.exampleOf(f.Get("example")); err != nil {
		return err
	}
	var got []any
	if f.Has("buttons") {
		if err := json.Unmarshal([]byte(f.Get("buttons")), &got); err != nil {
			return err
		}
		want.Set("buttons", f.Get("buttons"))
	}
	if !same(got, buttons) {
		return fmt.Errorf("buttons %v, want %v", got, buttons)
	}
	if !reflect.DeepEqual(f, want) {
		return fmt.Errorf("form\n%v, want\n%v", f, want)
	}
	return nil
}

// exampleOf tells whether the samples that were given stand in the example.
func (w wanted) exampleOf(example string) error {
	pattern := regexp.QuoteMeta(strings.TrimSpace(w.Body))
	for i, name := range w.Params {
		value := ".+"
		if given := w.Samples[name]; given != "" {
			value = regexp.QuoteMeta(given)
		}
		pattern = strings.Replace(pattern, regexp.QuoteMeta(fmt.Sprintf("{{%d}}", i+1)), value, 1)
	}
	if ok, err := regexp.MatchString("(?s)^"+pattern+"$", example); err != nil || !ok {
		return fmt.Errorf("example %q does not fit %q with %v", example, w.Body, w.Samples)
	}
	return nil
}

// buttons are those that the provider is to get. got says the sample of an address
// where none was given.
func (w wanted) buttons(got string) []any {
	var theirs []struct{ Example []string }
	_ = json.Unmarshal([]byte(got), &theirs) // what cannot be read gives no sample
	var all []any
	for i, b := range w.Buttons {
		o := object{"text": b.Text}
		switch b.Kind {
		case "quick_reply":
			o["type"] = "QUICK_REPLY"
		case "phone":
			o["type"], o["phone_number"] = "PHONE_NUMBER", b.Phone
		case "url":
			o["type"], o["url"] = "URL", b.URL
			begin, variable := strings.CutSuffix(b.URL, "{{1}}")
			if !variable {
				break
			}
			sample := strings.TrimPrefix(w.Samples[fmt.Sprintf("button[%d]", i)], begin)
			if sample == "" && i < len(theirs) && len(theirs[i].Example) == 1 {
				sample, _ = strings.CutPrefix(theirs[i].Example[0], begin)
			}
			o["example"] = []any{begin + sample}
			if sample == "" {
				o["example"] = "a sample of ours"
			}
		}
		all = append(all, o)
	}
	return all
}

// atMeta tells what is wrong with the JSON that Meta got (providers.md 2.5).
func (w wanted) atMeta(o object) error {
	var components []any
	if w.Category == "authentication" {
		components = []any{
			object{"type": "BODY", "add_security_recommendation": true},
			object{"type": "FOOTER", "code_expiration_minutes": otpMinutes},
			object{"type": "BUTTONS", "buttons": []any{object{"type": "OTP", "otp_type": "COPY_CODE"}}},
		}
	} else {
		got, _ := o["components"].([]any)
		if w.Type != "text" {
			if len(got) == 0 {
				return fmt.Errorf("no components: %v", o)
			}
			top, _ := got[0].(object)
			example, _ := top["example"].(object)
			if handles, _ := example["header_handle"].([]any); len(handles) != 1 || handles[0] == "" {
				return fmt.Errorf("no sample on top: %v", top)
			}
			components = append(components, object{"type": "HEADER", "format": strings.ToUpper(w.Type), "example": example})
		}
		body := object{"type": "BODY", "text": strings.TrimSpace(w.Body)}
		if len(w.Params) > 0 {
			if len(got) <= len(components) {
				return fmt.Errorf("no body: %v", o)
			}
			theirs, _ := got[len(components)].(object)
			body["example"] = theirs["example"]
			if text := string(encode(theirs["example"])); strings.Count(text, `","`) != len(w.Params)-1 || strings.Contains(text, `""`) {
				return fmt.Errorf("samples %s", text)
			}
		}
		components = append(components, body)
		if len(w.Buttons) > 0 {
			components = append(components, object{"type": "BUTTONS", "buttons": w.buttons("")})
		}
	}
	want := object{"name": w.Name, "language": w.Language, "category": strings.ToUpper(w.Category), "components": components}
	if !same(o, want) {
		return fmt.Errorf("JSON\n%s, want\n%s", encode(o), encode(want))
	}
	return nil
}

// same tells whether two values are the same JSON; nothing and an empty list are.
func same(a, b any) bool {
	x, y := string(encode(a)), string(encode(b))
	return x == y || strings.Trim(x, "[]") == "null" && strings.Trim(y, "[]") == "null"
}

func cutTo(s string, most int) string {
	if r := []rune(s); len(r) > most {
		return string(r[:most])
	}
	return s
}
