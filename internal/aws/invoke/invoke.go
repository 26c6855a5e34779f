package invoke

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"

	"muster/internal/job"
)

// Starter sends starts to a function. It is safe for concurrent use.
type Starter struct {
	client   *lambda.Client
	function string
}

var _ job.Starter = (*Starter)(nil)

// New sends to the function of that name or ARN.
func New(client *lambda.Client, function string) *Starter { return &Starter{client, function} }

// Open is New with a client of its own.
func Open(c aws.Config, function string) job.Starter { return New(lambda.NewFromConfig(c), function) }

// Start implements job.Starter.
func (s *Starter) Start(ctx context.Context, st job.Start) error {
	payload, err := json.Marshal(job.Event{Start: &st})
	if err == nil && s.function == "" {
		err = errors.New("MUSTER_SYNC_FUNCTION is not set: it names the function that works on jobs")
	}
	if err != nil {
		return fmt.Errorf("invoke: starting job %s: %w", st.Job, err)
	}
	_, err = s.client.Invoke(ctx, &lambda.InvokeInput{FunctionName: &s.function, InvocationType: types.InvocationTypeEvent, Payload: payload})
	if err != nil {
		return fmt.Errorf("invoke: starting job %s with %s: %w", st.Job, s.function, err)
	}
	return nil
}
