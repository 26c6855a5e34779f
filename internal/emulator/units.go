package emulator

import (
	"context"
	"sync/atomic"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/smithy-go/middleware"
)

// Units adds up what DynamoDB Local says that the calls of a client cost. Of a
// transaction it says twice too much, and it rounds the sum of its items where
// DynamoDB rounds each; of a read that finds nothing it says nothing. It is safe
// for concurrent use; the zero Units is ready.
type Units struct{ reads, writes atomic.Int64 } // in thousandths

// Reads are the read units since the last Reset.
func (u *Units) Reads() float64 { return float64(u.reads.Load()) / 1000 }

// Writes are the write units since the last Reset.
func (u *Units) Writes() float64 { return float64(u.writes.Load()) / 1000 }

// Reset begins again.
func (u *Units) Reset() {
	u.reads.Store(0)
	u.writes.Store(0)
}

// Options make every request of a client ask what it cost.
func (u *Units) Options(o *dynamodb.Options) {
	o.APIOptions = append(o.APIOptions, func(s *middleware.Stack) error {
		return s.Initialize.Add(middleware.InitializeMiddlewareFunc("Units", u.ask), middleware.Before)
	})
}

func (u *Units) ask(ctx context.Context, in middleware.InitializeInput, next middleware.InitializeHandler) (middleware.InitializeOutput, middleware.Metadata, error) {
	const total = types.ReturnConsumedCapacityTotal
	switch p := in.Parameters.(type) {
	case *dynamodb.GetItemInput:
		p.ReturnConsumedCapacity = total
	case *dynamodb.QueryInput:
		p.ReturnConsumedCapacity = total
	case *dynamodb.PutItemInput:
		p.ReturnConsumedCapacity = total
	case *dynamodb.UpdateItemInput:
		p.ReturnConsumedCapacity = total
	case *dynamodb.TransactWriteItemsInput:
		p.ReturnConsumedCapacity = total
	}
	out, meta, err := next.HandleInitialize(ctx, in)
	switch r := out.Result.(type) {
	case *dynamodb.GetItemOutput:
		count(&u.reads, r.ConsumedCapacity)
	case *dynamodb.QueryOutput:
		count(&u.reads, r.ConsumedCapacity)
	case *dynamodb.PutItemOutput:
		count(&u.writes, r.ConsumedCapacity)
	case *dynamodb.UpdateItemOutput:
		count(&u.writes, r.ConsumedCapacity)
	case *dynamodb.TransactWriteItemsOutput:
		for _, one := range r.ConsumedCapacity {
			count(&u.writes, &one)
		}
	}
	return out, meta, err
}

func count(to *atomic.Int64, c *types.ConsumedCapacity) {
	if c != nil && c.CapacityUnits != nil {
		to.Add(int64(*c.CapacityUnits * 1000))
	}
}
