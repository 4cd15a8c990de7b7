package dynamo

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	sdk "github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/smithy-go"
	"github.com/aws/smithy-go/middleware"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"buzon/internal/fault"
	"buzon/internal/table"
)

// busyCodes are refusals for the moment, before any effect: of a call, and as
// the reason why a transaction was cancelled (API reference of
// TransactWriteItems, "Errors").
var busyCodes = map[string]bool{
	"ProvisionedThroughputExceededException": true,
	"RequestLimitExceeded":                   true,
	"ReplicatedWriteConflictException":       true,
	"ThrottlingException":                    true,
	"TransactionConflictException":           true,

	"ProvisionedThroughputExceeded": true,
	"ThrottlingError":               true,
	"TransactionConflict":           true,
}

// attempts looks at each attempt of one call, those included that the SDK
// repeats.
type attempts struct {
	// unclear: an attempt may have taken effect without an answer that says so.
	unclear bool
}

// watch is an option of the call.
func (a *attempts) watch(o *sdk.Options) {
	look := func(ctx context.Context, in middleware.FinalizeInput, next middleware.FinalizeHandler) (middleware.FinalizeOutput, middleware.Metadata, error) {
		out, metadata, err := next.HandleFinalize(ctx, in)
		if err != nil && codeOfRefusal(err) == "" {
			a.unclear = true
		}
		return out, metadata, err
	}
	o.APIOptions = append(o.APIOptions, func(stack *middleware.Stack) error {
		return stack.Finalize.Insert(middleware.FinalizeMiddlewareFunc("Attempts", look), "Retry", middleware.After)
	})
}

// guarded is an option of every call: an answer at which the SDK panics (smithy-go
// 1.28.8 does at some that are no JSON) is one that cannot be read.
func guarded(o *sdk.Options) {
	read := func(ctx context.Context, in middleware.DeserializeInput, next middleware.DeserializeHandler) (out middleware.DeserializeOutput, metadata middleware.Metadata, err error) {
		defer func() {
			if recover() != nil {
				err = &smithy.DeserializationError{Err: errors.New("panic")}
			}
		}()
		return next.HandleDeserialize(ctx, in)
	}
	o.APIOptions = append(o.APIOptions, func(stack *middleware.Stack) error {
		return stack.Deserialize.Add(middleware.DeserializeMiddlewareFunc("Guard", read), middleware.Before)
	})
}

// codeOfRefusal is the code with which DynamoDB said that the call did nothing;
// empty for all other errors.
func codeOfRefusal(err error) string {
	var response *smithyhttp.ResponseError
	var refusal smithy.APIError
	if !errors.As(err, &response) || response.HTTPStatusCode()/100 != 4 || !errors.As(err, &refusal) {
		return ""
	}
	switch code := refusal.ErrorCode(); code {
	case "UnknownError": // the SDK's word for an answer without a code
		return ""
	case "TransactionInProgressException": // an earlier attempt of this call is not over
		return ""
	default:
		return code
	}
}

// readError puts the error of a Get or Query in the words of package table.
func (t *Table) readError(ctx context.Context, verb string, err error) error {
	if code := codeOfRefusal(err); code != "" {
		return t.refusal(verb, code, err)
	}
	if ctx.Err() != nil {
		return fmt.Errorf("table %s: %w", verb, ctx.Err())
	}
	var send *smithyhttp.RequestSendError
	var unreadable *smithy.DeserializationError
	var response *smithyhttp.ResponseError
	if errors.As(err, &send) || errors.As(err, &unreadable) || errors.As(err, &response) && response.HTTPStatusCode()/100 != 4 {
		return fmt.Errorf("table %s: %s: %w", verb, noAnswer(err), fault.Busy)
	}
	return fmt.Errorf("table %s: %s", verb, noAnswer(err))
}

// writeError puts the error of a Write in the words of package table.
func (t *Table) writeError(ctx context.Context, err error, seen attempts) error {
	code := codeOfRefusal(err)
	switch {
	case code == "" && ctx.Err() != nil:
		return fmt.Errorf("table write: outcome unknown: %w", ctx.Err())
	case code == "":
		return fmt.Errorf("table write: outcome unknown: %s", noAnswer(err))
	case code == "ConditionalCheckFailedException":
		return &table.Refused{Ops: []int{0}}
	}
	var cancelled *types.TransactionCanceledException
	if errors.As(err, &cancelled) {
		err = t.cancellation(cancelled.CancellationReasons)
	} else {
		err = t.refusal("write", code, err)
	}
	if seen.unclear && errors.Is(err, fault.Busy) {
		return fmt.Errorf("table write: outcome unknown: %s after an attempt without a clear answer", code)
	}
	return err
}

// refusal is a call that did nothing, by its code.
func (t *Table) refusal(verb, code string, err error) error {
	text := fmt.Sprintf("table %s: %s%s", verb, code, request(err))
	var refusal smithy.APIError
	switch {
	case code == "ResourceNotFoundException":
		return fmt.Errorf("table %s: %w", verb, &fault.Missing{What: "table " + t.name})
	case code == "ValidationException" && errors.As(err, &refusal) && strings.Contains(refusal.ErrorMessage(), "specified index"):
		return fmt.Errorf("table %s: %w", verb, &fault.Missing{What: "index " + indexName + " of table " + t.name})
	case code == "ValidationException":
		return fmt.Errorf("%s: %w", text, fault.Invalid)
	case busyCodes[code]:
		return fmt.Errorf("%s: %w", text, fault.Busy)
	}
	return errors.New(text)
}

// cancellation is a transaction that did nothing, by the reasons of its
// operations. A condition that failed beside an operation that was not judged,
// since its item was held or throttled, is a Busy: a *table.Refused names every
// condition that does not hold, and callers tell by the list whose write stands
// in their way.
func (t *Table) cancellation(reasons []types.CancellationReason) error {
	var refused []int
	var busy, invalid bool
	other := ""
	for i, reason := range reasons {
		switch code := aws.ToString(reason.Code); {
		case code == "" || code == "None":
		case code == "ConditionalCheckFailed":
			refused = append(refused, i)
		case code == "ValidationError":
			invalid = true
		case busyCodes[code]:
			busy, other = true, code
		default:
			return fmt.Errorf("table write: operation %d: %s", i, code)
		}
	}
	switch {
	case busy:
		return fmt.Errorf("table write: %s: %w", other, fault.Busy)
	case refused != nil:
		return &table.Refused{Ops: refused}
	case invalid:
		return fmt.Errorf("table write: ValidationError: %w", fault.Invalid)
	}
	return errors.New("table write: cancelled without a reason")
}

// noAnswer tells why there is no clear answer. What could not be read is left
// out, since its error may quote it.
func noAnswer(err error) string {
	var unreadable *smithy.DeserializationError
	var response *smithyhttp.ResponseError
	var refusal smithy.APIError
	var send *smithyhttp.RequestSendError
	switch {
	case errors.As(err, &send):
		return send.Error()
	case errors.As(err, &refusal) && errors.As(err, &response):
		return fmt.Sprintf("status %d %s%s", response.HTTPStatusCode(), refusal.ErrorCode(), request(err))
	case errors.As(err, &unreadable):
		return "answer cannot be read" + request(err)
	case errors.As(err, &response):
		return fmt.Sprintf("status %d%s", response.HTTPStatusCode(), request(err))
	}
	return err.Error()
}

// request names the request in an error's text, for AWS support.
func request(err error) string {
	var response *awshttp.ResponseError
	if !errors.As(err, &response) || response.ServiceRequestID() == "" {
		return ""
	}
	return " (request " + response.ServiceRequestID() + ")"
}
