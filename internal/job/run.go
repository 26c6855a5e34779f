package job

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"muster/internal/lease"
	"muster/internal/table"
)

// Run is a job and the lease that this process holds for it. Its methods but
// Write and Held are for one goroutine. Whatever it writes is fenced: once the
// lease is not ours, they answer lease.ErrLost and nothing was written.
type Run struct {
	store   *Store
	lease   *lease.Lease
	job     Job
	version string
}

// Job is the job as this run last wrote it.
func (r *Run) Job() Job { return r.job }

// Since is when this process took the job's lease.
func (r *Run) Since() time.Time { return r.lease.Since() }

// Token orders the runs of an integration: a later one has a greater token.
func (r *Run) Token() int64 { return r.lease.Token() }

// Keep renews the lease until stop is called. The context it returns is
// cancelled with cause lease.ErrLost when the lease is lost or could not be
// renewed before it ran out.
func (r *Run) Keep(ctx context.Context) (kept context.Context, stop func()) {
	kept, cancel := context.WithCancelCause(ctx)
	done := make(chan struct{})
	id := slog.String("job", r.job.ID.String()) // r is for the goroutine that works
	go func() {
		defer close(done)
		tick := time.NewTicker(lease.Every)
		defer tick.Stop()
		for {
			select {
			case <-kept.Done():
				return
			case <-tick.C:
			}
			err := r.lease.Renew(kept)
			if err == nil || kept.Err() != nil {
				continue
			}
			r.store.Log.WarnContext(kept, "lease was not renewed", id, slog.Any("error", err))
			if errors.Is(err, lease.ErrLost) || !r.store.Now().Before(r.lease.ExpiresAt()) {
				cancel(lease.ErrLost)
				return
			}
		}
	}()
	return kept, func() { cancel(nil); <-done }
}

// Write does ws while the lease is ours; see lease.Lease.Write.
func (r *Run) Write(ctx context.Context, ws ...table.Write) error { return r.lease.Write(ctx, ws...) }

// Held answers lease.ErrLost unless the lease is ours at this moment.
func (r *Run) Held(ctx context.Context) error { return r.lease.Held(ctx) }

// Commit makes the run's result visible: ws and the job's report, in one
// transaction. With final the same transaction ends the job as completed and
// frees the lease; without, a Close has to follow. *table.Conflict: one of ws
// failed, nothing happened.
func (r *Run) Commit(ctx context.Context, report Report, final bool, ws ...table.Write) error {
	next := r.job
	next.Report, next.CommittedAt, next.Checkpoint = report, r.store.Now().UTC(), nil
	if !final {
		w := save(next, r.version)
		// If we stop here: the snapshot is there and its targets are not served; the
		// sweep starts the job again, which goes on with them (TestI4_KilledAtEveryWrite).
		return r.settle(ctx, r.lease.Write(ctx, append(ws[:len(ws):len(ws)], w)...), next, w)
	}
	next.end(Completed, "", "", r.store.Now())
	w := save(next, r.version)
	ws = append(append(ws[:len(ws):len(ws)], w), closing(next)...)
	// If we stop here: all is done, only our caller does not know (TestI2_CommitIsOneStep).
	return r.settle(ctx, r.lease.Release(ctx, ws...), next, w)
}

// Close ends the job and frees the lease, in one transaction. The context's end
// does not stop it: it has ten seconds of its own.
func (r *Run) Close(ctx context.Context, s Status, reason Reason, message string, report Report) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	next := r.job
	next.Report = report
	next.end(s, reason, message, r.store.Now())
	w := save(next, r.version)
	// If we stop here: nothing is left to do (TestI4_KilledAtEveryWrite).
	return r.settle(ctx, r.lease.Release(ctx, append(closing(next), w)...), next, w)
}

// Park hands the job over to a worker: it becomes pending, with a checkpoint
// where it is to go on (nil: it begins anew), and its start is sent. After nil
// the run is over for this process. It too has ten seconds of its own.
func (r *Run) Park(ctx context.Context, checkpoint json.RawMessage, report Report) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	next := r.job
	next.Status, next.PendingAt, next.Checkpoint, next.Report = Pending, r.store.Now().UTC(), checkpoint, report
	next.Continuations++
	w := save(next, r.version)
	// If we stop here: the job is parked and no start was sent; the sweep sends it
	// within a minute (TestI4_KilledAtEveryWrite).
	token, err := r.lease.Park(ctx, lease.ParkedTTL, w)
	if err := r.settle(ctx, err, next, w); err != nil {
		return err
	}
	r.store.send(ctx, Start{Org: next.Org, Job: next.ID, Token: token})
	return nil
}

// settle learns what became of a write of the job's row. Without an answer, or
// after a condition that failed, the row decides: its version was drawn by us.
func (r *Run) settle(ctx context.Context, err error, next Job, w table.Write) error {
	if err == nil {
		r.job, r.version = next, w.Version
		return nil
	}
	j, version, rerr := r.store.get(ctx, r.job.Org, r.job.ID)
	if rerr == nil && version == w.Version {
		r.job, r.version = next, version
		return nil
	}
	if rerr == nil && errors.Is(err, lease.ErrLost) {
		r.job = j // what others made of it
	}
	return fmt.Errorf("job: writing %s: %w", r.job.ID, err)
}
