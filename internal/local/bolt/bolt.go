package bolt

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"

	"muster/internal/table"
)

// ErrLocked: another process has the file open.
var ErrLocked = errors.New("another Muster process holds the data; stop it first, or use its API")

// format is the version of everything below the buckets. A file of another
// format is refused whole.
const format = "1"

// The buckets of the file.
var (
	bucketMeta     = []byte("meta")     // "format" → format
	bucketRows     = []byte("rows")     // rowKey → encodeRow
	bucketCounters = []byte("counters") // rowKey → encodeCounter
	bucketExpiry   = []byte("expiry")   // expiryKey, of rows and counters that expire → nothing
)

// Table is a table.Table over one bbolt file.
type Table struct {
	db  *bbolt.DB
	now func() time.Time
	commits
}

var _ table.Table = (*Table)(nil)

// Option changes how Open opens a file.
type Option func(*bbolt.Options)

// NoSync leaves it to the operating system when a commit reaches the disk: faster,
// and lost where the machine stops. It is for tests.
func NoSync(o *bbolt.Options) { o.NoSync = true }

// Open opens the table in the file at path, and makes it, and its folder, where
// there is none. Rows expire by the clock now. ErrLocked, at once, where another
// process holds the file.
func Open(path string, now func() time.Time, opts ...Option) (*Table, error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, fmt.Errorf("bolt: folder of the table: %w", err)
	}
	o := bbolt.Options{
		Timeout:      time.Millisecond, // shorter than one round of waiting: fails at once
		FreelistType: bbolt.FreelistMapType,
	}
	for _, opt := range opts {
		opt(&o)
	}
	db, err := bbolt.Open(path, 0o600, &o)
	if errors.Is(err, bolterrors.ErrTimeout) {
		return nil, fmt.Errorf("bolt: %s: %w", path, ErrLocked)
	}
	if err != nil {
		return nil, fmt.Errorf("bolt: open %s: %w", path, err)
	}
	if err := db.Update(prepare); err != nil {
		return nil, errors.Join(fmt.Errorf("bolt: %s: %w", path, err), db.Close())
	}
	return &Table{db: db, now: now, commits: commits{db: db}}, nil
}

// prepare makes the buckets of a new file and refuses one of another format.
func prepare(tx *bbolt.Tx) error {
	if meta := tx.Bucket(bucketMeta); meta != nil {
		if f := string(meta.Get([]byte("format"))); f != format {
			return fmt.Errorf("data of format %q, this version reads %q", f, format)
		}
		return nil
	}
	for _, name := range [][]byte{bucketMeta, bucketRows, bucketCounters, bucketExpiry} {
		if _, err := tx.CreateBucket(name); err != nil {
			return err
		}
	}
	return tx.Bucket(bucketMeta).Put([]byte("format"), []byte(format))
}

// Close waits for the calls that are under way and closes the file. Every later
// call is ErrUnavailable.
func (t *Table) Close() error { return t.db.Close() }

// Get implements table.Table.
func (t *Table) Get(ctx context.Context, k table.Key) (table.Row, error) {
	if err := k.Validate(); err != nil {
		return table.Row{}, err
	}
	var row table.Row
	err := t.view(ctx, func(tx *bbolt.Tx) (err error) {
		row, err = get(tx, k, t.now())
		return err
	})
	if err != nil {
		return table.Row{}, fmt.Errorf("get %s: %w", k, err)
	}
	return row, nil
}

// Write implements table.Table.
func (t *Table) Write(ctx context.Context, ws ...table.Write) error {
	if err := table.Validate(ws); err != nil || len(ws) == 0 {
		return err
	}
	return t.update(ctx, func(tx *bbolt.Tx) error { return write(tx, ws, t.now()) })
}

// Add implements table.Table.
func (t *Table) Add(ctx context.Context, k table.Key, n int64, expires time.Time) (int64, error) {
	if err := k.Validate(); err != nil {
		return 0, err
	}
	var sum int64
	err := t.update(ctx, func(tx *bbolt.Tx) (err error) {
		sum, err = add(tx, k, n, expires.Truncate(time.Second), t.now())
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("add to %s: %w", k, err)
	}
	return sum, nil
}

func (t *Table) view(ctx context.Context, fn func(*bbolt.Tx) error) error {
	if ctx.Err() != nil {
		return fmt.Errorf("%w: %w", table.ErrUnavailable, ctx.Err())
	}
	var answer error
	if err := t.db.View(func(tx *bbolt.Tx) error { answer = fn(tx); return nil }); err != nil {
		return fmt.Errorf("%w: %w", table.ErrUnavailable, err)
	}
	return answer
}
