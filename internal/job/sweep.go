package job

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"muster/internal/lease"
	"muster/internal/org"
	"muster/internal/table"
)

// MaxRestarts is how often a job begins again after its worker died.
const MaxRestarts = 2

// resend is how long a job may be pending before its start is sent again.
const resend = time.Minute

// Swept counts what one sweep did.
type Swept struct {
	Running, Resent, Restarted, Ended, Started, Tidied int
}

// Sweep looks at every job that is not terminal and does what its worker, if it
// is dead, cannot. Each action is one transaction on the versions that were
// read, so any number of sweeps may run at once. A row that fails does not keep
// it from the others.
func (s *Store) Sweep(ctx context.Context) (Swept, error) {
	var swept Swept
	var failed []error
	for shard := range runningShards {
		for row, err := range s.Table.List(ctx, fmt.Sprintf("RUNNING#%x", shard), table.Query{}) {
			if err == nil {
				swept.Running++
				err = s.sweep(ctx, row, &swept)
			}
			var moved *table.Conflict
			if err != nil && !errors.As(err, &moved) { // what moved under us, the next sweep sees
				failed = append(failed, err)
			}
		}
	}
	return swept, errors.Join(failed...)
}

// sweep looks at one running row: at the lease first and then at the job. The
// other way round, a job that moved on between the reads would be judged by a
// lease that is newer than what is known of it.
func (s *Store) sweep(ctx context.Context, row table.Row, swept *Swept) error {
	var at runningRow
	if err := row.Decode(&at); err != nil {
		return err
	}
	id, err := ParseID(row.Sort)
	if err != nil {
		return err
	}
	seen, err := lease.Read(ctx, s.Table, LeaseKey(at.Org, at.Integration))
	removed := errors.Is(err, table.ErrNotFound)
	if err != nil && !removed {
		return err
	}
	j, version, err := s.get(ctx, at.Org, id)
	now := s.Now()
	switch {
	case errors.Is(err, ErrNotFound), err == nil && j.Status.Terminal():
		return s.tidy(ctx, row, swept)
	case err != nil:
		return err
	case removed:
		return s.endAs(ctx, j, version, swept, IntegrationRemoved, removedMessage)
	case j.Status == Requeued:
		return s.startWaiting(ctx, j, version, seen, swept)
	case seen.Job != j.ID.String():
		return s.endAs(ctx, j, version, swept, WorkerLost, "the job lost its integration", seen.Unchanged())
	case j.Status == Pending && !seen.Expired(now):
		if now.Sub(j.PendingAt) >= resend {
			swept.Resent++
			s.send(ctx, Start{Org: j.Org, Job: j.ID, Token: seen.Token})
		}
		return nil
	case !seen.Expired(now):
		return nil // alive
	case j.Restarts >= MaxRestarts:
		free, _ := seen.Raise("", time.Time{})
		if !j.CommittedAt.IsZero() {
			return s.endAs(ctx, j, version, swept, ApplyIncomplete, "the snapshot is committed; its worker was lost three times while serving the targets, which the next run goes on with", free)
		}
		return s.endAs(ctx, j, version, swept, WorkerLost, "its worker was lost three times before the commit; nothing was changed", free)
	}
	j.Restarts++
	j.Checkpoint = nil
	return s.restart(ctx, j, version, seen, &swept.Restarted)
}

// tidy removes a running row that no live job has. A job that ended after the row
// was listed has removed it itself, which is no error; one that stayed is ours.
func (s *Store) tidy(ctx context.Context, row table.Row, swept *Swept) error {
	// If we stop here: a row less that says nothing (TestSweepTidiesUp).
	if err := s.Table.Write(ctx, table.Delete(row.Key, table.Version(row.Version))); err != nil {
		return fmt.Errorf("job: tidying the running row of %s: %w", row.Sort, err)
	}
	swept.Tidied++
	s.Log.ErrorContext(ctx, "a job that is over had a running row", slog.String("job", row.Sort))
	return nil
}

// restart gives the lease to the job's next worker, sends its start and counts it.
func (s *Store) restart(ctx context.Context, j Job, version string, seen lease.Seen, count *int, with ...table.Write) error {
	now := s.Now().UTC()
	j.Status, j.PendingAt = Pending, now
	raised, token := seen.Raise(j.ID.String(), now.Add(lease.ParkedTTL))
	// If we stop here: the job is pending and its start was not sent; the next
	// sweep sends it within a minute (TestI4_KilledAtEveryWrite).
	if err := s.Table.Write(ctx, append(with, raised, save(j, version))...); err != nil {
		return fmt.Errorf("job: restarting %s: %w", j.ID, err)
	}
	*count++
	s.send(ctx, Start{Org: j.Org, Job: j.ID, Token: token})
	return nil
}

// endAs ends a job that nobody works on.
func (s *Store) endAs(ctx context.Context, j Job, version string, swept *Swept, r Reason, message string, with ...table.Write) error {
	// If we stop here: the job is over and the integration free (TestI4_ThreeDeaths).
	if err := s.Table.Write(ctx, append(j.fail(version, r, message, s.Now()), with...)...); err != nil {
		return fmt.Errorf("job: ending %s: %w", j.ID, err)
	}
	swept.Ended++
	s.LogOutcome(ctx, j)
	return nil
}

// startWaiting starts a requeued job if its integration is free, no other has
// waited longer for it, and its org has a place for it.
func (s *Store) startWaiting(ctx context.Context, j Job, version string, seen lease.Seen, swept *Swept) error {
	if seen.Job != "" {
		return nil
	}
	oldest, row, err := s.oldestWaiting(ctx, j.Org, j.Integration)
	if err != nil || oldest != j.ID {
		return err
	}
	ws, err := s.enter(ctx, &j)
	var full *Full
	if errors.As(err, &full) {
		return nil
	}
	if err != nil {
		return err
	}
	return s.restart(ctx, j, version, seen, &swept.Started, append(ws, table.Delete(row.Key, table.Version(row.Version)))...)
}

// oldestWaiting is the requeued job that was due first: a tick's id begins with
// its scheduled time.
func (s *Store) oldestWaiting(ctx context.Context, o org.ID, integration string) (oldest ID, at table.Row, err error) {
	for row, err := range s.Table.List(ctx, o.Part("INTEGRATION", integration), table.Query{Prefix: waitingPrefix}) {
		var w waitingRow
		if err == nil {
			err = row.Decode(&w)
		}
		if err != nil {
			return ID{}, table.Row{}, fmt.Errorf("job: jobs waiting for %s: %w", integration, err)
		}
		if oldest == (ID{}) || w.Job.String() < oldest.String() {
			oldest, at = w.Job, row
		}
	}
	return oldest, at, nil
}
