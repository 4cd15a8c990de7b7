package wording

import (
	"bytes"
	"encoding/json"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"buzon/internal/desk"
	"buzon/internal/fault"
)

// CheckJSON is Check of a request as it is posted. What has the wrong JSON type, is
// not known or stands twice is among the problems (wrong_type, unknown_field,
// duplicate_name), and nothing else is said of such a field. What is no JSON
// object in UTF-8 has one problem, of no field.
func CheckJSON(b []byte, p Profile, o Options) (desk.Template, []fault.Problem) {
	r := reader{}
	d, ok := r.draft(b)
	if !ok {
		return desk.Template{}, r.Problems
	}
	t, problems := Check(d, p, o)
	return t, append(r.Problems, slices.DeleteFunc(problems, func(p fault.Problem) bool { return r.told(p.Field) })...)
}

// reader reads a request and gathers what cannot be read.
type reader struct{ fault.Input }

// told tells whether a problem was found with the field, or with what holds it.
func (r *reader) told(field string) bool {
	return slices.ContainsFunc(r.Problems, func(p fault.Problem) bool {
		rest, ok := strings.CutPrefix(field, p.Field)
		return ok && (rest == "" || rest[0] == '.' || rest[0] == '[')
	})
}

func (r *reader) draft(b []byte) (d Draft, ok bool) {
	if b = bytes.TrimSpace(b); !json.Valid(b) || !utf8.Valid(b) {
		r.Add("", "not_json")
		return d, false
	}
	ok = r.object("", b, func(name string, raw json.RawMessage) bool {
		switch name {
		case "name":
			r.text(name, raw, &d.Name)
		case "display_name":
			r.text(name, raw, &d.DisplayName)
		case "language":
			r.text(name, raw, &d.Language)
		case "category":
			r.text(name, raw, &d.Category)
		case "type":
			r.text(name, raw, &d.Type)
		case "body":
			r.text(name, raw, &d.Body)
		case "params":
			r.list(name, raw, MaxParams, func(at string, raw json.RawMessage) {
				d.Params = append(d.Params, "")
				r.text(at, raw, &d.Params[len(d.Params)-1])
			})
		case "buttons":
			r.list(name, raw, MaxButtons, func(at string, raw json.RawMessage) {
				d.Buttons = append(d.Buttons, r.button(at, raw))
			})
		case "samples":
			d.Samples = r.samples(raw)
		default:
			return false
		}
		return true
	})
	return d, ok
}

func (r *reader) button(at string, raw json.RawMessage) (b desk.TemplateButton) {
	r.object(at, raw, func(name string, raw json.RawMessage) bool {
		switch name {
		case "kind":
			r.text(at+".kind", raw, &b.Kind)
		case "text":
			r.text(at+".text", raw, &b.Text)
		case "phone":
			r.text(at+".phone", raw, &b.Phone)
		case "url":
			r.text(at+".url", raw, &b.URL)
		default:
			return false
		}
		return true
	})
	return b
}

// samples reads as many as there can be; of more only that they are too many is
// told, by Check.
func (r *reader) samples(raw json.RawMessage) map[string]string {
	samples := map[string]string{}
	if string(raw) == "null" {
		return samples
	}
	r.object("samples", raw, func(name string, raw json.RawMessage) bool {
		value := ""
		if len(samples) < maxKeys {
			r.text("samples."+cut(name, MaxParamName), raw, &value)
		}
		samples[name] = value
		return true
	})
	return samples
}

// text reads a string; null is as good as nothing.
func (r *reader) text(at string, raw json.RawMessage, dst *string) {
	if json.Unmarshal(raw, dst) != nil {
		r.Add(at, "wrong_type", "type", "string")
	}
}

// list reads so many items of a list and one more: that they are too many is
// Check's to tell.
func (r *reader) list(at string, raw json.RawMessage, most int, item func(at string, raw json.RawMessage)) {
	var items []json.RawMessage
	if json.Unmarshal(raw, &items) != nil {
		r.Add(at, "wrong_type", "type", "array")
		return
	}
	for i, raw := range items[:min(len(items), most+1)] {
		item(at+"["+strconv.Itoa(i)+"]", raw)
	}
}

// object gives each field to known, in its order; one that stands twice, or that
// known does not know, is a problem, of which so many are told.
func (r *reader) object(at string, raw json.RawMessage, known func(name string, raw json.RawMessage) bool) bool {
	if len(raw) == 0 || raw[0] != '{' {
		r.Add(at, "wrong_type", "type", "object")
		return false
	}
	if at != "" {
		at += "."
	}
	seen := map[string]bool{}
	told := 0
	tell := func(name, code string) {
		if told < maxMistakes {
			r.Add(at+cut(name, MaxParamName), code)
		}
		told++
	}
	dec := json.NewDecoder(bytes.NewReader(raw))
	_, err := dec.Token()
	for err == nil && dec.More() {
		var value json.RawMessage
		var key json.Token
		if key, err = dec.Token(); err != nil { // unreachable, as are the others: it is valid JSON
			break
		}
		err = dec.Decode(&value)
		switch name, _ := key.(string); {
		case seen[name]:
			tell(name, "duplicate_name")
		case !known(name, value):
			tell(name, "unknown_field")
		default:
			seen[name] = true
		}
	}
	return err == nil
}
