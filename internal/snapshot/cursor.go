package snapshot

import (
	"errors"
	"io"
	"sort"

	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/encoding"
)

// cursor reads one column chunk.
type cursor struct {
	chunk  *parquet.FileColumnChunk
	pages  *parquet.FilePages
	page   parquet.Page
	starts []int64 // first row of each page, where the file says it

	start, rows int64 // of the page, in rows of the group
	row         int64 // current, within the page
	value       int   // index of the row's first value in the page's data
	level       int   // index of the row's first level

	def, rep []byte
	data     []byte
	offsets  []uint32
	index    []int32 // into a dictionary
	ints     []int64
	bits     []byte
}

func (c *cursor) open(chunk *parquet.FileColumnChunk, from io.ReaderAt) {
	c.chunk, c.pages = chunk, chunk.PagesFrom(from)
	c.start, c.rows, c.starts = 0, 0, c.starts[:0]
	if index, err := chunk.OffsetIndex(); err == nil {
		for i := range index.NumPages() {
			c.starts = append(c.starts, index.FirstRowIndex(i))
		}
	}
}

func (c *cursor) close() {
	c.release()
	if c.pages != nil {
		_ = c.pages.Close()
		c.pages = nil
	}
}

func (c *cursor) release() {
	if c.page != nil {
		parquet.Release(c.page)
		c.page = nil
	}
}

func (c *cursor) move(row int64) error {
	if row >= c.start+c.rows {
		if err := c.skipTo(row); err != nil {
			return err
		}
	}
	for c.row < row-c.start {
		c.step()
	}
	return nil
}

// skipTo loads the page that holds the row.
func (c *cursor) skipTo(row int64) error {
	p := sort.Search(len(c.starts), func(i int) bool { return c.starts[i] > row }) - 1
	if p >= 0 && c.starts[p] > c.start+c.rows {
		if err := c.pages.SeekToRow(c.starts[p]); err != nil {
			return damaged(err)
		}
		c.start, c.rows = c.starts[p], 0
	}
	for row >= c.start+c.rows {
		if err := c.load(); err != nil {
			return damaged(err)
		}
	}
	return nil
}

func (c *cursor) load() error {
	c.release()
	c.start += c.rows
	page, err := c.pages.ReadPage()
	if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF // of fewer rows than the group has
	}
	if err != nil {
		return err
	}
	c.page, c.rows, c.row, c.value, c.level = page, page.NumRows(), 0, 0, 0
	c.def, c.rep = page.DefinitionLevels(), page.RepetitionLevels()
	v := page.Data()
	c.data, c.offsets, c.index, c.ints, c.bits = nil, nil, nil, nil, nil
	if d := page.Dictionary(); d != nil {
		c.index = v.Int32()
		v = d.Page().Data()
	}
	switch v.Kind() {
	case encoding.ByteArray:
		c.data, c.offsets = v.ByteArray()
	case encoding.Boolean:
		c.bits = v.Boolean()
	default:
		c.ints = v.Int64()
	}
	return nil
}

// step moves one row ahead within the page.
func (c *cursor) step() {
	c.row++
	switch {
	case c.rep != nil:
		for first := true; c.level < len(c.rep) && (first || c.rep[c.level] != 0); first = false {
			c.value += int(c.def[c.level])
			c.level++
		}
	case c.def != nil:
		c.value += int(c.def[c.row-1])
	default:
		c.value++
	}
}

func (c *cursor) bytesAt(value int) []byte {
	if c.index != nil {
		value = int(c.index[value])
	}
	return c.data[c.offsets[value]:c.offsets[value+1]]
}

// text is the current row's value; nil where the file has no such column.
func (c *cursor) text() []byte {
	if c.page == nil {
		return nil
	}
	return c.bytesAt(c.value)
}

func (c *cursor) bool() bool {
	return c.page != nil && c.bits[c.value/8]>>(c.value%8)&1 != 0
}

// int is the current row's value and whether it has one.
func (c *cursor) int() (int64, bool) {
	if c.page == nil || c.def != nil && c.def[c.row] == 0 {
		return 0, false
	}
	return c.ints[c.value], true
}

// texts appends the values of the current row of a list.
func (c *cursor) texts(dst [][]byte) [][]byte {
	if c.page == nil {
		return dst
	}
	value := c.value
	for l := c.level; l == c.level || l < len(c.rep) && c.rep[l] != 0; l++ {
		if c.def[l] != 0 {
			dst = append(dst, c.bytesAt(value))
			value++
		}
	}
	return dst
}
