package queue

import (
	"bytes"
	"encoding/json"
	"fmt"
	"unicode/utf16"
	"unicode/utf8"

	"buzon/internal/fault"
)

// Validate tells with a fault.Invalid why no queue takes the message: an id or
// a body that is empty, too long or of other characters (T9). The error names
// the place, never the content.
func Validate(m Message) error {
	if err := validID("group", m.Group); err != nil {
		return err
	}
	if err := validID("deduplication id", m.Dedup); err != nil {
		return err
	}
	if len(m.Body) == 0 || len(m.Body) > MaxBody {
		return fmt.Errorf("message body of %d bytes, 1 to %d are taken: %w", len(m.Body), MaxBody, fault.Invalid)
	}
	for i, c := range m.Body {
		if c < ' ' || c > '~' {
			return fmt.Errorf("message body: byte %d is not printable ASCII: %w", i, fault.Invalid)
		}
	}
	return nil
}

func validID(what, id string) error {
	if len(id) == 0 || len(id) > MaxID {
		return fmt.Errorf("message %s of %d bytes, 1 to %d are taken: %w", what, len(id), MaxID, fault.Invalid)
	}
	for i := range len(id) {
		if id[i] <= ' ' || id[i] > '~' {
			return fmt.Errorf("message %s: byte %d is not visible ASCII: %w", what, i, fault.Invalid)
		}
	}
	return nil
}

// Encode is v as JSON of printable ASCII: every other character is escaped, so
// that any text passes through SQS unchanged (T9). Bytes that are not UTF-8
// become U+FFFD, as in encoding/json. What cannot be written as JSON, or would
// be longer than MaxBody, is a fault.Invalid.
func Encode(v any) ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return nil, fmt.Errorf("message body: %w: %w", fault.Invalid, err)
	}
	body := escape(bytes.TrimSuffix(b.Bytes(), []byte("\n")))
	if len(body) > MaxBody {
		return nil, fmt.Errorf("message body of %d bytes, 1 to %d are taken: %w", len(body), MaxBody, fault.Invalid)
	}
	return body, nil
}

// escape writes what is not printable ASCII as \uXXXX. In compact JSON such
// characters stand only inside strings.
func escape(text []byte) []byte {
	from := special(text)
	if from == len(text) {
		return text
	}
	out := make([]byte, 0, len(text)+len(text)/8)
	for len(text) > 0 {
		out, text = append(out, text[:from]...), text[from:]
		if len(text) > 0 {
			r, size := utf8.DecodeRune(text)
			text = text[size:]
			if high, low := utf16.EncodeRune(r); high != utf8.RuneError {
				out = fmt.Appendf(out, `\u%04x\u%04x`, high, low)
			} else {
				out = fmt.Appendf(out, `\u%04x`, r)
			}
		}
		from = special(text)
	}
	return out
}

// special is where the first character that is not printable ASCII stands.
func special(text []byte) int {
	for i, c := range text {
		if c < ' ' || c > '~' {
			return i
		}
	}
	return len(text)
}
