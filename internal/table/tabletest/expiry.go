package tabletest

import (
	"fmt"
	"time"

	"muster/internal/table"
)

var expiryCases = []testCase{
	{"an expired row is absent to reads", func(s suite) {
		at := s.clock.Now().Add(time.Minute)
		s.mustWrite(table.Put(key("a"), doc{N: 1}, table.Absent).Until(at))
		s.mustWrite(table.Put(key("b"), doc{N: 2}, table.Absent))
		r, err := s.Get(s.Context(), key("a"))
		if err != nil || !r.Expires.Equal(at.Truncate(time.Second)) {
			s.Errorf("expires %v, %v; want %v", r.Expires, err, at.Truncate(time.Second))
		}
		if got := s.list("PART", table.Query{}); got != "a b" {
			s.Errorf("before: %q", got)
		}
		s.clock.Advance(time.Minute)
		s.wantAbsent(key("a"))
		if got := s.list("PART", table.Query{Limit: 1}); got != "b" {
			s.Errorf("after: %q, want b", got)
		}
	}},
	{"it counts from that very second", func(s suite) {
		at := s.clock.Now().Add(time.Minute).Truncate(time.Second)
		s.mustWrite(table.Put(key("a"), doc{N: 1}, table.Absent).Until(at))
		s.clock.Advance(at.Sub(s.clock.Now()) - time.Nanosecond)
		s.wantDoc(key("a"), doc{N: 1})
		s.clock.Advance(time.Nanosecond)
		s.wantAbsent(key("a"))
	}},
	{"an expired row is absent to conditions", func(s suite) {
		make := func(name string) string {
			return s.mustWrite(table.Put(key(name), doc{N: 1}, table.Absent).Until(s.clock.Now().Add(time.Minute)))
		}
		a, b := make("a"), make("b")
		s.conflict(0, table.Put(key("a"), doc{N: 2}, table.Absent))
		s.mustWrite(table.Check(key("a"), table.Version(a)), table.Check(key("b"), table.Version(b)))
		s.clock.Advance(2 * time.Minute)
		s.conflict(0, table.Put(key("a"), doc{N: 2}, table.Version(a)))
		s.conflict(0, table.Delete(key("a"), table.Version(a)))
		s.conflict(0, table.Check(key("a"), table.Version(a)))
		s.conflict(1, table.Put(key("c"), doc{}, table.Absent), table.Check(key("b"), table.Version(b)))
		s.mustWrite(table.Check(key("a"), table.Absent))
		s.mustWrite(table.Put(key("a"), doc{N: 3}, table.Absent), table.Check(key("b"), table.Absent))
		s.wantDoc(key("a"), doc{N: 3})
		s.mustWrite(table.Delete(key("b"), table.Absent))
	}},
	{"the last write decides on expiry", func(s suite) {
		soon, later := s.clock.Now().Add(time.Minute), s.clock.Now().Add(time.Hour)
		s.mustWrite(table.Put(key("never"), doc{N: 1}, table.Absent).Until(soon))
		s.mustWrite(table.Put(key("never"), doc{N: 2}, table.Any))
		s.mustWrite(table.Put(key("later"), doc{N: 1}, table.Absent).Until(soon))
		s.mustWrite(table.Put(key("later"), doc{N: 2}, table.Any).Until(later))
		s.mustWrite(table.Put(key("again"), doc{N: 1}, table.Absent).Until(soon))
		s.clock.Advance(2 * time.Minute)
		s.mustWrite(table.Put(key("again"), doc{N: 2}, table.Absent))
		for i := range 20 { // whatever removes expired rows meanwhile must spare these
			s.mustWrite(table.Put(key(fmt.Sprint("other", i)), doc{}, table.Absent).Until(soon))
		}
		if got := s.list("PART", table.Query{}); got != "again later never" {
			s.Errorf("left: %q, want again later never", got)
		}
	}},
	{"a counter begins anew", func(s suite) {
		add := func(n int64, expires time.Time, want int64) {
			s.Helper()
			if got, err := s.Add(s.Context(), key("c"), n, expires); err != nil || got != want {
				s.Errorf("Add(%d) = %d, %v; want %d", n, got, err, want)
			}
		}
		begin := s.clock.Now()
		add(2, begin.Add(time.Minute), 2)
		add(3, begin.Add(time.Hour), 5) // the expiry it was made with stays
		s.clock.Advance(2 * time.Minute)
		add(7, begin.Add(time.Hour), 7)
		add(1, begin.Add(time.Minute), 8)
		s.clock.Advance(2 * time.Hour)
		add(1, time.Time{}, 1)
		add(1, s.clock.Now().Add(time.Minute), 2) // made without one: it never expires
		s.clock.Advance(100 * time.Hour)
		add(1, time.Time{}, 3)
	}},
}
