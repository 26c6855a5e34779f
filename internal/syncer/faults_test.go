package syncer_test

import (
	"context"
	"sync"
	"time"

	"muster/internal/blob"
	"muster/internal/blob/blobtest"
	"muster/internal/table"
	"muster/internal/table/tabletest"
)

// mode is what goes wrong with a write.
type mode string

const (
	killed     mode = "the process stops after it" // which is before the next one
	notApplied mode = "it is not done"
	replyLost  mode = "it is done and the answer lost"
	sentTwice  mode = "it is done, and sent again by what lies below"
	meddled    mode = "somebody else acts right before it"
)

// faults lets the write of one number, counted over all processes of a world and
// both of its stores, go wrong.
type faults struct {
	mu    sync.Mutex
	at    int // 0: none
	mode  mode
	n     int
	fired bool
	twice *table.Write // of the transaction that is to be sent again
	add   bool         // so is what is to be added

	meddle func() // what somebody else does
}

// arm begins to count.
func (f *faults) arm(at int, m mode) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.at, f.mode, f.n, f.fired = at, m, 0, false
}

func (f *faults) hit(ordinal int) bool {
	if ordinal == 0 || f.at == 0 {
		return false
	}
	f.n++
	f.fired = f.fired || f.n == f.at
	return f.n == f.at
}

// others lets somebody else act, whose writes have no faults.
func (f *faults) others() {
	f.at = 0
	f.mu.Unlock()
	defer f.mu.Lock()
	f.meddle()
}

func (f *faults) table(c tabletest.Call) tabletest.Fault {
	f.mu.Lock()
	defer f.mu.Unlock()
	if !f.hit(c.Ordinal) {
		return tabletest.None()
	}
	switch {
	case f.mode == killed:
		return tabletest.StopAfter()
	case f.mode == notApplied:
		return tabletest.NotApplied(table.ErrUnavailable)
	case f.mode == replyLost:
		return tabletest.LostReply(table.ErrUnavailable)
	case f.mode == meddled:
		f.others()
	case c.Method == tabletest.Add:
		f.add = true
	default:
		f.twice = &c.Writes[0]
	}
	return tabletest.None()
}

func (f *faults) blob(c blobtest.Call) blobtest.Fault {
	f.mu.Lock()
	defer f.mu.Unlock()
	if !f.hit(c.Ordinal) {
		return blobtest.None()
	}
	switch f.mode {
	case killed:
		return blobtest.StopAfter()
	case notApplied:
		return blobtest.NotApplied(blob.ErrUnavailable)
	case replyLost:
		return blobtest.LostReply(blob.ErrUnavailable)
	case meddled:
		f.others()
		return blobtest.None()
	default:
		return blobtest.None() // an adapter knows its own object (package blob)
	}
}

// resender is a table that sends a transaction again whose answer it missed, as
// package table allows: the caller is told of its own success as of a conflict.
type resender struct {
	table.Table
	f *faults
}

func (r resender) Write(ctx context.Context, ws ...table.Write) error {
	err := r.Table.Write(ctx, ws...)
	r.f.mu.Lock()
	again := err == nil && len(ws) > 0 && r.f.twice == &ws[0]
	r.f.mu.Unlock()
	if again {
		return r.Table.Write(ctx, ws...)
	}
	return err
}

// Add counts twice where its first answer was missed: there is nothing to tell the
// tries apart by.
func (r resender) Add(ctx context.Context, k table.Key, n int64, expires time.Time) (int64, error) {
	r.f.mu.Lock()
	again := r.f.add
	r.f.add = false
	r.f.mu.Unlock()
	sum, err := r.Table.Add(ctx, k, n, expires)
	if again && err == nil {
		return r.Table.Add(ctx, k, n, expires)
	}
	return sum, err
}
