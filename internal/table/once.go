package table

import (
	"context"
	"errors"
)

// WriteOnce is t.Write for who must know whether it happened. A failed condition
// may be that of our own first try, its answer lost: then the row of the first
// write, a put, has the version that it drew, which nobody else could give it, and
// the answer is nil. *Conflict: nothing of ws was written; or the row could not be
// read, which is said beside it.
func WriteOnce(ctx context.Context, t Table, ws ...Write) error {
	err := t.Write(ctx, ws...)
	var c *Conflict
	if !errors.As(err, &c) {
		return err
	}
	if row, getErr := t.Get(ctx, ws[0].Key); getErr != nil || row.Version != ws[0].Version {
		return errors.Join(err, getErr)
	}
	return nil
}
