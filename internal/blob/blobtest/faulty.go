package blobtest

import (
	"context"
	"errors"
	"io"
	"iter"
	"sync"

	"muster/internal/blob"
)

// ErrStopped is what every call answers once the process that holds a Faulty has
// been stopped. No code may take it for anything but its own death.
var ErrStopped = errors.New("blobtest: this process was stopped")

// Method is a method of blob.Store or of an object it opened.
type Method string

const (
	Put    Method = "Put"
	Open   Method = "Open"
	ReadAt Method = "ReadAt"
	List   Method = "List"
	Delete Method = "Delete"
)

// Call is one call that is about to be made.
type Call struct {
	Method Method
	Key    string // of List: the prefix
	// Ordinal numbers the calls that write, Put and Delete, from 1 in the order
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

// NotApplied answers err and does nothing: the body of a Put is not read.
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

// Faulty is a store as one process sees it, with faults: what tabletest.Faulty is
// to a table. Several of them over one Store are several processes. It is safe
// for concurrent use.
type Faulty struct {
	Store blob.Store
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

var _ blob.Store = (*Faulty)(nil)

// Writes is how many calls that write have been begun: the highest ordinal.
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
	if c.Method == Put || c.Method == Delete {
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

func (f *Faulty) isStopped() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.stopped
}

// Put implements blob.Store. A process that stops while its body is read puts
// nothing: the dead send no more bytes.
func (f *Faulty) Put(ctx context.Context, key, contentType string, body io.Reader) (info blob.Info, err error) {
	err = f.do(Call{Method: Put, Key: key}, func() (err error) {
		info, err = f.Store.Put(ctx, key, contentType, mortal{f, body})
		return err
	})
	if err != nil {
		return blob.Info{}, err
	}
	return info, nil
}

type mortal struct {
	f    *Faulty
	body io.Reader
}

func (m mortal) Read(p []byte) (int, error) {
	n, err := m.body.Read(p)
	if m.f.isStopped() {
		return 0, ErrStopped
	}
	return n, err
}

// Open implements blob.Store.
func (f *Faulty) Open(ctx context.Context, key, version string) (o blob.Object, err error) {
	err = f.do(Call{Method: Open, Key: key}, func() (err error) {
		o, err = f.Store.Open(ctx, key, version)
		return err
	})
	if err != nil {
		if o != nil {
			_ = o.Close()
		}
		return nil, err
	}
	return faultyObject{o, f}, nil
}

type faultyObject struct {
	blob.Object
	f *Faulty
}

// ReadAt may give bytes beside its error, as any io.ReaderAt.
func (o faultyObject) ReadAt(p []byte, off int64) (n int, err error) {
	err = o.f.do(Call{Method: ReadAt, Key: o.Info().Key}, func() (err error) {
		n, err = o.Object.ReadAt(p, off)
		return err
	})
	return n, err
}

// List implements blob.Store. A fault of a list is met where it begins; a
// process that stops during it gets no further object.
func (f *Faulty) List(ctx context.Context, prefix string) iter.Seq2[blob.Info, error] {
	return func(yield func(blob.Info, error) bool) {
		if err := f.do(Call{Method: List, Key: prefix}, func() error { return nil }); err != nil {
			yield(blob.Info{}, err)
			return
		}
		for info, err := range f.Store.List(ctx, prefix) {
			if f.isStopped() {
				yield(blob.Info{}, ErrStopped)
				return
			}
			if !yield(info, err) {
				return
			}
		}
	}
}

// Delete implements blob.Store.
func (f *Faulty) Delete(ctx context.Context, key string) error {
	return f.do(Call{Method: Delete, Key: key}, func() error { return f.Store.Delete(ctx, key) })
}
