package syncer

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"time"

	"muster/internal/blob"
	"muster/internal/garbage"
	"muster/internal/job"
	"muster/internal/lease"
	"muster/internal/roster"
	"muster/internal/snapshot"
	"muster/internal/table"
)

// intentDue is how long a snapshot stays that never became live.
const intentDue = 48 * time.Hour

// How long the stores may take for what is put and committed behind the merge. A
// request that used up its time has no more left; a worker has most of stopBefore.
const (
	commitInRequest = 6 * time.Second
	commitInWorker  = 30 * time.Second
)

// errYield is the cause of a stop that is asked for by the clock or by Drain.
var errYield = errors.New("syncer: time to hand over")

// worker is one process's part of one job.
type worker struct {
	intake
	run        *job.Run
	checkpoint bool            // a worker may go on from where we stop
	asked      <-chan struct{} // closed when it is time to stop
}

// checkpointFormat is raised when a checkpoint of an older program is not to be
// gone on from.
const checkpointFormat = 1

type checkpoint struct {
	Format   int            `json:"format"`
	Cursor   []byte         `json:"cursor,omitempty"`
	Complete bool           `json:"complete,omitempty"`
	State    snapshot.State `json:"state"`
	Timings  job.Timings    `json:"timings"`
}

// work does what is left of a job until it is terminal, parked or lost. until,
// where not zero, is when to hand it over; checkpoint says that the next worker
// is to go on from there, not from the beginning.
func (s *Syncer) work(ctx context.Context, run *job.Run, until time.Time, checkpoint bool) (job.Job, error) {
	ctx, stop := run.Keep(ctx)
	defer stop()
	asked, soft, cancel := s.budget(ctx, until, checkpoint)
	defer cancel()
	w := &worker{intake: intake{Syncer: s, report: run.Job().Report}, run: run, checkpoint: checkpoint, asked: asked}
	defer w.close(ctx)
	err := w.do(ctx, soft)
	switch {
	case err == nil:
	case errors.Is(context.Cause(ctx), lease.ErrLost):
		err = lease.ErrLost
	case errors.Is(err, lease.ErrLost), ctx.Err() != nil:
		// Somebody else has it, or this process ends at once: the sweep finds it.
	case errors.Is(err, errYield):
		err = w.park(ctx)
	default:
		err = w.fail(ctx, err)
	}
	return s.outcome(ctx, run, err)
}

// budget makes the channel that closes when it is time to stop, and the context
// that ends then too, or, where the end of a page is worth waiting for, a grace
// later.
func (s *Syncer) budget(ctx context.Context, until time.Time, wait bool) (<-chan struct{}, context.Context, func()) {
	asked := make(chan struct{})
	soft, cancel := context.WithCancelCause(ctx)
	done := make(chan struct{})
	var end <-chan time.Time
	timer := time.NewTimer(0)
	timer.Stop()
	if !until.IsZero() {
		timer.Reset(until.Sub(s.Now()))
		end = timer.C
	}
	go func() {
		defer close(done)
		select {
		case <-soft.Done():
			return
		case <-end:
		case <-s.Drain:
		}
		close(asked)
		if wait {
			timer.Reset(grace)
			select {
			case <-soft.Done():
			case <-timer.C:
			}
		}
		cancel(errYield)
	}()
	return asked, soft, func() { cancel(nil); <-done; timer.Stop() }
}

// interrupted is why ctx ended, if it did: whatever failed then failed of that.
func interrupted(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
}

func (w *worker) do(ctx, soft context.Context) error {
	j := w.run.Job()
	targets, err := w.Integrations.Targets(ctx, j)
	if err != nil {
		return err
	}
	if j.CommittedAt.IsZero() {
		if err := w.load(ctx, soft, targets); err != nil || len(targets) == 0 {
			return err
		}
	}
	began := w.Now()
	err = w.apply(soft, targets)
	w.report.Timings.Apply += w.since(began)
	if err != nil {
		return interrupted(soft, err)
	}
	return w.run.Close(ctx, job.Completed, "", "", w.report)
}

// load reads the source and commits what it says.
func (w *worker) load(ctx, soft context.Context, targets []Target) error {
	if err := w.begin(soft); err != nil {
		return interrupted(soft, err)
	}
	if !w.complete {
		if err := w.readFor(soft, w.run.Job(), w.timeToStop); err != nil {
			return interrupted(soft, err)
		}
	}
	return w.commit(ctx, soft, targets)
}

// begin makes the builder: a new one, or one that goes on from the checkpoint.
func (w *worker) begin(ctx context.Context) (err error) {
	j := w.run.Job()
	w.report, w.complete = job.Report{}, j.Input.Kind == job.InputRetention
	if j.Checkpoint != nil {
		var cp checkpoint
		if err = json.Unmarshal(j.Checkpoint, &cp); err == nil && cp.Format == checkpointFormat {
			w.builder, err = w.Snapshots.Resume(ctx, j.Org, j.Integration, cp.State)
			if err == nil {
				w.cursor, w.complete, w.report.Timings = cp.Cursor, cp.Complete, cp.Timings
				return nil
			}
			// Of another version, cleared away by its age, or damaged: none of that
			// gets better, and the source is still there.
			if !errors.Is(err, snapshot.ErrFormat) && !errors.Is(err, blob.ErrNotFound) && !errors.Is(err, snapshot.ErrCorrupt) {
				return err
			}
		}
		w.Log.WarnContext(ctx, "checkpoint is of no use; the read begins anew", slog.String("job", j.ID.String()), slog.Any("error", err))
	}
	w.builder, err = w.Snapshots.Build(j.Org, j.Integration)
	return err
}

// timeToStop: the next worker is to go on from here.
func (w *worker) timeToStop() bool {
	if !w.checkpoint {
		return false
	}
	select {
	case <-w.asked:
		return true
	default:
		return false
	}
}

// commit merges with the last snapshot and makes the next one visible.
func (w *worker) commit(ctx, soft context.Context, targets []Target) error {
	j := w.run.Job()
	last, next, err := w.merge(ctx, soft, j, targets, snapshot.Options{Job: j.ID.String(), Revision: w.run.Token()})
	if err != nil {
		return err
	}
	defer last.Close()
	ctx, cancel := context.WithTimeout(ctx, w.commitTime())
	defer cancel()
	began := w.Now()
	if err := w.putProblems(ctx, next.Problems); err != nil {
		return err
	}
	if err := w.judge(ctx, j, next); err != nil {
		return err
	}
	ws, err := w.putSnapshot(ctx, last, next)
	if err != nil {
		return err
	}
	ws = append(ws, w.nextPurge(next)...)
	w.report.Timings.Commit += w.since(began)
	return w.run.Commit(ctx, w.report, len(targets) == 0, ws...)
}

func (w *worker) commitTime() time.Duration {
	if w.checkpoint {
		return commitInWorker
	}
	return commitInRequest
}

// putSnapshot puts the next snapshot, if there is one, and answers the writes
// that make it the latest.
func (w *worker) putSnapshot(ctx context.Context, last *snapshot.Reader, next *snapshot.Next) ([]table.Write, error) {
	if !next.Changed {
		return nil, nil
	}
	j := w.run.Job()
	intent, entry := garbage.Enter(garbage.Blob, next.Key(), w.Now().Add(intentDue))
	// If we stop here: the row names an object that is not there, or not live, and
	// goes with it when it is due (TestI4_NoOrphanAfterAKill).
	if err := w.run.Write(ctx, intent); err != nil {
		return nil, err
	}
	// If we stop here: the object is garbage, and entered as such.
	ref, err := next.Put(ctx)
	if err != nil {
		return nil, err
	}
	ws := []table.Write{snapshot.Pointer(j.Org, j.Integration, ref, last.PointerCond()), entry.Forget()}
	if old := last.Ref(); !old.IsZero() {
		replaced, _ := garbage.Enter(garbage.Blob, old.Key, w.Now().Add(garbage.Keep))
		ws = append(ws, replaced)
	}
	return ws, nil
}

// nextPurge enters the day on which rows are to go whose retention is over, so
// that they go though no sync comes by. Every snapshot with such rows has its day
// entered; a run of that day that could not let them go enters the next. One that
// does not come to its commit had the next day entered when it began, which this
// takes back.
func (w *worker) nextPurge(next *snapshot.Next) (ws []table.Write) {
	j := w.run.Job()
	ref, purges := j.Org.String()+"/"+j.Integration, j.Input.Kind == job.InputRetention
	if purges {
		again, _ := garbage.Enter(garbage.Retired, ref, garbage.NextDay(j.InsertedAt))
		ws = append(ws, table.Delete(again.Key, table.Any))
	}
	if next.PurgeDue.IsZero() || !next.Changed && !purges {
		return ws
	}
	due := next.PurgeDue
	if now := w.Now(); due.Before(now) {
		due = now
	}
	enter, _ := garbage.Enter(garbage.Retired, ref, garbage.NextDay(due))
	if purges && ws[0].Key == enter.Key {
		return []table.Write{enter}
	}
	return append(ws, enter)
}

// putProblems puts the problems where the job's row will point.
func (w *worker) putProblems(ctx context.Context, problems []roster.Problem) error {
	if len(problems) == 0 {
		return nil
	}
	var lines bytes.Buffer
	for _, p := range problems {
		line, err := json.Marshal(p)
		if err != nil {
			return fmt.Errorf("syncer: encoding a problem: %w", err)
		}
		lines.Write(append(line, '\n'))
	}
	j := w.run.Job()
	key := j.Org.Path("jobs", j.ID.String(), strconv.FormatInt(w.run.Token(), 10), "problems")
	// If we stop here: an object that no row names, which goes by its age.
	_, err := w.Blobs.Put(ctx, key, "application/x-ndjson", &lines)
	if err != nil && !errors.Is(err, blob.ErrExists) { // taken: by ourselves, with the answer lost
		return err
	}
	w.report.ProblemsKey = key
	return nil
}

// park hands the job to a worker, with a checkpoint if there is a point to go on
// from.
func (w *worker) park(ctx context.Context) error {
	j := w.run.Job()
	if j.Continuations >= MaxContinuations {
		return w.run.Close(ctx, job.Failed, job.TooLong, fmt.Sprintf("the sync did not end in %d continuations", MaxContinuations), w.report)
	}
	if !j.CommittedAt.IsZero() {
		return w.run.Park(ctx, nil, w.report)
	}
	var cp json.RawMessage
	if w.checkpoint && w.builder != nil && (w.complete || w.cursor != nil) {
		state, err := w.builder.Save(ctx, j.Org.Path("staging", j.ID.String(), strconv.FormatInt(w.run.Token(), 10)))
		if err != nil {
			return err
		}
		cp, err = json.Marshal(checkpoint{Format: checkpointFormat, Cursor: w.cursor, Complete: w.complete, State: state, Timings: w.report.Timings})
		if err != nil {
			return fmt.Errorf("syncer: encoding a checkpoint: %w", err)
		}
	}
	return w.run.Park(ctx, cp, job.Report{})
}

// sourceError is an error of the source: its input is at fault, or it did not
// come to its end.
type sourceError struct{ error }

func (e *sourceError) Unwrap() error { return e.error }

// stop is the error of a run that ends for a reason of its own.
type stop struct {
	reason  job.Reason
	message string
}

func (s *stop) Error() string { return s.message }

// fail ends the job with the reason that err is. What was read until then is in
// its report; nothing of it is committed.
func (w *worker) fail(ctx context.Context, err error) error {
	reason, message := reasonOf(err, !w.run.Job().CommittedAt.IsZero())
	switch reason {
	case job.Internal, job.Unavailable, job.ApplyIncomplete, job.SourceFailed:
		w.Log.ErrorContext(ctx, "job failed", slog.String("job", w.run.Job().ID.String()), slog.Any("error", err))
	}
	if w.builder != nil && !w.merged && w.run.Job().CommittedAt.IsZero() {
		if err := w.putProblems(ctx, w.unmerged(err)); err != nil {
			w.Log.WarnContext(ctx, "problems were not kept", slog.String("job", w.run.Job().ID.String()), slog.Any("error", err))
		}
	}
	return w.run.Close(ctx, job.Failed, reason, message, w.report)
}

// reasonOf says what an error means for the job, in words for whoever started it.
func reasonOf(err error, committed bool) (job.Reason, string) {
	var own *stop
	var source *sourceError
	var fault *roster.Fault
	switch {
	case errors.As(err, &own):
		return own.reason, own.message
	case committed:
		return job.ApplyIncomplete, "the snapshot is committed; a target could not be served to the end, and the next run goes on with it"
	case errors.Is(err, table.ErrUnavailable), errors.Is(err, blob.ErrUnavailable), errors.Is(err, context.DeadlineExceeded):
		return job.Unavailable, "a store did not answer in time; nothing was changed, try again"
	case !errors.As(err, &source):
		return job.Internal, "the sync failed for a reason of ours; nothing was changed"
	case errors.As(err, &fault):
		return job.FileInvalid, fault.Message
	case errors.Is(err, blob.ErrNotFound):
		return job.FileGone, "the uploaded file is no longer there; upload it again"
	case errors.Is(err, blob.ErrChanged):
		return job.FileChanged, "the uploaded file was replaced after it was registered; register it again"
	case errors.Is(err, ErrNoSource):
		return job.NoSource, "the integration has nothing that could be read for this"
	}
	return job.SourceFailed, "the source failed before all of it was read; nothing was changed"
}
