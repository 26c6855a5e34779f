package dynamo

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync/atomic"
	"time"

	awsretry "github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/smithy-go"

	"muster/internal/table"
)

// Delays between tries are random between nothing and a ceiling that doubles
// (full jitter): writers that collided must not collide again.
const (
	firstCeiling = 25 * time.Millisecond
	lastCeiling  = 800 * time.Millisecond
)

// retry repeats what can pass by itself.
type retry struct {
	patience time.Duration // for all tries of a call
	try      time.Duration // for the answer to one
	count    *atomic.Int64 // of the tries that repeat one before
}

// do calls fn until it succeeds, fails for good, or patience ends: then the error
// is table.ErrUnavailable, and also the context's where that ended. It answers how
// often it tried.
func (r retry) do(ctx context.Context, fn func(context.Context) error) (tries int, err error) {
	patience, cancel := context.WithTimeout(ctx, r.patience)
	defer cancel()
	if ctx.Err() != nil {
		return 0, fmt.Errorf("%w: %w", table.ErrUnavailable, ctx.Err())
	}
	for ceiling := firstCeiling; ; ceiling = min(2*ceiling, lastCeiling) {
		tries++
		try, done := context.WithTimeout(patience, r.try)
		err = fn(try)
		done()
		if !passes(err) {
			return tries, translate(err)
		}
		select {
		case <-patience.Done():
			if ctx.Err() != nil {
				err = errors.Join(ctx.Err(), err)
			}
			return tries, fmt.Errorf("%w: after %d tries: %w", table.ErrUnavailable, tries, err)
		case <-time.After(rand.N(ceiling)):
			r.count.Add(1)
		}
	}
}

// passes reports whether err may pass by itself. Where DynamoDB answered, its
// answer says so; where nothing was understood to come from it (a broken
// connection, no answer in time), another try may do better.
func passes(err error) bool {
	if err == nil {
		return false
	}
	var cancelled *types.TransactionCanceledException
	if errors.As(err, &cancelled) {
		return cancellationPasses(cancelled)
	}
	var conflict *types.TransactionConflictException
	var progress *types.TransactionInProgressException
	if errors.As(err, &conflict) || errors.As(err, &progress) {
		return true
	}
	var answer smithy.APIError
	return !errors.As(err, &answer) || answered.IsErrorRetryable(err).Bool()
}

// answered knows the codes and statuses that AWS services use for "not now".
var answered = awsretry.IsErrorRetryables(append(slices.Clone(awsretry.DefaultRetryables),
	awsretry.RetryableErrorCode{Codes: map[string]struct{}{"ThrottlingError": {}}}))

// cancellationPasses: a transaction is cancelled with a reason for each write. One
// that met other transactions or was throttled is tried again, unless a condition
// failed as well: that is a fact about this instant and ends the call, while the
// collision beside it says nothing about any condition.
func cancellationPasses(c *types.TransactionCanceledException) bool {
	for _, reason := range c.CancellationReasons {
		switch deref(reason.Code) {
		case reasonCondition, "ValidationError", "ItemCollectionSizeLimitExceeded":
			return false
		}
	}
	return true
}

const reasonCondition = "ConditionalCheckFailed"

// failedCondition is the first write of a cancelled transaction whose condition
// failed. A collision (TransactionConflict) is never one.
func failedCondition(err error) (index int, ok bool) {
	var cancelled *types.TransactionCanceledException
	if !errors.As(err, &cancelled) {
		return 0, false
	}
	index = slices.IndexFunc(cancelled.CancellationReasons, func(r types.CancellationReason) bool {
		return deref(r.Code) == reasonCondition
	})
	return index, index >= 0
}

// translate gives an error that is for good its kind of package table.
func translate(err error) error {
	var answer smithy.APIError
	if !errors.As(err, &answer) {
		return err
	}
	_, condition := failedCondition(err)
	var cancelled *types.TransactionCanceledException
	switch {
	case errors.As(err, &cancelled) && !condition:
		return fmt.Errorf("%w: %w %q", table.ErrInvalid, err, reasons(cancelled))
	case answer.ErrorCode() == "ValidationException":
		return fmt.Errorf("%w: %w", table.ErrInvalid, err)
	default:
		return err
	}
}

// reasons are the codes of a cancelled transaction, in the order of its writes.
func reasons(c *types.TransactionCanceledException) (codes []string) {
	for _, r := range c.CancellationReasons {
		codes = append(codes, deref(r.Code))
	}
	return codes
}

func deref(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}
