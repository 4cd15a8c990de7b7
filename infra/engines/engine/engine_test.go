package engine

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// builds is an engine whose installation is the function.
func builds(name string, install func(*builder) error) kind {
	return kind{name: name, version: "1", proof: "proof", install: install}
}

func names(t *testing.T, folder string) []string {
	t.Helper()
	entries, err := os.ReadDir(folder)
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, e := range entries {
		all = append(all, e.Name())
	}
	return all
}

func TestInstallIsAllOrNothingAndOnce(t *testing.T) {
	cache := filepath.Join(t.TempDir(), "a", "cache")
	calls := 0
	good := builds("good", func(b *builder) error { calls++; return b.write("proof", nil) })
	good.notice = "mind the licence"
	all := []kind{
		good,
		builds("fails", func(b *builder) error { return errors.Join(b.write("proof", nil), errors.New("no network")) }),
		builds("lies", func(*builder) error { return nil }),
	}
	if err := os.MkdirAll(filepath.Join(cache, building+"left-by-a-kill"), 0o755); err != nil {
		t.Fatal(err)
	}
	var said bytes.Buffer
	err := install(t.Context(), cache, all, &said)
	for _, want := range []string{"fails 1: no network", "lies 1: not whole"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("no %q in %v", want, err)
		}
	}
	if !strings.HasPrefix(said.String(), "good 1: installed in ") || !strings.HasSuffix(said.String(), " s\n  mind the licence\n") {
		t.Errorf("said %q", said.String())
	}
	if got := names(t, cache); !slices.Equal(got, []string{"good-1", "install.lock"}) {
		t.Errorf("the cache holds %v", got)
	}
	said.Reset()
	if err := install(t.Context(), cache, all[:1], &said); err != nil || said.String() != "good 1: there\n" || calls != 1 {
		t.Errorf("again: %q, %v, built %d times", said.String(), err, calls)
	}
}

func TestAMissingToolIsNamedWithItsPackage(t *testing.T) {
	nobody := tool{"a-tool-that-nobody-has", "its-package"}
	k := builds("x", func(*builder) error { t.Error("built"); return nil })
	k.needs = []tool{nobody, {"another-that-nobody-has", "its-package"}}
	err := install(t.Context(), t.TempDir(), []kind{k}, &bytes.Buffer{})
	if want := "x 1: needs a-tool-that-nobody-has and another-that-nobody-has: apt-get install its-package"; err == nil || err.Error() != want {
		t.Errorf("%v, want %s", err, want)
	}
}

func TestACommandThatFailsSaysItsLastWords(t *testing.T) {
	b := &builder{ctx: t.Context(), folder: t.TempDir()}
	err := b.run("sh", "-c", "for n in $(seq 1 40); do echo line $n; done; exit 3")
	if err == nil || !strings.HasPrefix(err.Error(), "sh: exit status 3\nline 26\n") || !strings.HasSuffix(err.Error(), "line 40") {
		t.Errorf("%v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := (&builder{ctx: ctx, folder: t.TempDir()}).run("sleep", "100"); !errors.Is(err, context.Canceled) {
		t.Errorf("interrupted: %v", err)
	}
}

// shell starts a shell as an engine.
func shell(t *testing.T, script string) *process {
	t.Helper()
	p, err := spawn("shell", exec.Command("sh", "-c", script), filepath.Join(t.TempDir(), "log"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.stop)
	return p
}

// patience is how long a test waits for what must come.
const patience = 20 * time.Second

// begun starts a shell as an engine and waits until the script has written "ready" to
// file 3. What it gives ends when all have ended that the script has started.
func begun(t *testing.T, script string) (*process, *os.File) {
	t.Helper()
	held, file3, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = held.Close() })
	cmd := exec.Command("sh", "-c", script)
	cmd.ExtraFiles = []*os.File{file3}
	p, err := spawn("shell", cmd, filepath.Join(t.TempDir(), "log"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		p.stop()
		_ = syscall.Kill(-p.cmd.Process.Pid, syscall.SIGKILL) // should stop have left something
	})
	if err := errors.Join(file3.Close(), held.SetReadDeadline(time.Now().Add(patience))); err != nil {
		t.Fatal(err)
	}
	said := make([]byte, len("ready\n"))
	if _, err := io.ReadFull(held, said); err != nil || string(said) != "ready\n" {
		t.Fatalf("the shell said %q: %v", said, err)
	}
	return p, held
}

func TestAnEngineThatEndsIsReportedWithItsLog(t *testing.T) {
	p := shell(t, "echo address already in use >&2; exit 1")
	err := p.await(t.Context(), "http://127.0.0.1:1/")
	if want := "shell: exit status 1\naddress already in use"; err == nil || err.Error() != want {
		t.Errorf("%v, want %s", err, want)
	}
}

func TestAnEngineThatNeverAnswersIsReportedWithItsLog(t *testing.T) {
	p, _ := begun(t, "echo thinking; echo ready >&3; exec sleep 100")
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	err := p.await(ctx, "http://127.0.0.1:1/")
	if !errors.Is(err, context.DeadlineExceeded) || !strings.HasSuffix(err.Error(), "\nthinking") {
		t.Errorf("%v", err)
	}
}

func TestAnyAnswerIsOne(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go func() {
		_ = http.Serve(l, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusForbidden) }))
	}()
	if err := shell(t, "exec sleep 100").await(t.Context(), "http://"+l.Addr().String()+"/"); err != nil {
		t.Error(err)
	}
}

// TestStopEndsWhatAnEngineStarted: the group, and when it has ended.
func TestStopEndsWhatAnEngineStarted(t *testing.T) {
	p, held := begun(t, "sleep 100 & echo ready >&3; wait")
	p.stop()
	p.stop()
	select {
	case <-p.ended:
	default:
		t.Error("still there")
	}
	if _, err := held.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
		t.Errorf("what it started is still there: %v", err)
	}
}

func TestSettings(t *testing.T) {
	r := &Running{settings: settings("x", map[string]string{"DYNAMODB": "http://h:1", "SQS": "http://h:2", "S3": "http://h:3", "SSM": "http://h:4"})}
	want := []string{
		"APPROVALS_DEAD=http://h:2/000000000000/x-approvals-dead.fifo", "APPROVALS_QUEUE=http://h:2/000000000000/x-approvals.fifo",
		"AWS_ACCESS_KEY_ID=buzonlocal", "AWS_DEFAULT_REGION=us-east-1",
		"AWS_ENDPOINT_URL_DYNAMODB=http://h:1", "AWS_ENDPOINT_URL_S3=http://h:3", "AWS_ENDPOINT_URL_SQS=http://h:2", "AWS_ENDPOINT_URL_SSM=http://h:4",
		"AWS_REGION=us-east-1", "AWS_SECRET_ACCESS_KEY=buzonlocalsecret", "AWS_SESSION_TOKEN=", "BUCKET=x",
		"INBOUND_DEAD=http://h:2/000000000000/x-inbound-dead.fifo", "INBOUND_QUEUE=http://h:2/000000000000/x-inbound.fifo",
		"OUTBOUND_DEAD=http://h:2/000000000000/x-outbound-dead.fifo", "OUTBOUND_QUEUE=http://h:2/000000000000/x-outbound.fifo",
		"SECRETS=/x", "TABLE=x",
	}
	if got := r.Env(); !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
	r.Settings()["TABLE"] = "changed"
	if r.Settings()["TABLE"] != "x" {
		t.Error("Settings gives its own map away")
	}
}

// TestFoldersOfRuns: what a run left behind that died goes at the next start, what
// another run uses stays.
func TestFoldersOfRuns(t *testing.T) {
	cache := t.TempDir()
	died := filepath.Join(cache, runPrefix+"died")
	if err := errors.Join(os.Mkdir(died, 0o700), os.WriteFile(died+lockSuffix, nil, 0o600)); err != nil {
		t.Fatal(err)
	}
	first, lock, err := runFolder(cache)
	if err != nil {
		t.Fatal(err)
	}
	second, other, err := runFolder(cache)
	if err != nil {
		t.Fatal(err)
	}
	want := []string{filepath.Base(first), filepath.Base(first) + lockSuffix, filepath.Base(second), filepath.Base(second) + lockSuffix}
	slices.Sort(want)
	if got := names(t, cache); !slices.Equal(got, want) {
		t.Errorf("the cache holds %v, want %v", got, want)
	}
	for folder, lock := range map[string]*os.File{first: lock, second: other} {
		r := &Running{folder: folder, lock: lock, ending: make(chan struct{})}
		if err := errors.Join(r.Stop(), r.Stop()); err != nil {
			t.Error(err)
		}
	}
	if got := names(t, cache); len(got) != 0 {
		t.Errorf("after the end the cache holds %v", got)
	}
}

func TestStartWithoutEnginesSaysWhatIsMissing(t *testing.T) {
	cache := t.TempDir()
	_, err := Start(t.Context(), Options{Cache: cache})
	if want := "dynamodb " + dynamoVersion + ": not installed in " + cache; err == nil || err.Error() != want {
		t.Errorf("%v, want %s", err, want)
	}
	if Installed(cache) {
		t.Error("nothing is there")
	}
}

// TestCommandsListenOnTheHostAlone: an engine that is told no address takes all.
func TestCommandsListenOnTheHostAlone(t *testing.T) {
	for _, k := range kinds {
		own := t.TempDir()
		cmd, err := k.command("home", own, "192.0.2.7", "4711")
		if err != nil {
			t.Fatal(err)
		}
		told := strings.Join(cmd.Args, " ")
		if conf, err := os.ReadFile(filepath.Join(own, "elasticmq.conf")); err == nil {
			told += string(conf)
		}
		if !strings.Contains(told, "192.0.2.7") || !strings.Contains(told, "4711") {
			t.Errorf("%s: %s", k.name, told)
		}
	}
}
