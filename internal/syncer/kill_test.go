package syncer_test

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"muster/internal/job"
	"muster/internal/lease"
	"muster/internal/syncer"
)

// scenario is a sync that comes about in one of the ways there are.
type scenario struct {
	name    string
	targets int
	quota   int               // of the org's syncs; 0: none
	before  map[string]string // what was synced before; nil: nothing
	after   map[string]string
	script  func(*world, *script)
	enter   func(*world) // what wakes the first process
}

var ada, changed = people(5, "Ada"), with(people(5, "Ada"), "p002@example.com", "Grace")

func request(w *world) { _, _ = w.sync(w.process(), file) }

func large(w *world) {
	p := w.process()
	_, _ = p.SyncFile(p.ctx, w.org, integration, job.ID{}, file, 1<<30)
}

func scheduled(w *world) {
	w.triggers["t1"] = 3
	p := w.process()
	_ = p.Tick(p.ctx, w.tick("t1", time.Now().Truncate(time.Hour)))
}

// drains asks the process that reads the second page to end, the first time.
func drains(w *world, s *script) {
	s.resume = true
	asked := false
	s.before = func(ctx context.Context, page int) error {
		if page == 1 && !asked {
			asked = true
			w.draining()
		}
		return nil
	}
}

// slow takes longer over its second page, the first time, than a request has.
func slow(_ *world, s *script) {
	asked := false
	s.before = func(ctx context.Context, page int) error {
		if page != 1 || asked {
			return nil
		}
		asked = true
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(2 * time.Minute): // a worker has the time, and renews its lease
			return nil
		}
	}
}

// meets is a tick that finds the integration busy: while page 1 is read, another
// trigger fires.
func meets(w *world, s *script) {
	asked := false
	s.before = func(ctx context.Context, page int) error {
		if page == 1 && !asked {
			asked = true
			w.triggers["t2"] = 1
			p := w.process()
			_ = p.Tick(p.ctx, w.tick("t2", time.Now().Truncate(time.Hour)))
		}
		return nil
	}
}

var scenarios = []scenario{
	{name: "a first sync", after: ada, enter: request},
	{name: "a changed sync", before: ada, after: changed, enter: request},
	{name: "an unchanged sync", before: ada, after: ada, enter: request},
	{name: "two targets", targets: 2, before: ada, after: changed, enter: request},
	{name: "two targets served for the first time", targets: 2, after: ada, enter: request},
	{name: "a large file", before: ada, after: changed, enter: large},
	{name: "a slow file", before: ada, after: changed, enter: request, script: slow},
	{name: "a continuation", targets: 1, before: ada, after: changed, enter: scheduled, script: drains},
	{name: "another trigger meanwhile", before: ada, after: changed, enter: scheduled, script: meets},
	{name: "under a quota", quota: 9, after: ada, enter: request},
	{name: "another trigger meanwhile, under a quota", quota: 9, before: ada, after: changed, enter: scheduled, script: meets},
}

// begin makes the world of a scenario, up to what wakes the first process.
func (sc scenario) begin(w *world) (ds []directory) {
	for i := range sc.targets {
		d := directory{w: w, mapping: fmt.Sprintf("m%d", i+1)}
		ds, w.targets = append(ds, d), append(w.targets, d)
	}
	w.limit(sc.quota)
	if sc.before != nil {
		w.source = script{pages: pages(sc.before)}
		w.mustSync(file, job.Completed)
	}
	s := script{pages: pages(sc.after)}
	if sc.script != nil {
		sc.script(w, &s)
	}
	w.source = s
	return ds
}

// play goes through a scenario with a fault at one write, and reports whether
// there was such a write.
func (sc scenario) play(w *world, at int, m mode) (fired bool) {
	ds := sc.begin(w)
	done := len(w.jobs())
	w.faults.arm(at, m)
	for range 3 {
		sc.enter(w)
		w.state.Check(w.t)
		if took := w.settle(); took > lease.TTL+4*time.Minute {
			w.t.Errorf("it took %s until all jobs were terminal", took)
		}
		jobs := w.jobs()
		completed := slices.DeleteFunc(slices.Clone(jobs), func(j job.Job) bool { return j.Status != job.Completed })
		if len(completed) > done {
			break
		}
		if len(jobs) > done { // it failed: the schedule's next firing, or who sent the file again
			time.Sleep(time.Hour)
		}
	}
	for _, j := range w.jobs() {
		if j.Status == job.Failed && (m == killed || m == sentTwice || j.Reason != job.Unavailable && j.Reason != job.ApplyIncomplete) {
			w.t.Errorf("job %s failed: %s, %s", j.ID, j.Reason, j.Message)
		}
	}
	w.wantRoster(sc.after)
	for _, d := range ds {
		d.check()
	}
	w.checkQuota(1)
	w.clear()
	return w.faults.fired
}

// Whatever write a process stops at, or has no answer to, the job ends within its
// lease and a sweep or two, and what it says is what is there.
func TestI4_KilledAtEveryWrite(t *testing.T) {
	for _, sc := range scenarios {
		for _, m := range []mode{killed, notApplied, replyLost, sentTwice} {
			t.Run(sc.name+"/"+string(m), func(t *testing.T) {
				t.Parallel()
				for at, more := 1, true; more && !t.Failed(); at++ {
					synctest.Test(t, func(t *testing.T) {
						w := local(t)
						more = sc.play(w, at, m)
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
}

var _ syncer.Integrations = (*world)(nil)
