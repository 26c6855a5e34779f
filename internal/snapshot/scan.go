package snapshot

import (
	"errors"
	"fmt"
	"io"

	"github.com/parquet-go/parquet-go"
)

// file is an open snapshot. It is safe for concurrent use; a scanner is not.
type file struct {
	obj  io.ReaderAt
	pq   *parquet.File
	leaf [numColumns]int // our columns' numbers in the file, -1 where it has none
}

// tailBytes are read at once from the end of a file: its footer and indexes, for
// up to some millions of rows.
const tailBytes = 256 << 10

func openFile(obj io.ReaderAt, size int64) (f *file, err error) {
	defer caught(&err)
	tail := &window{from: obj}
	n := min(size, tailBytes)
	if err := tail.fill(size-n, n); err != nil {
		return nil, err
	}
	pq, err := parquet.OpenFile(tail, size, parquet.SkipMagicBytes(true), parquet.SkipBloomFilters(true), parquet.ReadBufferSize(4<<10))
	if err != nil {
		return nil, damaged(err)
	}
	f = &file{obj: obj, pq: pq}
	for i, path := range schema.Columns() {
		f.leaf[i] = -1
		if c, ok := pq.Schema().Lookup(path...); ok {
			f.leaf[i] = c.ColumnIndex
		} else if i < hotColumns {
			return nil, fmt.Errorf("%w: it has no column %s", ErrCorrupt, path[0])
		}
	}
	return f, nil
}

// damaged marks what a Parquet file's reader says; faults of the store keep
// their own kind.
func damaged(err error) error {
	if errors.Is(err, ErrCorrupt) {
		return err
	}
	return fmt.Errorf("%w: %w", ErrCorrupt, err)
}

// caught turns a panic of the Parquet library, which trusts what it reads, into
// an error.
func caught(err *error) {
	if p := recover(); p != nil {
		*err = fmt.Errorf("%w: %v", ErrCorrupt, p)
	}
}

// position is a row's place in a file.
type position struct {
	group int
	row   int64
}

// scanner reads some neighbouring columns of a file, row after row; it may jump
// ahead. What it returns is valid until it moves on.
type scanner struct {
	f           *file
	first, last int // of our columns: [first, last)
	group       int // open row group; -1: none
	win         window
	cols        [numColumns]cursor
}

func (f *file) scan(first, last int) *scanner {
	return &scanner{f: f, first: first, last: last, group: -1, win: window{from: f.obj}}
}

func (s *scanner) close() {
	for i := range s.cols {
		s.cols[i].close()
	}
	s.group = -1
}

// open makes the row group the current one: one read fetches its columns.
func (s *scanner) open(group int) error {
	s.close()
	chunks := s.f.pq.RowGroups()[group].ColumnChunks()
	meta := s.f.pq.Metadata().RowGroups[group].Columns
	from, to := int64(0), int64(0)
	for i := s.first; i < s.last; i++ {
		if s.f.leaf[i] < 0 {
			continue
		}
		m := &meta[s.f.leaf[i]].MetaData
		start := m.DataPageOffset
		if m.DictionaryPageOffset > 0 {
			start = min(start, m.DictionaryPageOffset)
		}
		if to == 0 || start < from {
			from = start
		}
		to = max(to, start+m.TotalCompressedSize)
	}
	if err := s.win.fill(from, to-from); err != nil {
		return err
	}
	for i := s.first; i < s.last; i++ {
		if s.f.leaf[i] >= 0 {
			s.cols[i].open(chunks[s.f.leaf[i]].(*parquet.FileColumnChunk), &s.win)
		}
	}
	s.group = group
	return nil
}

// move places every column at the row, which is not before the current one of
// the same group.
func (s *scanner) move(p position) (err error) {
	defer caught(&err)
	if p.group != s.group {
		if err := s.open(p.group); err != nil {
			return err
		}
	}
	for i := s.first; i < s.last; i++ {
		if c := &s.cols[i]; c.pages != nil {
			if err := c.move(p.row); err != nil {
				return err
			}
		}
	}
	return nil
}
