package table

import (
	"context"
	"errors"
	"fmt"
)

// WriteOnce is t.Write for who must know whether it happened. A failed condition
// may be that of our own first try, its answer lost: then the row of the first
// write, a put, has the version that it drew, which nobody else could give it, and
// the answer is nil. *Conflict: nothing of ws was written. Where the row cannot be
// read, nobody knows, and the error is that of the reading.
func WriteOnce(ctx context.Context, t Table, ws ...Write) error {
	err := t.Write(ctx, ws...)
	var c *Conflict
	if !errors.As(err, &c) {
		return err
	}
	row, getErr := t.Get(ctx, ws[0].Key)
	switch {
	case getErr != nil && !errors.Is(getErr, ErrNotFound):
		return fmt.Errorf("whether %s was written: %w", ws[0].Key, getErr)
	case getErr != nil || row.Version != ws[0].Version:
		return err
	}
	return nil
}
