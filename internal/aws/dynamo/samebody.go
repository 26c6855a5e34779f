package dynamo

import (
	"bytes"
	"context"
	"fmt"
	"io"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/smithy-go/middleware"
	smithyhttp "github.com/aws/smithy-go/transport/http"
)

// sameBody makes every try of a call send the bytes of the first. The client
// encodes a Go map anew, in another order, each time it is called; DynamoDB
// refuses a token that comes with another payload, and does not promise that
// another order is the same payload.
type sameBody struct{ body []byte }

func (s *sameBody) option(o *dynamodb.Options) {
	o.APIOptions = append(o.APIOptions, func(stack *middleware.Stack) error {
		return stack.Build.Add(middleware.BuildMiddlewareFunc("SameBody", s.handle), middleware.Before)
	})
}

func (s *sameBody) handle(ctx context.Context, in middleware.BuildInput, next middleware.BuildHandler) (
	out middleware.BuildOutput, metadata middleware.Metadata, err error,
) {
	req, ok := in.Request.(*smithyhttp.Request)
	if !ok {
		return out, metadata, fmt.Errorf("dynamo: a request of type %T", in.Request)
	}
	if s.body == nil {
		if s.body, err = io.ReadAll(req.GetStream()); err != nil {
			return out, metadata, err
		}
	}
	if in.Request, err = req.SetStream(bytes.NewReader(s.body)); err != nil {
		return out, metadata, err
	}
	return next.HandleBuild(ctx, in)
}
