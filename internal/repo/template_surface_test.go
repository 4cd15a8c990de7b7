package repo

import (
	"encoding/json"
	"fmt"
	"go/ast"
	"go/token"
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

var surfaceWirings = []wiring{
	{"a parameter has a default, a label, a group, a use, and no secret", func(s *installation, problem func(string, ...any)) {
		parameters, face := s.files[""].in("Parameters"), s.files[""].in("Metadata", "AWS::CloudFormation::Interface")
		grouped := map[string]int{}
		for _, g := range face.list("ParameterGroups") {
			if asObject(g).text("Label", "default") == "" {
				problem("a group without a label")
			}
			for _, name := range asObject(g).list("Parameters") {
				grouped[plain(name)]++
			}
		}
		for name, n := range grouped {
			if n != 1 || parameters[name] == nil {
				problem("%s stands in %d groups", name, n)
			}
		}
		for name := range face.in("ParameterLabels") {
			if parameters[name] == nil {
				problem("%s has a label alone", name)
			}
		}
		used := references(s.files[""])
		for name := range parameters {
			if parameters.at(name, "Default") == nil || parameters.at(name, "Description") == nil || grouped[name] != 1 || face.text("ParameterLabels", name, "default") == "" {
				problem("%s: default %v, %d groups", name, parameters.at(name, "Default"), grouped[name])
			}
			if !used[name] {
				problem("%s is not used", name)
			}
			if matches(`(?i).*(secret|token|password|apikey|credential).*`, name) || parameters.at(name, "NoEcho") != nil {
				problem("%s is a secret; it belongs into SSM", name)
			}
		}
		for name := range s.files[""].in("Conditions") {
			if !used[name] {
				problem("the condition %s is not used", name)
			}
		}
	}},
	{"what a file is given and gives back is what the other side means", func(s *installation, problem func(string, ...any)) {
		nested := s.resources("", "AWS::Serverless::Application")
		for id, file := range templateFiles {
			if id == "" {
				continue
			}
			r := nested[id]
			if r.text("Properties", "Location") != file {
				problem("%s is %s", id, r.text("Properties", "Location"))
			}
			given, taken, used := r.in("Properties", "Parameters"), s.files[id].in("Parameters"), references(s.files[id])
			for name := range taken {
				if given[name] == nil || !used[name] {
					problem("%s: %s is given %v and used %v", file, name, given[name] != nil, used[name])
				}
			}
			for name := range given {
				if taken[name] == nil {
					problem("%s takes no %s", file, name)
				}
			}
			for name := range s.files[id].in("Outputs") {
				if !strings.Contains(s.text["template.yaml"], id+".Outputs."+name) {
					problem("%s: nobody reads %s", file, name)
				}
			}
		}
		if len(nested) != len(templateFiles)-1 {
			problem("%d files", len(nested))
		}
		for _, m := range regexp.MustCompile(`([A-Za-z]+)\.Outputs\.([A-Za-z]+)`).FindAllStringSubmatch(s.text["template.yaml"], -1) {
			if s.files[m[1]].in("Outputs", m[2]) == nil || m[1] == "" {
				problem("%s gives no %s", m[1], m[2])
			}
		}
		for id, file := range s.files {
			known := map[string]bool{}
			for _, section := range []string{"Parameters", "Conditions", "Resources"} {
				for name := range file.in(section) {
					known[name] = true
				}
			}
			for name := range references(object{"r": file["Resources"], "o": file["Outputs"], "g": file["Globals"], "c": file["Conditions"]}) {
				if !known[name] && !strings.HasPrefix(name, "AWS::") {
					problem("%s mentions %s, which is not there", templateFiles[id], name)
				}
			}
		}
	}},
	{"operators find what they need among the outputs", func(s *installation, problem func(string, ...any)) {
		outputs := s.files[""].in("Outputs")
		want := map[string]string{
			"Address": "!HttpApi.ApiEndpoint", "WebhookAddress": "!WebhookUrl.FunctionUrl", "Table": "!Data.Outputs.Table", "Bucket": "!Data.Outputs.Bucket",
			"Secrets": "/" + stackName, "Admin": "!AdminFunction", "Logs": "!LogGroup", "AlarmTopic": "!Alarms.Outputs.Topic", "DashboardAddress": "!Dashboard.Outputs.Address",
		}
		for stage := range steps {
			want[capital(stage)+"QueueUrl"], want[capital(stage)+"DeadUrl"] = "!"+capital(stage)+"Queue", "!"+capital(stage)+"DeadQueue"
		}
		got := map[string]string{}
		for name := range outputs {
			got[name] = plain(outputs.at(name, "Value"))
			if outputs.text(name, "Description") == "" {
				problem("%s says not what it is", name)
			}
		}
		if !maps.Equal(got, want) {
			problem("%v, not %v", got, want)
		}
	}},
	{"the gateway has one stage without a name, limits, and a log without paths", func(s *installation, problem func(string, ...any)) {
		api := s.properties("HttpApi")
		if api["StageName"] != "$default" || api["CorsConfiguration"] != nil {
			problem("%v", api)
		}
		var line map[string]string
		if err := json.Unmarshal([]byte(api.text("AccessLogSettings", "Format")), &line); err != nil || line["route"] != "$context.routeKey" {
			problem("the log's line %v, %v", line, err)
		}
		for _, v := range line { // addresses of people, and what stands in a path
			if matches(`.*(path|Path|query|sourceIp|caller|userAgent|identity).*`, v) {
				problem("the log tells %s", v)
			}
		}
		limits := []object{api.in("DefaultRouteSettings")}
		for key := range api.in("RouteSettings") {
			limits = append(limits, api.in("RouteSettings", key))
			method, path, _ := strings.Cut(key, " ")
			if _, found := s.routes()[gatewayRoute{method, path}]; !found {
				problem("a limit for %s, which is no route", key)
			}
		}
		for _, l := range limits {
			if l.number("ThrottlingRateLimit") == 0 || l.number("ThrottlingBurstLimit") < l.number("ThrottlingRateLimit") {
				problem("limits %v", l)
			}
		}
	}},
	{"sam deploy --guided asks nothing that Enter answers with a no", func(s *installation, problem func(string, ...any)) {
		if len(s.properties("HttpApi").in("Auth")) == 0 {
			problem("it asks of each route whether it may be without authentication")
		}
		for _, f := range s.lambdas() {
			if f.own["FunctionUrlConfig"] != nil {
				problem("it asks that of the address of %s", f.stage)
			}
		}
	}},
	{"the webhook's own address is open to everybody, by both permissions that it takes", func(s *installation, problem func(string, ...any)) {
		url := s.properties("WebhookUrl")
		if url["AuthType"] != "NONE" || plain(url["TargetFunctionArn"]) != "!WebhookFunction.Arn" {
			problem("%v", url)
		}
		var have []string
		for _, r := range s.resources("", "AWS::Lambda::Permission") {
			p := r.in("Properties")
			have = append(have, fmt.Sprintf("%v %v %v %v %v", plain(p["FunctionName"]), p["Action"], p["Principal"], p["FunctionUrlAuthType"], p["InvokedViaFunctionUrl"]))
		}
		slices.Sort(have)
		want := []string{"!WebhookFunction lambda:InvokeFunction * <nil> true", "!WebhookFunction lambda:InvokeFunctionUrl * NONE <nil>"}
		if !slices.Equal(have, want) {
			problem("%q", have)
		}
	}},
	{"links for people begin with PublicUrl; without it, the gateway's address is given to functions that are not behind it", func(s *installation, problem func(string, ...any)) {
		for _, f := range s.lambdas() {
			v, ok := f.settings()["PUBLIC_URL"]
			if !ok {
				continue
			}
			mentions := references(v)
			if behind := len(f.events("HttpApi")) > 0; !mentions["PublicUrl"] || mentions["HttpApi"] == behind {
				problem("%s: %v", f.stage, v)
			}
		}
	}},
}

// gatewayRoute is a route of the HTTP API.
type gatewayRoute struct{ method, path string }

// routes are the routes of the HTTP API with their stages.
func (s *installation) routes() map[gatewayRoute]string {
	out := map[gatewayRoute]string{}
	for _, f := range s.lambdas() {
		for _, e := range f.events("HttpApi") {
			out[gatewayRoute{e.text("Method"), e.text("Path")}] = f.stage
		}
	}
	return out
}

// takes tells whether the gateway gives a request to the route: {proxy+} is at
// least one segment.
func (r gatewayRoute) takes(method, path string) bool {
	if r.method != "ANY" && r.method != method {
		return false
	}
	if head, ok := strings.CutSuffix(r.path, "{proxy+}"); ok {
		return strings.HasPrefix(path, head) && len(path) > len(head)
	}
	return r.path == path
}

// serving are the packages in whose files the patterns of a stage stand.
var serving = map[string][]string{
	"webhook": {"internal/pipeline", "functions/webhook"},
	"portal":  {"internal/pages", "functions/portal"},
	"api":     {"internal/api", "functions/api"},
}

// TestRoutes: each pattern that a stage serves reaches its function and no other;
// no route of the gateway leads to nothing.
func TestRoutes(t *testing.T) {
	routes := readInstallation(t).routes()
	served := map[gatewayRoute]bool{}
	for stage, folders := range serving {
		patterns := patternsIn(t, folders)
		if len(patterns) < 2 {
			t.Fatalf("%s: found the patterns %q", stage, patterns)
		}
		for _, p := range patterns {
			method, path := sample(p)
			var by []string
			for r, of := range routes {
				if r.takes(method, path) {
					by = append(by, of)
					served[r] = true
				}
			}
			if len(by) != 1 || by[0] != stage {
				t.Errorf("%s of %s is taken by %v", p, stage, by)
			}
		}
	}
	for r, stage := range routes {
		if !served[r] {
			t.Errorf("%s %s leads to %s, which has no such pattern", r.method, r.path, stage)
		}
	}
}

// sample is a request that a pattern of net/http takes.
func sample(pattern string) (method, path string) {
	method, path, found := strings.Cut(pattern, " ")
	if !found {
		method, path = "GET", pattern
	}
	path = strings.ReplaceAll(path, "{$}", "")
	path = regexp.MustCompile(`\{[^}]*\}`).ReplaceAllString(path, "x")
	if strings.HasSuffix(path, "/") && path != "/" {
		path += "x" // a whole subtree
	}
	return method, path
}

// patternsIn finds what the files of some packages hand to a mux, and the rows
// of a table of routes: {"GET", "/v1/me", …}.
func patternsIn(t *testing.T, folders []string) []string {
	t.Helper()
	var out []string
	text := func(e ast.Expr) string {
		lit, ok := e.(*ast.BasicLit)
		if !ok || lit.Kind != token.STRING {
			return ""
		}
		v, err := strconv.Unquote(lit.Value)
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	eachFile(t, folders, func(f file) {
		ast.Inspect(f.ast, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.CallExpr:
				sel, ok := n.Fun.(*ast.SelectorExpr)
				if ok && (sel.Sel.Name == "Handle" || sel.Sel.Name == "HandleFunc") && text(n.Args[0]) != "" {
					out = append(out, text(n.Args[0]))
				}
			case *ast.CompositeLit:
				if len(n.Elts) > 1 && matches("GET|POST|PUT|PATCH|DELETE", text(n.Elts[0])) && strings.HasPrefix(text(n.Elts[1]), "/") {
					out = append(out, text(n.Elts[0])+" "+text(n.Elts[1]))
				}
			}
			return true
		})
	})
	return out
}

// eachFile calls f with every file of some packages that is built.
func eachFile(t *testing.T, folders []string, f func(file)) {
	t.Helper()
	for _, folder := range folders {
		all := packages(t)
		i := slices.IndexFunc(all, func(p pkg) bool { return p.path == folder })
		if i < 0 {
			t.Fatalf("no package %s", folder)
		}
		for _, file := range all[i].files {
			if !file.test {
				f(file)
			}
		}
	}
}

// asks are the settings that a call of package cloud reads, beside those that its
// first argument names.
var asks = map[string][]string{
	"Table": {"TABLE", "AWS_ENDPOINT_URL_DYNAMODB"}, "Store": {"TABLE", "CACHE_SECONDS", "AWS_ENDPOINT_URL_DYNAMODB"},
	"Blobs": {"BUCKET", "FILES_URL", "AWS_ENDPOINT_URL_S3"}, "Secrets": {"SECRETS", "AWS_ENDPOINT_URL_SSM"}, "Queue": {"AWS_ENDPOINT_URL_SQS"},
	"Text": nil, "Number": nil, "Base": nil, "Address": nil,
	"HTTP": nil, // reads none
}

// TestSettings: a function declares the settings that its code reads, and no
// other: what the template does not declare, a run in containers cannot give.
func TestSettings(t *testing.T) {
	s := readInstallation(t)
	for _, f := range s.lambdas() {
		want := map[string]bool{"GOMAXPROCS": true, "GOGC": true} // read by Go itself
		eachFile(t, []string{"functions/" + f.stage}, func(file file) {
			ast.Inspect(file.ast, func(n ast.Node) bool {
				call, ok := n.(*ast.CallExpr)
				if !ok {
					return true
				}
				sel, ok := call.Fun.(*ast.SelectorExpr)
				if !ok {
					return true
				}
				if id, ok := sel.X.(*ast.Ident); !ok || id.Name != "c" {
					return true
				}
				also, known := asks[sel.Sel.Name]
				if !known {
					t.Errorf("functions/%s: what does c.%s read?", f.stage, sel.Sel.Name)
				}
				for _, name := range also {
					want[name] = true
				}
				if len(call.Args) > 0 {
					name, ok := call.Args[0].(*ast.BasicLit)
					if !ok {
						t.Errorf("functions/%s: c.%s of a name that is not written out", f.stage, sel.Sel.Name)
						return true
					}
					want[strings.Trim(name.Value, `"`)] = true
				}
				return true
			})
		})
		if got := f.settings().names(); !slices.Equal(got, slices.Sorted(maps.Keys(want))) {
			t.Errorf("%s declares %v, its code reads %v", f.stage, got, slices.Sorted(maps.Keys(want)))
		}
	}
}

// TestSettingsHaveValues: what the code cannot do without has a value on AWS; an
// engine's address has none.
func TestSettingsHaveValues(t *testing.T) {
	for _, f := range readInstallation(t).lambdas() {
		for name, v := range f.settings() {
			engine := strings.HasPrefix(name, "AWS_ENDPOINT_URL_") || name == "FILES_URL"
			if empty := v == ""; empty != engine {
				t.Errorf("%s: %s is %q", f.stage, name, plain(v))
			}
			queue := queueOf(name)
			id := map[bool]string{true: "!" + capital(strings.TrimSuffix(queue+" ", "-dead ")) + "DeadQueue", false: ""}[strings.HasSuffix(queue, "-dead")]
			if queue != "" && id == "" {
				id = "!" + capital(queue) + "Queue"
			}
			if queue != "" && plain(v) != id {
				t.Errorf("%s: %s is %s", f.stage, name, plain(v))
			}
		}
	}
}

// TestStages: the functions of the template, the folders of functions and those
// of events are the same.
func TestStages(t *testing.T) {
	var stages []string
	for _, f := range readInstallation(t).lambdas() {
		stages = append(stages, f.stage)
	}
	for _, folder := range []string{"functions", "events"} {
		entries, err := os.ReadDir(filepath.Join(root, folder))
		if err != nil {
			t.Fatal(err)
		}
		var there []string
		for _, e := range entries {
			if e.IsDir() {
				there = append(there, e.Name())
			}
		}
		if !slices.Equal(there, stages) {
			t.Errorf("%s holds %v, the template %v", folder, there, stages)
		}
	}
}

// TestDeployment: what sam is told is the same in every environment, and what
// this template needs.
func TestDeployment(t *testing.T) {
	raw, err := os.ReadFile(filepath.Join(root, "infra/samconfig.toml"))
	if err != nil {
		t.Fatal(err)
	}
	sections := map[string]string{}
	for _, part := range strings.Split(string(raw), "\n[")[1:] {
		name, lines, _ := strings.Cut(part, "]")
		sections[name] = lines
	}
	if !strings.Contains(sections["default.deploy.parameters"], "\nconfirm_changeset = false") {
		t.Error("a guided deployment would end with a question that takes Enter for a no")
	}
	for _, env := range []string{"default", "staging", "prod"} {
		for section, lines := range map[string][]string{
			".global.parameters": {"stack_name = "},
			".build.parameters":  {"build_in_source = true"},
			".deploy.parameters": {"resolve_s3 = true", `capabilities = "CAPABILITY_IAM CAPABILITY_AUTO_EXPAND"`},
		} {
			for _, line := range lines {
				if !strings.Contains(sections[env+section], "\n"+line) {
					t.Errorf("%s%s has no %s", env, section, line)
				}
			}
		}
	}
}

// TestContinuousDeployment: one environment of one repository takes the role, and
// hands on one other.
func TestContinuousDeployment(t *testing.T) {
	raw, err := os.ReadFile(filepath.Join(root, "infra/github-oidc.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	var n yaml.Node
	if err := yaml.Unmarshal(raw, &n); err != nil {
		t.Fatal(err)
	}
	roles := asObject(value(n.Content[0])).in("Resources")
	trust := roles.in("DeployRole", "Properties", "AssumeRolePolicyDocument").list("Statement")
	if len(trust) != 1 {
		t.Fatalf("trusts %v", trust)
	}
	const github = "token.actions.githubusercontent.com"
	exactly := asObject(trust[0]).in("Condition", "StringEquals")
	if plain(exactly[github+":sub"]) != "repo:${Repository}:environment:${Environment}" || exactly[github+":aud"] != "sts.amazonaws.com" || asObject(trust[0]).in("Condition")["StringLike"] != nil {
		t.Errorf("taken on %v", asObject(trust[0])["Condition"])
	}
	// What an action on everything is for; the rest is named after the stack.
	everything := map[string]string{"AccessLog": "log deliveries of a gateway know no single resource"}
	for _, role := range []string{"DeployRole", "ExecutionRole"} {
		for _, p := range roles.in(role, "Properties").list("Policies") {
			for _, st := range asObject(p).list("PolicyDocument", "Statement") {
				st := readStatement(role, asObject(st))
				if slices.Contains(st.resources, "*") != (everything[st.sid] != "") {
					t.Errorf("%s: %s is about %v", role, st.sid, st.resources)
				}
				for _, action := range st.actions {
					if strings.Contains(action, "*") && (role != "ExecutionRole" || st.sid != "Named") {
						t.Errorf("%s: %s allows %s", role, st.sid, action)
					}
				}
				if st.sid != "Named" {
					continue
				}
				for _, r := range st.resources {
					if !matches(`.*[:/]`+stackName+`(-\*(/\*)?)?`, r) {
						t.Errorf("%s is not named after the stack", r)
					}
				}
			}
		}
	}
}
