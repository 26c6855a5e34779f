package blobtest

import (
	"context"
	"io"
	"iter"

	"muster/internal/blob"
	"muster/internal/faulty"
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

// KillAt stops the process at the write of that ordinal, before or after it.
func KillAt(ordinal int, after bool) func(Call) Fault {
	return func(c Call) Fault { return faulty.KillAt(ordinal, after)(c.Ordinal) }
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

	process faulty.Process
}

var _ blob.Store = (*Faulty)(nil)

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
	return f.process.Do(c.Method == Put || c.Method == Delete, hook, f.OnStop, call)
}

// Put implements blob.Store. The body of one that is not applied is not read. A
// process that stops while its body is read puts nothing: the dead send no more
// bytes.
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
	if m.f.process.Stopped() {
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
			if f.process.Stopped() {
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
