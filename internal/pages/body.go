package pages

import (
	"errors"
	"io"
	"mime"
	"net/http"
	"strings"
	"unicode"
	"unicode/utf8"
)

// maxBody is the longest posted body in bytes: a description of 20,000
// characters takes 240,000 at most, percent-encoded.
const maxBody = 256 << 10

// fields are the values of a posted form, the first of each name.
type fields map[string]string

// readFields reads a urlencoded body. Its errors are refusals: 415 for another
// type, 413 over maxBody, 400 when the sender went away.
func readFields(r *http.Request) (fields, error) {
	kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || kind != "application/x-www-form-urlencoded" {
		return nil, &refusal{status: http.StatusUnsupportedMediaType}
	}
	if r.ContentLength > maxBody {
		return nil, &refusal{status: http.StatusRequestEntityTooLarge}
	}
	body, err := io.ReadAll(http.MaxBytesReader(nil, r.Body, maxBody))
	var tooLong *http.MaxBytesError
	switch {
	case errors.As(err, &tooLong):
		return nil, &refusal{status: http.StatusRequestEntityTooLarge}
	case err != nil:
		return nil, &refusal{status: http.StatusBadRequest}
	}
	return parseFields(string(body)), nil
}

// parseFields takes a body apart as browsers do (WHATWG URL, section 5.1): it
// knows no error, a percent sign that begins no code is a percent sign, and only
// "&" separates.
func parseFields(body string) fields {
	f := fields{}
	for pair := range strings.SplitSeq(body, "&") {
		name, value, _ := strings.Cut(pair, "=")
		name = unescape(name)
		if _, ok := f[name]; !ok && pair != "" {
			f[name] = unescape(value)
		}
	}
	return f
}

func unescape(s string) string {
	if !strings.ContainsAny(s, "+%") {
		return s
	}
	b := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		switch {
		case s[i] == '+':
			b = append(b, ' ')
		case s[i] == '%' && i+2 < len(s) && unhex(s[i+1]) < 16 && unhex(s[i+2]) < 16:
			b = append(b, unhex(s[i+1])<<4|unhex(s[i+2]))
			i += 2
		default:
			b = append(b, s[i])
		}
	}
	return string(b)
}

// unhex is the value of a hexadecimal digit; 16 and more: it is none.
func unhex(c byte) byte {
	switch {
	case '0' <= c && c <= '9':
		return c - '0'
	case 'a' <= c && c <= 'f':
		return c - 'a' + 10
	case 'A' <= c && c <= 'F':
		return c - 'A' + 10
	}
	return 16
}

// paragraphs cleans a text of several lines: line ends become LF, control
// characters but tab go, space around it goes. valid is false if it was not
// UTF-8; what could not be read is then U+FFFD.
func paragraphs(s string) (clean string, valid bool) {
	valid = utf8.ValidString(s)
	s = strings.ToValidUTF8(s, "\uFFFD")
	s = strings.ReplaceAll(s, "\r\n", "\n")
	s = strings.Map(func(r rune) rune {
		switch {
		case r == '\r':
			return '\n'
		case r != '\n' && r != '\t' && unicode.IsControl(r):
			return -1
		}
		return r
	}, s)
	return strings.TrimSpace(s), valid
}

// line cleans a text of one line: as paragraphs, with a space for each line end
// and tab.
func line(s string) (clean string, valid bool) {
	s, valid = paragraphs(s)
	return strings.NewReplacer("\n", " ", "\t", " ").Replace(s), valid
}

// blank tells whether nothing in the text can be seen.
func blank(s string) bool {
	return strings.IndexFunc(s, func(r rune) bool { return unicode.IsGraphic(r) && !unicode.IsSpace(r) }) < 0
}
