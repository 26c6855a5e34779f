package bolt

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"go.etcd.io/bbolt"

	"muster/internal/table"
)

// sweepPerCall bounds the expired rows that a commit removes for each of its
// calls: more than a call usually makes, so that they cannot pile up, and few
// enough that nobody waits for it.
const sweepPerCall = 64

// commits gathers concurrent writers into one bbolt transaction, so that they
// share its fsync: while one commit is being written, later calls queue, and the
// next commit takes all of them. A lone writer waits for nobody (bbolt's own
// Batch makes it wait for company).
type commits struct {
	db      *bbolt.DB
	mu      sync.Mutex
	queue   []*call
	running bool // a goroutine is emptying the queue
}

// call is one caller's part of a commit. Its fn checks everything before it
// writes anything: an error it returns is the caller's own answer, and the other
// calls of the commit go on. Only an error that is errBroken ends the commit.
type call struct {
	ctx    context.Context
	fn     func(*bbolt.Tx) error
	answer error
	done   chan struct{}
}

// errBroken marks an error after which the transaction may hold half a call.
var errBroken = errors.New("bolt: transaction abandoned")

// update runs fn in a transaction, perhaps with other calls, and returns when it
// is on the disk. A context that ends while the call is queued takes it out; one
// that ends later is ignored, since the answer is near.
func (t *Table) update(ctx context.Context, fn func(*bbolt.Tx) error) error {
	c := &call{ctx: ctx, fn: fn, done: make(chan struct{})}
	t.mu.Lock()
	t.queue = append(t.queue, c)
	if !t.running {
		t.running = true
		go t.drain()
	}
	t.mu.Unlock()
	<-c.done
	return c.answer
}

func (t *Table) drain() {
	for {
		t.mu.Lock()
		calls := t.queue
		t.queue = nil
		t.running = len(calls) > 0
		t.mu.Unlock()
		if len(calls) == 0 {
			return
		}
		commit(t.db, calls, t.now())
	}
}

// commit answers every call, together if it can.
//
// If we stop here: the file holds all of this commit or nothing of it, and none
// of its callers was told anything (TestCrash).
func commit(db *bbolt.DB, calls []*call, now time.Time) {
	err := db.Update(func(tx *bbolt.Tx) error {
		for _, c := range calls {
			if c.answer = c.run(tx); errors.Is(c.answer, errBroken) {
				return c.answer
			}
		}
		return sweep(tx, now, sweepPerCall*len(calls))
	})
	for _, c := range calls {
		if err != nil {
			c.answer = fmt.Errorf("%w: %w", table.ErrUnavailable, err)
		}
		close(c.done)
	}
}

func (c *call) run(tx *bbolt.Tx) error {
	if err := c.ctx.Err(); err != nil {
		return fmt.Errorf("%w: %w", table.ErrUnavailable, err)
	}
	return c.fn(tx)
}
