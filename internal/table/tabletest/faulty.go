package tabletest

import (
	"context"
	"iter"
	"time"

	"muster/internal/faulty"
	"muster/internal/table"
)

// Fault is what shall go wrong with a call; package faulty says what each does.
type Fault = faulty.Fault

var (
	None       = faulty.None
	NotApplied = faulty.NotApplied
	LostReply  = faulty.LostReply
	StopBefore = faulty.StopBefore
	StopAfter  = faulty.StopAfter
	ErrStopped = faulty.ErrStopped
)

// Method is a method of table.Table.
type Method string

const (
	Get   Method = "Get"
	List  Method = "List"
	Write Method = "Write"
	Add   Method = "Add"
)

// Call is one call that is about to be made.
type Call struct {
	Method Method
	Key    table.Key     // of Get and Add; List has its partition only
	Writes []table.Write // of Write
	// Ordinal numbers the calls that may write, Write and Add, from 1 in the order
	// they were begun. It is 0 for reads.
	Ordinal int
}

// KillAt stops the process at the write of that ordinal, before or after it.
func KillAt(ordinal int, after bool) func(Call) Fault {
	return func(c Call) Fault { return faulty.KillAt(ordinal, after)(c.Ordinal) }
}

// Faulty is a table as one process sees it, with faults. Several of them over one
// Table are several processes. It is safe for concurrent use.
type Faulty struct {
	Table table.Table
	// Hook decides on each call, one at a time. Nil is None always.
	Hook func(Call) Fault
	// OnStop is called once, when the process stops: to cancel its context and to
	// stop the other ports it holds.
	OnStop func()

	process faulty.Process
}

var _ table.Table = (*Faulty)(nil)

// Writes is how many calls that may write have been begun: the highest ordinal.
func (f *Faulty) Writes() int { return f.process.Writes() }

// Faults is how many calls met a fault other than None; calls of a process that
// was already stopped do not count. A test of a fault asserts that it fired.
func (f *Faulty) Faults() int { return f.process.Faults() }

// Stop ends the process, as StopBefore does, from outside. Calls that are under
// way may still take effect, as a request on the wire does.
func (f *Faulty) Stop() { f.process.Stop(f.OnStop) }

// do makes the call, or does not, as its fault says.
func (f *Faulty) do(c Call, call func() error) error {
	hook := func(ordinal int) Fault {
		if f.Hook == nil {
			return None()
		}
		c.Ordinal = ordinal
		return f.Hook(c)
	}
	return f.process.Do(c.Method == Write || c.Method == Add, hook, f.OnStop, call)
}

// Get implements table.Table.
func (f *Faulty) Get(ctx context.Context, k table.Key) (r table.Row, err error) {
	err = f.do(Call{Method: Get, Key: k}, func() (err error) {
		r, err = f.Table.Get(ctx, k)
		return err
	})
	if err != nil {
		return table.Row{}, err
	}
	return r, nil
}

// List implements table.Table. A fault of a list is met where it begins; a
// process that stops during it gets no further row.
func (f *Faulty) List(ctx context.Context, part string, q table.Query) iter.Seq2[table.Row, error] {
	return func(yield func(table.Row, error) bool) {
		if err := f.do(Call{Method: List, Key: table.Key{Part: part}}, func() error { return nil }); err != nil {
			yield(table.Row{}, err)
			return
		}
		for r, err := range f.Table.List(ctx, part, q) {
			if f.process.Stopped() {
				yield(table.Row{}, ErrStopped)
				return
			}
			if !yield(r, err) {
				return
			}
		}
	}
}

// Write implements table.Table.
func (f *Faulty) Write(ctx context.Context, ws ...table.Write) error {
	return f.do(Call{Method: Write, Writes: ws}, func() error { return f.Table.Write(ctx, ws...) })
}

// Add implements table.Table.
func (f *Faulty) Add(ctx context.Context, k table.Key, n int64, expires time.Time) (sum int64, err error) {
	err = f.do(Call{Method: Add, Key: k}, func() (err error) {
		sum, err = f.Table.Add(ctx, k, n, expires)
		return err
	})
	if err != nil {
		return 0, err
	}
	return sum, nil
}
