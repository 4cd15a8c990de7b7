package engine

import (
	_ "embed"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// The versions that are installed; nothing else was tried.
const (
	dynamoVersion    = "3.1.0"
	elasticVersion   = "1.7.1"
	versityVersion   = "v1.8.0"
	motoVersion      = "5.2.3"
	mavenPlugin      = "org.apache.maven.plugins:maven-dependency-plugin:3.8.1"
	dynamoLicence    = "https://aws.amazon.com/dynamodblocallicense/"
	dynamoLicenceSay = "is not open source: its licence asks for an AWS account in good standing and forbids passing it on"
)

// kind is one engine.
type kind struct {
	name    string
	version string
	service string // in AWS_ENDPOINT_URL_<service>
	health  string // a path that answers once the engine is up
	needs   []tool // to install or to run it
	notice  string // shown when it is installed
	proof   string // a file that is there when it is whole
	install func(b *builder) error
	// command starts it: home is where it is installed, own is a folder for its
	// data.
	command func(home, own, host, port string) (*exec.Cmd, error)
}

func (k kind) folder() string { return k.name + "-" + k.version }

var kinds = []kind{
	{
		name: "dynamodb", version: dynamoVersion, service: "DYNAMODB", health: "/",
		needs: []tool{java, javac, maven}, notice: "DynamoDB Local " + dynamoLicenceSay + " (" + dynamoLicence + ")",
		proof: "Loopback.class", install: installDynamo, command: dynamoCommand,
	},
	{
		name: "elasticmq", version: elasticVersion, service: "SQS", health: "/health", needs: []tool{java, maven},
		proof:   "lib/elasticmq-server_3-" + elasticVersion + ".jar",
		install: func(b *builder) error { return b.maven("org.elasticmq", "elasticmq-server_3", elasticVersion) },
		command: elasticCommand,
	},
	{
		name: "versitygw", version: versityVersion, service: "S3", health: "/", needs: []tool{golang},
		proof: "versitygw", install: installVersity, command: versityCommand,
	},
	{
		name: "moto", version: motoVersion, service: "SSM", health: "/moto-api/", needs: []tool{python},
		proof: "bin/moto_server", install: installMoto, command: motoCommand,
	},
}

// small makes a JVM start fast and stay small.
var small = []string{"-Xmx256m", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC"}

//go:embed Loopback.java
var loopback []byte

func installDynamo(b *builder) error {
	if err := b.maven("software.amazon.dynamodb", "DynamoDBLocal", dynamoVersion); err != nil {
		return err
	}
	if err := b.write("Loopback.java", loopback); err != nil {
		return err
	}
	return b.run(javac.name, "-cp", filepath.Join("lib", "*"), "Loopback.java")
}

// dynamoCommand: without -sharedDb each key and region would have a database of
// its own. Telemetry is on unless refused twice.
func dynamoCommand(home, _, host, port string) (*exec.Cmd, error) {
	args := append([]string{}, small...)
	args = append(args, "-Djava.library.path=lib", "-cp", "."+string(os.PathListSeparator)+filepath.Join("lib", "*"),
		"Loopback", host, "-inMemory", "-sharedDb", "-port", port, "-disableTelemetry")
	cmd := exec.Command(java.name, args...)
	cmd.Dir = home
	cmd.Env = append(os.Environ(), "DDB_LOCAL_TELEMETRY=0")
	return cmd, nil
}

// elasticCommand: strict limits refuse what SQS refuses; node-address is what
// addresses of queues begin with.
func elasticCommand(home, own, host, port string) (*exec.Cmd, error) {
	conf := filepath.Join(own, "elasticmq.conf")
	text := fmt.Sprintf(`include classpath("application.conf")
node-address { protocol = http, host = %[1]q, port = %[2]s, context-path = "" }
rest-sqs { enabled = true, bind-hostname = %[1]q, bind-port = %[2]s, sqs-limits = strict }
rest-stats { enabled = false }
aws { region = %[3]q, accountId = %[4]q }
`, host, port, region, account)
	if err := os.WriteFile(conf, []byte(text), 0o600); err != nil {
		return nil, err
	}
	args := append([]string{}, small...)
	cmd := exec.Command(java.name, append(args, "-Dconfig.file="+conf, "-cp", filepath.Join("lib", "*"), "org.elasticmq.server.Main")...)
	cmd.Dir = home
	return cmd, nil
}

func installVersity(b *builder) error {
	b.env = []string{"GOBIN=" + b.folder, "CGO_ENABLED=0", "GOFLAGS="}
	return b.run(golang.name, "install", "-trimpath", "-ldflags=-s -w", "github.com/versity/versitygw/cmd/versitygw@"+versityVersion)
}

// versityCommand: attributes of objects are kept with the files where the file
// system can do that, else beside them.
func versityCommand(home, own, host, port string) (*exec.Cmd, error) {
	data, beside := filepath.Join(own, "data"), filepath.Join(own, "attributes")
	for _, folder := range []string{data, beside} {
		if err := os.Mkdir(folder, 0o700); err != nil && !os.IsExist(err) {
			return nil, err
		}
	}
	args := []string{"--port", host + ":" + port, "--region", region, "--quiet", "posix"}
	if !keepsAttributes(data) {
		args = append(args, "--sidecar", beside)
	}
	cmd := exec.Command(filepath.Join(home, "versitygw"), append(args, data)...)
	cmd.Dir = own
	cmd.Env = append(withoutPrefix(os.Environ(), "VGW_"), "ROOT_ACCESS_KEY_ID="+accessKey, "ROOT_SECRET_ACCESS_KEY="+secretKey)
	return cmd, nil
}

func withoutPrefix(env []string, prefix string) []string {
	var out []string
	for _, e := range env {
		if !strings.HasPrefix(e, prefix) {
			out = append(out, e)
		}
	}
	return out
}

func installMoto(b *builder) error {
	if err := b.run(python.name, "-m", "venv", "."); err != nil {
		return fmt.Errorf("%w (the Debian package is python3-venv)", err)
	}
	return b.run(filepath.Join(b.folder, "bin", "python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "moto[server,ssm]=="+motoVersion)
}

// motoCommand goes by the module: the scripts of the environment hold the name of
// the folder in which it was built.
func motoCommand(home, own, host, port string) (*exec.Cmd, error) {
	cmd := exec.Command(filepath.Join(home, "bin", "python"), "-m", "moto.server", "-H", host, "-p", port)
	cmd.Dir = own
	return cmd, nil
}
