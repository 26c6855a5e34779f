package table_test

import (
	"errors"
	"strings"
	"testing"
	"unicode/utf8"

	"muster/internal/table"
)

func TestQueryRange(t *testing.T) {
	for name, c := range map[string]struct {
		q        table.Query
		from, to string
		empty    bool
	}{
		"everything":               {},
		"from and to":              {q: table.Query{From: "b", To: "d"}, from: "b", to: "d"},
		"prefix":                   {q: table.Query{Prefix: "JOB#"}, from: "JOB#", to: "JOB$"},
		"from within the prefix":   {q: table.Query{Prefix: "a", From: "ab"}, from: "ab", to: "b"},
		"from before the prefix":   {q: table.Query{Prefix: "b", From: "a"}, from: "b", to: "c"},
		"to within the prefix":     {q: table.Query{Prefix: "a", To: "ab"}, from: "a", to: "ab"},
		"to past the prefix":       {q: table.Query{Prefix: "a", To: "x"}, from: "a", to: "b"},
		"from past the prefix":     {q: table.Query{Prefix: "a", From: "b"}, from: "b", to: "b", empty: true},
		"from is to":               {q: table.Query{From: "b", To: "b"}, from: "b", to: "b", empty: true},
		"to before from":           {q: table.Query{From: "c", To: "b"}, from: "c", to: "b", empty: true},
		"last code point":          {q: table.Query{Prefix: "a\U0010FFFF"}, from: "a\U0010FFFF", to: "b"},
		"nothing but last":         {q: table.Query{Prefix: "\U0010FFFF"}, from: "\U0010FFFF"},
		"before the surrogates":    {q: table.Query{Prefix: "\uD7FF"}, from: "\uD7FF", to: "\uE000"},
		"one byte to two":          {q: table.Query{Prefix: "\u007F"}, from: "\u007F", to: "\u0080"},
		"prefix ends with a slash": {q: table.Query{Prefix: "é/"}, from: "é/", to: "é0"},
	} {
		t.Run(name, func(t *testing.T) {
			from, to, ok, err := c.q.Range()
			if err != nil || from != c.from || to != c.to || ok == c.empty {
				t.Errorf("Range() = %q, %q, %t, %v; want %q, %q, %t", from, to, ok, err, c.from, c.to, !c.empty)
			}
		})
	}
	if _, _, _, err := (table.Query{From: "a\xff"}).Range(); !errors.Is(err, table.ErrInvalid) {
		t.Errorf("Range of what is not UTF-8: %v, want ErrInvalid", err)
	}
}

// The oracle is the plain reading of a query: each of its parts on its own.
func FuzzQueryRange(f *testing.F) {
	f.Add("a", "ab", "", "abc")
	f.Add("\uD7FF", "", "\uE000", "\uD7FF\U0010FFFF")
	f.Add("\U0010FFFF", "", "", "\U0010FFFFz")
	f.Fuzz(func(t *testing.T, prefix, from, to, key string) {
		for _, s := range []string{prefix, from, to, key} {
			if !utf8.ValidString(s) {
				t.Skip()
			}
		}
		lo, hi, ok, err := table.Query{Prefix: prefix, From: from, To: to}.Range()
		if err != nil {
			t.Fatal(err)
		}
		got := ok && key >= lo && (hi == "" || key < hi)
		want := strings.HasPrefix(key, prefix) && key >= from && (to == "" || key < to)
		if got != want {
			t.Errorf("%q within prefix %q, [%q, %q): %t, want %t (range [%q, %q) %t)", key, prefix, from, to, got, want, lo, hi, ok)
		}
	})
}
