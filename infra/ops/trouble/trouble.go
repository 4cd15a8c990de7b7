// Package trouble says in a sentence what an error of AWS means to an operator,
// and which command mends it. It never repeats what could name a person: an
// answer that refuses access holds the caller's own name.
package trouble

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/smithy-go"

	"buzon/infra/ops/stack"
)

// Mend of the commonest kinds of trouble.
const (
	SignIn = "aws configure, or: export AWS_PROFILE=… and aws sso login"
	Region = "export AWS_REGION=eu-west-1, or any other region"
	Deploy = "make deploy"
	SAM    = "make sam"
)

// Error is trouble with its remedy.
type Error struct {
	Text string
	Mend string // a command, or what to do; empty: nothing is known to help
}

func (e *Error) Error() string { return e.Text }

var (
	expired = []string{"ExpiredToken", "ExpiredTokenException", "RequestExpired", "TokenRefreshRequired"}
	unknown = []string{
		"InvalidClientTokenId", "UnrecognizedClientException", "SignatureDoesNotMatch", "InvalidSignatureException",
		"InvalidAccessKeyId", "AuthFailure", "MissingAuthenticationToken",
	}
	refused = []string{"AccessDenied", "AccessDeniedException", "UnauthorizedOperation", "AuthorizationError", "Forbidden"}
	absent  = []string{
		"ResourceNotFoundException", "QueueDoesNotExist", "AWS.SimpleQueueService.NonExistentQueue", "NoSuchBucket", "NotFound",
		"TableNotFoundException",
	}
)

// Of explains err. What it does not know keeps its text.
func Of(err error) *Error {
	var known *Error
	if errors.As(err, &known) {
		return known
	}
	var away *stack.Absent
	if errors.As(err, &away) {
		return &Error{away.Error(), "make deploy; or name another: STACK=…, AWS_REGION=…"}
	}
	var profile config.SharedConfigProfileNotExistError
	if errors.As(err, &profile) {
		return &Error{fmt.Sprintf("credentials: there is no profile %q on this machine", profile.Profile), "aws configure --profile " + profile.Profile + ", or: unset AWS_PROFILE"}
	}
	var call *smithy.OperationError
	doing := "AWS"
	if errors.As(err, &call) {
		doing = call.Service() + " " + call.Operation()
	}
	var api smithy.APIError
	if errors.As(err, &api) {
		code := api.ErrorCode()
		switch {
		case slices.Contains(expired, code):
			return &Error{"credentials: they have expired", "aws sso login, or new credentials"}
		case slices.Contains(unknown, code):
			return &Error{"credentials: AWS does not know them", SignIn}
		case slices.Contains(refused, code):
			return &Error{fmt.Sprintf("credentials: they may not do %s", doing), "let somebody allow them the action of that name"}
		case slices.Contains(absent, code):
			return &Error{prefix(err) + "not there", Deploy}
		}
		return &Error{fmt.Sprintf("%s%s: %s: %s", prefix(err), doing, code, api.ErrorMessage()), ""}
	}
	text := err.Error()
	if strings.Contains(text, "get credentials") || strings.Contains(text, "refresh cached credentials") || strings.Contains(text, "IMDS") {
		return &Error{"credentials: none found", SignIn}
	}
	if strings.Contains(text, "Missing Region") || strings.Contains(text, "an AWS region is required") {
		return &Error{"region: none set", Region}
	}
	var dns *net.DNSError
	if errors.As(err, &dns) {
		return &Error{fmt.Sprintf("network: %s has no address here", dns.Name), "look at the network and at AWS_REGION"}
	}
	if errors.Is(err, context.DeadlineExceeded) {
		return &Error{doing + ": no answer in time", "look at the network, then try again"}
	}
	var web *url.Error
	if errors.As(err, &web) {
		return &Error{fmt.Sprintf("%s: %v", doing, web.Err), "look at the network, then try again"}
	}
	return &Error{text, ""}
}

// prefix is what our own code put before the SDK's text: the object's name.
func prefix(err error) string {
	before, _, found := strings.Cut(err.Error(), "operation error ")
	if !found {
		return ""
	}
	return before
}
