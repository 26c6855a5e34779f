package dynamo

import (
	"context"
	"fmt"
	"iter"
	"unicode/utf8"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"muster/internal/table"
)

// List implements table.Table: a page of up to 1 MB at a time.
func (t *Table) List(ctx context.Context, part string, q table.Query) iter.Seq2[table.Row, error] {
	return func(yield func(table.Row, error) bool) {
		if err := t.list(ctx, part, q, yield); err != nil {
			yield(table.Row{}, fmt.Errorf("list %s: %w", part, err))
		}
	}
}

// list yields rows until the end, or the loop's, and returns what went wrong.
func (t *Table) list(ctx context.Context, part string, q table.Query, yield func(table.Row, error) bool) error {
	if part == "" || !utf8.ValidString(part) {
		return fmt.Errorf("%w: %q is no partition", table.ErrInvalid, part)
	}
	from, to, ok, err := q.Range()
	if err != nil || !ok {
		return err
	}
	in := t.query(part, from, to, q.Reverse)
	for left := q.Limit; ; {
		if q.Limit > 0 {
			in.Limit = aws.Int32(int32(min(left, 10_000)) + 1) // one more: the item at to is not ours
		}
		out, err := t.queryPage(ctx, in)
		if err != nil {
			return err
		}
		now := t.now()
		for _, attributes := range out.Items {
			i := item(attributes)
			if !i.live(now) || to != "" && i.text("sk") == to {
				continue
			}
			r, err := i.row()
			if err != nil {
				return err
			}
			if left--; !yield(r, nil) || left == 0 {
				return nil
			}
		}
		if in.ExclusiveStartKey = out.LastEvaluatedKey; len(in.ExclusiveStartKey) == 0 {
			return nil
		}
	}
}

func (t *Table) queryPage(ctx context.Context, in *dynamodb.QueryInput) (out *dynamodb.QueryOutput, err error) {
	_, err = t.retry.do(ctx, func(ctx context.Context) (err error) {
		out, err = t.client.Query(ctx, in, once)
		return err
	})
	return out, err
}

// query asks for a range of sort keys. DynamoDB knows one condition on them, and
// of those with two ends only one that includes both.
func (t *Table) query(part, from, to string, reverse bool) *dynamodb.QueryInput {
	values := map[string]types.AttributeValue{":pk": text(part)}
	in := "pk = :pk"
	if from != "" {
		values[":from"] = text(from)
	}
	if to != "" {
		values[":to"] = text(to)
	}
	switch {
	case from != "" && to != "":
		in += " AND sk BETWEEN :from AND :to"
	case from != "":
		in += " AND sk >= :from"
	case to != "":
		in += " AND sk < :to"
	}
	return &dynamodb.QueryInput{
		TableName:                 &t.name,
		KeyConditionExpression:    &in,
		ExpressionAttributeValues: values,
		ScanIndexForward:          aws.Bool(!reverse),
		ConsistentRead:            aws.Bool(true),
	}
}
