package snapshot

import (
	"io"
	"slices"
)

// window serves reads of one range from memory, fetched in one piece, and passes
// the others on. To an object store each ReadAt is a request: a row group should
// cost one or two, not forty.
type window struct {
	from io.ReaderAt
	off  int64
	buf  []byte
}

// fill fetches the range; the memory of the one before is used again.
func (w *window) fill(off, n int64) error {
	w.buf = slices.Grow(w.buf[:0], int(n))[:n]
	w.off = off
	if got, err := w.from.ReadAt(w.buf, off); got < len(w.buf) {
		w.buf = w.buf[:0]
		return cutShort(err)
	}
	return nil
}

func (w *window) ReadAt(p []byte, off int64) (int, error) {
	if i := off - w.off; i >= 0 && i+int64(len(p)) <= int64(len(w.buf)) {
		return copy(p, w.buf[i:]), nil
	}
	return w.from.ReadAt(p, off)
}
