package job

import (
	"context"
	"errors"
	"fmt"
	"time"

	"muster/internal/lease"
	"muster/internal/org"
	"muster/internal/table"
)

// ErrTerminal: the job is over, so there is nothing to cancel.
var ErrTerminal = errors.New("job: the job is over")

// cancelRounds is how often a Cancel looks again: each time but the last, the job
// or its lease moved between its look and its write.
const cancelRounds = 20

// Cancel ends a job that is not terminal, wherever it stands and whether its
// worker lives or not: the lease's token is raised, so that a worker that lives
// writes nothing more. Of a job that is committed it stops the apply and keeps
// the snapshot, with whose targets the next run goes on. ErrNotFound. ErrTerminal,
// with the job.
func (s *Store) Cancel(ctx context.Context, o org.ID, id ID) (Job, error) {
	for range cancelRounds {
		j, err := s.cancel(ctx, o, id)
		var moved *table.Conflict
		if !errors.As(err, &moved) {
			return j, err
		}
	}
	return Job{}, fmt.Errorf("job: cancelling %s: it moved %d times meanwhile: %w", id, cancelRounds, table.ErrUnavailable)
}

// cancel is one try. *table.Conflict: something moved since it was read.
func (s *Store) cancel(ctx context.Context, o org.ID, id ID) (Job, error) {
	j, version, err := s.get(ctx, o, id)
	if err == nil && j.Status.Terminal() {
		err = fmt.Errorf("%w: %s is %s", ErrTerminal, id, j.Status)
	}
	if err != nil {
		return j, err
	}
	free, err := s.freeing(ctx, j)
	if err != nil {
		return Job{}, err
	}
	message := "it was cancelled before its commit; nothing was changed"
	if !j.CommittedAt.IsZero() {
		message = "it was cancelled after its commit: the snapshot stays, and the next run goes on with its targets"
	}
	ws := j.fail(version, Cancelled, message, s.Now())
	// If we stop here: the job is over and the integration free, only our caller
	// does not know (TestCancelledAtEveryWrite).
	if err := s.Table.Write(ctx, append(ws, free...)...); err != nil {
		// Perhaps our own success with its answer lost: the version was drawn by us.
		if _, is, rerr := s.get(ctx, o, id); rerr != nil || is != ws[0].Version {
			return Job{}, fmt.Errorf("job: cancelling %s: %w", id, err)
		}
	}
	s.LogOutcome(ctx, j)
	return j, nil
}

// freeing are the writes that take the lease from j, if it names j: a job that
// waits has none, and of an integration that was removed there is none.
func (s *Store) freeing(ctx context.Context, j Job) ([]table.Write, error) {
	if j.Status == Requeued {
		return nil, nil
	}
	seen, err := lease.Read(ctx, s.Table, LeaseKey(j.Org, j.Integration))
	switch {
	case errors.Is(err, table.ErrNotFound):
		return nil, nil
	case err != nil:
		return nil, err
	case seen.Job != j.ID.String():
		return []table.Write{seen.Unchanged()}, nil // it moves on, or the sweep ends it
	}
	free, _ := seen.Raise("", time.Time{})
	return []table.Write{free}, nil
}

// fail makes j failed, by somebody who does not hold its lease, and answers the
// writes that say so, its own row's first, on the version that was read.
func (j *Job) fail(version string, r Reason, message string, now time.Time) []table.Write {
	waited := j.Status == Requeued
	j.end(Failed, r, message, now)
	ws := append([]table.Write{save(*j, version)}, closing(*j)...)
	if waited {
		ws = append(ws, table.Delete(waitingKey(j.Org, j.Integration, j.Input.Trigger), table.Any))
	}
	return ws
}
