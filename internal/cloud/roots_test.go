package cloud

import (
	"crypto/x509"
	"encoding/pem"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// TestRoots: the five of Amazon Trust Services, each able to vouch for others and
// good for years.
func TestRoots(t *testing.T) {
	var names []string
	for rest := rootsPEM; ; {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			break
		}
		c, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			t.Fatal(err)
		}
		names = append(names, c.Subject.CommonName)
		if !c.IsCA || c.CheckSignatureFrom(c) != nil || c.NotAfter.Before(time.Date(2036, 1, 1, 0, 0, 0, 0, time.UTC)) {
			t.Errorf("%s is no root for long", c.Subject)
		}
	}
	want := []string{"Amazon Root CA 1", "Amazon Root CA 2", "Amazon Root CA 3", "Amazon Root CA 4", "Starfield Services Root Certificate Authority - G2"}
	if !slices.Equal(names, want) {
		t.Errorf("roots %q, want %q", names, want)
	}
}

// TestAWSClient: nobody but Amazon is trusted, unless the setting says so.
func TestAWSClient(t *testing.T) {
	server := httptest.NewTLSServer(http.NotFoundHandler())
	defer server.Close()
	server.Config.ErrorLog = nil
	bundle := filepath.Join(t.TempDir(), "roots.pem")
	own := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
	if err := os.WriteFile(bundle, own, 0o600); err != nil {
		t.Fatal(err)
	}
	empty := filepath.Join(t.TempDir(), "empty.pem")
	if err := os.WriteFile(empty, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		say, bundle string
		trusted     bool
		problem     string
	}{
		{"a stranger", "", false, ""},
		{"one whose root the setting names", bundle, true, ""},
		{"a file that is not there", bundle + ".not", false, "no such file"},
		{"a file without a certificate", empty, false, "no certificate"},
	} {
		s := &settings{get: env(map[string]string{"AWS_CA_BUNDLE": c.bundle})}
		client := s.awsClient()
		if problems := strings.Join(s.problems, "; "); !strings.Contains(problems, c.problem) || (problems == "") != (c.problem == "") {
			t.Errorf("%s: %q, want %q", c.say, problems, c.problem)
		}
		resp, err := client.Get(server.URL)
		if err == nil {
			resp.Body.Close()
		}
		if (err == nil) != c.trusted {
			t.Errorf("%s: %v", c.say, err)
		}
		client.CloseIdleConnections()
	}
}
