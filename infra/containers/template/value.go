package template

import (
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// object is a mapping of the template; asking an absent one gives what is empty.
type object map[string]any

func (o object) object(name string) object { return asObject(o[name]) }

func (o object) text(name string) string {
	s, _ := o[name].(string)
	return s
}

// list is a list, or what stands where a list of one may be written without.
func (o object) list(name string) []any {
	switch v := o[name].(type) {
	case nil:
		return nil
	case []any:
		return v
	default:
		return []any{v}
	}
}

func asObject(v any) object {
	o, _ := v.(object)
	return o
}

// value turns YAML into strings, whole numbers, lists and objects. A tag of
// CloudFormation becomes the object that it is short for: !Ref A is {Ref: A},
// !GetAtt A.B is {Fn::GetAtt: A.B}.
func value(n *yaml.Node) any {
	if n.Kind == yaml.AliasNode {
		return value(n.Alias)
	}
	v := plain(n)
	name, tagged := strings.CutPrefix(n.Tag, "!")
	if !tagged || strings.HasPrefix(name, "!") {
		return v
	}
	if name != "Ref" && name != "Condition" {
		name = "Fn::" + name
	}
	return object{name: v}
}

func plain(n *yaml.Node) any {
	switch n.Kind {
	case yaml.MappingNode:
		o := object{}
		for i := 0; i+1 < len(n.Content); i += 2 {
			o[n.Content[i].Value] = value(n.Content[i+1])
		}
		return o
	case yaml.SequenceNode:
		all := make([]any, len(n.Content))
		for i, c := range n.Content {
			all[i] = value(c)
		}
		return all
	default:
		if n.Tag == "!!int" {
			if i, err := strconv.Atoi(n.Value); err == nil {
				return i
			}
		}
		return n.Value
	}
}

// attribute is the path of a !GetAtt: a logical id and the attribute's names.
func attribute(v any) []string {
	switch of := asObject(v)["Fn::GetAtt"].(type) {
	case string:
		return strings.Split(of, ".")
	case []any:
		var path []string
		for _, part := range of {
			name, _ := part.(string)
			path = append(path, strings.Split(name, ".")...)
		}
		return path
	}
	return nil
}
