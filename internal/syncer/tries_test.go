package syncer_test

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"muster/internal/blob"
	"muster/internal/job"
	"muster/internal/table"
	"muster/internal/table/tabletest"
)

// A client that got no answer asks again under the same id: whatever write the
// first try stopped at, there is one job, and the second try answers with it. Only
// where that job failed of something that passes is there another.
func TestTriesOfOneIDMakeOneJob(t *testing.T) {
	for _, m := range []mode{killed, notApplied, replyLost, sentTwice} {
		t.Run(string(m), func(t *testing.T) {
			t.Parallel()
			for at, more := 1, true; more && !t.Failed(); at++ {
				synctest.Test(t, func(t *testing.T) {
					w := local(t)
					more = twoTries(w, at, m)
					if t.Failed() {
						t.Logf("at write %d", at)
					}
				})
				if !more && at <= 3 {
					t.Errorf("only %d writes were met", at-1)
				}
			}
		})
	}
}

func twoTries(w *world, at int, m mode) (fired bool) {
	id := job.NewID()
	w.source = script{pages: pages(ada)}
	w.faults.arm(at, m)
	try := func() (job.Job, error) {
		p := w.process()
		return p.SyncFile(p.ctx, w.org, integration, id, file, 1)
	}
	_, _ = try()
	fired = w.faults.fired
	time.Sleep(time.Minute)
	failed := slices.ContainsFunc(w.jobs(), func(j job.Job) bool { return j.Status == job.Failed })
	j, err := try()
	if failed { // of a store that did not answer: nothing was done, and now it is
		if err != nil || j.ID == id || j.Status != job.Completed {
			w.t.Errorf("a try after a failed one: job %s, %s, %v; want another job than %s", j.ID, j.Status, err, id)
		}
		w.wantRoster(ada)
		w.state.Check(w.t)
		return fired
	}
	if fired && (err != nil || j.ID != id) {
		w.t.Errorf("second try: job %s, %v; want %s", j.ID, err, id)
	}
	w.settle()
	jobs := w.jobs()
	if len(jobs) != 1 || jobs[0].ID != id {
		w.t.Fatalf("%d jobs, the first is %s; want %s", len(jobs), jobs[0].ID, id)
	}
	again, err := try()
	if err != nil || again.ID != id || again.Status != jobs[0].Status {
		w.t.Errorf("third try: %s %s, %v; want %s", again.ID, again.Status, err, jobs[0].Status)
	}
	if jobs[0].Status != job.Completed {
		w.t.Errorf("job: %s, %s, %s", jobs[0].Status, jobs[0].Reason, jobs[0].Message)
	}
	w.wantRoster(ada)
	w.state.Check(w.t)
	return fired
}

// Where the first try's job failed, a second try's is the one that all later ones
// answer with.
func TestTriesAfterAFailedOne(t *testing.T) {
	inBubble(t, "three more", func(w *world) {
		id := job.NewID()
		w.source = script{pages: pages(ada), before: failAt(0, blob.ErrUnavailable)}
		try := func() job.Job {
			p := w.process()
			j, err := p.SyncFile(p.ctx, w.org, integration, id, file, 1)
			if err != nil {
				w.t.Fatal(err)
			}
			return j
		}
		if j := try(); j.ID != id || j.Reason != job.Unavailable {
			w.t.Fatalf("the first: %s %s", j.ID, j.Reason)
		}
		w.source = script{pages: pages(ada)}
		second := try()
		if second.Status != job.Completed || second.Input.Follows != id.String() {
			w.t.Fatalf("the second: %s, follows %q", second.Status, second.Input.Follows)
		}
		if third := try(); third.ID != second.ID || len(w.jobs()) != 2 {
			w.t.Errorf("the third: %s of %d jobs, want %s", third.ID, len(w.jobs()), second.ID)
		}
	})
}

// Tries at once are one job as well: those that do not run it answer with it.
func TestTriesOfOneIDAtOnce(t *testing.T) {
	inBubble(t, "32 tries", func(w *world) {
		id := job.NewID()
		w.source = script{pages: pages(ada)}
		var wg sync.WaitGroup
		for range 32 {
			p := w.process()
			wg.Go(func() {
				j, err := p.SyncFile(p.ctx, w.org, integration, id, file, 1)
				if err != nil || j.ID != id {
					w.t.Errorf("job %s, %v", j.ID, err)
				}
			})
		}
		wg.Wait()
		w.settle()
		if jobs := w.jobs(); len(jobs) != 1 || jobs[0].Status != job.Completed {
			w.t.Errorf("%d jobs, the first %s", len(jobs), jobs[0].Status)
		}
		w.wantRoster(ada)
	})
}

// Whoever is told that a sync was lost, and not what became of it, is told its job.
func TestLostAndNotRead(t *testing.T) {
	inBubble(t, "cancelled", func(w *world) {
		p := w.process()
		var lost job.ID
		w.source = script{pages: pages(ada), before: func(context.Context, int) error {
			if lost != (job.ID{}) {
				return nil
			}
			lost = w.jobs()[0].ID
			if _, err := w.process().Jobs.Cancel(w.t.Context(), w.org, lost); err != nil {
				w.t.Error(err)
			}
			p.table.Hook = func(c tabletest.Call) tabletest.Fault {
				if c.Method == tabletest.Get && c.Key.Sort == lost.String() {
					return tabletest.NotApplied(table.ErrUnavailable)
				}
				return tabletest.None()
			}
			return nil
		}}
		if j, err := w.sync(p, file); !errors.Is(err, table.ErrUnavailable) || j.ID != lost {
			w.t.Errorf("job %s, %v; want %s", j.ID, err, lost)
		}
	})
}

// Who cancelled a sync meant it: its request sent again, as clients do of themselves
// where an answer is lost, does not begin it anew.
func TestTryAfterACancel(t *testing.T) {
	inBubble(t, "sent again", func(w *world) {
		id := job.NewID()
		w.source = script{pages: pages(ada), before: func(context.Context, int) error {
			_, err := w.process().Jobs.Cancel(w.t.Context(), w.org, id)
			if err != nil && !errors.Is(err, job.ErrTerminal) {
				w.t.Error(err)
			}
			return nil
		}}
		for range 2 {
			p := w.process()
			if j, err := p.SyncFile(p.ctx, w.org, integration, id, file, 1); err != nil || j.ID != id || j.Reason != job.Cancelled {
				w.t.Errorf("job %s (%s), %v; want %s, cancelled", j.ID, j.Reason, err, id)
			}
		}
		if n := len(w.jobs()); n != 1 {
			w.t.Errorf("there are %d jobs", n)
		}
	})
}
