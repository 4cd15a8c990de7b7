package repo

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

// templateFiles are the template and those that it nests, by their logical ids
// in it; "" is the template itself.
var templateFiles = map[string]string{
	"": "template.yaml", "Data": "infra/data.yaml", "Roles": "infra/roles.yaml", "Alarms": "infra/alarms.yaml", "Dashboard": "infra/dashboard.yaml",
}

// runbookFile says what to do about each alarm.
const runbookFile = "infra/RUNBOOK.md"

// object is a mapping of a template. A tag of CloudFormation is the object that
// it is short for: !Ref A is {Ref: A}, !GetAtt A.B is {Fn::GetAtt: A.B}.
type object map[string]any

// installation is all that is deployed, as it is written.
type installation struct {
	files map[string]object // by logical id, as in templateFiles
	text  map[string]string // by file
}

// readInstallation reads the files.
func readInstallation(t *testing.T) *installation {
	t.Helper()
	s := &installation{map[string]object{}, map[string]string{}}
	names := slices.Collect(maps.Values(templateFiles))
	for _, name := range append(names, runbookFile) {
		raw, err := os.ReadFile(filepath.Join(root, name))
		if err != nil {
			t.Fatal(err)
		}
		s.put(t, name, string(raw))
	}
	return s
}

// put takes a text for that of a file.
func (s *installation) put(t *testing.T, file, text string) {
	t.Helper()
	s.text[file] = text
	for id, name := range templateFiles {
		if name != file {
			continue
		}
		var n yaml.Node
		if err := yaml.Unmarshal([]byte(text), &n); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		s.files[id] = asObject(value(n.Content[0]))
	}
}

// with is the installation with another text for one file.
func (s *installation) with(t *testing.T, file, text string) *installation {
	t.Helper()
	changed := &installation{maps.Clone(s.files), maps.Clone(s.text)}
	changed.put(t, file, text)
	return changed
}

// value turns YAML into strings, numbers, booleans, lists and objects.
func value(n *yaml.Node) any {
	v := untagged(n)
	name, tagged := strings.CutPrefix(n.Tag, "!")
	if !tagged || strings.HasPrefix(name, "!") {
		return v
	}
	if name != "Ref" && name != "Condition" {
		name = "Fn::" + name
	}
	return object{name: v}
}

func untagged(n *yaml.Node) any {
	switch n.Kind {
	case yaml.MappingNode:
		o := object{}
		for i := 0; i+1 < len(n.Content); i += 2 {
			o[n.Content[i].Value] = value(n.Content[i+1])
		}
		return o
	case yaml.SequenceNode:
		out := []any{}
		for _, c := range n.Content {
			out = append(out, value(c))
		}
		return out
	case yaml.AliasNode:
		return fmt.Sprintf("an alias, which the console does not take: *%s", n.Value)
	}
	if n.Style&(yaml.SingleQuotedStyle|yaml.DoubleQuotedStyle) != 0 {
		return n.Value
	}
	if number, err := strconv.Atoi(n.Value); err == nil {
		return number
	}
	if n.Value == "true" || n.Value == "false" {
		return n.Value == "true"
	}
	return n.Value
}

func asObject(v any) object {
	o, _ := v.(object)
	return o
}

// at gives what stands under a path of names; nil: nothing.
func (o object) at(path ...string) any {
	var v any = o
	for _, name := range path {
		v = asObject(v)[name]
	}
	return v
}

func (o object) in(path ...string) object  { return asObject(o.at(path...)) }
func (o object) list(path ...string) []any { return asList(o.at(path...)) }

// asList takes one thing for a list of one.
func asList(v any) []any {
	switch v := v.(type) {
	case nil:
		return nil
	case []any:
		return v
	}
	return []any{v}
}

func (o object) text(path ...string) string {
	s, _ := o.at(path...).(string)
	return s
}

func (o object) number(path ...string) int {
	n, _ := o.at(path...).(int)
	return n
}

// names are the keys, in order.
func (o object) names() []string { return slices.Sorted(maps.Keys(o)) }

// resources gives the resources of a type in one file, by logical id.
func (s *installation) resources(file, kind string) map[string]object {
	out := map[string]object{}
	for id, r := range s.files[file].in("Resources") {
		if asObject(r).text("Type") == kind {
			out[id] = asObject(r)
		}
	}
	return out
}

// properties of a resource of the template itself.
func (s *installation) properties(id string) object {
	return s.files[""].in("Resources", id, "Properties")
}

// stackName is what stands for the name of the whole stack.
const stackName = "STACK"

var pseudo = strings.NewReplacer("${AWS::StackName}", stackName, "${Stack}", stackName,
	"arn:${AWS::Partition}:", "arn:aws:", ":${AWS::Region}:${AWS::AccountId}:", ":::")

// plain is a text with the stack's name in place, whichever way a file spells it;
// what only CloudFormation knows stays as it is.
func plain(v any) string {
	switch v := v.(type) {
	case string:
		return v
	case int:
		return strconv.Itoa(v)
	case object:
		if sub, ok := v["Fn::Sub"].(string); ok {
			return pseudo.Replace(sub)
		}
		for _, name := range []string{"Ref", "Fn::GetAtt"} {
			if text, ok := v[name].(string); ok {
				return "!" + text
			}
		}
	}
	return fmt.Sprint(v)
}

// lambda is a function of the template.
type lambda struct {
	id    string // WebhookFunction
	stage string // webhook
	own   object // its properties
	all   object // Globals
}

// lambdas gives the functions in the order of their stages.
func (s *installation) lambdas() []lambda {
	var out []lambda
	for id, r := range s.resources("", "AWS::Serverless::Function") {
		stage, _ := strings.CutSuffix(id, "Function")
		out = append(out, lambda{id, strings.ToLower(stage), r.in("Properties"), s.files[""].in("Globals", "Function")})
	}
	slices.SortFunc(out, func(a, b lambda) int { return strings.Compare(a.stage, b.stage) })
	return out
}

// property is the function's own, else that of all.
func (f lambda) property(name string) any {
	if v, ok := f.own[name]; ok {
		return v
	}
	return f.all[name]
}

func (f lambda) number(name string) int {
	n, _ := f.property(name).(int)
	return n
}

// settings are the environment of the function, that of all included.
func (f lambda) settings() object {
	out := object{}
	maps.Copy(out, f.all.in("Environment", "Variables"))
	maps.Copy(out, f.own.in("Environment", "Variables"))
	return out
}

// events gives the function's events of a type.
func (f lambda) events(kind string) []object {
	var out []object
	events := f.own.in("Events")
	for _, name := range events.names() {
		if events.in(name).text("Type") == kind {
			out = append(out, events.in(name, "Properties"))
		}
	}
	return out
}

// function finds a function by its stage.
func (s *installation) function(stage string) (lambda, bool) {
	all := s.lambdas()
	i := slices.IndexFunc(all, func(f lambda) bool { return f.stage == stage })
	if i < 0 {
		return lambda{}, false
	}
	return all[i], true
}

var inSub = regexp.MustCompile(`\$\{([A-Za-z0-9:]+)[.}]`)

// references are the names that a template mentions by Ref, GetAtt, Sub or a
// condition, anywhere below v.
func references(v any) map[string]bool {
	found := map[string]bool{}
	var look func(v any)
	look = func(v any) {
		switch v := v.(type) {
		case []any:
			for _, e := range v {
				look(e)
			}
		case object:
			for name, e := range v {
				text, _ := e.(string)
				switch name {
				case "Ref", "Condition":
					found[text] = true
				case "Fn::GetAtt":
					first, _, _ := strings.Cut(text, ".")
					found[first] = true
				case "Fn::Sub":
					for _, m := range inSub.FindAllStringSubmatch(text, -1) {
						found[m[1]] = true
					}
				case "Fn::If":
					if choice := asList(e); len(choice) > 0 {
						found[plain(choice[0])] = true
					}
				}
				look(e)
			}
		}
	}
	look(v)
	delete(found, "") // a Condition of a policy is no name
	return found
}

// capital is a stage as logical ids spell it.
func capital(stage string) string { return strings.ToUpper(stage[:1]) + stage[1:] }
