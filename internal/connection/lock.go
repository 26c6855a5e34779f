package connection

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/google/uuid"

	"muster/internal/org"
	"muster/internal/table"
)

// ErrBusy: others were changing the same connection for as long as one may wait.
// Nothing was changed.
var ErrBusy = errors.New("connection: others are changing it")

// How long the lock of a connection lasts, how long its holder works at most, so
// that it is not still writing when the lock is another's (and who makes one, so
// that the client hears of it from us: a gateway waits for 29 seconds), and how long
// one waits for the lock, or for one's turn to write the row.
const (
	lockTTL  = 30 * time.Second
	workTime = 25 * time.Second
	patience = 5 * time.Second
)

// lock is the right to change a connection's credential: a row that expires by
// itself. To be held is to be there in the version that its holder drew, so a
// holder whose time ran out, or whose lock is another's by now, fails its check.
type lock struct {
	table   table.Table
	key     table.Key
	version string
}

func lockKey(o org.ID, id ID) table.Key { return o.Key(id.String(), "CONNECTION", "LEASE") }

// lockDoc says who it is, for those who look at the table.
type lockDoc struct {
	Format int    `json:"format"`
	Owner  string `json:"owner"`
}

// lock takes the lock, waiting for its holder as long as p has patience. ErrBusy.
func (s *Store) lock(ctx context.Context, o org.ID, id ID, p *patient) (*lock, error) {
	l := &lock{table: s.Table, key: lockKey(o, id)}
	for {
		w := table.Put(l.key, lockDoc{format, uuid.NewString()}, table.Absent).Until(s.Now().Add(lockTTL))
		// If we stop here: nobody changes the credential until the lock runs out by
		// itself (TestKilledAnywhere).
		err := s.Table.Write(ctx, w)
		l.version = w.Version
		var c *table.Conflict
		if !errors.As(err, &c) {
			if err != nil { // it may be there all the same, and nobody's
				l.release(ctx)
			}
			return l, err
		}
		if l.held(ctx) { // our own first try, its answer lost
			return l, nil
		}
		if err := p.wait(ctx); err != nil {
			return nil, fmt.Errorf("lock connection %s of org %s: %w", id, o, err)
		}
	}
}

// check is the condition that the lock is still held.
func (l *lock) check() table.Write { return table.Check(l.key, table.Version(l.version)) }

// held reports whether the lock is known to be still held.
func (l *lock) held(ctx context.Context) bool {
	row, err := l.table.Get(ctx, l.key)
	return err == nil && row.Version == l.version
}

// release gives the lock back, also where the request that held it has ended. One
// that cannot be given back runs out.
func (l *lock) release(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
	defer cancel()
	_ = l.table.Write(ctx, table.Delete(l.key, table.Version(l.version)))
}

// patient is what is left of one request's patience.
type patient struct {
	waited time.Duration
	step   time.Duration
}

// wait lets others go first. ErrBusy: that was long enough.
func (p *patient) wait(ctx context.Context) error {
	if p.waited >= patience {
		return ErrBusy
	}
	p.step = min(max(2*p.step, 10*time.Millisecond), 300*time.Millisecond)
	d := rand.N(p.step) + time.Millisecond
	p.waited += d
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
