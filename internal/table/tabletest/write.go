package tabletest

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"muster/internal/table"
)

var writeCases = []testCase{
	{"what is absent is ErrNotFound", func(s suite) {
		if _, err := s.Get(s.Context(), key("a")); !errors.Is(err, table.ErrNotFound) {
			s.Errorf("Get: %v, want ErrNotFound", err)
		}
	}},
	{"a document comes back byte for byte", func(s suite) {
		w := table.Put(key("ä/#\x00"), doc{N: 7, Text: "<ü> \u2028 \x00 🙂 \\ \""}, table.Absent)
		s.mustWrite(w)
		r, err := s.Get(s.Context(), w.Key)
		if err != nil {
			s.Fatal(err)
		}
		if string(r.Body) != string(w.Body) || r.Version != w.Version || !r.Expires.IsZero() || r.Key != w.Key {
			s.Errorf("got %+v (%s), wrote %s", r, r.Body, w.Body)
		}
	}},
	{"a row is made once", func(s suite) {
		s.mustWrite(table.Put(key("a"), doc{N: 1}, table.Absent))
		s.conflict(0, table.Put(key("a"), doc{N: 2}, table.Absent))
		s.wantDoc(key("a"), doc{N: 1})
	}},
	{"a version is replaced once", func(s suite) {
		first := s.mustWrite(table.Put(key("a"), doc{N: 1}, table.Absent))
		second := s.mustWrite(table.Put(key("a"), doc{N: 2}, table.Version(first)))
		if v, _ := s.read(key("a")); v != second || v == first {
			s.Errorf("version %q after writing %q over %q", v, second, first)
		}
		s.conflict(0, table.Put(key("a"), doc{N: 3}, table.Version(first)))
		s.conflict(0, table.Put(key("b"), doc{N: 3}, table.Version(first)))
		s.conflict(0, table.Delete(key("a"), table.Version(first)))
		s.wantDoc(key("a"), doc{N: 2})
		s.wantAbsent(key("b"))
	}},
	{"without a condition", func(s suite) {
		s.mustWrite(table.Put(key("a"), doc{N: 1}, table.Any))
		s.mustWrite(table.Put(key("a"), doc{N: 2}, table.Any))
		s.wantDoc(key("a"), doc{N: 2})
		s.mustWrite(table.Delete(key("a"), table.Any))
		s.mustWrite(table.Delete(key("a"), table.Any))
		s.wantAbsent(key("a"))
	}},
	{"a deleted row is absent", func(s suite) {
		v := s.mustWrite(table.Put(key("a"), doc{N: 1}, table.Absent))
		s.mustWrite(table.Delete(key("a"), table.Version(v)))
		s.wantAbsent(key("a"))
		s.conflict(0, table.Delete(key("a"), table.Version(v)))
		s.mustWrite(table.Delete(key("a"), table.Absent))
		s.mustWrite(table.Put(key("a"), doc{N: 2}, table.Absent))
		s.conflict(0, table.Delete(key("a"), table.Absent))
	}},
	{"checks alone", func(s suite) {
		v := s.mustWrite(table.Put(key("a"), doc{N: 1}, table.Absent))
		s.mustWrite(table.Check(key("a"), table.Version(v)))
		s.mustWrite(table.Check(key("b"), table.Absent))
		s.mustWrite(table.Check(key("a"), table.Version(v)), table.Check(key("b"), table.Absent))
		s.conflict(0, table.Check(key("a"), table.Absent))
		s.conflict(0, table.Check(key("b"), table.Version(v)))
		s.conflict(1, table.Check(key("b"), table.Absent), table.Check(key("a"), table.Version("other")))
		s.wantAbsent(key("b"))
	}},
	{"no writes at all", func(s suite) {
		if err := s.Write(s.Context()); err != nil {
			s.Error(err)
		}
	}},
	{"one failed condition among many leaves nothing", allOrNothing},
	{"a transaction as large as it may be", largest},
	{"invalid calls", invalidCalls},
	{"an ended context", endedContext},
	{"partitions are apart", func(s suite) {
		parts := []string{"ORG", "ORG#", "ORG#1", "ORG#11", "ORG#1#JOB", "O", "ORG#1\x00", "G#1"}
		for i, p := range parts {
			s.mustWrite(table.Put(table.Key{Part: p, Sort: "1#JOB"}, doc{N: i}, table.Absent))
			s.mustWrite(table.Put(table.Key{Part: p, Sort: fmt.Sprint("z", i)}, doc{N: i}, table.Absent))
		}
		for i, p := range parts {
			s.wantDoc(table.Key{Part: p, Sort: "1#JOB"}, doc{N: i})
			want := fmt.Sprint("1#JOB z", i)
			if got := s.list(p, table.Query{}); got != want {
				s.Errorf("list %q: %q, want %q", p, got, want)
			}
			if got := s.list(p, table.Query{Reverse: true}); got != fmt.Sprintf("z%d 1#JOB", i) {
				s.Errorf("list %q from the end: %q", p, got)
			}
		}
	}},
	{"counters", func(s suite) {
		for _, c := range []struct{ n, want int64 }{{0, 0}, {5, 5}, {1, 6}, {-10, -4}, {1 << 40, 1<<40 - 4}} {
			got, err := s.Add(s.Context(), key("c"), c.n, time.Time{})
			if err != nil || got != c.want {
				s.Errorf("Add(%d) = %d, %v; want %d", c.n, got, err, c.want)
			}
		}
		if got, err := s.Add(s.Context(), key("d"), 1, time.Time{}); err != nil || got != 1 {
			s.Errorf("another counter: %d, %v", got, err)
		}
	}},
}

// allOrNothing fails each write of a large transaction in turn.
func allOrNothing(s suite) {
	const n = 40
	taken := s.mustWrite(table.Put(key("taken"), doc{N: 1}, table.Absent))
	for bad := range n {
		var ws []table.Write
		for i := range n {
			ws = append(ws, table.Put(key(fmt.Sprint("row", i)), doc{N: i}, table.Absent))
		}
		switch bad % 3 {
		case 0:
			ws[bad] = table.Check(key("taken"), table.Absent)
		case 1:
			ws[bad] = table.Put(key("taken"), doc{N: 2}, table.Version("stale"))
		case 2:
			ws[bad] = table.Delete(key("none"), table.Version(taken))
		}
		s.conflict(bad, ws...)
		if got := s.list("PART", table.Query{}); got != "taken" {
			s.Fatalf("after a failed condition of write %d: %q", bad, got)
		}
	}
	s.wantDoc(key("taken"), doc{N: 1})
	s.conflict(1, // two conditions fail: the first is named
		table.Put(key("a"), doc{}, table.Absent),
		table.Check(key("taken"), table.Absent),
		table.Check(key("b"), table.Version("x")))
	s.mustWrite(
		table.Put(key("a"), doc{N: 9}, table.Absent),
		table.Delete(key("taken"), table.Version(taken)),
		table.Check(key("b"), table.Absent))
	if got := s.list("PART", table.Query{}); got != "a" {
		s.Errorf("after the transaction: %q, want a", got)
	}
}

// largest writes as many rows, and as many bytes, as one transaction takes.
func largest(s suite) {
	var many []table.Write
	for i := range table.MaxWrites {
		many = append(many, table.Put(key(fmt.Sprintf("many%03d", i)), doc{N: i}, table.Absent))
	}
	s.mustWrite(many...)
	var big []table.Write
	for i := range table.MaxTotal / table.MaxBody {
		big = append(big, table.Put(key(fmt.Sprint("big", i)), text(table.MaxBody), table.Absent))
	}
	s.mustWrite(big...)
	for _, w := range append(big, many...) {
		if v, _ := s.read(w.Key); v != w.Version {
			s.Errorf("row %s has version %q, want %q", w.Key, v, w.Version)
		}
	}
}

// text is a document of n bytes, with characters that encodings escape.
func text(n int) doc {
	const frame = len(`{"n":0,"text":""}`)
	return doc{Text: strings.Repeat("é<", (n-frame)/3) + strings.Repeat("x", (n-frame)%3)}
}

func invalidCalls(s suite) {
	var tooMany, tooMuch []table.Write
	for i := range table.MaxWrites + 1 {
		tooMany = append(tooMany, table.Put(key(fmt.Sprint(i)), doc{}, table.Any))
	}
	for i := range table.MaxTotal/table.MaxBody + 1 {
		tooMuch = append(tooMuch, table.Put(key(fmt.Sprint(i)), text(table.MaxBody), table.Any))
	}
	k := func(part, sort string) table.Key { return table.Key{Part: part, Sort: sort} }
	long := strings.Repeat("k", 1025)
	for name, ws := range map[string][]table.Write{
		"one key twice":           {table.Put(key("a"), doc{}, table.Any), table.Delete(key("a"), table.Any)},
		"a check of what it puts": {table.Put(key("a"), doc{}, table.Any), table.Check(key("a"), table.Absent)},
		"a document too large":    {table.Put(key("a"), text(table.MaxBody+1), table.Any)},
		"too many writes":         tooMany,
		"too large altogether":    tooMuch,
		"no partition":            {table.Put(k("", "a"), doc{}, table.Any)},
		"no sort key":             {table.Put(k("PART", ""), doc{}, table.Any)},
		"a key too long":          {table.Put(k("PART", long), doc{}, table.Any)},
		"a key that is not UTF-8": {table.Put(k("PART", "\xff"), doc{}, table.Any)},
		"not a document":          {table.Put(key("a"), make(chan int), table.Any)},
		"a check of nothing":      {table.Check(key("a"), table.Any)},
	} {
		if err := s.Write(s.Context(), ws...); !errors.Is(err, table.ErrInvalid) {
			s.Errorf("%s: %v, want ErrInvalid", name, err)
		}
	}
	if got := s.list("PART", table.Query{}); got != "" {
		s.Errorf("invalid calls wrote %q", got)
	}
	if _, err := s.Get(s.Context(), k("PART", "")); !errors.Is(err, table.ErrInvalid) {
		s.Errorf("Get of no key: %v, want ErrInvalid", err)
	}
	if _, err := s.Add(s.Context(), k("", "a"), 1, time.Time{}); !errors.Is(err, table.ErrInvalid) {
		s.Errorf("Add to no key: %v, want ErrInvalid", err)
	}
	for _, bad := range []struct{ part, prefix string }{{"", ""}, {"PART", "\xff"}, {"\xff", ""}} {
		for _, err := range s.List(s.Context(), bad.part, table.Query{Prefix: bad.prefix}) {
			if !errors.Is(err, table.ErrInvalid) {
				s.Errorf("List of %q: %v, want ErrInvalid", bad, err)
			}
		}
	}
}

func endedContext(s suite) {
	ctx, cancel := context.WithCancel(s.Context())
	cancel()
	want := func(what string, err error) {
		s.Helper()
		if !errors.Is(err, context.Canceled) || !errors.Is(err, table.ErrUnavailable) {
			s.Errorf("%s: %v, want context.Canceled and ErrUnavailable", what, err)
		}
	}
	_, err := s.Get(ctx, key("a"))
	want("Get", err)
	want("Write of one", s.Write(ctx, table.Put(key("a"), doc{}, table.Absent)))
	want("Write of two", s.Write(ctx, table.Put(key("a"), doc{}, table.Absent), table.Put(key("b"), doc{}, table.Absent)))
	_, err = s.Add(ctx, key("c"), 1, time.Time{})
	want("Add", err)
	n := 0
	for _, err := range s.List(ctx, "PART", table.Query{}) {
		want("List", err)
		n++
	}
	if n != 1 {
		s.Errorf("List yielded %d times, want its error alone", n)
	}
	if got := s.list("PART", table.Query{}); got != "" {
		s.Errorf("calls with an ended context wrote %q", got)
	}
}
