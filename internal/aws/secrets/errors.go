package secrets

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsretry "github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/smithy-go"

	"muster/internal/aws/quiet"
	"muster/internal/secret"
)

// The codes that calls are told apart by
// (docs.aws.amazon.com/secretsmanager/latest/apireference/CommonErrors.html).
const (
	notThere    = "ResourceNotFoundException"
	exists      = "ResourceExistsException"
	badState    = "InvalidRequestException" // its deletion is scheduled
	badArgument = "InvalidParameterException"
	invalid     = "ValidationException"
	denied      = "AccessDeniedException"
	sealed      = "DecryptionFailure" // by a KMS key that we may not use
	overLimit   = "LimitExceededException"
)

// hidden are the answers to a read that tell nobody whether there is something.
var hidden = []string{notThere, badState, badArgument, invalid}

func code(err error) string {
	if e, ok := errors.AsType[smithy.APIError](err); ok {
		return e.ErrorCode()
	}
	return ""
}

// readError is translate for reads: what is not shown is not there. AWS's message
// is left out of a Hidden too: it quotes the resource, which a customer may have named.
func readError(ctx context.Context, op, id string, err error) error {
	switch c := code(err); {
	case slices.Contains(hidden, c):
		return secret.ErrNotFound
	case c == denied, c == sealed:
		return &secret.Hidden{Cause: op + ": " + c}
	}
	return translate(ctx, op, id, err)
}

// translate puts an error in the port's words, after the SDK's retries. Of AWS's own
// message it holds who may not do what.
func translate(ctx context.Context, op, id string, err error) error {
	api, answered := errors.AsType[smithy.APIError](err)
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return fmt.Errorf("secrets: %s %s: %w", op, id, ctx.Err())
	case code(err) == overLimit:
		return fmt.Errorf("secrets: %s %s: %w: %s", op, id, secret.ErrTooMany, overLimit)
	case passes(err) && answered:
		return fmt.Errorf("secrets: %s %s: %w: %s", op, id, secret.ErrUnavailable, api.ErrorCode())
	case passes(err):
		return fmt.Errorf("secrets: %s %s: %w: %w", op, id, secret.ErrUnavailable, quiet.Error(err))
	case !answered:
		return fmt.Errorf("secrets: %s %s: %w", op, id, quiet.Error(err))
	default:
		return fmt.Errorf("secrets: %s %s: %s%s", op, id, api.ErrorCode(), quiet.Denial(api))
	}
}

var (
	retryable = awsretry.IsErrorRetryables(awsretry.DefaultRetryables)
	throttled = awsretry.IsErrorThrottles(awsretry.DefaultThrottles)
)

// passes: the same call may succeed later.
func passes(err error) bool {
	return retryable.IsErrorRetryable(err) == aws.TrueTernary || throttled.IsErrorThrottle(err) == aws.TrueTernary
}
