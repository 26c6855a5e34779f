package quiet

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"sync"

	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/smithy-go"
	"github.com/aws/smithy-go/middleware"
)

// Errors makes the errors of a client quiet. It is one of aws.Config's APIOptions.
func Errors(stack *middleware.Stack) error {
	return stack.Initialize.Add(middleware.InitializeMiddlewareFunc("QuietErrors",
		func(ctx context.Context, in middleware.InitializeInput, next middleware.InitializeHandler) (middleware.InitializeOutput, middleware.Metadata, error) {
			out, metadata, err := next.HandleInitialize(ctx, in)
			return out, metadata, Error(err)
		}), middleware.Before)
}

// Error is err without what others wrote in it. What never left this process, or got
// no answer, is ours and the network's, and stays. nil stays nil.
func Error(err error) error {
	api, isAPI := errors.AsType[smithy.APIError](err)
	r, answered := errors.AsType[*awshttp.ResponseError](err)
	answered = answered && r.HTTPStatusCode() != 0
	text := "the answer cannot be read"
	switch {
	case isAPI:
		text = api.ErrorCode() + Denial(api)
	case !answered && !errors.As(err, new(*smithy.DeserializationError)):
		return err
	}
	if answered {
		text = fmt.Sprintf("status %d, request %s: %s", r.HTTPStatusCode(), r.RequestID, text)
	}
	return &quiet{err, text}
}

type quiet struct {
	error
	text string
}

func (q *quiet) Error() string { return q.text }
func (q *quiet) Unwrap() error { return q.error }

// denial is how IAM says who may not do what: names alone, which are in the request
// too, but no value of it. Its bounds make it large: compiled at the start, it was a
// tenth of every function's.
var denial = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`^User: arn:[A-Za-z0-9:/_+=,.@-]{1,200} is not authorized to perform: [a-z0-9-]{1,40}:[A-Za-z]{1,60}( on resource: [A-Za-z0-9:/_+=,.@*-]{1,500})?`)
})

// Denial is who may not do what, after a colon; "" where an error does not say so
// in IAM's form.
func Denial(err smithy.APIError) string {
	if d := denial().FindString(err.ErrorMessage()); d != "" {
		return ": " + d
	}
	return ""
}
