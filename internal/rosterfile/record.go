package rosterfile

import (
	"bytes"
	"strconv"

	"github.com/go-json-experiment/json/jsontext"

	"muster/internal/roster"
)

// record is one value of a list, as bytes that the decoder has found valid.
type record struct {
	raw   []byte
	at    place
	list  string // pointer of the list
	index int64
}

func (v record) place() roster.Place {
	return roster.Place{Index: v.index, Line: v.at.line, Column: v.at.column}
}

// pointer is that of the record itself, or of one of its members.
func (v record) pointer(member string) string {
	p := strconv.AppendInt(append([]byte(v.list), '/'), v.index, 10)
	if member != "" {
		p = append(append(p, '/'), member...)
	}
	return string(p)
}

// problem is one with a member; at stands at its start where the member is absent.
func (v record) problem(reason roster.Reason, member string, at span, detail string) roster.Problem {
	p := v.at.after(v.raw[:at.from])
	return roster.Problem{Reason: reason, Pointer: v.pointer(member), Line: p.line, Column: p.column, Detail: detail}
}

// span is where a value stands in its record; the zero span is no value, since a
// member's value is never its record's first byte.
type span struct {
	from, to int
	escaped  bool // a string with a backslash in it
}

func nameAt(raw []byte, at span) []byte {
	if at.escaped {
		return unquote(raw, at)
	}
	return raw[at.from+1 : at.to-1]
}

// gap is the first position from i on that is not white space.
func gap(raw []byte, i int) int {
	for raw[i] <= ' ' {
		i++
	}
	return i
}

func valueAt(raw []byte, i int) span {
	switch raw[i] {
	case '"':
		return stringAt(raw, i)
	case '{', '[':
		return span{from: i, to: closing(raw, i)}
	}
	to := i
	for to < len(raw) && raw[to] > ' ' && raw[to] != ',' && raw[to] != '}' && raw[to] != ']' {
		to++
	}
	return span{from: i, to: to}
}

func stringAt(raw []byte, i int) span {
	s := span{from: i}
	for i++; raw[i] != '"'; i++ {
		if raw[i] == '\\' {
			s.escaped = true
			i++
		}
	}
	s.to = i + 1
	return s
}

// closing is the position behind the bracket that closes the one at i.
func closing(raw []byte, i int) int {
	for depth := 0; ; i++ {
		switch raw[i] {
		case '"':
			i = stringAt(raw, i).to - 1
		case '{', '[':
			depth++
		case '}', ']':
			if depth--; depth == 0 {
				return i + 1
			}
		}
	}
}

// elements calls each for the values of an array.
func elements(raw []byte, array span, each func(i int, value span)) {
	at := gap(raw, array.from+1)
	for i := 0; raw[at] != ']'; i++ {
		value := valueAt(raw, at)
		each(i, value)
		if at = gap(raw, value.to); raw[at] == ',' {
			at = gap(raw, at+1)
		}
	}
}

// text is a value as text: a string's, the digits of a number as they are written, a
// boolean's word, nothing for null or no value. ok is false for an object or array.
func text(raw []byte, v span) (_ []byte, ok bool) {
	if v.to == 0 {
		return nil, true
	}
	switch raw[v.from] {
	case '"':
		if v.escaped {
			return unquote(raw, v), true
		}
		return raw[v.from+1 : v.to-1], true
	case 'n':
		return nil, true
	case '{', '[':
		return nil, false
	}
	return raw[v.from:v.to], true
}

func unquote(raw []byte, v span) []byte {
	b, _ := jsontext.AppendUnquote(nil, raw[v.from:v.to]) // valid: the decoder saw it
	return b
}

// word is a value as a word of an enum: trimmed, in lower case.
func word(raw []byte, v span) (_ []byte, ok bool) {
	b, ok := text(raw, v)
	b = bytes.TrimSpace(b)
	for _, c := range b {
		if 'A' <= c && c <= 'Z' {
			return bytes.ToLower(b), ok
		}
	}
	return b, ok
}
