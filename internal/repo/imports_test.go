package repo

import (
	"path"
	"slices"
	"strings"
	"testing"
)

// rule says what a package may import besides the standard library. It holds
// for what is built, not for test files.
type rule struct {
	pkg  string // a path from the top; * stands for one folder
	may  string // packages of this repository, from internal/, or from the top with infra/; * stands for one folder
	mods string // other modules
	why  string
}

// rules: the first row that fits a package holds. A package without a row may
// not exist: add it here, and say why.
var rules = []rule{
	{"internal/fault", "", "", "the kinds of error; everything may know them"},
	{"internal/desk", "fault", "", "what exists and its rules: no I/O, no clock"},
	{"internal/bot", "desk fault locale", "golang.org/x/text github.com/rivo/uniseg", "the dialogue: pure"},
	{"internal/wording", "desk fault", "", "the rules of templates: pure"},
	{"internal/locale", "desk", "golang.org/x/text", "the texts: languages from the vocabulary, no rule"},

	{"internal/table", "fault", "", "the seam to the table"},
	{"internal/queue", "fault", "github.com/aws/aws-lambda-go", "the seam to the queues"},
	{"internal/blob", "fault", "golang.org/x/text", "the seam to the files, and safe names for them"},
	{"internal/secret", "fault", "", "the seam to the secrets"},
	{"internal/table/embedded", "table fault", "go.etcd.io/bbolt", "an engine"},
	{"internal/queue/embedded", "queue fault", "go.etcd.io/bbolt github.com/oklog/ulid/v2", "an engine"},
	{"internal/blob/embedded", "blob fault", "", "an engine"},
	{"internal/secret/embedded", "secret fault", "", "an engine"},
	{"internal/table/dynamo", "table fault", "github.com/aws/aws-sdk-go-v2 github.com/aws/smithy-go", "an engine: DynamoDB"},
	{"internal/queue/sqs", "queue signed fault", "github.com/aws/aws-lambda-go", "an engine: SQS, and the handler of a function that it calls"},
	{"internal/signed", "", "github.com/aws/aws-sdk-go-v2 github.com/aws/smithy-go", "one signed call to a service that is too small a part for the SDK's package"},
	{"internal/blob/s3", "blob signed fault", "", "an engine: S3"},
	{"internal/secret/ssm", "secret signed fault", "", "an engine: SSM"},
	{"internal/table/*test", "table table/embedded fault", "github.com/google/go-cmp pgregory.net/rapid", "suites, hostile wrappers, and the engine to run them on"},
	{"internal/queue/*test", "queue queue/embedded fault", "github.com/google/go-cmp pgregory.net/rapid", "likewise"},
	{"internal/blob/*test", "blob fault", "github.com/google/go-cmp", "likewise"},
	{"internal/secret/*test", "secret fault", "github.com/google/go-cmp", "likewise"},

	{"internal/link", "secret fault", "", "the secrets in links"},
	{"internal/store", "table desk fault", "github.com/oklog/ulid/v2", "every key and query; decides nothing else"},

	{"internal/quarantine", "store blob queue desk fault", "", "keeps what no stage can handle"},

	{"internal/channel", "desk fault", "", "what a provider must do"},
	{"internal/channel/strictjson", "channel", "", "bytes from outside; knows the limits of a body, no provider"},
	{"internal/channel/channeltest", "channel desk fault", "github.com/google/go-cmp", "golden cases of all providers"},
	{"internal/channel/*/*test", "channel desk fault", "", "payloads as a provider documents them"},
	{"internal/channel/cloudapi", "channel channel/strictjson desk", "github.com/rivo/uniseg", "what all providers of WhatsApp share"},
	{"internal/channel/httpsend", "channel desk", "", "one request to a provider"},
	{"internal/channel/sample", "channel desk", "", "files for reviewers of templates"},
	{"internal/channel/*", "channel channel/strictjson channel/cloudapi channel/httpsend channel/sample desk fault", "", "a provider: translates, never looks anything up"},

	// The four that put it together: never each other.
	{"internal/pipeline", "store blob queue quarantine secret channel bot locale link web desk fault", "", "the stages of a message"},
	{"internal/approval", "store blob queue quarantine secret channel desk fault", "", "the stage of templates"},
	{"internal/api/apidocs", "desk locale", "go.yaml.in/yaml/v3", "makes the page of the description; nothing that runs imports it"},
	{"internal/api", "store blob queue secret channel bot wording locale link web desk fault", "", "the JSON API"},
	{"internal/pages", "store blob queue secret channel bot locale link web desk fault", "", "the pages that people see"},
	{"internal/web", "desk fault locale store", "github.com/aws/aws-lambda-go golang.org/x/text", "HTTP for all of them"},

	{"internal/cloud", "signed table/dynamo queue/sqs blob/s3 secret/ssm store", "github.com/aws/aws-lambda-go github.com/aws/aws-sdk-go-v2", "opens AWS for a function"},
	{"functions/*", "cloud store link queue queue/sqs secret web desk pipeline approval api pages channel channel/*", "", "wires a function"},

	{"internal/crashtest", "table queue blob secret fault", "", "dies at every effect of a handler"},
	{"internal/fuzztest", "", "", "bounds of a parser; imported by tests alone"},
	{"internal/repo", "", "", "tests only"},
	{"infra/check", "", "", "runs commands; knows nothing of what they prove"},
	{"infra/play", "", "", "plays from outside: sees what a provider and a browser see"},
	{"infra/local", "*", "go.etcd.io/bbolt github.com/oklog/ulid/v2", "wires the whole in one process"},
	{"infra/ops", "store", "github.com/aws/aws-sdk-go-v2 github.com/aws/smithy-go", "an operator's commands; sees a deployment as AWS's APIs show it"},
	{"infra/ops/wording", "wording desk fault locale", "", "the rules of templates, as a command"},
	{"infra/ops/*", "queue store fault", "github.com/aws/aws-sdk-go-v2 github.com/aws/smithy-go golang.org/x/text", "parts of the operator's commands"},
	{"infra/engines", "", "", "runs a command with the engines beside it"},
	{"infra/engines/engine", "table/dynamo", "github.com/aws/aws-sdk-go-v2", "installs and runs what stands in for AWS, and makes table, bucket and queues there"},
	{"infra/containers", "* infra/engines/engine infra/local/*", "github.com/aws/aws-sdk-go-v2 github.com/aws/aws-lambda-go go.yaml.in/yaml/v3", "every function in its container"},
	{"infra/containers/*", "* infra/engines/engine infra/local/*", "github.com/aws/aws-sdk-go-v2 github.com/aws/aws-lambda-go go.yaml.in/yaml/v3", "parts of it"},
	{"infra/bench", "*", "github.com/aws/aws-lambda-go go.yaml.in/yaml/v3", "measures the whole: functions from outside, stages at their seams"},
	{"infra/bench/hello", "", "github.com/aws/aws-lambda-go", "the floor that functions are measured against"},
	{"infra/bench/sdkhello", "", "github.com/aws/aws-lambda-go github.com/aws/aws-sdk-go-v2", "a function as most are written, to be compared with"},
	{"infra/local/*", "*", "go.etcd.io/bbolt github.com/oklog/ulid/v2", "parts of the local run alone"},
}

// TestImports: nobody imports what the table does not allow.
func TestImports(t *testing.T) {
	used := map[string]bool{}
	for _, p := range packages(t) {
		i := slices.IndexFunc(rules, func(r rule) bool { return match(r.pkg, p.path) })
		if i < 0 {
			t.Errorf("%s has no row in the table of imports", p.path)
			continue
		}
		r := rules[i]
		used[r.pkg] = true
		for _, f := range p.files {
			if f.test {
				continue
			}
			for _, imp := range f.imports {
				if problem := r.refuses(p.path, imp); problem != "" {
					t.Errorf("%s: %s", f.name, problem)
				}
			}
		}
	}
	for _, r := range rules {
		if !used[r.pkg] {
			t.Logf("no package yet for the row %s", r.pkg)
		}
	}
}

// refuses tells what is wrong with an import; empty: nothing.
func (r rule) refuses(pkg, imp string) string {
	if rest, ok := strings.CutPrefix(imp, "buzon/"); ok {
		inner, inside := strings.CutPrefix(rest, "internal/")
		if !inside && program(rest) == program(pkg) {
			return "" // parts of one program
		}
		for _, may := range strings.Fields(r.may) {
			if inside && (may == "*" || match(may, inner)) || match(may, rest) {
				return ""
			}
		}
		if !inside {
			return imp + ": nobody imports what is outside internal"
		}
		return imp + " is not for " + pkg + ": " + r.why
	}
	if first, _, _ := strings.Cut(imp, "/"); !strings.Contains(first, ".") {
		return "" // the standard library
	}
	for _, mod := range strings.Fields(r.mods) {
		if mod == "*" || imp == mod || strings.HasPrefix(imp, mod+"/") {
			return ""
		}
	}
	return imp + " is not for " + pkg + ": " + r.why
}

// program is the folder below infra that a package is part of.
func program(pkg string) string {
	parts := strings.SplitN(pkg, "/", 3)
	return strings.Join(parts[:min(2, len(parts))], "/")
}

// match tells whether a path fits a pattern, folder by folder.
func match(pattern, name string) bool {
	ok, err := path.Match(pattern, name)
	return err == nil && ok
}

// TestImportRules: the table refuses what it must and lets through the rest.
func TestImportRules(t *testing.T) {
	for _, c := range []struct {
		say, pkg, imp string
		refused       bool
	}{
		{"the vocabulary knows the faults", "internal/desk", "buzon/internal/fault", false},
		{"and nothing that stores", "internal/desk", "buzon/internal/store", true},
		{"the stages do not know the API", "internal/pipeline", "buzon/internal/api", true},
		{"the API does not know the pages", "internal/api", "buzon/internal/pages", true},
		{"a provider reads strictly", "internal/channel/gupshup", "buzon/internal/channel/strictjson", false},
		{"two providers share what is Meta's", "internal/channel/meta", "buzon/internal/channel/cloudapi", false},
		{"and nothing of each other", "internal/channel/meta", "buzon/internal/channel/gupshup", true},
		{"and looks nothing up", "internal/channel/gupshup", "buzon/internal/store", true},
		{"the stages do not choose an engine", "internal/pipeline", "buzon/internal/table/embedded", true},
		{"the local run does", "infra/local", "buzon/internal/table/embedded", false},
		{"events of Lambda stay in queue and web", "internal/pipeline", "github.com/aws/aws-lambda-go/events", true},
		{"there they are", "internal/queue", "github.com/aws/aws-lambda-go/events", false},
		{"AWS is for nobody yet", "internal/store", "github.com/aws/aws-sdk-go-v2/service/dynamodb", true},
		{"a name that only begins like an allowed module", "internal/queue/embedded", "go.etcd.io/bboltx", true},
		{"the standard library is for all", "internal/desk", "encoding/json", false},
	} {
		i := slices.IndexFunc(rules, func(r rule) bool { return match(r.pkg, c.pkg) })
		if got := rules[i].refuses(c.pkg, c.imp) != ""; got != c.refused {
			t.Errorf("%s: %s imports %s: refused %v, want %v", c.say, c.pkg, c.imp, got, c.refused)
		}
	}
}

// forTests are for test files and for packages whose name ends in "test".
var forTests = []string{"testing", "testing/fstest", "testing/iotest", "testing/quick", "testing/synctest", "net/http/httptest",
	"github.com/google/go-cmp/cmp", "github.com/google/go-cmp/cmp/cmpopts", "pgregory.net/rapid", "github.com/getkin/kin-openapi/openapi3"}

// TestForTests: what serves tests is not built into what runs on AWS.
func TestForTests(t *testing.T) {
	for _, p := range packages(t) {
		if strings.HasSuffix(p.path, "test") || !strings.HasPrefix(p.path, "internal/") {
			continue
		}
		for _, f := range p.files {
			if f.test {
				continue
			}
			for _, imp := range f.imports {
				if slices.Contains(forTests, imp) || strings.HasPrefix(imp, "buzon/") && strings.HasSuffix(imp, "test") {
					t.Errorf("%s imports %s, which is for tests", f.name, imp)
				}
			}
		}
	}
}
