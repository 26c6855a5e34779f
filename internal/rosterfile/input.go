package rosterfile

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"

	"github.com/go-json-experiment/json/jsontext"
)

// maxValue bounds what the decoder must hold at once, and so its memory: a value that
// is read whole, with the white space before it.
const maxValue = 1 << 20

var errTooLarge = errors.New("a value is too large")

// place is a position in the file: both from 1, the column in bytes. A byte-order
// mark takes no column.
type place struct{ line, column int64 }

var origin = place{1, 1}

// after is the place behind text that begins here.
func (p place) after(text []byte) place {
	if n := bytes.Count(text, newline); n > 0 {
		return place{p.line + int64(n), int64(len(text) - bytes.LastIndexByte(text, '\n'))}
	}
	return place{p.line, p.column + int64(len(text))}
}

var newline = []byte{'\n'}

// input is what the decoder reads from. It remembers the line breaks that the
// decoder has been given and not yet passed, and stops it at a value over maxValue.
type input struct {
	ctx     context.Context
	src     *bufio.Reader
	dec     *jsontext.Decoder // its offsets count from where the input began
	given   int64             // bytes given to the decoder
	err     error             // why the last Read failed, io.EOF apart: the decoder may dress it as a syntax error
	line    int64             // the line that place last answered with,
	start   int64             // and the offset at which it begins; negative if before the input
	breaks  []int64           // offsets of line breaks from there on
	passing int               // those of them that are passed
}

func newInput(ctx context.Context, r io.Reader, at place) *input {
	return &input{ctx: ctx, src: bufio.NewReaderSize(r, 64<<10), line: at.line, start: 1 - at.column}
}

// Read gives the decoder more, if what it still holds is within bounds.
func (in *input) Read(p []byte) (int, error) {
	done := in.dec.InputOffset()
	room := maxValue - (in.given - done)
	if room <= 0 {
		in.err = errTooLarge
		return 0, in.err
	}
	// Nobody asks for places before the last complete token: a long value that is
	// skipped must not gather its line breaks.
	in.place(done)
	return in.next(p[:min(int64(len(p)), room)])
}

func (in *input) next(p []byte) (n int, err error) {
	if err = in.ctx.Err(); err == nil {
		n, err = in.src.Read(p)
	}
	if err != nil && !errors.Is(err, io.EOF) {
		in.err = err
	}
	in.breaks = append(in.breaks[:0], in.breaks[in.passing:]...)
	in.passing = 0
	for i := 0; i < n; i++ {
		next := bytes.IndexByte(p[i:n], '\n')
		if next < 0 {
			break
		}
		i += next
		in.breaks = append(in.breaks, in.given+int64(i))
	}
	in.given += int64(n)
	return n, err
}

// place says where an offset of the decoder is. Offsets must not decrease from one
// call to the next.
func (in *input) place(offset int64) place {
	for in.passing < len(in.breaks) && in.breaks[in.passing] < offset {
		in.start = in.breaks[in.passing] + 1
		in.line++
		in.passing++
	}
	return place{in.line, offset - in.start + 1}
}
