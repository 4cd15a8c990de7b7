package trouble

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/smithy-go"

	"buzon/infra/ops/stack"
)

func TestOf(t *testing.T) {
	call := func(code, message string) error {
		return fmt.Errorf("table buzon: %w", &smithy.OperationError{
			ServiceID: "DynamoDB", OperationName: "DescribeTable", Err: fmt.Errorf("https response error StatusCode: 400, %w", &smithy.GenericAPIError{Code: code, Message: message}),
		})
	}
	for _, c := range []struct {
		say        string
		err        error
		text, mend string // the mend begins so
	}{
		{"one of ours", fmt.Errorf("x: %w", &Error{"text", "mend"}), "text", "mend"},
		{"no stack", fmt.Errorf("x: %w", &stack.Absent{Name: "buzon", Region: "eu-west-1"}), "stack buzon: not there in eu-west-1", "make deploy"},
		{"expired", call("ExpiredTokenException", "no"), "credentials: they have expired", "aws sso login"},
		{"not known", call("UnrecognizedClientException", "no"), "credentials: AWS does not know them", "aws configure"},
		{"refused, without the name of the caller", call("AccessDeniedException", "User: arn:…/ana"), "credentials: they may not do DynamoDB DescribeTable", "let somebody"},
		{"away", call("ResourceNotFoundException", "Requested resource not found"), "table buzon: not there", "make deploy"},
		{"another answer", call("ThrottlingException", "Rate exceeded"), "table buzon: DynamoDB DescribeTable: ThrottlingException: Rate exceeded", ""},
		{"no credentials", errors.New("get identity: get credentials: no EC2 IMDS role found"), "credentials: none found", "aws configure"},
		{"a profile that is not there", fmt.Errorf("AWS settings: %w", config.SharedConfigProfileNotExistError{Profile: "acme"}), `credentials: there is no profile "acme" on this machine`, "aws configure --profile acme"},
		{"no region", errors.New("resolve endpoint: Invalid Configuration: Missing Region"), "region: none set", "export AWS_REGION"},
		{"no name", &url.Error{Op: "Post", URL: "https://x/secret", Err: &net.DNSError{Name: "sqs.eu-west-9.amazonaws.com", Err: "no such host"}}, "network: sqs.eu-west-9.amazonaws.com has no address here", "look at"},
		{"too slow", fmt.Errorf("x: %w", context.DeadlineExceeded), "AWS: no answer in time", "look at"},
		{"not connected, without the address", &url.Error{Op: "Post", URL: "https://x/secret", Err: errors.New("connection refused")}, "AWS: connection refused", "look at"},
		{"anything else", errors.New("queue x: odd"), "queue x: odd", ""},
	} {
		got := Of(c.err)
		if got.Text != c.text || !strings.HasPrefix(got.Mend, c.mend) || (c.mend == "") != (got.Mend == "") {
			t.Errorf("%s: %+v", c.say, got)
		}
	}
}
