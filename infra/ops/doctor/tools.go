package doctor

import (
	"context"
	"regexp"
	"strconv"
	"strings"
	"time"

	"buzon/infra/ops/trouble"
)

const tools = "this machine"

// toolTimeout bounds asking a program for its version.
const toolTimeout = 10 * time.Second

// Machine runs programs.
type Machine struct {
	// Find gives the path of a program; an error if it is not there.
	Find func(name string) (string, error)
	// Output runs a program and gives all that it printed.
	Output func(ctx context.Context, path string, args ...string) (string, error)
}

// tool is a program that some targets need.
type tool struct {
	name    string
	names   []string // any of them will do, in this order
	ask     []string // arguments that make it tell its version
	least   [2]int   // the lowest version that will do; zero: any
	targets string   // that need it
	mend    string   // puts it on this machine, or makes it answer
	silent  string   // what it means when it is there and does not answer
}

var wanted = []tool{
	{
		"go", []string{"go"}, []string{"version"}, [2]int{1, 26}, "everything",
		"install Go 1.26 or newer from https://go.dev/dl", "",
	},
	{
		"sam", []string{".cache/sam/bin/sam", "sam"}, []string{"--version"}, [2]int{1, 120}, "make deploy, logs, delete, sam-build, sam-local",
		trouble.SAM, "",
	},
	{
		"docker", []string{"docker"}, []string{"version", "--format", "{{.Server.Version}}"}, [2]int{20, 10}, "make sam-local",
		"apt-get install docker.io, then systemctl start docker", "the daemon does not answer",
	},
	{
		"java", []string{"java"}, []string{"-version"}, [2]int{17, 0}, "make run-engines, make sam-local",
		"apt-get install default-jdk-headless", "",
	},
	{
		"javac", []string{"javac"}, []string{"-version"}, [2]int{17, 0}, "make engines",
		"apt-get install default-jdk-headless", "",
	},
	{
		"mvn", []string{"mvn"}, []string{"--version"}, [2]int{}, "make engines",
		"apt-get install maven", "",
	},
	{
		"python3", []string{"python3"}, []string{"--version"}, [2]int{}, "make sam, make engines",
		"apt-get install python3-venv", "",
	},
	{
		"node", []string{"node"}, []string{"--version"}, [2]int{18, 0}, "make browser, make test",
		"apt-get install nodejs npm", "",
	},
	{
		"chromium", []string{"chromium", "chromium-browser", "google-chrome"}, []string{"--version"}, [2]int{}, "make browser, make test",
		"apt-get install chromium", "",
	},
}

// Tools looks at the programs on this machine.
func (r *Report) Tools(ctx context.Context, m Machine) {
	for _, t := range wanted {
		r.tool(ctx, m, t)
	}
}

func (r *Report) tool(ctx context.Context, m Machine, t tool) {
	path := ""
	for _, name := range t.names {
		if p, err := m.Find(name); err == nil {
			path = p
			break
		}
	}
	if path == "" {
		r.bad(tools, t.mend, "%s: not found; needed by %s", t.name, t.targets)
		return
	}
	ctx, cancel := context.WithTimeout(ctx, toolTimeout)
	defer cancel()
	out, err := m.Output(ctx, path, t.ask...)
	found := version.FindStringSubmatch(out)
	if err != nil || found == nil {
		silent := t.silent
		if silent == "" {
			silent = "it does not tell its version"
		}
		r.bad(tools, t.mend, "%s: %s; needed by %s", t.name, silent, t.targets)
		return
	}
	major, minor := digits(found[1]), digits(found[2])
	if major < t.least[0] || major == t.least[0] && minor < t.least[1] {
		r.bad(tools, t.mend, "%s %s: %d.%d or newer is needed by %s", t.name, found[0], t.least[0], t.least[1], t.targets)
		return
	}
	r.good(tools, "%s %s", t.name, strings.TrimSuffix(found[0], "."))
}

// version is the first thing that looks like one.
var version = regexp.MustCompile(`(\d+)\.(\d+)[.\d]*`)

func digits(s string) int {
	n, err := strconv.Atoi(s)
	if err != nil {
		return 0
	}
	return n
}
