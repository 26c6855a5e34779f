package dynamo

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/google/uuid"

	"muster/internal/table"
)

// Table is a table.Table over one DynamoDB table.
type Table struct {
	client *dynamodb.Client
	name   string
	now    func() time.Time
	retry  retry
}

var _ table.Table = (*Table)(nil)

// Option changes a Table that New makes.
type Option func(*Table)

// WithClock makes rows expire by another clock than the machine's.
func WithClock(now func() time.Time) Option { return func(t *Table) { t.now = now } }

// WithPatience changes how long a call goes on trying (5 s), and how long it waits
// for one answer (2 s). A try that was given up may still take effect.
func WithPatience(total, oneTry time.Duration) Option {
	return func(t *Table) { t.retry.patience, t.retry.try = total, oneTry }
}

// WithRetryCount makes n count the tries that repeat one before; nil counts none.
func WithRetryCount(n *atomic.Int64) Option {
	return func(t *Table) {
		if n != nil {
			t.retry.count = n
		}
	}
}

// New is the table of that name as client reaches it. It makes no request. The
// client's own retries are not used: only whoever sees each try can say what a
// failed condition after a lost answer means.
func New(client *dynamodb.Client, tableName string, opts ...Option) *Table {
	t := &Table{
		client: client,
		name:   tableName,
		now:    time.Now,
		retry:  retry{patience: 5 * time.Second, try: 2 * time.Second, count: new(atomic.Int64)},
	}
	for _, o := range opts {
		o(t)
	}
	return t
}

// once turns the client's retries off.
func once(o *dynamodb.Options) { o.Retryer = aws.NopRetryer{} }

// Get implements table.Table.
func (t *Table) Get(ctx context.Context, k table.Key) (table.Row, error) {
	if err := k.Validate(); err != nil {
		return table.Row{}, err
	}
	i, err := t.read(ctx, k)
	if err != nil {
		return table.Row{}, fmt.Errorf("get %s: %w", k, err)
	}
	if !i.live(t.now()) {
		return table.Row{}, fmt.Errorf("get %s: %w", k, table.ErrNotFound)
	}
	r, err := i.row()
	if err != nil {
		return table.Row{}, fmt.Errorf("get %s: %w", k, err)
	}
	return r, nil
}

// read is the item under k, nil if there is none, expired or not.
func (t *Table) read(ctx context.Context, k table.Key) (item, error) {
	var out *dynamodb.GetItemOutput
	_, err := t.retry.do(ctx, func(ctx context.Context) (err error) {
		out, err = t.client.GetItem(ctx, &dynamodb.GetItemInput{
			TableName:      &t.name,
			Key:            itemKey(k),
			ConsistentRead: aws.Bool(true),
		}, once)
		return err
	})
	if err != nil {
		return nil, err
	}
	return out.Item, nil
}

// Write implements table.Table.
func (t *Table) Write(ctx context.Context, ws ...table.Write) error {
	if err := table.Validate(ws); err != nil || len(ws) == 0 {
		return err
	}
	write := t.transact
	if len(ws) == 1 && ws[0].Op == table.OpPut && ws[0].Cond.Kind == table.KindVersion {
		write = t.replace
	}
	err := write(ctx, ws)
	var c *table.Conflict
	if err == nil || errors.As(err, &c) {
		return err
	}
	return fmt.Errorf("transaction of %d writes from %s on: %w", len(ws), ws[0].Key, err)
}

// replace puts one row over the version that was read, at half the price of a
// transaction. Only this condition allows it: PutItem has no request token, so a
// try sent again after a lost answer runs a second time; on a version it then
// fails, since that version never comes back, but a put on Absent or Any would
// undo what another process did in between.
//
// If we stop here: the row has our version or the one before, and nobody was told
// (TestLostReplies).
func (t *Table) replace(ctx context.Context, ws []table.Write) error {
	w, c := ws[0], t.condition(ws[0].Cond)
	tries, err := t.retry.do(ctx, func(ctx context.Context) error {
		_, err := t.client.PutItem(ctx, &dynamodb.PutItemInput{
			TableName:                 &t.name,
			Item:                      newItem(w),
			ConditionExpression:       c.expression,
			ExpressionAttributeValues: c.values,
		}, once)
		return err
	})
	var failed *types.ConditionalCheckFailedException
	if !errors.As(err, &failed) {
		return err
	}
	if tries > 1 { // the condition may have failed on our own earlier try
		if i, err := t.read(ctx, w.Key); err != nil {
			return err
		} else if i.version() == w.Version {
			return nil
		}
	}
	return &table.Conflict{Key: w.Key}
}

// transact writes all of ws or nothing. Every try is the same request, down to
// the clock in its conditions, under one token: DynamoDB answers a token that
// succeeded within the last 10 minutes with that success.
//
// If we stop here: all of it happened or nothing, and nobody was told
// (TestLostReplies).
func (t *Table) transact(ctx context.Context, ws []table.Write) error {
	in := &dynamodb.TransactWriteItemsInput{ClientRequestToken: aws.String(uuid.NewString())}
	for _, w := range ws {
		in.TransactItems = append(in.TransactItems, t.transactItem(w))
	}
	var same sameBody
	_, err := t.retry.do(ctx, func(ctx context.Context) error {
		_, err := t.client.TransactWriteItems(ctx, in, once, same.option)
		return err
	})
	if i, ok := failedCondition(err); ok && i < len(ws) {
		return &table.Conflict{Index: i, Key: ws[i].Key}
	}
	return err
}

func (t *Table) transactItem(w table.Write) types.TransactWriteItem {
	c := t.condition(w.Cond)
	switch w.Op {
	case table.OpPut:
		return types.TransactWriteItem{Put: &types.Put{
			TableName: &t.name, Item: newItem(w),
			ConditionExpression: c.expression, ExpressionAttributeValues: c.values,
		}}
	case table.OpDelete:
		return types.TransactWriteItem{Delete: &types.Delete{
			TableName: &t.name, Key: itemKey(w.Key),
			ConditionExpression: c.expression, ExpressionAttributeValues: c.values,
		}}
	default:
		return types.TransactWriteItem{ConditionCheck: &types.ConditionCheck{
			TableName: &t.name, Key: itemKey(w.Key),
			ConditionExpression: c.expression, ExpressionAttributeValues: c.values,
		}}
	}
}

// Add implements table.Table: it adds where a counter is alive and makes one
// where none is. Both may find that another call was faster.
func (t *Table) Add(ctx context.Context, k table.Key, n int64, expires time.Time) (int64, error) {
	if err := k.Validate(); err != nil {
		return 0, err
	}
	for {
		for _, try := range []func() (int64, error){
			func() (int64, error) { return t.addTo(ctx, k, n) },
			func() (int64, error) { return n, t.makeCounter(ctx, k, n, expires) },
		} {
			sum, err := try()
			var failed *types.ConditionalCheckFailedException
			switch {
			case err == nil:
				return sum, nil
			case !errors.As(err, &failed):
				return 0, fmt.Errorf("add to %s: %w", k, err)
			}
		}
	}
}

func (t *Table) addTo(ctx context.Context, k table.Key, n int64) (int64, error) {
	values := t.clockValue()
	values[":n"] = number(n)
	var out *dynamodb.UpdateItemOutput
	_, err := t.retry.do(ctx, func(ctx context.Context) (err error) {
		out, err = t.client.UpdateItem(ctx, &dynamodb.UpdateItemInput{
			TableName:                 &t.name,
			Key:                       itemKey(k),
			UpdateExpression:          aws.String("ADD n :n"),
			ConditionExpression:       aws.String("attribute_exists(pk) AND " + isLive),
			ExpressionAttributeValues: values,
			ReturnValues:              types.ReturnValueUpdatedNew,
		}, once)
		return err
	})
	if err != nil {
		return 0, err
	}
	return item(out.Attributes).number("n")
}

func (t *Table) makeCounter(ctx context.Context, k table.Key, n int64, expires time.Time) error {
	i, c := itemKey(k), t.condition(table.Absent)
	i["n"] = number(n)
	if !expires.IsZero() {
		i["expires_at"] = number(expires.Unix())
	}
	_, err := t.retry.do(ctx, func(ctx context.Context) error {
		_, err := t.client.PutItem(ctx, &dynamodb.PutItemInput{
			TableName:                 &t.name,
			Item:                      i,
			ConditionExpression:       c.expression,
			ExpressionAttributeValues: c.values,
		}, once)
		return err
	})
	return err
}
