package apidocs

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// The types below read as much of openapi.yaml as the page shows, in its order.

type description struct {
	Info struct{ Title, Version, Description string }
	Tags []struct{ Name, Description string }
	// Reasons are the words with which answers say why something waits or failed.
	Reasons []Reason `yaml:"x-reasons"`
	// Paths in their order: each a path and its operations by method.
	Paths      yaml.Node
	Components struct {
		Parameters map[string]parameter
		Responses  map[string]response
		Examples   map[string]struct{ Value yaml.Node }
		Schemas    yaml.Node
	}
}

// Reason explains one word with which answers say why something waits, failed or was
// not handled.
type Reason struct {
	Code  string
	At    []string // keys of Places
	Means string
	Do    string // what to do about it
}

// Places are the fields of answers that hold such words.
var Places = map[string]string{
	"case":       "closing_reason of a case",
	"list":       "last_sync.error of a channel",
	"message":    "reason of a message",
	"quarantine": "reason in quarantine",
	"template":   "reason of a template",
	"wait":       "cause of waiting, of a channel or of a submission",
}

// Reasons are those of a description.
func Reasons(openapi []byte) []Reason { return readDescription(openapi).Reasons }

type operation struct {
	Method      string `yaml:"-"`
	Path        string `yaml:"-"`
	Tags        []string
	ID          string `yaml:"operationId"`
	Summary     string
	Description string
	Role        string `yaml:"x-role"`
	Parameters  []parameter
	Body        *struct {
		Content map[string]media
	} `yaml:"requestBody"`
	Responses yaml.Node
}

type parameter struct {
	Ref         string `yaml:"$ref"`
	Name        string
	In          string
	Description string
	Required    bool
	Schema      schema
	Example     yaml.Node
}

type response struct {
	Ref         string `yaml:"$ref"`
	Description string
	Content     map[string]media
}

type media struct {
	Schema   schema
	Example  yaml.Node
	Examples map[string]struct {
		Ref string `yaml:"$ref"`
	}
}

type schema struct {
	Ref                  string `yaml:"$ref"`
	Type                 words
	Description          string
	Enum                 []yaml.Node
	Const                string
	Format               string
	OneOf                []schema `yaml:"oneOf"`
	Items                *schema
	Properties           yaml.Node
	AdditionalProperties *schema `yaml:"additionalProperties"`
	Required             []string
	Default              yaml.Node
	MinLength            *int `yaml:"minLength"`
	MaxLength            *int `yaml:"maxLength"`
	MinItems             *int `yaml:"minItems"`
	MaxItems             *int `yaml:"maxItems"`
	Minimum, Maximum     *int
}

// words is one word or several.
type words []string

// UnmarshalYAML is for package yaml.
func (w *words) UnmarshalYAML(n *yaml.Node) error {
	if n.Kind == yaml.ScalarNode {
		*w = words{n.Value}
		return nil
	}
	return n.Decode((*[]string)(w))
}

// readDescription reads the embedded file. It is part of the program: a test
// reads it too, so that what it panics with is never met at run time.
func readDescription(openapi []byte) *description {
	d := &description{}
	if err := yaml.Unmarshal(openapi, d); err != nil {
		panic(fmt.Sprintf("openapi.yaml: %v", err))
	}
	return d
}

// each calls f with the pairs of a mapping, in their order.
func each(n yaml.Node, f func(key string, value *yaml.Node)) {
	for i := 0; i+1 < len(n.Content); i += 2 {
		f(n.Content[i].Value, n.Content[i+1])
	}
}

func decodeNode(n *yaml.Node, into any) {
	if err := n.Decode(into); err != nil {
		panic(fmt.Sprintf("openapi.yaml: line %d: %v", n.Line, err))
	}
}

// operations gives all operations in the order of the file.
func (d *description) operations() []operation {
	var out []operation
	each(d.Paths, func(path string, methods *yaml.Node) {
		each(*methods, func(method string, n *yaml.Node) {
			var o operation
			decodeNode(n, &o)
			o.Method, o.Path = strings.ToUpper(method), path
			for i, p := range o.Parameters {
				if p.Ref != "" {
					o.Parameters[i] = d.Components.Parameters[refName(p.Ref)]
				}
			}
			out = append(out, o)
		})
	})
	return out
}

// refName is the last part of a reference.
func refName(ref string) string { return ref[strings.LastIndexByte(ref, '/')+1:] }

// example is the example of a body as JSON to read; empty without one.
func (d *description) example(m media) string {
	n := m.Example
	for _, x := range m.Examples {
		n = d.Components.Examples[refName(x.Ref)].Value
	}
	if n.Kind == 0 {
		return ""
	}
	if n.Kind == yaml.ScalarNode {
		return n.Value
	}
	var b, out bytes.Buffer
	writeJSON(&b, &n)
	if err := json.Indent(&out, b.Bytes(), "", "  "); err != nil {
		panic(fmt.Sprintf("openapi.yaml: line %d: %v", n.Line, err))
	}
	return out.String()
}

// writeJSON writes a node as JSON, its fields in their order.
func writeJSON(b *bytes.Buffer, n *yaml.Node) {
	switch n.Kind {
	case yaml.MappingNode:
		b.WriteByte('{')
		for i := 0; i+1 < len(n.Content); i += 2 {
			if i > 0 {
				b.WriteByte(',')
			}
			writeText(b, n.Content[i].Value)
			b.WriteByte(':')
			writeJSON(b, n.Content[i+1])
		}
		b.WriteByte('}')
	case yaml.SequenceNode:
		b.WriteByte('[')
		for i, x := range n.Content {
			if i > 0 {
				b.WriteByte(',')
			}
			writeJSON(b, x)
		}
		b.WriteByte(']')
	default:
		if n.Tag == "!!str" || n.Tag == "!!timestamp" {
			writeText(b, n.Value)
			return
		}
		b.WriteString(n.Value) // numbers, true, false, null
	}
}

func writeText(b *bytes.Buffer, s string) {
	e := json.NewEncoder(b)
	e.SetEscapeHTML(false)
	if err := e.Encode(s); err != nil {
		panic(err) // unreachable: a text always has a JSON form
	}
}

// kind says in words what a schema takes.
func (s schema) kind() string {
	switch {
	case s.Ref != "":
		return refName(s.Ref)
	case s.Const != "":
		return `"` + s.Const + `"`
	case len(s.OneOf) > 0:
		var all []string
		for _, x := range s.OneOf {
			all = append(all, x.kind())
		}
		return strings.Join(all, " or ")
	case s.Items != nil:
		return "list of " + s.Items.kind()
	case len(s.Type) == 0:
		return "anything"
	}
	t := strings.Join(s.Type, " or ")
	if s.Format != "" {
		t = strings.Replace(t, "string", s.Format, 1)
	}
	return t
}

// limits says in words what a value has to keep to.
func (s schema) limits() string {
	var out []string
	if len(s.Enum) > 0 {
		var values []string
		for _, n := range s.Enum {
			values = append(values, n.Value)
		}
		out = append(out, "one of "+strings.Join(values, ", "))
	}
	span := func(low, high *int, unit string) {
		switch {
		case low != nil && high != nil:
			out = append(out, strconv.Itoa(*low)+" to "+strconv.Itoa(*high)+unit)
		case high != nil:
			out = append(out, "at most "+strconv.Itoa(*high)+unit)
		case low != nil:
			out = append(out, "at least "+strconv.Itoa(*low)+unit)
		}
	}
	span(s.MinLength, s.MaxLength, " characters")
	span(s.MinItems, s.MaxItems, " items")
	span(s.Minimum, s.Maximum, "")
	if s.Default.Kind != 0 {
		out = append(out, s.Default.Value+" without it")
	}
	return strings.Join(out, "; ")
}
