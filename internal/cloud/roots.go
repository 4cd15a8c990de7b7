package cloud

import (
	"crypto/tls"
	"crypto/x509"
	_ "embed"
	"fmt"
	"net"
	"net/http"
	"os"
	"time"
)

// rootsPEM are the five certificates that Amazon Trust Services asks everybody to
// trust (https://www.amazontrust.com/repository/): all that AWS's own addresses
// are signed by. Reading them takes a thirtieth of reading a system's 140.
//
//go:embed roots.pem
var rootsPEM []byte

const (
	// connectLimit bounds the opening of a connection to AWS, and as long its TLS;
	// attemptLimit how long an answer may be awaited. A call stalls now and then
	// where its repeat is answered at once, and a function has seconds in all. A
	// receive that waits for a record waits less.
	connectLimit = 2 * time.Second
	attemptLimit = 3 * time.Second
)

// awsClient is for calls to AWS: it trusts Amazon's roots alone, or those in the
// file that AWS_CA_BUNDLE names, the SDK's own setting, in their place.
func (s *settings) awsClient() *http.Client {
	pem := rootsPEM
	if name := s.get("AWS_CA_BUNDLE"); name != "" {
		var err error
		if pem, err = os.ReadFile(name); err != nil {
			s.problem(fmt.Sprintf("setting AWS_CA_BUNDLE: %v", err))
		}
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		s.problem("setting AWS_CA_BUNDLE: no certificate in it")
	}
	t := transport()
	t.TLSClientConfig = &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}
	t.DialContext = (&net.Dialer{Timeout: connectLimit}).DialContext
	t.TLSHandshakeTimeout, t.ResponseHeaderTimeout = connectLimit, attemptLimit
	return &http.Client{Transport: t}
}

// transport keeps more connections to one host than Go does by itself.
func transport() *http.Transport {
	t := http.DefaultTransport.(*http.Transport).Clone() //nolint:forcetypeassert // documented to be one
	t.MaxIdleConns, t.MaxIdleConnsPerHost = 4*idlePerHost, idlePerHost
	return t
}
