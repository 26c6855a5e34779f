package tabletest

import (
	"fmt"
	"slices"
	"strings"
	"sync/atomic"

	"muster/internal/table"
)

var listCases = []testCase{
	{"byte order of the sort keys", func(s suite) {
		keys := []string{"a", "B", "a\x00", "ä", "a#1", "a#", "\U0001F642", "\uFFFD", "Z", "0", "aa", "ab", "\x01"}
		for i, k := range keys {
			s.mustWrite(table.Put(key(k), doc{N: i}, table.Absent))
		}
		slices.Sort(keys)
		if got, want := s.list("PART", table.Query{}), strings.Join(keys, " "); got != want {
			s.Errorf("list %q, want %q", got, want)
		}
		slices.Reverse(keys)
		if got, want := s.list("PART", table.Query{Reverse: true}), strings.Join(keys, " "); got != want {
			s.Errorf("reverse %q, want %q", got, want)
		}
	}},
	{"every query", everyQuery},
	{"several pages", severalPages},
	{"beside writers", besideWriters},
	{"writing inside the loop", func(s suite) {
		for i := range 300 {
			s.mustWrite(table.Put(key(fmt.Sprintf("%03d", i)), doc{N: i}, table.Absent))
		}
		n := 0
		for r, err := range s.List(s.Context(), "PART", table.Query{Prefix: "0"}) {
			if err != nil {
				s.Fatal(err)
			}
			s.mustWrite(table.Delete(r.Key, table.Version(r.Version)), table.Put(key("x"+r.Sort), doc{}, table.Absent))
			if _, err := s.Get(s.Context(), r.Key); err == nil {
				s.Errorf("row %s is there after its deletion", r.Key)
			}
			n++
		}
		if left := strings.Fields(s.list("PART", table.Query{})); n != 100 || len(left) != 300 || left[0] != "100" {
			s.Errorf("met %d rows, %d are left from %q on", n, len(left), left[0])
		}
	}},
	{"leaving the loop early", func(s suite) {
		for i := range 3 {
			s.mustWrite(table.Put(key(fmt.Sprint(i)), doc{N: i}, table.Absent))
		}
		for range s.List(s.Context(), "PART", table.Query{}) {
			break
		}
		if got := s.list("EMPTY", table.Query{}); got != "" {
			s.Errorf("an empty partition lists %q", got)
		}
		s.mustWrite(table.Delete(key("0"), table.Any))
	}},
}

// everyQuery compares all combinations over a small partition with the plain
// reading of a query.
func everyQuery(s suite) {
	keys := []string{"a", "a#1", "a#2", "a#3", "b", "b#1", "c"}
	for _, k := range keys {
		s.mustWrite(table.Put(key(k), doc{}, table.Absent))
	}
	bounds := []string{"", "a", "a#2", "a#9", "b", "z"}
	for _, prefix := range []string{"", "a", "a#", "b#1", "x"} {
		for _, from := range bounds {
			for _, to := range bounds {
				for flags := range 6 {
					q := table.Query{Prefix: prefix, From: from, To: to, Reverse: flags%2 == 1, Limit: flags / 2}
					if got, want := s.list("PART", q), plainly(keys, q); got != want {
						s.Errorf("%+v: %q, want %q", q, got, want)
					}
				}
			}
		}
	}
}

// plainly is what a query means, over sorted keys.
func plainly(keys []string, q table.Query) string {
	var out []string
	for _, k := range keys {
		if strings.HasPrefix(k, q.Prefix) && k >= q.From && (q.To == "" || k < q.To) {
			out = append(out, k)
		}
	}
	if q.Reverse {
		slices.Reverse(out)
	}
	if q.Limit > 0 && len(out) > q.Limit {
		out = out[:q.Limit]
	}
	return strings.Join(out, " ")
}

// fill writes n rows "0000", "0002", … of size bytes each.
func (s suite) fill(n, size int) (keys []string) {
	const chunk = 50
	var ws []table.Write
	for i := range n {
		k := fmt.Sprintf("%04d", 2*i)
		keys = append(keys, k)
		ws = append(ws, table.Put(key(k), text(size), table.Absent))
		if len(ws) == chunk || i == n-1 {
			s.mustWrite(ws...)
			ws = nil
		}
	}
	return keys
}

// severalPages lists a partition that is several pages for every adapter, by
// bytes and by rows.
func severalPages(s suite) {
	keys := s.fill(600, 4<<10)
	for _, q := range []table.Query{
		{}, {Reverse: true}, {Limit: 599}, {Limit: 599, Reverse: true},
		{From: "0003", To: "1197"}, {From: "0003", To: "1197", Reverse: true},
		{Prefix: "0"}, {Prefix: "0", Reverse: true, Limit: 400},
	} {
		if got, want := s.list("PART", q), plainly(keys, q); got != want {
			s.Errorf("%+v: %d keys, want %d", q, len(strings.Fields(got)), len(strings.Fields(want)))
		}
	}
}

// besideWriters lists while rows come and go between those that stay.
func besideWriters(s suite) {
	stay := s.fill(300, 6<<10)
	var done atomic.Bool
	s.together(5, func(i int) error {
		if i == 0 {
			defer done.Store(true)
			for round := range 6 {
				s.listOnce(stay, round%2 == 1)
			}
			return nil
		}
		for n := i; !done.Load(); n += 7 {
			k := key(fmt.Sprintf("%04d", n%600/2*2+1))
			if err := s.Write(s.Context(), table.Put(k, doc{N: n}, table.Any)); err != nil {
				return err
			}
			if err := s.Write(s.Context(), table.Delete(k, table.Any)); err != nil {
				return err
			}
		}
		return nil
	})
}

// listOnce requires each of the keys that stay, in strict order.
func (s suite) listOnce(stay []string, reverse bool) {
	var met []string
	last := ""
	for r, err := range s.List(s.Context(), "PART", table.Query{Reverse: reverse}) {
		if err != nil {
			s.Error(err)
			return
		}
		if last != "" && (r.Sort > last) == reverse || r.Sort == last {
			s.Errorf("%q came after %q", r.Sort, last)
		}
		if last = r.Sort; (r.Sort[3]-'0')%2 == 0 {
			met = append(met, r.Sort)
		}
	}
	if reverse {
		slices.Reverse(met)
	}
	if !slices.Equal(met, stay) {
		s.Errorf("met %d of the %d rows that were there throughout", len(met), len(stay))
	}
}
