package tabletest_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"muster/internal/local/bolt"
	"muster/internal/table"
	"muster/internal/table/tabletest"
)

func open(t *testing.T) table.Table {
	t.Helper()
	tab, err := bolt.Open(filepath.Join(t.TempDir(), "table.db"), time.Now)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = tab.Close() })
	return tab
}

func row(name string) table.Key { return table.Key{Part: "P", Sort: name} }

func TestFaultyPassesConformance(t *testing.T) {
	tabletest.Run(t, func(t *testing.T, now func() time.Time) table.Table {
		tab, err := bolt.Open(filepath.Join(t.TempDir(), "table.db"), now)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = tab.Close() })
		return &tabletest.Faulty{Table: tab}
	})
}

func TestFaults(t *testing.T) {
	lost := errors.New("lost")
	for name, c := range map[string]struct {
		fault   tabletest.Fault
		err     error // of the write
		applied bool
		dead    bool // afterwards
	}{
		"none":        {tabletest.None(), nil, true, false},
		"not applied": {tabletest.NotApplied(lost), lost, false, false},
		"lost reply":  {tabletest.LostReply(lost), lost, true, false},
		"stop before": {tabletest.StopBefore(), tabletest.ErrStopped, false, true},
		"stop after":  {tabletest.StopAfter(), tabletest.ErrStopped, true, true},
	} {
		t.Run(name, func(t *testing.T) {
			tab, stops := open(t), 0
			f := &tabletest.Faulty{Table: tab, OnStop: func() { stops++ }}
			f.Hook = func(call tabletest.Call) tabletest.Fault {
				if call.Ordinal == 2 {
					return c.fault
				}
				return tabletest.None()
			}
			if err := f.Write(t.Context(), table.Put(row("a"), 1, table.Absent)); err != nil {
				t.Fatal(err)
			}
			if err := f.Write(t.Context(), table.Put(row("b"), 1, table.Absent)); !errors.Is(err, c.err) {
				t.Errorf("write: %v, want %v", err, c.err)
			}
			if _, err := tab.Get(t.Context(), row("b")); (err == nil) != c.applied {
				t.Errorf("applied: %v, want %t", err, c.applied)
			}
			_, err := f.Get(t.Context(), row("a"))
			if errors.Is(err, tabletest.ErrStopped) != c.dead {
				t.Errorf("afterwards: %v, want dead %t", err, c.dead)
			}
			if c.dead && stops != 1 {
				t.Errorf("OnStop was called %d times", stops)
			}
			if fired := name != "none"; fired != (f.Faults() == 1) || f.Writes() != 2 {
				t.Errorf("%d faults, %d writes", f.Faults(), f.Writes())
			}
		})
	}
}

func TestStopEndsEveryCall(t *testing.T) {
	f := &tabletest.Faulty{Table: open(t)}
	for i := range 3 {
		if err := f.Write(t.Context(), table.Put(row(fmt.Sprint(i)), i, table.Absent)); err != nil {
			t.Fatal(err)
		}
	}
	rows := 0
	for _, err := range f.List(t.Context(), "P", table.Query{}) {
		if rows++; rows == 1 {
			f.Stop()
		} else if !errors.Is(err, tabletest.ErrStopped) {
			t.Errorf("a list goes on in a stopped process: %v", err)
		}
	}
	_, errAdd := f.Add(t.Context(), row("c"), 1, time.Time{})
	for _, err := range []error{errAdd, f.Write(t.Context(), table.Delete(row("0"), table.Any))} {
		if !errors.Is(err, tabletest.ErrStopped) {
			t.Errorf("a stopped process writes: %v", err)
		}
	}
}

// Example stops a process at each of its writes in turn, before and after it, and
// looks at what another process finds.
func Example() {
	// The work: two rows that belong together, wrongly written one by one.
	work := func(ctx context.Context, t table.Table) error {
		if err := t.Write(ctx, table.Put(row("a"), "left", table.Absent)); err != nil {
			return err
		}
		return t.Write(ctx, table.Put(row("b"), "right", table.Absent))
	}
	dir, err := os.MkdirTemp("", "muster")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)
	fresh := func(name string) table.Table {
		tab, err := bolt.Open(filepath.Join(dir, name), time.Now)
		if err != nil {
			panic(err)
		}
		return tab
	}
	counted := &tabletest.Faulty{Table: fresh("counted")}
	_ = work(context.Background(), counted)
	for n := range counted.Writes() {
		for _, after := range []bool{false, true} {
			tab := fresh(fmt.Sprint(n, after))
			_ = work(context.Background(), &tabletest.Faulty{Table: tab, Hook: tabletest.KillAt(n+1, after)})
			_, a := tab.Get(context.Background(), row("a"))
			_, b := tab.Get(context.Background(), row("b"))
			fmt.Printf("write %d, after it %t: a %t, b %t\n", n+1, after, a == nil, b == nil)
		}
	}
	// Output:
	// write 1, after it false: a false, b false
	// write 1, after it true: a true, b false
	// write 2, after it false: a true, b false
	// write 2, after it true: a true, b true
}
