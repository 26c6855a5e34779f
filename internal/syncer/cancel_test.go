package syncer_test

import (
	"errors"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"muster/internal/job"
	"muster/internal/table/tabletest"
)

// cancelAll is a process that cancels what is not terminal, and whether each was
// committed by then.
func (w *world) cancelAll() (cancelled map[job.ID]bool) {
	cancelled = map[job.ID]bool{}
	for _, j := range w.jobs() {
		if j.Status.Terminal() {
			continue
		}
		p := &job.Store{Table: w.table, Blobs: w.blobs, Starter: w, Now: time.Now, Log: slog.New(slog.DiscardHandler)}
		got, err := p.Cancel(w.t.Context(), w.org, j.ID)
		if err != nil {
			w.t.Errorf("cancelling a job that is %s: %v", j.Status, err)
		}
		cancelled[j.ID] = !got.CommittedAt.IsZero()
	}
	return cancelled
}

// cancelled plays a scenario in which all jobs are cancelled right before the
// write of that number, whichever process makes it.
func (sc scenario) cancelled(w *world, at int) (fired bool) {
	ds := sc.begin(w)
	before := map[job.ID]bool{}
	for _, j := range w.jobs() {
		before[j.ID] = true
	}
	var ended map[job.ID]bool
	w.faults.arm(at, meddled)
	w.faults.meddle = func() { ended = w.cancelAll() }
	sc.enter(w)
	w.state.Check(w.t)
	w.settle()
	committed := false
	for _, j := range w.jobs() {
		was, hit := ended[j.ID]
		committed = committed || !before[j.ID] && !j.CommittedAt.IsZero()
		switch {
		case hit && (j.Status != job.Failed || j.Reason != job.Cancelled || was == j.CommittedAt.IsZero()):
			w.t.Errorf("a job cancelled, committed: %t, is %s (%s), committed at %s", was, j.Status, j.Reason, j.CommittedAt)
		case !hit && j.Status == job.Failed:
			w.t.Errorf("a job that nobody cancelled is %s (%s: %s)", j.Status, j.Reason, j.Message)
		}
	}
	want := sc.before
	if committed {
		want = sc.after
	}
	if want == nil {
		want = map[string]string{}
	}
	w.wantRoster(want)
	if l := w.lease(); l.Job != "" {
		w.t.Errorf("the integration is not free: %+v", l.State)
	}
	fired = w.faults.fired
	w.faults.arm(0, meddled)
	// The next run goes on from whatever was left.
	w.source = script{pages: pages(sc.after)}
	w.mustSync(file, job.Completed)
	w.wantRoster(sc.after)
	for _, d := range ds {
		d.check()
	}
	w.clear()
	return fired
}

// Cancelled at whatever point, before, at or after the commit, a job is over and
// its integration free; nothing of it is seen that was not committed.
func TestCancelledAtEveryWrite(t *testing.T) {
	for _, sc := range scenarios {
		t.Run(sc.name, func(t *testing.T) {
			t.Parallel()
			for at, more := 1, true; more && !t.Failed(); at++ {
				synctest.Test(t, func(t *testing.T) {
					more = sc.cancelled(local(t), at)
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

// A cancel that stops at its write is done or was not begun.
func TestCancelKilled(t *testing.T) {
	for name, after := range map[string]bool{"before its write": false, "after it": true} {
		inBubble(t, name, func(w *world) {
			w.source = script{pages: pages(ada)}
			run, err := w.process().Jobs.Claim(w.t.Context(), w.org, integration, job.ID{}, file)
			if err != nil {
				w.t.Fatal(err)
			}
			p := w.process()
			p.table.Hook = tabletest.KillAt(1, after)
			if _, err := p.Jobs.Cancel(p.ctx, w.org, run.Job().ID); !errors.Is(err, tabletest.ErrStopped) {
				w.t.Errorf("Cancel = %v", err)
			}
			w.state.Check(w.t)
			if j := w.job(run.Job().ID); j.Status.Terminal() != after {
				w.t.Errorf("the job is %s", j.Status)
			}
			w.settle()
			w.mustSync(file, job.Completed)
		})
	}
}
