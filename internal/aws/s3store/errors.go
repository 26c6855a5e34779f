package s3store

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"muster/internal/blob"
)

// translate is for errors that say nothing of one object: it tells "the store did
// not answer", after the SDK's retries, from what asking again would not change.
func translate(ctx context.Context, op, key string, err error) error {
	if ctx.Err() != nil {
		return fmt.Errorf("s3store: %s %s: %w", op, key, ctx.Err())
	}
	if unanswered(err) {
		return fmt.Errorf("s3store: %s %s: %w: %w", op, key, blob.ErrUnavailable, err)
	}
	return fmt.Errorf("s3store: %s %s: %w", op, key, err)
}

// readError is translate for reads of one object.
func readError(ctx context.Context, op, key string, err error) error {
	switch {
	case status(err) == http.StatusNotFound:
		return fmt.Errorf("%w: %s", blob.ErrNotFound, key)
	case status(err) == http.StatusPreconditionFailed:
		return fmt.Errorf("%w: %s", blob.ErrChanged, key)
	}
	return translate(ctx, op, key, err)
}

// unanswered: no answer, or one that is not about the request.
func unanswered(err error) bool {
	if errors.As(err, new(*smithyhttp.RequestSendError)) {
		return true
	}
	switch s := status(err); {
	case s >= 500, s == http.StatusTooManyRequests, s == http.StatusConflict:
		return true
	}
	switch code(err) {
	case "RequestTimeout", "SlowDown", "Throttling", "ThrottlingException":
		return true
	}
	return false
}

// status is that of S3's answer, 0 without one.
func status(err error) int {
	if e, ok := errors.AsType[*smithyhttp.ResponseError](err); ok {
		return e.HTTPStatusCode()
	}
	return 0
}

func code(err error) string {
	if e, ok := errors.AsType[smithy.APIError](err); ok {
		return e.ErrorCode()
	}
	return ""
}
