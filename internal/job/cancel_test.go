package job_test

import (
	"errors"
	"testing"
	"time"

	"muster/internal/job"
	"muster/internal/lease"
	"muster/internal/org"
	"muster/internal/table"
	"muster/internal/table/tabletest"
)

// waiting makes a requeued job: a tick that finds run's job at work.
func (e *env) waiting() job.ID {
	e.t.Helper()
	tick := job.Tick{Org: e.org, Integration: integration, Trigger: "t1", Revision: 1, ScheduledAt: time.Now().UTC()}
	if run, err := e.Tick(e.t.Context(), tick); run != nil || err != nil {
		e.t.Fatalf("Tick = %v, %v; want it to wait", run, err)
	}
	return job.TickID(tick.Trigger, tick.Revision, tick.ScheduledAt)
}

func (e *env) cancel(s *job.Store, id job.ID) {
	e.t.Helper()
	j, err := s.Cancel(e.t.Context(), e.org, id)
	if err != nil || j.Status != job.Failed || j.Reason != job.Cancelled || j.Message == "" || j.EndedAt.IsZero() {
		e.t.Errorf("Cancel = %+v, %v", j, err)
	}
	if got := e.get(id); got.Status != j.Status || got.Reason != j.Reason || got.Message != j.Message {
		e.t.Errorf("the job's row says %+v, the answer %+v", got, j)
	}
	e.state.Check(e.t)
}

// Whatever a job is at, cancelled it is over and its integration free, at once.
func TestCancel(t *testing.T) {
	for name, to := range map[string]func(e *env, run *job.Run){
		"at work":         func(*env, *job.Run) {},
		"its worker gone": func(e *env, _ *job.Run) { time.Sleep(lease.TTL + time.Hour) },
		"committed": func(e *env, run *job.Run) {
			if err := run.Commit(e.t.Context(), job.Report{}, false); err != nil {
				e.t.Fatal(err)
			}
		},
		"parked": func(e *env, run *job.Run) {
			if err := run.Park(e.t.Context(), nil, job.Report{}); err != nil {
				e.t.Fatal(err)
			}
		},
		"restarted": func(e *env, run *job.Run) {
			time.Sleep(lease.TTL)
			e.sweep(job.Swept{Running: 1, Restarted: 1})
		},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(e *env) {
				run := e.claim()
				to(e, run)
				before := e.seen()
				e.cancel(e.Store, run.Job().ID)
				if l := e.seen(); l.Job != "" || l.Owner != "" || l.Token != before.Token+1 {
					e.t.Errorf("the lease was %+v and is %+v", before.State, l.State)
				}
				if j := e.get(run.Job().ID); j.CommittedAt != run.Job().CommittedAt {
					e.t.Errorf("the commit was at %s and is at %s", run.Job().CommittedAt, j.CommittedAt)
				}
				if err := run.Commit(e.t.Context(), job.Report{}, true); !errors.Is(err, lease.ErrLost) {
					e.t.Errorf("a commit after it: %v, want ErrLost", err)
				}
				for _, st := range e.starts {
					if _, err := e.Adopt(e.t.Context(), st); !errors.Is(err, lease.ErrLost) {
						e.t.Errorf("its start after it: %v, want ErrLost", err)
					}
				}
				if j, err := e.Cancel(e.t.Context(), e.org, run.Job().ID); !errors.Is(err, job.ErrTerminal) || j.Reason != job.Cancelled {
					e.t.Errorf("again: %+v, %v; want ErrTerminal and the job", j, err)
				}
				e.sweep(job.Swept{})
				e.claim()
			})
		})
	}
}

// A job that waits has no lease: who has it keeps it.
func TestCancelWaiting(t *testing.T) {
	inBubble(t, func(e *env) {
		run := e.claim()
		id := e.waiting()
		before := e.seen()
		e.cancel(e.Store, id)
		if after := e.seen(); after != before {
			e.t.Errorf("the lease was %+v and is %+v", before, after)
		}
		time.Sleep(time.Second)
		e.cancel(e.Store, e.waiting()) // another may wait in its place
		if err := run.Commit(e.t.Context(), job.Report{}, true); err != nil {
			e.t.Errorf("who has the lease could not commit: %v", err)
		}
	})
}

// A job may move between what a cancel reads and what it writes: it looks again.
func TestCancelOfWhatMoves(t *testing.T) {
	for name, move := range map[string]func(e *env, run *job.Run) error{
		"parked":    func(e *env, run *job.Run) error { return run.Park(e.t.Context(), nil, job.Report{}) },
		"committed": func(e *env, run *job.Run) error { return run.Commit(e.t.Context(), job.Report{}, false) },
		"renewed": func(e *env, run *job.Run) error {
			ctx, stop := run.Keep(e.t.Context())
			defer stop()
			time.Sleep(lease.Every + time.Second)
			return ctx.Err()
		},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(e *env) {
				run := e.claim()
				e.cancel(e.through(func(c tabletest.Call) tabletest.Fault {
					if c.Ordinal == 1 {
						if err := move(e, run); err != nil {
							e.t.Error(err)
						}
					}
					return tabletest.None()
				}), run.Job().ID)
			})
		})
	}
	t.Run("completed", func(t *testing.T) {
		inBubble(t, func(e *env) {
			run := e.claim()
			s := e.through(func(c tabletest.Call) tabletest.Fault {
				if c.Ordinal == 1 {
					if err := run.Commit(e.t.Context(), job.Report{}, true); err != nil {
						e.t.Error(err)
					}
				}
				return tabletest.None()
			})
			if j, err := s.Cancel(e.t.Context(), e.org, run.Job().ID); !errors.Is(err, job.ErrTerminal) || j.Status != job.Completed {
				e.t.Errorf("Cancel = %+v, %v; want ErrTerminal and the job", j, err)
			}
		})
	})
	t.Run("started, of one that waits", func(t *testing.T) {
		inBubble(t, func(e *env) {
			run := e.claim()
			id := e.waiting()
			e.cancel(e.through(func(c tabletest.Call) tabletest.Fault {
				if c.Ordinal == 1 {
					if err := run.Commit(e.t.Context(), job.Report{}, true); err != nil {
						e.t.Error(err)
					}
					e.sweep(job.Swept{Running: 1, Started: 1})
				}
				return tabletest.None()
			}), id)
			if l := e.seen(); l.Job != "" {
				e.t.Errorf("the lease names %s", l.Job)
			}
		})
	})
	t.Run("always", func(t *testing.T) {
		inBubble(t, func(e *env) {
			run := e.claim()
			s := e.through(func(c tabletest.Call) tabletest.Fault {
				if c.Ordinal > 0 {
					return tabletest.NotApplied(&table.Conflict{})
				}
				return tabletest.None()
			})
			if _, err := s.Cancel(e.t.Context(), e.org, run.Job().ID); !errors.Is(err, table.ErrUnavailable) {
				e.t.Errorf("%v, want ErrUnavailable", err)
			}
		})
	})
}

// An answer that is lost is told from a write that was not done.
func TestCancelFaults(t *testing.T) {
	inBubble(t, func(e *env) {
		run := e.claim()
		first := func(f tabletest.Fault) *job.Store {
			return e.through(func(c tabletest.Call) tabletest.Fault {
				if c.Ordinal == 1 {
					return f
				}
				return tabletest.None()
			})
		}
		for _, s := range []*job.Store{first(tabletest.NotApplied(table.ErrUnavailable)), first(tabletest.StopBefore())} {
			if _, err := s.Cancel(e.t.Context(), e.org, run.Job().ID); err == nil {
				e.t.Error("a cancel that was not done reports success")
			}
			if j := e.get(run.Job().ID); j.Status != job.Processing {
				e.t.Errorf("the job is %s", j.Status)
			}
		}
		e.cancel(first(tabletest.LostReply(table.ErrUnavailable)), run.Job().ID)
		run = e.claim()
		e.cancel(first(tabletest.LostReply(&table.Conflict{})), run.Job().ID)
	})
}

func TestCancelOfNothing(t *testing.T) {
	inBubble(t, func(e *env) {
		run := e.claim()
		if _, err := e.Cancel(e.t.Context(), e.org, job.NewID()); !errors.Is(err, job.ErrNotFound) {
			e.t.Errorf("of no job: %v", err)
		}
		if _, err := e.Cancel(e.t.Context(), org.NewID(), run.Job().ID); !errors.Is(err, job.ErrNotFound) {
			e.t.Errorf("of another org's job: %v", err)
		}
	})
}
