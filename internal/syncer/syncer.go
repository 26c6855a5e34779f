package syncer

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"muster/internal/blob"
	"muster/internal/job"
	"muster/internal/lease"
	"muster/internal/org"
	"muster/internal/roster"
	"muster/internal/snapshot"
	"muster/internal/table"
)

// ErrNoSource is what Integrations.Source answers for a job whose integration has
// nothing to read for its kind of input.
var ErrNoSource = errors.New("syncer: the integration has no source for this input")

// Settings are an integration's own, as they are when its job commits.
type Settings struct {
	Guard     Guard
	Retention time.Duration // how long one no longer listed is kept
}

// Guard stops a run before its commit if it would remove more than MaxPercent of
// the live users and more than MaxCount of them.
type Guard struct {
	MaxPercent int64
	MaxCount   int64
}

// Stops reports whether the guard stops a run that would remove so many.
func (g Guard) Stops(remove, live int64) bool {
	return remove > g.MaxCount && remove*100 > g.MaxPercent*live
}

// Integrations is what a sync must know of its integration.
type Integrations interface {
	// SyncSettings are the settings that count now. lease.ErrLost where the
	// integration was removed: its lease went with it.
	SyncSettings(ctx context.Context, o org.ID, integration string) (Settings, error)
	// CurrentTrigger reports whether a trigger is there, enabled, in this revision.
	CurrentTrigger(ctx context.Context, o org.ID, integration, trigger string, revision int64) (bool, error)
	// Source opens what a job reads. ErrNoSource; blob.ErrNotFound where an upload
	// is gone; blob.ErrChanged where it was replaced.
	Source(ctx context.Context, j job.Job) (roster.Source, error)
	// Targets are what a job's integration is applied to, in order.
	Targets(ctx context.Context, j job.Job) ([]Target, error)
}

// Syncer runs syncs. Its fields are set once, before use.
type Syncer struct {
	Jobs         *job.Store
	Table        table.Table
	Blobs        blob.Store
	Snapshots    *snapshot.Store
	Integrations Integrations
	Now          func() time.Time
	Log          *slog.Logger
	// Drain, when it closes, makes running jobs park soon: the process is to end.
	Drain <-chan struct{}
	// InRequest is how large a file may be, in bytes, to be synced inside its
	// request, and RequestTime how long that may take before the job is handed over.
	InRequest   int64
	RequestTime time.Duration
}

const (
	// stopBefore is how long before its end a worker stops reading, and grace how
	// long of that it waits for the end of a page.
	stopBefore = time.Minute
	grace      = 20 * time.Second
	// endOfRequest is what a request keeps of its own time for the commit, or for
	// handing over.
	endOfRequest = 8 * time.Second
	// MaxContinuations is how often a job may go on in another worker.
	MaxContinuations = 96
)

// SyncFile claims the integration for a file of size bytes and syncs it here and
// now if it is small enough; else, or when it takes too long, a worker gets it
// and the job that is returned is Pending. That the request's client went away
// does not stop it. A job that is there under id, if that is not zero, is returned
// as it stands: a try before this one made it. One that failed of something that
// passes is followed by another, under an id that follows from its own.
// *lease.Busy: another job has the integration. *org.Spent: the org's quota is
// spent. *job.Full: as many of its jobs run as may.
func (s *Syncer) SyncFile(ctx context.Context, o org.ID, integration string, id job.ID, in job.Input, size int64) (job.Job, error) {
	until := s.requestEnds(ctx)
	ctx = context.WithoutCancel(ctx)
	for id != (job.ID{}) {
		j, err := s.Jobs.Get(ctx, o, id)
		if errors.Is(err, job.ErrNotFound) {
			break
		}
		if err != nil || !worthAnother(j) {
			return j, err
		}
		in.Follows, id = id.String(), job.NextID(id)
	}
	run, err := s.Jobs.Claim(ctx, o, integration, id, in)
	var busy *lease.Busy
	var taken *table.Conflict
	switch {
	case id != (job.ID{}) && (errors.As(err, &taken) || errors.As(err, &busy) && busy.Job == id.String()):
		return s.Jobs.Get(ctx, o, id) // another try made it meanwhile
	case err != nil:
		return job.Job{}, err
	}
	if size > s.InRequest {
		err := run.Park(ctx, nil, job.Report{})
		return s.outcome(ctx, run, err)
	}
	return s.work(ctx, run, until, false)
}

// requestEnds is when a request must be done with the reading and merging.
func (s *Syncer) requestEnds(ctx context.Context) time.Time {
	until := s.Now().Add(s.RequestTime)
	if end, ok := ctx.Deadline(); ok && end.Add(-endOfRequest).Before(until) {
		until = end.Add(-endOfRequest)
	}
	return until
}

// worthAnother reports whether the same request may end otherwise than j did, and
// should: it failed with nothing changed, not because of its file, and nobody
// cancelled it.
func worthAnother(j job.Job) bool {
	switch j.Reason {
	case job.FileInvalid, job.FileChanged, job.FileGone, job.Cancelled:
		return false
	}
	return j.Status == job.Failed && j.CommittedAt.IsZero()
}

// Run adopts the job of a start event and works on it. Where there is nothing to
// do (a repeated event, a job that has moved on) it does nothing, successfully.
func (s *Syncer) Run(ctx context.Context, st job.Start) error {
	run, err := s.Jobs.Adopt(ctx, st)
	if errors.Is(err, lease.ErrLost) {
		s.Log.InfoContext(ctx, "start is stale", slog.String("org", st.Org.String()), slog.String("job", st.Job.String()), slog.Int64("token", st.Token))
		return nil
	}
	if err != nil {
		return fmt.Errorf("syncer: starting job %s: %w", st.Job, err)
	}
	if in := run.Job().Input; in.Kind == job.InputTrigger && run.Job().CommittedAt.IsZero() {
		current, err := s.Integrations.CurrentTrigger(ctx, st.Org, run.Job().Integration, in.Trigger, in.Revision)
		if err != nil {
			return fmt.Errorf("syncer: starting job %s: %w", st.Job, err)
		}
		if !current {
			err := run.Close(ctx, job.Failed, job.TriggerChanged, "its trigger was changed, disabled or deleted while the job waited", job.Report{})
			_, err = s.outcome(ctx, run, err)
			return err
		}
	}
	_, err = s.work(ctx, run, s.until(ctx), true)
	return err
}

// Tick runs the job of a schedule's firing, if its trigger still is what it was
// when the schedule was made, and if no other job has the integration; see
// job.Store.Tick for what becomes of it otherwise.
func (s *Syncer) Tick(ctx context.Context, t job.Tick) error {
	current, err := s.Integrations.CurrentTrigger(ctx, t.Org, t.Integration, t.Trigger, t.Revision)
	if err != nil {
		return fmt.Errorf("syncer: tick of trigger %s: %w", t.Trigger, err)
	}
	if !current {
		s.Log.InfoContext(ctx, "tick of a trigger that was changed or is gone", slog.String("org", t.Org.String()), slog.String("trigger", t.Trigger), slog.Int64("revision", t.Revision))
		return nil
	}
	run, err := s.Jobs.Tick(ctx, t)
	if err != nil {
		return fmt.Errorf("syncer: tick of trigger %s: %w", t.Trigger, err)
	}
	if run == nil {
		return nil
	}
	_, err = s.work(ctx, run, s.until(ctx), true)
	return err
}

// until is when a worker must stop: a minute before its own end, if it has one.
func (s *Syncer) until(ctx context.Context) time.Time {
	if end, ok := ctx.Deadline(); ok {
		return end.Add(-stopBefore)
	}
	return time.Time{}
}

// outcome is the job as it stands when this process has done with it. A lease
// that was lost is no error: the job goes on elsewhere, or was ended.
func (s *Syncer) outcome(ctx context.Context, run *job.Run, err error) (job.Job, error) {
	j := run.Job()
	if errors.Is(err, lease.ErrLost) {
		s.Log.WarnContext(ctx, "lease was lost", slog.String("org", j.Org.String()), slog.String("job", j.ID.String()))
		now, err := s.Jobs.Get(context.WithoutCancel(ctx), j.Org, j.ID)
		if err != nil {
			return j, fmt.Errorf("syncer: job %s, whose lease was lost: %w", j.ID, err)
		}
		return now, nil
	}
	if err != nil {
		return j, fmt.Errorf("syncer: job %s: %w", j.ID, err)
	}
	s.Jobs.LogOutcome(ctx, j, slog.Int64("lease_ms", s.Now().Sub(run.Since()).Milliseconds()))
	return j, nil
}
