package job_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"

	"muster/internal/job"
	"muster/internal/lease"
	"muster/internal/table"
	"muster/internal/table/tabletest"
)

// another makes one more integration.
func (e *env) another() string {
	e.t.Helper()
	id := uuid.NewString()
	if err := e.Table.Write(e.t.Context(), lease.New(job.LeaseKey(e.org, id))); err != nil {
		e.t.Fatal(err)
	}
	return id
}

func (e *env) try(integration string) (*job.Run, error) {
	return e.Claim(e.t.Context(), e.org, integration, job.ID{}, file)
}

// As many jobs run as may, and one more is told so, unless its integration is busy:
// whoever asks for that is told that. However a job ends, its place is free.
func TestRunningJobs(t *testing.T) {
	ctx := context.Background()
	for name, end := range map[string]func(*env, *job.Run, string) error{
		"completed": func(_ *env, run *job.Run, _ string) error { return run.Commit(ctx, job.Report{}, true) },
		"committed, then closed": func(_ *env, run *job.Run, _ string) error {
			return errors.Join(run.Commit(ctx, job.Report{}, false), run.Close(ctx, job.Completed, "", "", job.Report{}))
		},
		"failed": func(_ *env, run *job.Run, _ string) error {
			return run.Close(ctx, job.Failed, job.FileInvalid, "no JSON", job.Report{})
		},
		"cancelled": func(e *env, run *job.Run, _ string) error {
			_, err := e.Cancel(ctx, e.org, run.Job().ID)
			return err
		},
		"parked, then cancelled": func(e *env, run *job.Run, _ string) error {
			if err := run.Park(ctx, nil, job.Report{}); err != nil {
				return err
			}
			if _, err := e.try(e.another()); err == nil {
				return errors.New("a parked job has no place")
			}
			_, err := e.Cancel(ctx, e.org, run.Job().ID)
			return err
		},
		"its integration removed": func(e *env, _ *job.Run, at string) error {
			ws, _, err := e.Evict(ctx, e.org, at)
			if err != nil {
				return err
			}
			return e.Table.Write(ctx, ws...)
		},
		"its worker lost": func(e *env, run *job.Run, _ string) error {
			for range 3 {
				time.Sleep(lease.ParkedTTL + time.Minute)
				if _, err := e.Sweep(ctx); err != nil {
					return err
				}
			}
			if got := e.get(run.Job().ID); got.Reason != job.WorkerLost {
				return errors.New("it is " + string(got.Status))
			}
			return nil
		},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(e *env) {
				e.MaxRunning = 1
				at := e.another()
				run, err := e.try(at)
				if err != nil {
					t.Fatal(err)
				}
				var busy *lease.Busy
				if _, err := e.try(at); !errors.As(err, &busy) || busy.Job != run.Job().ID.String() {
					t.Errorf("its own integration: %v", err)
				}
				var full *job.Full
				if _, err := e.try(integration); !errors.As(err, &full) || full.Limit != 1 || !strings.Contains(full.Error(), "limit is 1;") {
					t.Errorf("another: %v", err)
				}
				if _, err := e.try(uuid.NewString()); !errors.Is(err, table.ErrNotFound) {
					t.Errorf("one that is not there: %v", err)
				}
				e.state.Check(t)
				if err := end(e, run, at); err != nil {
					t.Fatal(err)
				}
				next, err := e.try(integration)
				if err != nil {
					t.Fatal(err)
				}
				if err := next.Commit(ctx, job.Report{}, true); err != nil {
					t.Error(err)
				}
			})
		})
	}
}

// However many claim at once, and whatever they see of each other, no more are let
// in than may run, and no fewer.
func TestRunningJobsAtOnce(t *testing.T) {
	const claims, places = 48, 5
	e := open(t)
	e.MaxRunning = places
	var integrations []string
	for range claims {
		integrations = append(integrations, e.another())
	}
	var in, full atomic.Int64
	var all sync.WaitGroup
	start := make(chan struct{})
	for _, at := range integrations {
		all.Go(func() {
			<-start
			var f *job.Full
			switch _, err := e.try(at); {
			case err == nil:
				in.Add(1)
			case errors.As(err, &f):
				full.Add(1)
			default:
				t.Error(err)
			}
		})
	}
	close(start)
	all.Wait()
	if in.Load() != places || full.Load() != claims-places {
		t.Errorf("%d are in and %d are told that it is full, want %d and %d", in.Load(), full.Load(), places, claims-places)
	}
	e.state.Check(t)
	e.MaxRunning-- // another deployment, which may fewer
	var f *job.Full
	if _, err := e.try(integration); !errors.As(err, &f) {
		t.Errorf("with more running than may: %v", err)
	}
}

// A claim whose answer was lost has its one place.
func TestRunningJobsWithALostAnswer(t *testing.T) {
	inBubble(t, func(e *env) {
		e.MaxRunning = 2
		lost := false
		s := e.through(func(c tabletest.Call) tabletest.Fault {
			if lost || len(c.Writes) < 4 {
				return tabletest.None()
			}
			lost = true
			return tabletest.LostReply(table.ErrUnavailable)
		})
		run, err := s.Claim(t.Context(), e.org, integration, job.ID{}, file)
		if err != nil || !lost {
			t.Fatal(err, lost)
		}
		e.state.Check(t)
		if err := run.Commit(t.Context(), job.Report{}, true); err != nil {
			t.Error(err)
		}
	})
}

// A tick that finds its integration free and its org full waits, and the sweep
// starts it once there is a place.
func TestTickWaitsForAPlace(t *testing.T) {
	inBubble(t, func(e *env) {
		e.MaxRunning = 1
		running, err := e.try(e.another())
		if err != nil {
			t.Fatal(err)
		}
		tick := job.Tick{Org: e.org, Integration: integration, Trigger: "nightly", Revision: 1, ScheduledAt: time.Now()}
		for range 2 { // as it is delivered
			if run, err := e.Tick(t.Context(), tick); run != nil || err != nil {
				t.Fatalf("%v, %v", run, err)
			}
		}
		id := job.TickID(tick.Trigger, tick.Revision, tick.ScheduledAt)
		if got := e.get(id); got.Status != job.Requeued || got.Slot != 0 {
			t.Errorf("it is %s, in slot %d", got.Status, got.Slot)
		}
		e.sweep(job.Swept{Running: 2})
		if err := running.Commit(t.Context(), job.Report{}, true); err != nil {
			t.Fatal(err)
		}
		e.sweep(job.Swept{Running: 1, Started: 1})
		if got := e.get(id); got.Status != job.Pending || got.Slot != 1 || len(e.starts) != 1 {
			t.Errorf("it is %s, in slot %d, after %d starts", got.Status, got.Slot, len(e.starts))
		}
	})
}

// A run of ours takes no place of the org's.
func TestRetentionTakesNoPlace(t *testing.T) {
	inBubble(t, func(e *env) {
		e.MaxRunning = 1
		run, err := e.Claim(t.Context(), e.org, e.another(), job.ID{}, job.Input{Kind: job.InputRetention})
		if err != nil || run.Job().Slot != 0 {
			t.Fatal(run, err)
		}
		if _, err := e.try(integration); err != nil {
			t.Error("beside a run of ours:", err)
		}
		if _, err := e.Claim(t.Context(), e.org, e.another(), job.ID{}, job.Input{Kind: job.InputRetention}); err != nil {
			t.Error("a run of ours beside a full org:", err)
		}
	})
}

// A place that a job left behind, as one does that is ended by a program from before
// there were places, is free again once somebody has asked for it.
func TestAbandonedPlace(t *testing.T) {
	inBubble(t, func(e *env) {
		e.MaxRunning = 1
		run, err := e.try(e.another())
		if err != nil {
			t.Fatal(err)
		}
		var leave table.Write
		for place, err := range e.Table.List(t.Context(), e.org.Part("SLOT"), table.Query{}) {
			var row any
			if err := errors.Join(err, place.Decode(&row)); err != nil {
				t.Fatal(err)
			}
			leave = table.Put(place.Key, row, table.Absent)
		}
		if err := run.Commit(t.Context(), job.Report{}, true); err != nil {
			t.Fatal(err)
		}
		if err := e.Table.Write(t.Context(), leave); err != nil {
			t.Fatal(err)
		}
		var full *job.Full
		if _, err := e.try(integration); !errors.As(err, &full) {
			t.Errorf("beside a place that is not free: %v", err)
		}
		if _, err := e.try(integration); err != nil {
			t.Errorf("when it was asked for before: %v", err)
		}
		e.state.Check(t)
	})
}
