package lease

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/google/uuid"

	"muster/internal/table"
)

// How long a lease lasts without a word of its holder.
const (
	TTL       = 60 * time.Second // a working process, renewed every Every
	Every     = 15 * time.Second
	ParkedTTL = 16 * time.Minute // between processes: longer than an event may be old
)

// ErrLost: the lease is somebody else's by now, or nobody's. What was to be
// written under it was not written, and nothing more may be.
var ErrLost = errors.New("lease: lost")

// Busy says that the lease names a job. It is an outcome, not a failure.
type Busy struct {
	Job   string
	Until time.Time // when the lease runs out unless renewed; may be past
}

func (b *Busy) Error() string { return "lease: busy with job " + b.Job }

// State is the lease's document.
type State struct {
	Job       string    `json:"job,omitempty"`   // "": free
	Token     int64     `json:"token"`           // raised at each change of hands
	Owner     string    `json:"owner,omitempty"` // of the try that holds it; "": no process does
	ExpiresAt time.Time `json:"expires_at,omitzero"`
}

// Seen is the lease as somebody read it who does not hold it.
type Seen struct {
	State
	Key     table.Key
	version string
}

// document is a lease as it is stored.
type document struct {
	Format int `json:"format"`
	State
}

const format = 1

func put(k table.Key, s State, cond table.Cond) table.Write {
	return table.Put(k, document{format, s}, cond)
}

// New is the write that makes an integration's lease, free, with token 0.
func New(k table.Key) table.Write { return put(k, State{}, table.Absent) }

// Read reads a lease. table.ErrNotFound: there is no such integration.
func Read(ctx context.Context, t table.Table, k table.Key) (Seen, error) {
	row, err := t.Get(ctx, k)
	if err != nil {
		return Seen{}, fmt.Errorf("lease: reading %s: %w", k, err)
	}
	s := Seen{Key: k, version: row.Version}
	return s, row.Decode(&s.State)
}

// Expired reports whether the lease has run out at now.
func (s Seen) Expired(now time.Time) bool { return s.Job != "" && !now.Before(s.ExpiresAt) }

// Raise is the write by which somebody who does not hold the lease (the sweep, a
// cancel) takes it from whom it was read of: the token rises, no process owns
// it. It names job until then, or is free where job is "". The write holds only
// if the lease is as it was seen.
func (s Seen) Raise(job string, until time.Time) (table.Write, int64) {
	next := State{Job: job, Token: s.Token + 1}
	if job != "" {
		next.ExpiresAt = until
	}
	return put(s.Key, next, table.Version(s.version)), next.Token
}

// Remove is the write that takes the lease away with its integration, as seen.
func (s Seen) Remove() table.Write { return table.Delete(s.Key, table.Version(s.version)) }

// Unchanged is the check that the lease is still as it was seen.
func (s Seen) Unchanged() table.Write { return table.Check(s.Key, table.Version(s.version)) }

// Lease is a lease that this process holds, or held: its methods answer ErrLost
// once it does not. It is safe for concurrent use.
type Lease struct {
	t   table.Table
	k   table.Key
	now func() time.Time
	ttl time.Duration
	at  time.Time // when this process took it

	mu      sync.Mutex // also keeps our own renewal and our own writes from meeting
	state   State
	version string // of the row; "" when a write of ours had no answer
	gone    bool   // released, parked or lost
	ended   bool   // released or parked, by ourselves
}

// Take takes a lease that names no job, for job, together with the writes in
// with. *Busy: it names one. *table.Conflict (Index into with): a condition of
// with failed. table.ErrNotFound: there is no such integration.
func Take(ctx context.Context, t table.Table, k table.Key, now func() time.Time, job string, ttl time.Duration, with ...table.Write) (*Lease, error) {
	owner := uuid.NewString()
	return acquire(ctx, t, k, now, ttl, with, func(s Seen) (State, error) {
		if s.Job != "" {
			return State{}, &Busy{Job: s.Job, Until: s.ExpiresAt}
		}
		return State{Job: job, Token: s.Token + 1, Owner: owner, ExpiresAt: now().Add(ttl)}, nil
	})
}

// Adopt takes over a parked lease that names job with token, as its start event
// says. ErrLost: it does not, because another delivery was first, or a later
// change of hands made this start stale.
func Adopt(ctx context.Context, t table.Table, k table.Key, now func() time.Time, job string, token int64, ttl time.Duration, with ...table.Write) (*Lease, error) {
	owner := uuid.NewString()
	return acquire(ctx, t, k, now, ttl, with, func(s Seen) (State, error) {
		if s.Job != job || s.Token != token || s.Owner != "" {
			return State{}, ErrLost
		}
		return State{Job: job, Token: token + 1, Owner: owner, ExpiresAt: now().Add(ttl)}, nil
	})
}

// acquire writes the state that next makes of the lease as read, together with
// with. A try that failed, or had no answer, is settled by reading back: the
// lease is ours if it has the owner that only this try could have written.
func acquire(ctx context.Context, t table.Table, k table.Key, now func() time.Time, ttl time.Duration, with []table.Write, next func(Seen) (State, error)) (*Lease, error) {
	var owner string
	var failed error
	for {
		seen, err := Read(ctx, t, k)
		switch {
		case err != nil:
			return nil, cmp.Or(failed, err)
		case owner != "" && seen.Owner == owner:
			return &Lease{t: t, k: k, now: now, ttl: ttl, at: now(), state: seen.State, version: seen.version}, nil
		case failed != nil:
			return nil, failed
		}
		state, err := next(seen)
		if err != nil {
			return nil, err
		}
		owner = state.Owner
		w := put(k, state, table.Version(seen.version))
		// If we stop here: the lease names the job and nobody works. The sweep finds
		// its running row, waits for the lease to run out and starts it again
		// (TestI4_KilledAtEveryWrite).
		err = t.Write(ctx, append(with[:len(with):len(with)], w)...)
		var c *table.Conflict
		switch {
		case err == nil:
			return &Lease{t: t, k: k, now: now, ttl: ttl, at: now(), state: state, version: w.Version}, nil
		case errors.As(err, &c) && c.Index == len(with):
			// The lease moved under us, perhaps by ourselves: look again.
		case errors.As(err, &c):
			failed = c
		default:
			failed = fmt.Errorf("lease: taking %s for %s: %w", k, state.Job, err)
		}
	}
}

// Job is the job that the lease was taken for.
func (l *Lease) Job() string { return l.get().Job }

// Token is the token that this process holds it with.
func (l *Lease) Token() int64 { return l.get().Token }

// Owner is the random id of this try.
func (l *Lease) Owner() string { return l.get().Owner }

// Since is when this process took or adopted it.
func (l *Lease) Since() time.Time { return l.at }

// ExpiresAt is when the lease runs out unless it is renewed.
func (l *Lease) ExpiresAt() time.Time { return l.get().ExpiresAt }

func (l *Lease) get() State {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.state
}

// Write does ws in one transaction that holds only while the lease is ours.
// ErrLost: it is not, and nothing was written. *table.Conflict: one of ws failed;
// where a try had no answer that may be its own success, for the caller to tell.
func (l *Lease) Write(ctx context.Context, ws ...table.Write) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.fenced(ctx, ws, func() table.Write { return table.Check(l.k, table.Version(l.version)) }, nil)
}

// Renew puts the lease's end a TTL ahead of now. After Release or Park there is
// nothing to renew, which is no error: a renewal may come just behind them.
func (l *Lease) Renew(ctx context.Context) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.ended {
		return nil
	}
	next := l.state
	next.ExpiresAt = l.now().Add(l.ttl)
	// If we stop here: the lease runs out later than we live, at most by a TTL; the
	// sweep waits for it (TestI4_KilledAtEveryWrite).
	return l.fenced(ctx, nil, func() table.Write { return put(l.k, next, table.Version(l.version)) }, &next)
}

// Held reads the lease: nil if it is ours, else ErrLost. It is for what cannot be
// fenced by a transaction: a call to a system outside.
func (l *Lease) Held(ctx context.Context) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.gone {
		return ErrLost
	}
	return l.reload(ctx)
}

// Park gives the lease up without ending its job: no process holds it, and the
// first Adopt with the token that is returned gets it. After nil this Lease is
// lost. *table.Conflict: one of with failed, the lease is ours still.
func (l *Lease) Park(ctx context.Context, ttl time.Duration, with ...table.Write) (token int64, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	next := State{Job: l.state.Job, Token: l.state.Token + 1, ExpiresAt: l.now().Add(ttl)}
	return next.Token, l.giveUp(ctx, next, with)
}

// Release frees the lease; it keeps the token, so that tokens never fall. After
// nil this Lease is lost. ErrLost may be our own success, its answer lost and
// the lease taken since: the job's row tells. *table.Conflict: one of with
// failed, the lease is ours still.
func (l *Lease) Release(ctx context.Context, with ...table.Write) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.giveUp(ctx, State{Token: l.state.Token}, with)
}

func (l *Lease) giveUp(ctx context.Context, next State, with []table.Write) error {
	var last table.Write
	err := l.fenced(ctx, with, func() table.Write {
		last = put(l.k, next, table.Version(l.version))
		return last
	}, &next)
	if err != nil && last.Version != "" {
		// The version was drawn by us and sent to nobody else: if the row has it, the
		// write happened and its answer was lost.
		if row, rerr := l.t.Get(ctx, l.k); rerr == nil && row.Version == last.Version {
			err = nil
		}
	}
	l.ended = err == nil
	l.gone = l.gone || l.ended
	return err
}

// fenced writes ws and, last, what own makes: a write of the lease's row on the
// version that we believe in. The caller holds l.mu.
func (l *Lease) fenced(ctx context.Context, ws []table.Write, own func() table.Write, next *State) error {
	for {
		if l.gone {
			return ErrLost
		}
		if l.version == "" {
			if err := l.reload(ctx); err != nil {
				return err
			}
		}
		w := own()
		err := l.t.Write(ctx, append(ws[:len(ws):len(ws)], w)...)
		if err == nil {
			if next != nil {
				l.state, l.version = *next, w.Version
			}
			return nil
		}
		var c *table.Conflict
		if !errors.As(err, &c) {
			if next != nil {
				l.version = "" // did it happen? The next call reads
			}
			return fmt.Errorf("lease: writing under %s: %w", l.k, err)
		}
		before := l.version
		if rerr := l.reload(ctx); rerr != nil {
			return rerr // lost, or not to be read
		}
		if c.Index < len(ws) || l.version == before {
			return c // the lease is ours: another row's condition failed
		}
		// Ours, in a version that a renewal without an answer made: again.
	}
}

// reload learns the row's version, if the lease is still ours.
func (l *Lease) reload(ctx context.Context) error {
	row, err := l.t.Get(ctx, l.k)
	if errors.Is(err, table.ErrNotFound) {
		l.gone = true
		return ErrLost // its integration was removed
	}
	if err != nil {
		return fmt.Errorf("lease: reading %s: %w", l.k, err)
	}
	var s State
	if err := row.Decode(&s); err != nil {
		return err
	}
	if s.Owner == "" || s.Owner != l.state.Owner {
		l.gone = true
		return ErrLost
	}
	l.state, l.version = s, row.Version
	return nil
}
