package docker

import (
	"archive/tar"
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// daemon plays a Docker daemon behind a socket of its own.
type daemon struct {
	network    string // of GET /networks/bridge
	containers []string
	images     []string
	busy       map[string]bool   // somebody else is removing it
	parents    map[string]string // images that others are made from
	imported   string            // query of the import
	importSays string
}

func (d *daemon) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	path := r.URL.Path
	answer := func(status int, v any) {
		w.WriteHeader(status)
		_ = json.NewEncoder(w).Encode(v)
	}
	list := func(ids []string) {
		if r.URL.Query().Get("filters") != `{"label":["buzon.checkout=x"]}` || r.URL.Query().Get("all") != "1" {
			answer(http.StatusBadRequest, map[string]string{"message": "filters " + r.URL.RawQuery})
			return
		}
		all := []map[string]string{}
		for _, id := range ids {
			all = append(all, map[string]string{"Id": id})
		}
		answer(http.StatusOK, all)
	}
	kind, id, _ := strings.Cut(strings.TrimPrefix(path, "/"), "/")
	switch {
	case path == "/_ping":
		_, _ = io.WriteString(w, "OK")
	case path == "/networks/bridge":
		_, _ = io.WriteString(w, d.network)
	case path == "/images/create":
		d.imported = r.URL.Query().Encode()
		_, _ = io.Copy(io.Discard, r.Body)
		_, _ = io.WriteString(w, d.importSays)
	case path == "/containers/json":
		list(d.containers)
	case path == "/images/json":
		list(d.images)
	case r.Method == http.MethodDelete && d.busy[id]:
		answer(http.StatusConflict, map[string]string{"message": "removal of container " + id + " is already in progress"})
	case r.Method == http.MethodDelete && slices.Contains(d.images, d.parents[id]):
		answer(http.StatusConflict, map[string]string{"message": "image has dependent child images"})
	case r.Method == http.MethodDelete && r.URL.Query().Get("force") == "1":
		from := map[string]*[]string{"containers": &d.containers, "images": &d.images}[kind]
		i := slices.Index(*from, id)
		if i < 0 {
			answer(http.StatusNotFound, map[string]string{"message": "no such thing"})
			return
		}
		*from = slices.Delete(*from, i, i+1)
		w.WriteHeader(http.StatusNoContent)
	default:
		answer(http.StatusInternalServerError, map[string]string{"message": r.Method + " " + path})
	}
}

func (d *daemon) client(t *testing.T) *Client {
	t.Helper()
	socket := filepath.Join(t.TempDir(), "d.sock")
	l, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewUnstartedServer(d)
	_ = server.Listener.Close()
	server.Listener = l
	server.Start()
	t.Cleanup(server.Close)
	c, err := New("unix://" + socket)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func TestNobodyListens(t *testing.T) {
	c, err := New("unix://" + filepath.Join(t.TempDir(), "absent.sock"))
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Ping(t.Context()); !errors.Is(err, ErrAbsent) {
		t.Errorf("%v, want ErrAbsent", err)
	}
	if err := (&daemon{}).client(t).Ping(t.Context()); err != nil {
		t.Errorf("somebody listens: %v", err)
	}
}

func TestHosts(t *testing.T) {
	for host, ok := range map[string]bool{
		"": true, "unix:///run/d.sock": true, "tcp://127.0.0.1:2375": true,
		"unix://": false, "tcp://": false, "ssh://a": false, "a b": false, "npipe://x": false,
	} {
		if _, err := New(host); (err == nil) != ok {
			t.Errorf("%q: %v", host, err)
		}
	}
}

func TestGateway(t *testing.T) {
	for _, c := range []struct{ sentence, network, want string }{
		{"a network in use", `{"IPAM":{"Config":[{"Subnet":"172.17.0.0/16","Gateway":"172.17.0.1"}]}}`, "172.17.0.1"},
		{"one that had no container yet", `{"IPAM":{"Config":[{"Subnet":"172.18.0.0/16"}]}}`, "172.18.0.1"},
		{"IPv6 beside", `{"IPAM":{"Config":[{"Subnet":"fd00::/64","Gateway":"fd00::1"},{"Gateway":"10.0.0.1"}]}}`, "10.0.0.1"},
		{"none", `{"IPAM":{"Config":[]}}`, ""},
	} {
		got, err := (&daemon{network: c.network}).client(t).Gateway(t.Context())
		if c.want == "" && err == nil || c.want != "" && (err != nil || got != netip.MustParseAddr(c.want)) {
			t.Errorf("%s: %v, %v; want %s", c.sentence, got, err, c.want)
		}
	}
}

func TestImport(t *testing.T) {
	d := &daemon{importSays: `{"status":"sha256:1"}` + "\n"}
	if err := d.client(t).Import(t.Context(), "buzon-x:al2023", "buzon.checkout=x", strings.NewReader("tar")); err != nil {
		t.Error(err)
	}
	if want := "changes=LABEL+buzon.checkout%3Dx&fromSrc=-&repo=buzon-x&tag=al2023"; d.imported != want {
		t.Errorf("imported with %s, want %s", d.imported, want)
	}
	d.importSays = `{"status":"x"}` + "\n" + `{"error":"no space left"}` + "\n" // after a 200
	if err := d.client(t).Import(t.Context(), "a:b", "c=d", strings.NewReader("tar")); err == nil || !strings.Contains(err.Error(), "no space left") {
		t.Errorf("%v", err)
	}
}

func TestRemove(t *testing.T) {
	d := &daemon{
		containers: []string{"1", "2", "3"}, images: []string{"a", "b", "c"}, busy: map[string]bool{"2": true},
		parents: map[string]string{"a": "b", "b": "c"},
	}
	c := d.client(t)
	if err := c.RemoveContainers(t.Context(), "buzon.checkout=x"); err != nil {
		t.Errorf("containers, one of which somebody else removes: %v", err)
	}
	if d := cmp.Diff([]string{"2"}, d.containers); d != "" {
		t.Errorf("left (-want +got):\n%s", d)
	}
	for range 2 { // nothing is left the second time
		if err := c.RemoveImages(t.Context(), "buzon.checkout=x"); err != nil || len(d.images) > 0 {
			t.Errorf("images: %v, left %v", err, d.images)
		}
	}
	d.images, d.parents = []string{"a", "b"}, map[string]string{"a": "b", "b": "a"}
	if err := c.RemoveImages(t.Context(), "buzon.checkout=x"); err == nil || !strings.Contains(err.Error(), "dependent child images") {
		t.Errorf("images that cannot go: %v", err)
	}
	if err := c.RemoveContainers(t.Context(), "another"); err == nil || !strings.Contains(err.Error(), "docker: status 400: filters") {
		t.Errorf("a refusal of the daemon: %v", err)
	}
}

func TestGone(t *testing.T) {
	for _, c := range []struct {
		sentence string
		err      error
		gone     bool
	}{
		{"it was removed", nil, true},
		{"it was not there", &refusal{http.StatusNotFound, "x"}, true},
		{"somebody else removes it", &refusal{http.StatusConflict, "removal of container x is already in progress"}, true},
		{"something uses it", &refusal{http.StatusConflict, "image is being used by running container"}, false},
		{"the daemon is unwell", &refusal{http.StatusInternalServerError, "x"}, false},
		{"it is not there at all", ErrAbsent, false},
	} {
		if gone(c.err) != c.gone {
			t.Errorf("%s: %v", c.sentence, !c.gone)
		}
	}
}

// SAM needs sh, mv and chmod; a function needs /tmp, /var/task and certificates.
func TestBaseImageHasWhatSAMNeeds(t *testing.T) {
	image, err := pack([]byte("program"), []byte("certificates"))
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	for r := tar.NewReader(bytes.NewReader(image)); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		content, _ := io.ReadAll(r)
		got[h.Name] = h.FileInfo().Mode().String() + " " + string(content) + h.Linkname
	}
	for name, want := range map[string]string{
		"bin/busybox": "-rwxr-xr-x program", "bin/sh": "Lrwxrwxrwx busybox", "bin/mv": "Lrwxrwxrwx busybox", "bin/chmod": "Lrwxrwxrwx busybox",
		"tmp/": "dtrwxrwxrwx ", "var/task/": "drwxr-xr-x ", "etc/ssl/certs/ca-certificates.crt": "-rw-r--r-- certificates",
	} {
		if got[name] != want {
			t.Errorf("%s: %q, want %q", name, got[name], want)
		}
	}
}
