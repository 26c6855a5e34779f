package rosterfile

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"

	"muster/internal/roster"
)

// skipDepth is how deep skip goes token by token; what lies deeper is read whole.
// The decoder keeps the names of all objects that are open to it, so a file that
// nests long names must not decide how many those are.
const skipDepth = 8

const space = " \t\r\n"

// stream is the file from some offset on, token by token. Its errors are ready for
// the reader of the source: a Fault, or what came from below, wrapped.
type stream struct {
	file   io.Closer
	in     *input
	dec    *jsontext.Decoder
	base   int64  // where in the file the decoder's offset 0 is
	prefix string // of pointers
}

func newStream(ctx context.Context, f io.ReadCloser, offset int64, at place, prefix string) *stream {
	s := &stream{file: f, in: newInput(ctx, f, at), base: offset, prefix: prefix}
	s.dec = jsontext.NewDecoder(s.in, jsontext.AllowDuplicateNames(true))
	s.in.dec = s.dec
	return s
}

func (s *stream) Close() error { return s.file.Close() }

// mark passes over a byte-order mark. UTF-16 is what some editors and PowerShell
// write when told nothing, and an archive what some people upload, so those have
// their own words.
func (s *stream) mark() error {
	head, err := s.in.src.Peek(3)
	switch {
	case err != nil && err != io.EOF:
		return fmt.Errorf("read the file: %w", err)
	case string(head) == "\xef\xbb\xbf":
		s.base += 3
		_, err := s.in.src.Discard(3)
		return err
	case bytes.HasPrefix(head, []byte("\xff\xfe")), bytes.HasPrefix(head, []byte("\xfe\xff")),
		bytes.HasPrefix(head, []byte("{\x00")), bytes.HasPrefix(head, []byte("\x00{")):
		return s.fault(origin, "", "the file is in UTF-16: save it as UTF-8")
	case bytes.HasPrefix(head, []byte("\x1f\x8b")), bytes.HasPrefix(head, []byte("PK\x03")):
		return s.fault(origin, "", "the file is compressed: upload the JSON that is in it")
	}
	return nil
}

// peek is the kind of the next token: the closing bracket at the end of an object or
// array, 0 for an error, which the next call returns.
func (s *stream) peek() jsontext.Kind { return s.dec.PeekKind() }

// here is the place of the next token.
func (s *stream) here() place { return s.in.place(s.offset()) }

// offset is that of the next token, counted as the decoder does. Where an error is
// next it is not beyond that: places are asked for in order.
func (s *stream) offset() int64 {
	if s.peek() == 0 {
		return s.dec.InputOffset()
	}
	return s.unread()
}

// unread is the offset behind the white space and the delimiter that come next.
func (s *stream) unread() int64 {
	all := s.dec.UnreadBuffer()
	rest := bytes.TrimLeft(all, space)
	if len(rest) > 0 && (rest[0] == ',' || rest[0] == ':') {
		rest = bytes.TrimLeft(rest[1:], space)
	}
	return s.dec.InputOffset() + int64(len(all)-len(rest))
}

// begin enters an object or array, which is all that may stand here.
func (s *stream) begin(kind jsontext.Kind, expected string) error {
	if k := s.peek(); k != kind && k > 0 {
		return s.fault(s.here(), s.pointer(string(s.dec.StackPointer())), "expected "+expected)
	}
	return s.close()
}

// close reads a bracket.
func (s *stream) close() error {
	if _, err := s.dec.ReadToken(); err != nil {
		return s.failed(err)
	}
	return nil
}

// name reads the name of a member; of is its own place and at that of the value.
func (s *stream) name() (of place, name string, at place, err error) {
	of = s.here()
	tok, err := s.dec.ReadToken()
	if err != nil {
		return of, "", place{}, s.failed(err)
	}
	name = tok.String()
	return of, name, s.here(), nil
}

// record reads a value whole. Its bytes are valid until the next call; list and index
// are what it will call itself.
func (s *stream) record(list string, index int64) (record, error) {
	raw, err := s.dec.ReadValue()
	if err != nil {
		return record{}, s.failed(err)
	}
	at := s.in.place(s.dec.InputOffset() - int64(len(raw)))
	return record{raw: raw, at: at, list: list, index: index}, nil
}

// array reads an array, calling each for its values; list is its pointer.
func (s *stream) array(list string, each func(record) error) error {
	if err := s.begin('[', "an array"); err != nil {
		return err
	}
	for i := int64(0); s.peek() != ']'; i++ {
		v, err := s.record(list, i)
		if err != nil {
			return err
		}
		if err := each(v); err != nil {
			return err
		}
	}
	return s.close()
}

// skip passes over a value of any size.
func (s *stream) skip(levels int) error {
	if k := s.peek(); levels == 0 || k != '{' && k != '[' {
		if _, err := s.dec.ReadValue(); err != nil {
			return s.failed(err)
		}
		return nil
	}
	if err := s.close(); err != nil {
		return err
	}
	for k := s.peek(); k != '}' && k != ']'; k = s.peek() {
		if err := s.skip(levels - 1); err != nil {
			return err
		}
	}
	return s.close()
}

// end makes sure that nothing follows but white space, of which there may be any
// amount.
func (s *stream) end() error {
	offset, chunk := s.dec.InputOffset(), s.dec.UnreadBuffer()
	buf := make([]byte, 4<<10)
	for {
		if rest := bytes.TrimLeft(chunk, space); len(rest) > 0 {
			at := s.in.place(offset + int64(len(chunk)-len(rest)))
			return s.fault(at, "", "expected the end of the file: only white space may follow the object")
		}
		offset += int64(len(chunk))
		s.in.place(offset)
		n, err := s.in.next(buf)
		switch chunk = buf[:n]; {
		case n > 0:
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return s.failed(err)
		}
	}
}

// failed turns an error of the decoder into the stream's.
func (s *stream) failed(err error) error {
	var syntax *jsontext.SyntacticError
	switch {
	case errors.Is(s.in.err, errTooLarge):
		return s.tooLarge()
	case s.in.err != nil:
		return fmt.Errorf("read the file: %w", s.in.err)
	case errors.Is(err, io.EOF):
		return s.fault(origin, "", "the file is empty: expected an object with the member users")
	case errors.As(err, &syntax):
		detail := "not valid JSON: " + unquoted(syntax.Err.Error())
		if errors.Is(syntax.Err, io.ErrUnexpectedEOF) {
			detail = "not valid JSON: the file ends here, in the middle of a value"
		}
		return s.fault(s.in.place(syntax.ByteOffset), s.pointer(string(syntax.JSONPointer)), detail)
	}
	return fmt.Errorf("read the file: %w", err)
}

// unquoted takes what the decoder quotes of the file, longer than a character, out of
// its message.
func unquoted(message string) string {
	const quotes = "`\""
	from, to := strings.IndexAny(message, quotes), strings.LastIndexAny(message, quotes)
	if from < to {
		return message[:from] + strings.TrimPrefix(message[to+1:], " ")
	}
	return message
}

func (s *stream) tooLarge() *roster.Fault {
	p := s.dec.StackPointer() // of the last value
	if kind, n := s.dec.StackIndex(s.dec.StackDepth()); kind == '[' {
		if n > 0 {
			p = p.Parent()
		}
		p = p.AppendToken(strconv.FormatInt(n, 10))
	}
	return s.fault(s.in.place(s.unread()), s.pointer(string(p)),
		fmt.Sprintf("expected no value and no white space of more than %d bytes; the next is larger", maxValue))
}

// pointer is a pointer of the decoder as one into the file, cut to a length that a
// person reads: names in a file may be of any length.
func (s *stream) pointer(p string) string {
	const most = 200
	p = s.prefix + p
	if len(p) <= most {
		return p
	}
	cut := most
	for !utf8.RuneStart(p[cut]) {
		cut--
	}
	return p[:cut] + "…"
}

// fault makes a Fault of one problem. It has no Reason: reasons count records.
func (s *stream) fault(at place, pointer, detail string) *roster.Fault {
	var in strings.Builder
	if pointer != "" {
		in.WriteString(" in " + pointer)
	}
	f := roster.Faultf("line %d, column %d%s: %s", at.line, at.column, &in, detail)
	f.Problems = []roster.Problem{{Pointer: pointer, Line: at.line, Column: at.column, Detail: detail}}
	return f
}
