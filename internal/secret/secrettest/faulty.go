package secrettest

import (
	"context"

	"muster/internal/faulty"
	"muster/internal/org"
	"muster/internal/secret"
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

// Method is a method of secret.Vault.
type Method string

const (
	Find    Method = "Find"
	Get     Method = "Get"
	Put     Method = "Put"
	Promote Method = "Promote"
	Delete  Method = "Delete"
)

// Call is one call that is about to be made.
type Call struct {
	Method  Method
	Org     org.ID
	Name    string     // of Find, Put and Delete
	Version string     // of Put
	Ref     secret.Ref // of Get and Promote
	// Ordinal numbers the calls that write, Put, Promote and Delete, from 1 in the
	// order they were begun. It is 0 for reads.
	Ordinal int
}

// KillAt stops the process at the write of that ordinal, before or after it.
func KillAt(ordinal int, after bool) func(Call) Fault {
	return func(c Call) Fault { return faulty.KillAt(ordinal, after)(c.Ordinal) }
}

// UnavailableAt answers secret.ErrUnavailable to the write of that ordinal, which
// does nothing or, lost, happens all the same.
func UnavailableAt(ordinal int, lost bool) func(Call) Fault {
	return func(c Call) Fault {
		switch {
		case c.Ordinal != ordinal:
			return None()
		case lost:
			return LostReply(secret.ErrUnavailable)
		default:
			return NotApplied(secret.ErrUnavailable)
		}
	}
}

// Faulty is a vault as one process sees it, with faults. Several of them over one
// Vault are several processes. It is safe for concurrent use.
type Faulty struct {
	Vault secret.Vault
	// Hook decides on each call, one at a time. Nil is None always.
	Hook func(Call) Fault
	// OnStop is called once, when the process stops: to cancel its context and to
	// stop the other ports it holds.
	OnStop func()

	process faulty.Process
}

var _ secret.Vault = (*Faulty)(nil)

// Writes is how many calls that write have been begun: the highest ordinal.
func (f *Faulty) Writes() int { return f.process.Writes() }

// Faults is how many calls met a fault other than None. A test of a fault asserts
// that it fired.
func (f *Faulty) Faults() int { return f.process.Faults() }

// Stop ends the process, as StopBefore does, from outside. Calls that are under
// way may still take effect, as a request on the wire does.
func (f *Faulty) Stop() { f.process.Stop(f.OnStop) }

// do makes the call as its fault says; its answer counts only if there is no error.
func do[T any](f *Faulty, c Call, call func() (T, error)) (answer T, err error) {
	writes := c.Method == Put || c.Method == Promote || c.Method == Delete
	hook := func(ordinal int) Fault {
		if f.Hook == nil {
			return None()
		}
		c.Ordinal = ordinal
		return f.Hook(c)
	}
	var got T
	err = f.process.Do(writes, hook, f.OnStop, func() (err error) {
		got, err = call()
		return err
	})
	if err != nil {
		return answer, err
	}
	return got, nil
}

// Find implements secret.Vault.
func (f *Faulty) Find(ctx context.Context, o org.ID, name string) (string, error) {
	return do(f, Call{Method: Find, Org: o, Name: name}, func() (string, error) { return f.Vault.Find(ctx, o, name) })
}

// Get implements secret.Vault.
func (f *Faulty) Get(ctx context.Context, o org.ID, ref secret.Ref) (secret.Value, error) {
	return do(f, Call{Method: Get, Org: o, Ref: ref}, func() (secret.Value, error) { return f.Vault.Get(ctx, o, ref) })
}

// Put implements secret.Vault.
func (f *Faulty) Put(ctx context.Context, o org.ID, name, version string, v secret.Value) (secret.Ref, error) {
	return do(f, Call{Method: Put, Org: o, Name: name, Version: version}, func() (secret.Ref, error) {
		return f.Vault.Put(ctx, o, name, version, v)
	})
}

// Promote implements secret.Vault.
func (f *Faulty) Promote(ctx context.Context, o org.ID, ref secret.Ref) error {
	_, err := do(f, Call{Method: Promote, Org: o, Ref: ref}, func() (struct{}, error) {
		return struct{}{}, f.Vault.Promote(ctx, o, ref)
	})
	return err
}

// Delete implements secret.Vault.
func (f *Faulty) Delete(ctx context.Context, o org.ID, name string) error {
	_, err := do(f, Call{Method: Delete, Org: o, Name: name}, func() (struct{}, error) {
		return struct{}{}, f.Vault.Delete(ctx, o, name)
	})
	return err
}
