package web

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"buzon/internal/fault"
)

// Limits of a JSON body.
const (
	// MaxBody is the longest body in bytes; a longer one is a 413.
	MaxBody = 1 << 20
	// MaxDepth is how deep objects and arrays may stand in each other.
	MaxDepth = 16
)

// ReadBody reads the body of a JSON request: at most [MaxBody] bytes, else 413;
// declared as application/json, or as one of the other types given, else 415.
func ReadBody(w http.ResponseWriter, r *http.Request, others ...string) ([]byte, error) {
	kind, params, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	charset := params["charset"]
	if err != nil || kind != "application/json" && !slices.Contains(others, kind) || charset != "" && !strings.EqualFold(charset, "utf-8") {
		return nil, &Refused{Status: http.StatusUnsupportedMediaType, Code: "media_type"}
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, MaxBody))
	var long *http.MaxBytesError
	if errors.As(err, &long) {
		return nil, &Refused{Status: http.StatusRequestEntityTooLarge, Code: "body_too_large", Params: map[string]string{"max": strconv.Itoa(MaxBody)}}
	}
	if err != nil {
		return nil, &Refused{Status: http.StatusBadRequest, Code: "body_cut"}
	}
	return body, nil
}

// ReadObject reads a request's body as one JSON object; see [ReadBody] and
// [ParseObject].
func ReadObject(w http.ResponseWriter, r *http.Request) (*Object, error) {
	body, err := ReadBody(w, r)
	if err != nil {
		return nil, err
	}
	return ParseObject(body)
}

// ParseObject reads one JSON object, strictly: UTF-8, one value and nothing
// behind it, no name twice in any object, at most [MaxDepth] deep. Else it is a
// 400; JSON that is not an object is a 422.
func ParseObject(body []byte) (*Object, error) {
	if !utf8.Valid(body) || !json.Valid(body) {
		return nil, &Refused{Status: http.StatusBadRequest, Code: "not_json"}
	}
	d := json.NewDecoder(bytes.NewReader(body))
	d.UseNumber()
	if err := strict(d, 0); err != nil {
		return nil, err
	}
	o := &Object{in: &fault.Input{}, body: body}
	if err := json.Unmarshal(body, &o.fields); err != nil || o.fields == nil {
		o.in.Add("", "wrong_type", "type", "object")
		return nil, o.in.Err()
	}
	return o, nil
}

// strict reads one value of valid JSON and refuses names that stand twice in an
// object, of which parsers take different ones (T7), and deep nesting. The path
// is put together only for an error, so that long names cost nothing.
func strict(d *json.Decoder, depth int) error {
	tok, err := d.Token()
	if err != nil {
		return &Refused{Status: http.StatusBadRequest, Code: "not_json"}
	}
	open, ok := tok.(json.Delim)
	if !ok {
		return nil
	}
	if depth == MaxDepth {
		return &Refused{
			Status: http.StatusBadRequest, Code: "too_deep",
			Params: map[string]string{"max": strconv.Itoa(MaxDepth)},
		}
	}
	var seen map[string]bool
	if open == '{' {
		seen = map[string]bool{}
	}
	for i := 0; d.More(); i++ {
		name := ""
		if open == '{' {
			tok, err := d.Token()
			if err != nil {
				return &Refused{Status: http.StatusBadRequest, Code: "not_json"}
			}
			name, _ = tok.(string)
			if seen[name] {
				return &Refused{
					Status: http.StatusBadRequest, Code: "duplicate_name",
					Problems: []fault.Problem{{Field: cut(name), Code: "duplicate_name"}},
				}
			}
			seen[name] = true
		}
		if err := strict(d, depth+1); err != nil {
			return within(err, open, name, i)
		}
	}
	_, err = d.Token()
	return err
}

// within puts the place of a value before the fields that err names.
func within(err error, open json.Delim, name string, index int) error {
	var refused *Refused
	if !errors.As(err, &refused) {
		return err
	}
	for i, p := range refused.Problems {
		if open == '[' {
			name = "[" + strconv.Itoa(index) + "]"
		}
		sep := "."
		if strings.HasPrefix(p.Field, "[") {
			sep = ""
		}
		refused.Problems[i].Field = cut(name + sep + p.Field)
	}
	return err
}

// maxPath is the longest name of a field that an answer repeats, in bytes.
const maxPath = 200

// cut keeps what is repeated to a caller short.
func cut(path string) string {
	if len(path) <= maxPath {
		return path
	}
	return strings.ToValidUTF8(path[:maxPath], "") + "…"
}
