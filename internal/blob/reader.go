package blob

import (
	"errors"
	"io"
)

const (
	// chunkSize is one ranged read. On S3 a read costs some 20 ms before its
	// first byte: three of these under way hide that, smaller ones would not.
	chunkSize = 1 << 20
	// chunks are held by one stream: one being consumed, the others under way.
	chunks = 4
)

// NewReader returns obj as a stream from its first byte to its last. It fetches
// ahead of its reader, up to three ranges at a time, and holds at most 4 MiB.
//
// An error of the object comes where it happened, after every byte before it,
// and again on each Read after that. Read and Close are for one goroutine. Close
// closes obj, which ends the reads under way, and returns when none is left.
func NewReader(obj Object) io.ReadCloser {
	r := &reader{obj: obj, size: obj.Info().Size}
	for range chunks {
		r.fetch(make([]byte, min(chunkSize, r.size-r.asked)))
	}
	return r
}

type reader struct {
	obj   Object
	size  int64
	asked int64    // where the next fetch begins
	queue []*chunk // in the object's order; the first is being consumed
	err   error    // sticky
}

type chunk struct {
	buf   []byte // its capacity is reused for a later range
	rest  []byte // what of buf was read and is not consumed; valid once done
	err   error  // why rest is shorter than buf; valid once done
	ready chan struct{}
}

// fetch begins to read the next range into buf; at the end of the object it
// does nothing.
func (r *reader) fetch(buf []byte) {
	n := min(int64(cap(buf)), r.size-r.asked)
	if n == 0 {
		return
	}
	c := &chunk{buf: buf[:n], ready: make(chan struct{})}
	off := r.asked
	r.asked += n
	r.queue = append(r.queue, c)
	go func() {
		defer close(c.ready)
		got, err := r.obj.ReadAt(c.buf, off)
		c.rest = c.buf[:got]
		if got < len(c.buf) {
			c.err = notEOF(err)
		}
	}()
}

// notEOF is for a range that lies within the object and came up short: io.EOF
// would pass for the end of the stream.
func notEOF(err error) error {
	if err == nil || errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

func (r *reader) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, r.err
	}
	for r.err == nil {
		if len(r.queue) == 0 {
			r.err = io.EOF
			break
		}
		c := r.queue[0]
		<-c.ready
		if len(c.rest) > 0 {
			n := copy(p, c.rest)
			c.rest = c.rest[n:]
			return n, nil
		}
		if c.err != nil {
			r.err = c.err
			break
		}
		r.queue = r.queue[1:]
		r.fetch(c.buf)
	}
	return 0, r.err
}

func (r *reader) Close() error {
	err := r.obj.Close()
	for _, c := range r.queue {
		<-c.ready
	}
	r.queue, r.asked = nil, r.size
	if r.err == nil {
		r.err = io.ErrClosedPipe
	}
	return err
}
