// Package observe watches what functions ask of AWS and holds it against what
// their roles allow.
//
//	actions.go  a request, named as IAM names it
//	relay.go    the way of a function to a service, which notes what goes by
//	record.go   what was seen, function by function
//	compare.go  seen against granted
package observe

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
)

// Service is one of the services that functions call.
type Service string

// The services, as IAM names them.
const (
	DynamoDB Service = "dynamodb"
	SQS      Service = "sqs"
	S3       Service = "s3"
	SSM      Service = "ssm"
)

// Services are all of them.
var Services = [...]Service{DynamoDB, SQS, S3, SSM}

// maxItems is the most items of a transaction (DynamoDB's limit).
const maxItems = 100

// Actions are the actions that a role must allow for a request to be answered,
// without doubles. A request that is none, such as one that only opens the
// connection, gives nothing; one that is not known here gives a name that no role
// allows, so that it is told.
func Actions(service Service, r *http.Request, body []byte) []string {
	if service == S3 {
		return files(r)
	}
	_, name, ok := strings.Cut(r.Header.Get("X-Amz-Target"), ".")
	if !ok || name == "" {
		return nil
	}
	switch {
	case service == DynamoDB && name == "TransactWriteItems":
		return transaction(body, map[string]string{
			"Put": "PutItem", "Update": "UpdateItem", "Delete": "DeleteItem", "ConditionCheck": "ConditionCheckItem",
		})
	case service == DynamoDB && name == "TransactGetItems":
		return transaction(body, map[string]string{"Get": "GetItem"})
	case service == SQS:
		name = strings.TrimSuffix(name, "Batch") // IAM has one name for one and for many
	}
	return []string{string(service) + ":" + name}
}

// transaction names the actions of the items in a transaction: IAM knows no other.
func transaction(body []byte, names map[string]string) []string {
	var t struct{ TransactItems []map[string]json.RawMessage }
	if err := json.Unmarshal(body, &t); err != nil || len(t.TransactItems) > maxItems {
		return []string{"dynamodb:unknown (a transaction that cannot be read)"}
	}
	var found []string
	for _, item := range t.TransactItems {
		for kind := range item {
			name, known := names[kind]
			if !known {
				name = "unknown (" + kind + " in a transaction)"
			}
			if action := "dynamodb:" + name; !slices.Contains(found, action) {
				found = append(found, action)
			}
		}
	}
	slices.Sort(found)
	return found
}

// files names a request to S3 with the bucket in its path.
func files(r *http.Request) []string {
	bucket, key, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
	query := r.URL.Query()
	has := func(name string) bool { return query.Has(name) }
	if bucket == "" {
		if r.Header.Get("Authorization") == "" {
			return nil // opens the connection
		}
		return []string{"s3:ListAllMyBuckets"}
	}
	if key == "" {
		switch {
		case (r.Method == http.MethodGet || r.Method == http.MethodHead) && (len(query) == 0 || has("list-type") || has("prefix")):
			return []string{"s3:ListBucket"}
		case r.Method == http.MethodPost && has("delete"):
			return []string{"s3:DeleteObject"}
		case r.Method == http.MethodPost && len(query) == 0: // a form with a policy
			return []string{"s3:PutObject"}
		}
		return []string{unknownFile(r)}
	}
	for _, other := range []string{"acl", "tagging", "retention", "legal-hold", "torrent", "attributes", "restore", "versionId"} {
		if has(other) {
			return []string{unknownFile(r)}
		}
	}
	switch r.Method {
	case http.MethodGet, http.MethodHead:
		if has("uploadId") {
			return []string{"s3:ListMultipartUploadParts"}
		}
		return []string{"s3:GetObject"}
	case http.MethodPut:
		if r.Header.Get("X-Amz-Copy-Source") != "" {
			return []string{"s3:GetObject", "s3:PutObject"}
		}
		return []string{"s3:PutObject"}
	case http.MethodPost: // the beginning or the end of an upload in parts
		if has("uploads") || has("uploadId") {
			return []string{"s3:PutObject"}
		}
	case http.MethodDelete:
		if has("uploadId") {
			return []string{"s3:AbortMultipartUpload"}
		}
		return []string{"s3:DeleteObject"}
	}
	return []string{unknownFile(r)}
}

// unknownFile tells of a request without the object's name, which may say who
// it is about.
func unknownFile(r *http.Request) string {
	var names []string
	for name := range r.URL.Query() {
		names = append(names, name)
	}
	slices.Sort(names)
	return fmt.Sprintf("s3:unknown (%s with query %s)", r.Method, strings.Join(names, ","))
}
