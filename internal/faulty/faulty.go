package faulty

import (
	"errors"
	"sync"
)

// ErrStopped is what every call answers once its process has been stopped. No code
// may take it for anything but its own death.
var ErrStopped = errors.New("faulty: this process was stopped")

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

// KillAt is a hook that stops the process at the write of that ordinal, before or
// after it.
func KillAt(ordinal int, after bool) func(ordinal int) Fault {
	return func(n int) Fault {
		switch {
		case n != ordinal:
			return None()
		case after:
			return StopAfter()
		default:
			return StopBefore()
		}
	}
}

// Process is what a faulty port remembers of the process that holds it. The zero
// Process runs. It is safe for concurrent use.
type Process struct {
	mu      sync.Mutex
	writes  int
	faults  int
	stopped bool
}

// Writes is how many calls that may write have been begun: the highest ordinal.
func (p *Process) Writes() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.writes
}

// Faults is how many calls met a fault other than None; calls of a process that
// was already stopped do not count. A test of a fault asserts that it fired.
func (p *Process) Faults() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.faults
}

// Stopped reports whether the process has been stopped.
func (p *Process) Stopped() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.stopped
}

// Stop ends the process and calls onStop, if there is one, the first time.
func (p *Process) Stop(onStop func()) {
	p.mu.Lock()
	was := p.stopped
	p.stopped = true
	p.mu.Unlock()
	if !was && onStop != nil {
		onStop()
	}
}

// Do makes a call, or does not, as hook says. hook is asked one call at a time; it
// gets the call's number among those that write, from 1 in the order they were
// begun, or 0 for one that does not.
func (p *Process) Do(writes bool, hook func(ordinal int) Fault, onStop func(), call func() error) error {
	fault := p.meet(writes, hook)
	err := fault.before
	if err == nil {
		if err = call(); err == nil {
			err = fault.after
		}
	}
	if fault.stop {
		p.Stop(onStop)
		return ErrStopped
	}
	return err
}

func (p *Process) meet(writes bool, hook func(ordinal int) Fault) Fault {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.stopped {
		return Fault{before: ErrStopped}
	}
	ordinal := 0
	if writes {
		p.writes++
		ordinal = p.writes
	}
	fault := hook(ordinal)
	if fault != None() {
		p.faults++
	}
	return fault
}
