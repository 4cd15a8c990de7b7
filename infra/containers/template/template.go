// Package template reads from template.yaml what a run of its functions in
// containers has to know: what calls each function, the settings it declares, how
// its queue hands out, and what its role may do.
//
// It reads values that are written down or are the default of a parameter. What
// only CloudFormation knows is left out, and an error where it is needed.
package template

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"
)

// Function is a function of the template.
type Function struct {
	ID      string   // its logical id, "InboundFunction"
	Stage   string   // its word everywhere else, "inbound"
	Env     []string // the settings that it declares, by name
	Routes  []Route  // of the HTTP API; the order of the template is not kept
	Source  *Source  // the queue whose batches it is called with
	Clock   *Clock   // the schedule that calls it
	Timeout time.Duration
	// Grants are the actions that its role allows, "dynamodb:GetItem"; one may
	// hold * for any text. Actions of the platform, which calls AWS for the
	// function, are left out: see [Ambient].
	Grants []string
	// Unseen says of a grant why no test sees it used.
	// (Metadata: Buzon: Unseen of the function or of its role).
	Unseen map[string]string
}

// Route is a path of the HTTP API: "/c/{proxy+}", and a method or "ANY".
type Route struct{ Method, Path string }

// Source is how a queue calls its function.
type Source struct {
	Batch      int           // records at most
	Visibility time.Duration // for which records received are hidden
	// Partial: the answer tells which records failed (ReportBatchItemFailures).
	Partial bool
}

// Clock is a schedule.
type Clock struct {
	Scheduler bool   // of EventBridge Scheduler; else a rule
	Input     string // what the function gets instead of the usual event; empty: that
}

// The defaults of AWS where a template is silent.
const (
	DefaultTimeout    = 3 * time.Second
	DefaultBatch      = 10
	DefaultVisibility = 30 * time.Second
)

// Read reads the template at path and the templates that it nests, and gives the
// functions of the first by logical id.
func Read(path string) ([]Function, error) {
	root, err := load(path)
	if err != nil {
		return nil, err
	}
	var out []Function
	for id, v := range root.doc.object("Resources") {
		if res := asObject(v); res.text("Type") == "AWS::Serverless::Function" {
			f, err := root.function(id, res)
			if err != nil {
				return nil, fmt.Errorf("template %s: %s: %w", path, id, err)
			}
			out = append(out, f)
		}
	}
	if len(out) == 0 {
		return nil, fmt.Errorf("template %s: no function in it", path)
	}
	slices.SortFunc(out, func(a, b Function) int { return strings.Compare(a.ID, b.ID) })
	return out, nil
}

// stack is a template with those that it nests, by logical id.
type stack struct {
	doc    object
	nested map[string]*stack
}

func load(path string) (*stack, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("template: %w", err)
	}
	var doc yaml.Node
	if err := yaml.Unmarshal(data, &doc); err != nil {
		return nil, fmt.Errorf("template %s: %w", path, err)
	}
	if len(doc.Content) != 1 {
		return nil, fmt.Errorf("template %s: empty", path)
	}
	o, ok := value(doc.Content[0]).(object)
	if !ok {
		return nil, fmt.Errorf("template %s: not a mapping", path)
	}
	s := &stack{doc: o, nested: map[string]*stack{}}
	for id, v := range o.object("Resources") {
		res := asObject(v)
		if res.text("Type") != "AWS::Serverless::Application" {
			continue
		}
		place := res.object("Properties").text("Location")
		if place == "" {
			return nil, fmt.Errorf("template %s: %s: its Location is not a path", path, id)
		}
		if s.nested[id], err = load(filepath.Join(filepath.Dir(path), place)); err != nil {
			return nil, err
		}
	}
	return s, nil
}

// resource finds what a !Ref or !GetAtt means, in a nested template too; nil: it
// means no resource. in is the template that has it.
func (s *stack) resource(v any) (res object, in *stack) {
	path := attribute(v)
	if id := asObject(v).text("Ref"); id != "" {
		path = []string{id}
	}
	if len(path) == 0 {
		return nil, s
	}
	if n := s.nested[path[0]]; n != nil {
		if len(path) == 3 && path[1] == "Outputs" {
			return n.resource(n.doc.object("Outputs").object(path[2])["Value"])
		}
		return nil, s
	}
	return s.doc.object("Resources").object(path[0]), s
}

func (s *stack) function(id string, res object) (Function, error) {
	stage, ok := strings.CutSuffix(id, "Function")
	if !ok || stage == "" {
		return Function{}, fmt.Errorf("its name does not end in Function")
	}
	own, global := res.object("Properties"), s.doc.object("Globals").object("Function")
	f := Function{ID: id, Stage: strings.ToLower(stage), Timeout: DefaultTimeout, Unseen: map[string]string{}}
	timeout, given := own["Timeout"]
	if !given {
		timeout, given = global["Timeout"]
	}
	if given {
		n, ok := s.number(timeout)
		if !ok {
			return f, fmt.Errorf("its Timeout is not a number")
		}
		f.Timeout = time.Duration(n) * time.Second
	}
	for _, from := range []object{global, own} {
		for name := range from.object("Environment").object("Variables") {
			if !slices.Contains(f.Env, name) {
				f.Env = append(f.Env, name)
			}
		}
	}
	slices.Sort(f.Env)
	if err := s.events(&f, own.object("Events")); err != nil {
		return f, err
	}
	if err := s.grants(&f, own); err != nil {
		return f, err
	}
	return f, f.unseen(res)
}

// unseen reads the sentences of a resource's Metadata: Buzon: Unseen.
func (f *Function) unseen(res object) error {
	for action, why := range res.object("Metadata").object("Buzon").object("Unseen") {
		sentence, ok := why.(string)
		if !ok || strings.TrimSpace(sentence) == "" {
			return fmt.Errorf("unseen %s has no sentence", action)
		}
		f.Unseen[action] = sentence
	}
	return nil
}

// events reads what calls the function.
func (s *stack) events(f *Function, events object) error {
	for name, v := range events {
		event := asObject(v)
		p := event.object("Properties")
		switch kind := event.text("Type"); kind {
		case "HttpApi":
			route := Route{strings.ToUpper(p.text("Method")), p.text("Path")}
			if route.Path == "" || route.Method == "" {
				return fmt.Errorf("event %s: no path or no method", name)
			}
			f.Routes = append(f.Routes, route)
		case "SQS":
			if f.Source != nil {
				return fmt.Errorf("event %s: a second queue", name)
			}
			var err error
			if f.Source, err = s.source(p); err != nil {
				return fmt.Errorf("event %s: %w", name, err)
			}
		case "Schedule", "ScheduleV2":
			f.Clock = &Clock{Scheduler: kind == "ScheduleV2", Input: p.text("Input")}
		default:
			return fmt.Errorf("event %s: of a type that is not known here: %q", name, kind)
		}
	}
	slices.SortFunc(f.Routes, func(a, b Route) int { return strings.Compare(a.Path+" "+a.Method, b.Path+" "+b.Method) })
	return nil
}

func (s *stack) source(p object) (*Source, error) {
	src := &Source{Batch: DefaultBatch, Visibility: DefaultVisibility}
	if v, given := p["BatchSize"]; given {
		n, ok := s.number(v)
		if !ok || n < 1 {
			return nil, fmt.Errorf("its BatchSize is not a number from 1 on")
		}
		src.Batch = n
	}
	for _, v := range p.list("FunctionResponseTypes") {
		src.Partial = src.Partial || v == "ReportBatchItemFailures"
	}
	queue, in := s.resource(p["Queue"])
	if queue.text("Type") != "AWS::SQS::Queue" {
		return nil, fmt.Errorf("its queue is not in the template")
	}
	if v, given := queue.object("Properties")["VisibilityTimeout"]; given {
		n, ok := in.number(v)
		if !ok {
			return nil, fmt.Errorf("the queue's VisibilityTimeout is not a number")
		}
		src.Visibility = time.Duration(n) * time.Second
	}
	return src, nil
}

// number reads a number, or the default of the parameter that a Ref names.
func (s *stack) number(v any) (int, bool) {
	if ref, ok := v.(object); ok {
		v = s.doc.object("Parameters").object(ref.text("Ref"))["Default"]
	}
	n, ok := v.(int)
	return n, ok
}
