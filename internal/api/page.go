package api

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/danielgtaylor/huma/v2"
)

// Limits of a page in the Twine family.
const (
	DefaultPage = 100
	MaxPage     = 1000
)

// Page is the query pagination[first|after|last|before] of a list: embed it in an
// operation's input. Brackets may be percent-encoded. first goes on after a
// cursor, last goes back before one; to mix them is 400.
type Page struct {
	First  int    `query:"pagination[first]" minimum:"1" maximum:"1000" doc:"Rows at most, 100 if neither this nor last is given" example:"50"`
	After  string `query:"pagination[after]" doc:"Go on after this cursor" example:"eyJpZCI6IjAxOGY1YzNlIn0"`
	Last   int    `query:"pagination[last]" minimum:"1" maximum:"1000" doc:"Rows at most, counted from the end" example:"50"`
	Before string `query:"pagination[before]" doc:"Go back before this cursor" example:"eyJpZCI6IjAxOGY1YzNlIn0"`
}

// Resolve is called by huma after the request was read.
func (p *Page) Resolve(huma.Context) []error {
	if (p.First > 0 || p.After != "") && p.backward() {
		return []error{&Fault{Pointer: "query.pagination", Detail: "first and after go forward, last and before go back: use one pair"}}
	}
	return nil
}

func (p *Page) backward() bool { return p.Last > 0 || p.Before != "" }

// Limit is how many rows the page has at most.
func (p *Page) Limit() int {
	if n := max(p.First, p.Last); n > 0 {
		return n
	}
	return DefaultPage
}

// Backward reports whether the page ends, rather than begins, at the cursor: rows
// are read from there in reverse, and shown in their order.
func (p *Page) Backward() bool { return p.backward() }

// Cursor is where the page begins or ends; "" is the beginning or the end.
func (p *Page) Cursor() string { return p.After + p.Before }

// PageInfo is the member pagination of a list's answer.
type PageInfo struct {
	StartCursor     *string `json:"start_cursor" example:"eyJpZCI6IjAxOGY1YzNlIn0"`
	EndCursor       *string `json:"end_cursor" example:"eyJpZCI6IjAxOGY1YzNlIn0"`
	HasNextPage     bool    `json:"has_next_page"`
	HasPreviousPage bool    `json:"has_previous_page"`
}

// Info describes a page whose first and last rows have the cursors given ("" if
// it has no rows). more says that there are rows beyond it in its direction.
func (p *Page) Info(first, last string, more bool) PageInfo {
	i := PageInfo{HasNextPage: more, HasPreviousPage: p.After != ""}
	if p.backward() {
		i.HasNextPage, i.HasPreviousPage = p.Before != "", more
	}
	if first != "" {
		i.StartCursor, i.EndCursor = &first, &last
	}
	return i
}

const (
	cursorFormat = 1
	maxCursor    = 4 << 10
)

type cursor struct {
	Format int             `json:"v"`
	Keys   json.RawMessage `json:"k"`
}

// EncodeCursor makes an opaque cursor of a struct of sort keys: base64, standard
// alphabet with padding. It must hold no partition, org or path: whoever sends it
// back may have changed it.
func EncodeCursor(keys any) string {
	k, err := json.Marshal(keys)
	if err != nil {
		panic(fmt.Sprintf("api: cursor of %T: %v", keys, err)) // its type cannot be JSON
	}
	b, _ := json.Marshal(cursor{cursorFormat, k})
	return base64.StdEncoding.EncodeToString(b)
}

// DecodeCursor reads into keys what EncodeCursor was given. Anything else, also
// the cursor of another list whose keys have other names, is [Invalid]. What it
// reads is the client's word: parse it before a key is made of it.
func DecodeCursor(s string, keys any) error {
	bad := Invalid("the cursor is not one that this list gave; begin again without it")
	if len(s) > maxCursor {
		return bad
	}
	// A '+' that the client did not escape has become a space.
	b, err := base64.StdEncoding.Strict().DecodeString(strings.ReplaceAll(s, " ", "+"))
	if err != nil {
		return bad
	}
	var c cursor
	if strictly(b, &c) != nil || c.Format != cursorFormat || strictly(c.Keys, keys) != nil {
		return bad
	}
	return nil
}

func strictly(b []byte, v any) error {
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	return d.Decode(v)
}
