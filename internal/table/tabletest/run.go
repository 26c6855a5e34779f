package tabletest

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"muster/internal/table"
)

// Open gives a test a table of its own, empty, whose rows expire by the clock
// now. What it opens it closes by t.Cleanup.
type Open func(t *testing.T, now func() time.Time) table.Table

// Run is the conformance suite. Its clock begins at the real time and moves only
// forward: a store that deletes by its own clock (DynamoDB's TTL) deletes nothing
// early.
func Run(t *testing.T, open Open) {
	for _, group := range []struct {
		name  string
		cases []testCase
	}{
		{"Write", writeCases},
		{"Expiry", expiryCases},
		{"List", listCases},
		{"Stress", stressCases},
	} {
		t.Run(group.name, func(t *testing.T) {
			for _, c := range group.cases {
				t.Run(c.name, func(t *testing.T) {
					clock := NewClock(time.Now())
					c.run(suite{t, open(t, clock.Now), clock})
				})
			}
		})
	}
}

type testCase struct {
	name string
	run  func(s suite)
}

// suite is one case at work: the test, its own table, its clock.
type suite struct {
	*testing.T
	table.Table
	clock *Clock
}

// Clock is a clock that stands still until it is moved.
type Clock struct {
	mu  sync.Mutex
	now time.Time
}

// NewClock makes a clock that shows t.
func NewClock(t time.Time) *Clock { return &Clock{now: t} }

// Now is what the clock shows.
func (c *Clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

// Advance moves the clock forward.
func (c *Clock) Advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// doc is the document of the suite.
type doc struct {
	N    int    `json:"n"`
	Text string `json:"text,omitempty"`
}

func key(sort string) table.Key { return table.Key{Part: "PART", Sort: sort} }

// mustWrite writes and answers the version of the first write.
func (s suite) mustWrite(ws ...table.Write) string {
	s.Helper()
	if err := s.Write(s.Context(), ws...); err != nil {
		s.Fatalf("write %s: %v", ws[0].Key, err)
	}
	return ws[0].Version
}

// conflict requires that the writes fail on the condition of write index.
func (s suite) conflict(index int, ws ...table.Write) {
	s.Helper()
	var c *table.Conflict
	err := s.Write(s.Context(), ws...)
	if !errors.As(err, &c) {
		s.Fatalf("write %s: %v, want a conflict", ws[0].Key, err)
	}
	if c.Index != index || c.Key != ws[index].Key {
		s.Errorf("conflict at %d (%s), want %d (%s)", c.Index, c.Key, index, ws[index].Key)
	}
}

// load is the row under k as version and document; both empty if there is none.
func (s suite) load(k table.Key) (version string, d doc, err error) {
	r, err := s.Get(s.Context(), k)
	switch {
	case errors.Is(err, table.ErrNotFound):
		return "", doc{}, nil
	case err != nil:
		return "", doc{}, err
	case r.Key != k:
		return "", doc{}, fmt.Errorf("get %s answered row %s", k, r.Key)
	}
	return r.Version, d, r.Decode(&d)
}

// read is load for the test's own goroutine.
func (s suite) read(k table.Key) (version string, d doc) {
	s.Helper()
	version, d, err := s.load(k)
	if err != nil {
		s.Fatal(err)
	}
	return version, d
}

func (s suite) wantDoc(k table.Key, want doc) {
	s.Helper()
	if v, d := s.read(k); v == "" || d != want {
		s.Errorf("row %s is %+v (version %q), want %+v", k, d, v, want)
	}
}

func (s suite) wantAbsent(k table.Key) {
	s.Helper()
	if v, d := s.read(k); v != "" {
		s.Errorf("row %s is there: %+v", k, d)
	}
}

// list is the sort keys that a query yields, joined by blanks.
func (s suite) list(part string, q table.Query) string {
	s.Helper()
	var keys []string
	for r, err := range s.List(s.Context(), part, q) {
		if err != nil {
			s.Fatalf("list %s %+v: %v", part, q, err)
		}
		if r.Part != part || r.Version == "" {
			s.Errorf("list %s yielded row %s of version %q", part, r.Key, r.Version)
		}
		keys = append(keys, r.Sort)
	}
	return strings.Join(keys, " ")
}

// together runs fn(0) to fn(n-1) at once and fails the test on their errors. They
// run outside the test's goroutine: they return errors and never call Fatal.
func (s suite) together(n int, fn func(i int) error) {
	s.Helper()
	var wg sync.WaitGroup
	start := make(chan struct{})
	errs := make([]error, n)
	for i := range n {
		wg.Go(func() {
			<-start
			if errs[i] = fn(i); errs[i] != nil {
				errs[i] = fmt.Errorf("goroutine %d: %w", i, errs[i])
			}
		})
	}
	close(start)
	wg.Wait()
	if err := errors.Join(errs...); err != nil {
		s.Fatal(err)
	}
}
