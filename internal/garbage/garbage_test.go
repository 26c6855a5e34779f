package garbage_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"muster/internal/garbage"
	"muster/internal/local/bolt"
	"muster/internal/table"
	"muster/internal/table/tabletest"
)

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func open(t *testing.T) table.Table {
	t.Helper()
	tab, err := bolt.Open(filepath.Join(t.TempDir(), "table.db"), time.Now, bolt.NoSync)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = tab.Close() })
	return tab
}

// shelf is things that are there, by ref.
type shelf struct {
	mu     sync.Mutex
	things map[string]bool
	fails  error
}

func (s *shelf) delete(_ context.Context, ref string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.fails != nil {
		return s.fails
	}
	delete(s.things, ref)
	return nil
}

func (s *shelf) deleters() map[garbage.Kind]garbage.Deleter {
	return map[garbage.Kind]garbage.Deleter{garbage.Blob: s.delete}
}

func (s *shelf) left() []string {
	var refs []string
	for ref := range s.things {
		refs = append(refs, ref)
	}
	slices.Sort(refs)
	return refs
}

// enter puts a thing on the shelf and its row into the table.
func enter(t *testing.T, tab table.Table, s *shelf, ref string, due time.Time) garbage.Entry {
	t.Helper()
	w, e := garbage.Enter(garbage.Blob, ref, due)
	if err := tab.Write(t.Context(), w); err != nil {
		t.Fatal(err)
	}
	if s.things == nil {
		s.things = map[string]bool{}
	}
	s.things[ref] = true
	return e
}

func collect(t *testing.T, tab table.Table, s *shelf, at time.Time, want int) {
	t.Helper()
	if n, err := garbage.Collect(t.Context(), tab, at, s.deleters()); n != want || err != nil {
		t.Errorf("Collect at %s = %d, %v; want %d", at, n, err, want)
	}
}

func entries(t *testing.T, tab table.Table) int {
	t.Helper()
	items, err := garbage.List(t.Context(), tab)
	if err != nil {
		t.Fatal(err)
	}
	return len(items)
}

// What is due goes, in the second in which it is due and not before.
func TestCollectWhatIsDue(t *testing.T) {
	tab, s := open(t), &shelf{}
	for i := range 40 { // over all shards
		enter(t, tab, s, fmt.Sprintf("now/%d", i), noon.Add(500*time.Millisecond))
		enter(t, tab, s, fmt.Sprintf("later/%d", i), noon.Add(time.Second))
	}
	collect(t, tab, s, noon.Add(-time.Nanosecond), 0)
	collect(t, tab, s, noon.In(time.FixedZone("", 7200)), 40)
	if left := s.left(); len(left) != 40 || !strings.HasPrefix(left[0], "later/") || entries(t, tab) != 40 {
		t.Errorf("left are %v and %d entries", left, entries(t, tab))
	}
	collect(t, tab, s, noon.Add(time.Hour), 40)
	collect(t, tab, s, noon.Add(time.Hour), 0)
	if entries(t, tab) != 0 {
		t.Errorf("%d entries are left", entries(t, tab))
	}
}

// What was forgotten stays, and what a collector has begun cannot be forgotten.
func TestForget(t *testing.T) {
	tab, s := open(t), &shelf{}
	live := enter(t, tab, s, "live", noon)
	if err := tab.Write(t.Context(), live.Forget()); err != nil {
		t.Fatal(err)
	}
	collect(t, tab, s, noon, 0)

	late := enter(t, tab, s, "late", noon)
	s.fails = errors.New("the store is down")
	if n, err := garbage.Collect(t.Context(), tab, noon, s.deleters()); n != 0 || !errors.Is(err, s.fails) {
		t.Errorf("Collect = %d, %v", n, err)
	}
	commit := table.Put(table.Key{Part: "P", Sort: "S"}, "late", table.Any)
	if err := tab.Write(t.Context(), commit, late.Forget()); !errors.As(err, new(*table.Conflict)) {
		t.Errorf("a commit of what is being deleted: %v, want a conflict", err)
	}
	s.fails = nil
	collect(t, tab, s, noon, 1)
	if left := s.left(); !slices.Equal(left, []string{"live"}) {
		t.Errorf("left are %v", left)
	}
}

// One thing that cannot be deleted does not keep the others.
func TestCollectGoesOn(t *testing.T) {
	tab, s := open(t), &shelf{}
	enter(t, tab, s, "a", noon)
	enter(t, tab, s, "b", noon)
	w, _ := garbage.Enter("secret", "x", noon)
	if err := tab.Write(t.Context(), w); err != nil {
		t.Fatal(err)
	}
	n, err := garbage.Collect(t.Context(), tab, noon, s.deleters())
	if n != 2 || err == nil || !strings.Contains(err.Error(), "secret") {
		t.Errorf("Collect = %d, %v; want 2 and why not the secret", n, err)
	}
	if entries(t, tab) != 1 {
		t.Errorf("%d entries are left", entries(t, tab))
	}
}

// Several collectors at once, and whoever wants a thing back: each thing is gone
// or forgotten, never both.
func TestCollectorsAtOnce(t *testing.T) {
	tab, s := open(t), &shelf{}
	const n = 50
	var es []garbage.Entry
	for i := range n {
		es = append(es, enter(t, tab, s, fmt.Sprintf("%02d", i), noon))
	}
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			if _, err := garbage.Collect(t.Context(), tab, noon, s.deleters()); err != nil {
				t.Error(err)
			}
		})
	}
	kept := make([]bool, n)
	all.Go(func() {
		for i, e := range es {
			err := tab.Write(t.Context(), e.Forget())
			if kept[i] = err == nil; err != nil && !errors.As(err, new(*table.Conflict)) {
				t.Error(err)
			}
		}
	})
	all.Wait()
	for i := range n {
		if there := s.things[fmt.Sprintf("%02d", i)]; there != kept[i] {
			t.Errorf("thing %d is there: %t; it was taken back: %t", i, there, kept[i])
		}
	}
	if entries(t, tab) != 0 {
		t.Errorf("%d entries are left", entries(t, tab))
	}
}

// A collector that stops at any of its writes, or has no answer to one, leaves
// what the next one finishes.
func TestCollectStopsAnywhere(t *testing.T) {
	for name, fault := range map[string]tabletest.Fault{
		"before":     tabletest.StopBefore(),
		"after":      tabletest.StopAfter(),
		"not done":   tabletest.NotApplied(table.ErrUnavailable),
		"lost reply": tabletest.LostReply(table.ErrUnavailable),
	} {
		t.Run(name, func(t *testing.T) {
			for at, fired := 1, true; fired; at++ {
				tab, s := open(t), &shelf{}
				for _, ref := range []string{"a", "b"} {
					enter(t, tab, s, ref, noon)
				}
				f := &tabletest.Faulty{Table: tab, Hook: func(c tabletest.Call) tabletest.Fault {
					if c.Ordinal == at {
						return fault
					}
					return tabletest.None()
				}}
				_, err := garbage.Collect(t.Context(), f, noon, s.deleters())
				if fired = f.Faults() > 0; fired != (err != nil) {
					t.Errorf("write %d: %v", at, err)
				}
				if len(s.things) > entries(t, tab) {
					t.Errorf("write %d: %v are there and %d entries", at, s.left(), entries(t, tab))
				}
				if _, err := garbage.Collect(t.Context(), tab, noon, s.deleters()); err != nil {
					t.Error(err)
				}
				if len(s.things) > 0 || entries(t, tab) > 0 {
					t.Errorf("write %d: %v and %d entries are left", at, s.left(), entries(t, tab))
				}
			}
		})
	}
}

// A thing is entered before it exists. It is made and goes live in one step with
// the end of its entry; the one it replaces is entered in the same step.
func Example() {
	ctx := context.Background()
	dir, err := os.MkdirTemp("", "muster")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)
	t, err := bolt.Open(filepath.Join(dir, "table.db"), time.Now)
	if err != nil {
		panic(err)
	}
	defer t.Close()
	must := func(err error) {
		if err != nil {
			panic(err)
		}
	}

	intent, entry := garbage.Enter(garbage.Blob, "snapshots/2", noon.Add(48*time.Hour))
	must(t.Write(ctx, intent))
	// … the object snapshots/2 is put …
	replaced, _ := garbage.Enter(garbage.Blob, "snapshots/1", noon.Add(36*24*time.Hour))
	must(t.Write(ctx,
		table.Put(table.Key{Part: "INTEGRATION#7", Sort: "SNAPSHOT"}, "snapshots/2", table.Any),
		entry.Forget(),
		replaced))

	n, err := garbage.Collect(ctx, t, noon.Add(40*24*time.Hour), map[garbage.Kind]garbage.Deleter{
		garbage.Blob: func(_ context.Context, ref string) error { fmt.Println("delete", ref); return nil },
	})
	fmt.Println(n, err)
	// Output:
	// delete snapshots/1
	// 1 <nil>
}
