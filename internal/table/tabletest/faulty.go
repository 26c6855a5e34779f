package tabletest

import (
	"context"
	"errors"
	"iter"
	"sync"
	"time"

	"muster/internal/table"
)

// ErrStopped is what every call answers once the process that holds a Faulty has
// been stopped. No code may take it for anything but its own death.
var ErrStopped = errors.New("tabletest: this process was stopped")

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

// Fault is what shall go wrong with a call. The zero Fault is None.
type Fault struct {
	before, after error // answered instead of making the call, and after making it
	stop          bool
}

// None lets the call through.
func None() Fault { return Fault{} }

// NotApplied answers err and does nothing.
func NotApplied(err error) Fault { return Fault{before: err} }

// LostReply makes the call and answers err, as though its answer was lost. A call
// that fails by itself answers its own error.
func LostReply(err error) Fault { return Fault{after: err} }

// StopBefore ends the process before this call has any effect.
func StopBefore() Fault { return Fault{before: ErrStopped, stop: true} }

// StopAfter ends the process right after this call took effect.
func StopAfter() Fault { return Fault{after: ErrStopped, stop: true} }

// KillAt stops the process at the write of that ordinal, before or after it.
func KillAt(ordinal int, after bool) func(Call) Fault {
	return func(c Call) Fault {
		switch {
		case c.Ordinal != ordinal:
			return None()
		case after:
			return StopAfter()
		default:
			return StopBefore()
		}
	}
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

	mu      sync.Mutex
	writes  int
	faults  int
	stopped bool
}

var _ table.Table = (*Faulty)(nil)

// Writes is how many calls that may write have been begun: the highest ordinal.
func (f *Faulty) Writes() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.writes
}

// Faults is how many calls met a fault other than None; calls of a process that
// was already stopped do not count. A test of a fault asserts that it fired.
func (f *Faulty) Faults() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.faults
}

// Stop ends the process, as StopBefore does, from outside. Calls that are under
// way may still take effect, as a request on the wire does.
func (f *Faulty) Stop() {
	f.mu.Lock()
	was := f.stopped
	f.stopped = true
	f.mu.Unlock()
	if !was && f.OnStop != nil {
		f.OnStop()
	}
}

// meet begins a call: what shall go wrong with it.
func (f *Faulty) meet(c Call) Fault {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.stopped {
		return Fault{before: ErrStopped}
	}
	if c.Method == Write || c.Method == Add {
		f.writes++
		c.Ordinal = f.writes
	}
	if f.Hook == nil {
		return None()
	}
	fault := f.Hook(c)
	if fault != None() {
		f.faults++
	}
	return fault
}

// do makes the call, or does not, as its fault says.
func (f *Faulty) do(c Call, call func() error) error {
	fault := f.meet(c)
	err := fault.before
	if err == nil {
		if err = call(); err == nil {
			err = fault.after
		}
	}
	if fault.stop {
		f.Stop()
		return ErrStopped
	}
	return err
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
			if f.isStopped() {
				yield(table.Row{}, ErrStopped)
				return
			}
			if !yield(r, err) {
				return
			}
		}
	}
}

func (f *Faulty) isStopped() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.stopped
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
