package main

import (
	"crypto/md5"
	"crypto/tls"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
)

// standIn answers for AWS over TLS on loopback, at once: reads of a channel, sends
// to a queue, secrets. It keeps nothing.
type standIn struct {
	servers []*httptest.Server
	at      map[string]string // address of each service
	few     string            // file with its certificate among a handful of roots
	many    string            // file with its certificate among the roots of a system
	none    string            // empty folder
	reads   atomic.Int64
	sends   atomic.Int64
}

// services are those that are stood in for, each at an address of its own as on
// AWS: a function that calls two has to open two connections.
var services = []string{"DYNAMODB", "SQS", "S3", "SSM"}

// systemRoots are the places where a bundle of a system's root certificates is.
var systemRoots = []string{"/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt"}

// newStandIn starts it; its files lie in folder.
func newStandIn(folder string) (*standIn, error) {
	s := &standIn{few: filepath.Join(folder, "few.pem"), many: filepath.Join(folder, "many.pem"), none: filepath.Join(folder, "none")}
	s.at = map[string]string{}
	leaf, own, err := certificate()
	if err != nil {
		return nil, err
	}
	for _, name := range services {
		server := httptest.NewUnstartedServer(http.HandlerFunc(s.serve))
		server.EnableHTTP2 = false // as AWS's own services, which the SDK calls by HTTP/1.1
		server.Config.ErrorLog = log.New(io.Discard, "", 0)
		server.TLS = &tls.Config{MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{leaf}}
		server.StartTLS()
		s.servers, s.at[name] = append(s.servers, server), server.URL
	}
	roots, err := readFirst(systemRoots)
	if err == nil {
		err = os.WriteFile(s.many, append(roots, own...), 0o600)
	}
	if err == nil {
		err = os.WriteFile(s.few, append(firstCertificates(roots, fewRoots), own...), 0o600)
	}
	if err == nil {
		err = os.MkdirAll(s.none, 0o700)
	}
	if err != nil {
		s.close()
		return nil, err
	}
	return s, nil
}

// fewRoots is how many certificates the small bundle holds beside our own: package
// cloud trusts Amazon's five.
const fewRoots = 4

func readFirst(files []string) ([]byte, error) {
	for _, f := range files {
		if raw, err := os.ReadFile(f); err == nil {
			return raw, nil
		}
	}
	return nil, fmt.Errorf("root certificates: none of %s is there", strings.Join(files, ", "))
}

func firstCertificates(bundle []byte, n int) []byte {
	var out []byte
	for range n {
		block, rest := pem.Decode(bundle)
		if block == nil {
			break
		}
		out, bundle = append(out, pem.EncodeToMemory(block)...), rest
	}
	return out
}

// environment is what a function finds on AWS, with the stand-in as every service.
// The system's root certificates are as many as on AWS. own: those that package
// cloud trusts for AWS are as many as those that it holds.
func (s *standIn) environment(own bool) []string {
	queue := func(name string) string { return s.at["SQS"] + "/000000000000/" + name + ".fifo" }
	env := []string{
		"SSL_CERT_FILE=" + s.many, "SSL_CERT_DIR=" + s.none, "HOME=" + s.none, "PATH=/usr/bin:/bin", "LANG=en_US.UTF-8", "TZ=:UTC",
		"AWS_REGION=us-east-1", "AWS_DEFAULT_REGION=us-east-1", "AWS_ACCESS_KEY_ID=ASIAEXAMPLE", "AWS_SECRET_ACCESS_KEY=example", "AWS_SESSION_TOKEN=" + strings.Repeat("t", 700),
		"AWS_LAMBDA_FUNCTION_NAME=bench", "AWS_LAMBDA_FUNCTION_VERSION=$LATEST", "AWS_LAMBDA_FUNCTION_MEMORY_SIZE=128", "AWS_LAMBDA_LOG_FORMAT=JSON",
		"AWS_EXECUTION_ENV=AWS_Lambda_provided.al2023", "LAMBDA_TASK_ROOT=/var/task", "_HANDLER=bootstrap",
		"TABLE=buzon-bench", "BUCKET=buzon-bench", "SECRETS=/buzon-bench", "PUBLIC_URL=https://buzon.example", "LOG_LEVEL=INFO",
		"GUPSHUP_URL=" + s.at["S3"], "REQUESTS_PER_ADDRESS=0",
		"INBOUND_QUEUE=" + queue("inbound"), "OUTBOUND_QUEUE=" + queue("outbound"), "APPROVALS_QUEUE=" + queue("approvals"),
		"INBOUND_DEAD=" + queue("inbound-dead"), "OUTBOUND_DEAD=" + queue("outbound-dead"), "APPROVALS_DEAD=" + queue("approvals-dead"),
	}
	if own {
		env = append(env, "AWS_CA_BUNDLE="+s.few)
	}
	for name, address := range s.at {
		env = append(env, "AWS_ENDPOINT_URL_"+name+"="+address)
	}
	return env
}

func (s *standIn) close() {
	for _, server := range s.servers {
		server.Close()
	}
}

func (s *standIn) serve(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(io.LimitReader(r.Body, 1<<20))
	if err != nil {
		return // the caller is gone
	}
	_, action, _ := strings.Cut(r.Header.Get("X-Amz-Target"), ".")
	w.Header().Set("Content-Type", "application/x-amz-json-1.0")
	switch action {
	case "": // a connection opened early
		_, _ = io.WriteString(w, "ok")
	case "GetItem":
		s.reads.Add(1)
		var in struct{ Key attributes }
		reply(w, json.Unmarshal(body, &in), map[string]any{"Item": itemAt(in.Key)})
	case "BatchGetItem":
		s.reads.Add(1)
		var in struct {
			RequestItems map[string]struct{ Keys []attributes }
		}
		err := json.Unmarshal(body, &in)
		out := map[string][]attributes{}
		for table, keys := range in.RequestItems {
			for _, k := range keys.Keys {
				out[table] = append(out[table], itemAt(k))
			}
		}
		reply(w, err, map[string]any{"Responses": out, "UnprocessedKeys": map[string]any{}})
	case "SendMessage":
		s.sends.Add(1)
		var in struct{ MessageBody string }
		err := json.Unmarshal(body, &in)
		sum := md5.Sum([]byte(in.MessageBody)) // SQS's own, which the SDK checks
		reply(w, err, map[string]any{
			"MessageId": "219f8380-5770-4cc2-8c3e-5c715e145f5e", "MD5OfMessageBody": hex.EncodeToString(sum[:]), "SequenceNumber": "18849496460467696128",
		})
	default:
		w.WriteHeader(http.StatusBadRequest)
		fmt.Fprintf(w, `{"__type":"com.amazonaws#UnknownOperationException","message":"stand-in: no %s"}`, action)
	}
}

func reply(w http.ResponseWriter, err error, v any) {
	raw, marshal := json.Marshal(v)
	if err != nil || marshal != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	_, _ = w.Write(raw) // a caller that is gone needs no answer
}

// attributes are an item as DynamoDB's JSON writes it.
type attributes map[string]map[string]any

// itemAt is the item under a key: whatever is asked for is a channel of that id.
func itemAt(key attributes) attributes {
	pk, _ := key["PK"]["S"].(string)
	ch := line
	ch.ID = pk[strings.LastIndexByte(pk, '#')+1:]
	raw, err := json.Marshal(ch)
	if err != nil {
		panic(err) // unreachable: plain data
	}
	var fields map[string]any
	if err := json.Unmarshal(raw, &fields); err != nil {
		panic(err) // unreachable
	}
	item := attributes{"PK": key["PK"], "SK": key["SK"], "Version": {"N": "3"}}
	for name, v := range fields {
		item[name] = attribute(v)
	}
	return item
}

func attribute(v any) map[string]any {
	switch v := v.(type) {
	case string:
		return map[string]any{"S": v}
	case float64:
		return map[string]any{"N": fmt.Sprint(v)}
	case bool:
		return map[string]any{"BOOL": v}
	case map[string]any:
		m := map[string]any{}
		for name, inner := range v {
			m[name] = attribute(inner)
		}
		return map[string]any{"M": m}
	}
	return map[string]any{"NULL": true}
}
