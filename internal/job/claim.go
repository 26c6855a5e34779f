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

// Claim takes the integration's lease for a new job and makes the job, in one
// transaction. id is that of a try that may not be the first; zero: a new one.
// *lease.Busy: another job has it, or this very one does, and nothing was made.
// *table.Conflict: the job is there. table.ErrNotFound: there is no such integration.
// *org.Spent: the org's quota is, and nothing was made. *Full: as many of its jobs
// run as may, and nothing was made.
func (s *Store) Claim(ctx context.Context, o org.ID, integration string, id ID, in Input) (*Run, error) {
	if id == (ID{}) {
		id = NewID()
	}
	back, err := s.take(ctx, o, in)
	if err != nil {
		return nil, fmt.Errorf("job: claiming integration %s: %w", integration, err)
	}
	run, err := s.claim(ctx, s.newJob(o, integration, id, in))
	if nothingMade(err) {
		back(ctx)
	}
	return run, err
}

func (s *Store) newJob(o org.ID, integration string, id ID, in Input) Job {
	return Job{Format: format, ID: id, Org: o, Integration: integration, Input: in, InsertedAt: s.Now().UTC()}
}

func (s *Store) claim(ctx context.Context, j Job) (*Run, error) {
	j.Status, j.StartedAt = Processing, j.InsertedAt
	// Each round but the last finds that another job took the place that was free.
	for range claimRounds {
		run, err := s.claimPlace(ctx, j)
		var taken *table.Conflict
		if !errors.As(err, &taken) || taken.Key == jobKey(j.Org, j.ID) {
			return run, err
		}
	}
	return nil, fmt.Errorf("job: claiming integration %s: the org's jobs moved %d times meanwhile: %w", j.Integration, claimRounds, table.ErrUnavailable)
}

// claimPlace is claim by the place that is free now.
func (s *Store) claimPlace(ctx context.Context, j Job) (*Run, error) {
	ws, err := s.enter(ctx, &j)
	var full *Full
	if errors.As(err, &full) {
		err = s.busyOrFull(ctx, j, full)
	}
	if err != nil {
		return nil, fmt.Errorf("job: claiming integration %s: %w", j.Integration, err)
	}
	put := table.Put(jobKey(j.Org, j.ID), j, table.Absent)
	l, err := lease.Take(ctx, s.Table, LeaseKey(j.Org, j.Integration), s.Now, j.ID.String(), lease.TTL,
		append(append([]table.Write{put}, opening(j)...), ws...)...)
	if err != nil {
		return nil, fmt.Errorf("job: claiming integration %s: %w", j.Integration, err)
	}
	return &Run{store: s, lease: l, job: j, version: put.Version}, nil
}

// opening are the writes that make a job findable, beside its own row.
func opening(j Job) []table.Write {
	return []table.Write{
		table.Put(indexKey(j.Org, j.Integration, j.ID), indexRow{format}, table.Any),
		table.Put(runningKey(j.ID), runningRow{format, j.Org, j.Integration}, table.Any),
	}
}

// Tick is one firing of a trigger's schedule. The same tick has the same fields,
// however often it is delivered.
type Tick struct {
	Org         org.ID    `json:"org"`
	Integration string    `json:"integration"`
	Trigger     string    `json:"trigger"`
	Revision    int64     `json:"revision"`
	ScheduledAt time.Time `json:"scheduled_at"`
}

// Tick claims the integration for a tick. A nil Run without an error means that
// there is nothing to do here: the tick was delivered before, or the integration
// is busy and the tick's job has been written as waiting (requeued) or, where
// the trigger runs or waits already, as duplicate_aborted; or the org's quota is
// spent and the job has been written as failed; or the integration was removed,
// and there is no job.
func (s *Store) Tick(ctx context.Context, t Tick) (*Run, error) {
	j := s.newJob(t.Org, t.Integration, TickID(t.Trigger, t.Revision, t.ScheduledAt), Input{
		Kind: InputTrigger, Trigger: t.Trigger, Revision: t.Revision, ScheduledAt: t.ScheduledAt.UTC(),
	})
	back, err := s.take(ctx, t.Org, j.Input)
	var spent *org.Spent
	switch {
	case errors.As(err, &spent):
		return nil, s.refuse(ctx, j, spent)
	case err != nil:
		return nil, fmt.Errorf("job: tick %s: %w", j.ID, err)
	}
	run, waits, err := s.tick(ctx, j)
	if run == nil && !waits && err == nil {
		back(ctx)
	}
	return run, err
}

// tick is Tick of a job that was counted: it runs, or waits, or neither.
func (s *Store) tick(ctx context.Context, j Job) (run *Run, waits bool, err error) {
	// Each round but the last finds that another job ended since the one before.
	for range claimRounds {
		run, err := s.claim(ctx, j)
		var busy *lease.Busy
		var taken *table.Conflict
		var full *Full
		met := moved
		switch {
		case errors.As(err, &taken):
			return nil, false, nil // its job is there: delivered before
		case errors.Is(err, table.ErrNotFound):
			return nil, false, nil // its schedule goes with the integration
		case errors.As(err, &full):
			met, err = s.waitForPlace(ctx, j)
		case !errors.As(err, &busy):
			return run, false, err
		case busy.Job == j.ID.String():
			return nil, false, nil // its job is running
		default:
			met, err = s.queue(ctx, j, busy)
		}
		if met != moved || err != nil {
			return nil, met == waiting, err
		}
	}
	return nil, false, fmt.Errorf("job: tick %s: integration %s changed hands %d times meanwhile: %w", j.ID, j.Integration, claimRounds, table.ErrUnavailable)
}

const claimRounds = 16

// queued is what became of a tick that met a busy integration.
type queued int

const (
	// moved: the job that it met moved on meanwhile. The integration may be free, or
	// removed, and then nothing of it may be written any more.
	moved   queued = iota
	waiting        // its job waits
	dropped        // its job is duplicate_aborted, or was there
)

// queue writes the job of a tick that met a busy integration.
func (s *Store) queue(ctx context.Context, j Job, busy *lease.Busy) (queued, error) {
	id, err := ParseID(busy.Job)
	if err != nil {
		return moved, err
	}
	running, version, err := s.get(ctx, j.Org, id)
	met := table.Check(jobKey(j.Org, id), table.Version(version))
	switch {
	case err != nil && !errors.Is(err, ErrNotFound):
		return moved, err
	case err != nil || running.Status.Terminal():
		return moved, nil
	case running.Input.Kind == InputTrigger && running.Input.Trigger == j.Input.Trigger:
		return s.abort(ctx, j, met)
	}
	return s.wait(ctx, j, met)
}

// wait writes the job of a tick as waiting, while met holds.
func (s *Store) wait(ctx context.Context, j Job, met table.Write) (queued, error) {
	j.Status = Requeued
	put := table.Put(jobKey(j.Org, j.ID), j, table.Absent)
	ws := append([]table.Write{
		met, put,
		table.Put(waitingKey(j.Org, j.Integration, j.Input.Trigger), waitingRow{format, j.ID}, table.Absent),
	}, opening(j)...)
	// If we stop here: the job waits and has its row among the running ones; the
	// sweep starts it when the integration is free (TestI4_RequeuedJobRuns).
	err := s.Table.Write(ctx, ws...)
	var c *table.Conflict
	switch {
	case errors.As(err, &c) && c.Index == 0:
		return moved, nil
	case errors.As(err, &c):
		if _, is, err := s.get(ctx, j.Org, j.ID); err == nil && is == put.Version {
			return waiting, nil // written by ourselves, the answer lost
		}
		// Either this very tick was written before, which abort finds as well, or
		// its trigger has a job waiting.
		return s.abort(ctx, j, met)
	case err != nil:
		return moved, fmt.Errorf("job: requeueing %s: %w", j.ID, err)
	}
	s.LogOutcome(ctx, j)
	return waiting, nil
}

// abort writes the job of a tick as duplicate_aborted, unless it is there.
func (s *Store) abort(ctx context.Context, j Job, met table.Write) (queued, error) {
	j.end(DuplicateAborted, "", "the same trigger is running or waiting already", s.Now())
	// If we stop here: the job is terminal and nothing else knows of it
	// (TestI5_TickDeliveredTwice).
	err := s.Table.Write(ctx, append(stillborn(j), met)...)
	var c *table.Conflict
	switch {
	case errors.As(err, &c) && c.Key == met.Key:
		return moved, nil
	case errors.As(err, &c):
		return dropped, nil // the tick was delivered before
	case err != nil:
		return moved, fmt.Errorf("job: recording duplicate %s: %w", j.ID, err)
	}
	s.LogOutcome(ctx, j)
	return dropped, nil
}

// stillborn are the rows of a job that is over when it is made, its own first.
func stillborn(j Job) []table.Write {
	return []table.Write{
		table.Put(jobKey(j.Org, j.ID), j, table.Absent).Until(j.EndedAt.Add(keep)),
		table.Put(indexKey(j.Org, j.Integration, j.ID), indexRow{format}, table.Any).Until(j.EndedAt.Add(keep)),
	}
}

// Adopt makes this process the worker of a parked job. lease.ErrLost: another
// delivery of the start was first, or the job has moved on; there is nothing to
// do, which is success for the event.
func (s *Store) Adopt(ctx context.Context, st Start) (*Run, error) {
	for {
		j, version, err := s.get(ctx, st.Org, st.Job)
		if errors.Is(err, ErrNotFound) || err == nil && j.Status.Terminal() {
			return nil, lease.ErrLost
		}
		if err != nil {
			return nil, err
		}
		j.Status = Processing
		if j.StartedAt.IsZero() {
			j.StartedAt = s.Now().UTC()
		}
		put := save(j, version)
		l, err := lease.Adopt(ctx, s.Table, LeaseKey(st.Org, j.Integration), s.Now, j.ID.String(), st.Token, lease.TTL, put)
		var moved *table.Conflict
		switch {
		case err == nil:
			return &Run{store: s, lease: l, job: j, version: put.Version}, nil
		case errors.As(err, &moved):
			continue // the job's row changed between our two reads; the lease decides again
		case errors.Is(err, table.ErrNotFound):
			return nil, lease.ErrLost // the integration was removed
		}
		return nil, fmt.Errorf("job: adopting %s: %w", j.ID, err)
	}
}

// send asks a worker to take the job. That it may fail is not an error of ours:
// the sweep sends the start of a job that is pending for a minute again.
func (s *Store) send(ctx context.Context, st Start) {
	if err := s.Starter.Start(ctx, st); err != nil {
		s.Log.WarnContext(ctx, "start was not sent; the sweep will send it",
			slog.String("org", st.Org.String()), slog.String("job", st.Job.String()), slog.Any("error", err))
	}
}
