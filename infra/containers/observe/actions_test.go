package observe

import (
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"buzon/internal/fuzztest"
)

func TestActions(t *testing.T) {
	for _, c := range []struct {
		sentence string
		service  Service
		request  string // method and address; a third word is X-Amz-Target, a fourth another header
		body     string
		want     string // with commas
	}{
		{"an item read", DynamoDB, "POST / DynamoDB_20120810.GetItem", "{}", "dynamodb:GetItem"},
		{"several items read", DynamoDB, "POST / DynamoDB_20120810.BatchGetItem", "{}", "dynamodb:BatchGetItem"},
		{
			"a transaction needs the rights of its parts", DynamoDB, "POST / DynamoDB_20120810.TransactWriteItems",
			`{"TransactItems":[{"Put":{}},{"Update":{}},{"Put":{"TableName":"t"}},{"Delete":{}},{"ConditionCheck":{}}]}`,
			"dynamodb:ConditionCheckItem,dynamodb:DeleteItem,dynamodb:PutItem,dynamodb:UpdateItem",
		},
		{"a transaction that reads", DynamoDB, "POST / DynamoDB_20120810.TransactGetItems", `{"TransactItems":[{"Get":{}},{"Get":{}}]}`, "dynamodb:GetItem"},
		{"an unknown part of one", DynamoDB, "POST / DynamoDB_20120810.TransactWriteItems", `{"TransactItems":[{"Steal":{}}]}`, "dynamodb:unknown (Steal in a transaction)"},
		{"a transaction that is no JSON", DynamoDB, "POST / DynamoDB_20120810.TransactWriteItems", `{`, "dynamodb:unknown (a transaction that cannot be read)"},
		{"opening the connection is no action", DynamoDB, "GET /", "", ""},
		{"a target without a name neither", SQS, "POST / AmazonSQS.", "{}", ""},
		{"a message sent", SQS, "POST / AmazonSQS.SendMessage", "{}", "sqs:SendMessage"},
		{"several go by the name of one", SQS, "POST / AmazonSQS.DeleteMessageBatch", "{}", "sqs:DeleteMessage"},
		{"a secret read", SSM, "POST / AmazonSSM.GetParameter", "{}", "ssm:GetParameter"},
		{"a file written", S3, "PUT /bucket/a/b?x-id=PutObject", "x", "s3:PutObject"},
		{"a file copied", S3, "PUT /bucket/a - X-Amz-Copy-Source", "", "s3:GetObject,s3:PutObject"},
		{"a file read", S3, "GET /bucket/a/b?x-id=GetObject", "", "s3:GetObject"},
		{"a link followed", S3, "GET /bucket/a?X-Amz-Signature=0&response-content-type=x", "", "s3:GetObject"},
		{"a file looked at", S3, "HEAD /bucket/a", "", "s3:GetObject"},
		{"a file deleted", S3, "DELETE /bucket/a", "", "s3:DeleteObject"},
		{"a form uploaded", S3, "POST /bucket", "x", "s3:PutObject"},
		{"a form uploaded with a slash", S3, "POST /bucket/", "x", "s3:PutObject"},
		{"an upload in parts begun", S3, "POST /bucket/a?uploads", "", "s3:PutObject"},
		{"its part", S3, "PUT /bucket/a?partNumber=1&uploadId=x", "x", "s3:PutObject"},
		{"its end", S3, "POST /bucket/a?uploadId=x", "x", "s3:PutObject"},
		{"its giving up", S3, "DELETE /bucket/a?uploadId=x", "", "s3:AbortMultipartUpload"},
		{"its parts listed", S3, "GET /bucket/a?uploadId=x", "", "s3:ListMultipartUploadParts"},
		{"a bucket listed", S3, "GET /bucket?list-type=2&prefix=a", "", "s3:ListBucket"},
		{"a bucket looked at", S3, "HEAD /bucket", "", "s3:ListBucket"},
		{"several files deleted", S3, "POST /bucket?delete", "x", "s3:DeleteObject"},
		{"all buckets listed", S3, "GET / - Authorization", "", "s3:ListAllMyBuckets"},
		{"S3's connection opened", S3, "GET /", "", ""},
		{"something else tells no name of a file", S3, "PUT /bucket/secret?acl", "", "s3:unknown (PUT with query acl)"},
		{"an older version neither", S3, "GET /bucket/secret?versionId=1", "", "s3:unknown (GET with query versionId)"},
		{"a bucket changed neither", S3, "PUT /bucket", "", "s3:unknown (PUT with query )"},
		{"nor an unknown method", S3, "PATCH /bucket/secret", "", "s3:unknown (PATCH with query )"},
	} {
		words := strings.Fields(c.request)
		r := httptest.NewRequest(words[0], words[1], strings.NewReader(c.body))
		if len(words) > 2 && words[2] != "-" {
			r.Header.Set("X-Amz-Target", words[2])
		}
		if len(words) > 3 {
			r.Header.Set(words[3], "x")
		}
		if got := strings.Join(Actions(c.service, r, []byte(c.body)), ","); got != c.want {
			t.Errorf("%s: %s, want %s", c.sentence, got, c.want)
		}
	}
}

func TestTransactionOfMoreThanDynamoDBTakes(t *testing.T) {
	for n, want := range map[int]string{maxItems: "dynamodb:PutItem", maxItems + 1: "dynamodb:unknown (a transaction that cannot be read)"} {
		body := `{"TransactItems":[` + strings.TrimSuffix(strings.Repeat(`{"Put":{}},`, n), ",") + `]}`
		if got := transaction([]byte(body), map[string]string{"Put": "PutItem"}); !slices.Equal(got, []string{want}) {
			t.Errorf("%d items: %v, want %s", n, got, want)
		}
	}
}

// FuzzActions: whatever a function sends, each of its actions has the service's
// name, and the time and memory to see that are bounded.
func FuzzActions(f *testing.F) {
	f.Add("DynamoDB_20120810.TransactWriteItems", `{"TransactItems":[{"Put":{}}]}`)
	f.Add("DynamoDB_20120810.Query", "{}")
	f.Add("..", "[[[[[[")
	f.Add("", "\xff")
	f.Fuzz(func(t *testing.T, target, body string) {
		r := &http.Request{Method: http.MethodPost, Header: http.Header{"X-Amz-Target": {target}}}
		var actions []string
		fuzztest.Limit{Time: 2 * time.Second, Memory: 1 << 20, PerByte: 500}.Check(t, len(target)+len(body), func() {
			actions = Actions(DynamoDB, r, []byte(body))
		})
		for _, a := range actions {
			if !strings.HasPrefix(a, "dynamodb:") {
				t.Errorf("action %q", a)
			}
		}
	})
}
