package bolt

import (
	"bytes"
	"context"
	"fmt"
	"iter"
	"slices"
	"time"

	"go.etcd.io/bbolt"

	"muster/internal/table"
)

// A page is read in one transaction and yielded after it: a loop body that writes
// would otherwise wait for itself (bbolt grows its file only when nobody reads).
const (
	pageRows  = 256
	pageBytes = 1 << 20
)

// List implements table.Table.
func (t *Table) List(ctx context.Context, part string, q table.Query) iter.Seq2[table.Row, error] {
	return func(yield func(table.Row, error) bool) {
		from, to, ok, err := q.Range()
		if part == "" {
			err = fmt.Errorf("%w: a list of no partition", table.ErrInvalid)
		}
		if err != nil {
			yield(table.Row{}, err)
			return
		}
		span := span{part: part, from: from, to: to, reverse: q.Reverse}
		for left := q.Limit; ok; {
			rows, err := t.page(ctx, &span)
			for _, r := range rows {
				if !yield(r, nil) {
					return
				}
				if left--; left == 0 {
					return
				}
			}
			if err != nil {
				yield(table.Row{}, fmt.Errorf("list %s: %w", part, err))
				return
			}
			ok = !span.done
		}
	}
}

// span is what is left of a list: sort keys from (inclusive) to (exclusive; "" is
// the end) of one partition.
type span struct {
	part, from, to string
	reverse, done  bool
}

// page reads the next page of the span and takes it off.
func (t *Table) page(ctx context.Context, s *span) (rows []table.Row, err error) {
	err = t.view(ctx, func(tx *bbolt.Tx) error {
		rows, err = s.read(tx, t.now())
		return err
	})
	return rows, err
}

func (s *span) read(tx *bbolt.Tx, now time.Time) ([]table.Row, error) {
	c, part := tx.Bucket(bucketRows).Cursor(), partition(s.part)
	var rows []table.Row
	for size, k, v := 0, []byte(nil), []byte(nil); ; {
		if k == nil {
			k, v = s.seek(c, part)
		} else {
			k, v = s.step(c)
		}
		if !s.holds(k, part) {
			s.done = true
			return rows, nil
		}
		if len(rows) == pageRows || size >= pageBytes {
			return rows, nil
		}
		key := table.Key{Part: s.part, Sort: string(k[len(part):])}
		s.skip(key.Sort)
		r, ok, err := liveRow(key, k, v, now)
		if err != nil {
			return rows, err
		}
		if ok {
			rows, size = append(rows, r), size+len(v)
		}
	}
}

// seek finds the first key of the span in its direction.
func (s *span) seek(c *bbolt.Cursor, part []byte) (k, v []byte) {
	if !s.reverse {
		return c.Seek(slices.Concat(part, []byte(s.from)))
	}
	end := slices.Concat(part, []byte(s.to))
	if s.to == "" {
		end = append(end, 0xFF) // no UTF-8 begins with it: past the partition
	}
	if k, _ := c.Seek(end); k == nil {
		return c.Last()
	}
	return c.Prev()
}

func (s *span) step(c *bbolt.Cursor) (k, v []byte) {
	if s.reverse {
		return c.Prev()
	}
	return c.Next()
}

func (s *span) holds(k, part []byte) bool {
	if k == nil || !bytes.HasPrefix(k, part) {
		return false
	}
	sort := string(k[len(part):])
	return sort >= s.from && (s.to == "" || sort < s.to)
}

// skip takes everything up to sort, in the direction of the span, off it.
func (s *span) skip(sort string) {
	if s.reverse {
		s.to = sort
	} else {
		s.from = sort + "\x00"
	}
}

func liveRow(key table.Key, k, v []byte, now time.Time) (table.Row, bool, error) {
	stored, _, err := decode(k, v)
	if err != nil || !stored.live(now) {
		return table.Row{}, false, err
	}
	r, err := stored.row(key)
	return r, err == nil, err
}
