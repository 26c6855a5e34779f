package snapshot

import (
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"slices"
)

// sizes are what memory depends on; tests make them small.
type sizes struct {
	runRows   int // entries of one run at most; two runs exist at a time
	runBytes  int // and bytes, but one entry always fits
	fanIn     int // runs merged at once, if each has a block of maxBlock
	groupRows int // rows of one row group of the file
}

var defaultSizes = sizes{runRows: 32 << 10, runBytes: 4 << 20, fanIn: 512, groupRows: 32 << 10}

const (
	maxBlock   = 16 << 10 // bytes of a spilled block, but one entry always fits
	mergeBytes = 32 << 20 // of the blocks that are merged at once, where entries are large
)

// sorter takes entries in the order of their source and gives them back by key;
// those of one key in the order in which they came. Its memory does not depend
// on how many there are: runs of a fixed size are sorted and spilled to one
// temporary file, while the next is being filled.
type sorter struct {
	file     *os.File
	end      int64
	runs     []run
	block    int // bytes of the largest block of any run
	cur      *arena
	spare    *arena
	inflight chan error // of the run being spilled; nil if none is
	failed   error      // of any run so far
	sizes    sizes
}

// run is a sorted part of the spill file.
type run struct {
	off, size int64
	rows      int64
	saved     string // the key of the blob that holds it too, if one does
}

// arena holds the entries of one run in the order in which they came.
type arena struct {
	buf    []byte
	refs   []ref
	sorted bool
}

// ref is an entry's place in its arena beside the first 16 bytes of its key's
// first part, which decide most comparisons without touching the entry.
type ref struct {
	hi, lo uint64
	off    uint32
}

func newSorter(dir, name string, sz sizes) (*sorter, error) {
	f, err := os.CreateTemp(dir, name+"-*")
	if err != nil {
		return nil, fmt.Errorf("snapshot: make a spill file: %w", err)
	}
	return &sorter{file: f, cur: &arena{sorted: true}, spare: &arena{sorted: true}, sizes: sz}, nil
}

// add copies the entry.
func (s *sorter) add(e *entry) error {
	s.cur.add(e)
	if len(s.cur.refs) >= s.sizes.runRows || len(s.cur.buf) >= s.sizes.runBytes {
		return s.spill()
	}
	return nil
}

func (a *arena) add(e *entry) {
	r := ref{off: uint32(len(a.buf))}
	r.hi, r.lo = prefix(e.email)
	if n := len(a.refs); n > 0 && a.sorted {
		a.sorted = a.compare(a.refs[n-1], r, e) <= 0
	}
	if size := len(e.email) + len(e.license) + len(e.fields) + entryHead; len(a.buf)+size > cap(a.buf) {
		a.buf = slices.Grow(a.buf, max(size, cap(a.buf))) // doubles: append's quarter would leave much more behind
	}
	a.buf = e.append(a.buf)
	a.refs = append(a.refs, r)
}

func prefix(b []byte) (hi, lo uint64) {
	var p [16]byte
	copy(p[:], b)
	return binary.BigEndian.Uint64(p[:8]), binary.BigEndian.Uint64(p[8:])
}

// compare orders an entry of the arena before e, whose ref is r.
func (a *arena) compare(x, r ref, e *entry) int {
	if c := comparePrefix(x, r); c != 0 {
		return c
	}
	k := a.key(x)
	return compareKeys(k.email, k.license, e.email, e.license)
}

func comparePrefix(x, y ref) int {
	if c := cmp.Compare(x.hi, y.hi); c != 0 {
		return c
	}
	return cmp.Compare(x.lo, y.lo)
}

func (a *arena) raw(r ref) []byte {
	b := a.buf[r.off:]
	return b[:4+binary.LittleEndian.Uint32(b)]
}

func (a *arena) key(r ref) (e entry) {
	if err := e.decodeKey(a.raw(r)); err != nil {
		panic(err) // we wrote it a moment ago, into our own memory
	}
	return e
}

func (a *arena) sort() {
	if a.sorted {
		return
	}
	slices.SortFunc(a.refs, func(x, y ref) int {
		if c := comparePrefix(x, y); c != 0 {
			return c
		}
		ex, ey := a.key(x), a.key(y)
		if c := compareKeys(ex.email, ex.license, ey.email, ey.license); c != 0 {
			return c
		}
		return cmp.Compare(x.off, y.off) // equal keys stay in their order
	})
}

func (a *arena) reset() { a.buf, a.refs, a.sorted = a.buf[:0], a.refs[:0], true }

// spill hands the filled arena to a goroutine that sorts and writes it, once the
// one before it is done.
func (s *sorter) spill() error {
	if err := s.wait(); err != nil || s.cur == nil || len(s.cur.refs) == 0 {
		return err
	}
	full := s.cur
	s.cur, s.spare = s.spare, full
	done := make(chan error, 1)
	s.inflight = done
	go func() {
		full.sort()
		w := s.newRun()
		for _, r := range full.refs {
			w.add(full.raw(r))
		}
		full.reset()
		done <- w.close()
	}()
	return nil
}

// wait returns when no run is being spilled any more, with the first error of
// any, now and ever after: a run is missing, and no later call may pass over that.
func (s *sorter) wait() error {
	if s.inflight != nil {
		s.failed = cmp.Or(s.failed, <-s.inflight)
		s.inflight = nil
	}
	return s.failed
}

// flush spills what is left. Afterwards every entry is in a run.
func (s *sorter) flush() error {
	if err := s.spill(); err != nil {
		return err
	}
	return s.wait()
}

// close removes the spill file. It may be called at any time and twice.
func (s *sorter) close() {
	_ = s.wait()
	_ = s.file.Close()
	_ = os.Remove(s.file.Name())
}

// runWriter writes one run as blocks of [length, checksum, entries]: a block is
// what a merge holds of each run.
type runWriter struct {
	s     *sorter
	run   run
	block []byte
	err   error
}

const blockHead = 8

func (s *sorter) newRun() *runWriter {
	return &runWriter{s: s, run: run{off: s.end}, block: make([]byte, blockHead, blockHead+maxBlock)}
}

func (w *runWriter) add(raw []byte) {
	if len(w.block) > blockHead && len(w.block)+len(raw) > blockHead+maxBlock {
		w.flush()
	}
	w.block = append(w.block, raw...)
	w.run.rows++
}

func (w *runWriter) flush() {
	body := w.block[blockHead:]
	binary.LittleEndian.PutUint32(w.block, uint32(len(body)))
	binary.LittleEndian.PutUint32(w.block[4:], crc32.Checksum(body, castagnoli))
	if w.err == nil {
		_, w.err = w.s.file.WriteAt(w.block, w.s.end)
	}
	w.s.end += int64(len(w.block))
	w.s.block = max(w.s.block, len(body))
	w.block = w.block[:blockHead]
}

func (w *runWriter) close() error {
	w.flush()
	if w.err != nil {
		return fmt.Errorf("snapshot: spill a sorted run: %w", w.err)
	}
	w.run.size = w.s.end - w.run.off
	w.s.runs = append(w.s.runs, w.run)
	return nil
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// runReader reads one run entry by entry.
type runReader struct {
	file  io.ReaderAt
	off   int64
	end   int64
	seq   int // entries of an earlier run come before equal ones of a later
	block []byte
	rest  []byte
	raw   []byte // the entry it stands at
	key   entry  // and its key
}

// next moves to the next entry; false at the end of the run.
func (r *runReader) next() (bool, error) {
	for len(r.rest) == 0 {
		if r.off >= r.end {
			return false, nil
		}
		if err := r.load(); err != nil {
			return false, fmt.Errorf("snapshot: read a spilled run: %w", err)
		}
	}
	var err error
	if r.raw, r.rest, err = nextEntry(r.rest); err != nil {
		return false, err
	}
	return true, r.key.decodeKey(r.raw)
}

func (r *runReader) load() error {
	var head [blockHead]byte
	if _, err := r.file.ReadAt(head[:], r.off); err != nil {
		return cutShort(err)
	}
	n := int64(binary.LittleEndian.Uint32(head[:]))
	if n > r.end-r.off-blockHead {
		return fmt.Errorf("%w: a block is longer than its run", ErrCorrupt)
	}
	r.block = slices.Grow(r.block[:0], int(n))[:n]
	if _, err := r.file.ReadAt(r.block, r.off+blockHead); err != nil && n > 0 {
		return cutShort(err)
	}
	if crc32.Checksum(r.block, castagnoli) != binary.LittleEndian.Uint32(head[4:]) {
		return fmt.Errorf("%w: the checksum of a block is wrong", ErrCorrupt)
	}
	r.off += blockHead + n
	r.rest = r.block
	return nil
}

func cutShort(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return fmt.Errorf("%w: the file is cut short", ErrCorrupt)
	}
	return err
}

// merge calls yield with every entry by key, equal keys in the order in which
// they were added. raw is valid during the call. A merge that was ended leaves
// the runs as they were: they can be saved.
func (s *sorter) merge(ctx context.Context, yield func(key *entry, raw []byte) error) error {
	if err := s.flush(); err != nil {
		return err
	}
	s.cur, s.spare = nil, nil // their memory is the merge's now: nothing is added any more
	if err := s.narrow(ctx); err != nil {
		return err
	}
	return s.mergeRuns(ctx, s.runs, yield)
}

// fan is how many runs one merge can hold.
func (s *sorter) fan() int {
	return min(s.sizes.fanIn, max(2, mergeBytes/max(s.block, 1)))
}

// narrow merges neighbouring runs until one merge can hold them all.
func (s *sorter) narrow(ctx context.Context) (err error) {
	for len(s.runs) > s.fan() {
		all := s.runs
		s.runs = nil
		defer func() {
			if err != nil {
				s.runs = all
			}
		}()
		for part := range slices.Chunk(all, s.fan()) {
			w := s.newRun()
			err := s.mergeRuns(ctx, part, func(_ *entry, raw []byte) error { w.add(raw); return w.err })
			if err != nil {
				return err
			}
			if err := w.close(); err != nil {
				return err
			}
		}
	}
	return nil
}

func (s *sorter) mergeRuns(ctx context.Context, runs []run, yield func(*entry, []byte) error) error {
	var h runHeap
	for i, r := range runs {
		rr := &runReader{file: s.file, off: r.off, end: r.off + r.size, seq: i}
		if more, err := rr.next(); err != nil {
			return err
		} else if more {
			h = append(h, rr)
		}
	}
	for i := len(h)/2 - 1; i >= 0; i-- {
		h.down(i)
	}
	for n := 0; len(h) > 0; n++ {
		if n%4096 == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
		top := h[0]
		if err := yield(&top.key, top.raw); err != nil {
			return err
		}
		more, err := top.next()
		if err != nil {
			return err
		}
		if !more {
			h[0] = h[len(h)-1]
			h = h[:len(h)-1]
		}
		h.down(0)
	}
	return nil
}

// runHeap has the run with the smallest entry on top.
type runHeap []*runReader

func (h runHeap) less(i, j int) bool {
	a, b := h[i], h[j]
	if c := compareKeys(a.key.email, a.key.license, b.key.email, b.key.license); c != 0 {
		return c < 0
	}
	return a.seq < b.seq
}

func (h runHeap) down(i int) {
	for {
		least := i
		for c := 2*i + 1; c <= 2*i+2 && c < len(h); c++ {
			if h.less(c, least) {
				least = c
			}
		}
		if least == i {
			return
		}
		h[i], h[least] = h[least], h[i]
		i = least
	}
}
