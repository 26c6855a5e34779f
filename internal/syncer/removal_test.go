package syncer_test

import (
	"context"
	"errors"
	"log/slog"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"muster/internal/blob/blobtest"
	"muster/internal/catalog"
	"muster/internal/garbage"
	systems "muster/internal/integration"
	"muster/internal/job"
	"muster/internal/lease"
	"muster/internal/org"
	"muster/internal/syncer"
	"muster/internal/table"
	"muster/internal/table/tabletest"
)

func (w *world) id() systems.ID {
	id, err := systems.ParseID(integration)
	if err != nil {
		w.t.Fatal(err)
	}
	return id
}

func (p *process) remover() *systems.Remover {
	return &systems.Remover{Table: p.table, Jobs: p.Jobs, Now: p.Now, Log: slog.New(slog.DiscardHandler)}
}

// remove removes the world's integration.
func (p *process) remove(w *world) error { return p.remover().Remove(p.ctx, w.org, w.id()) }

// deleteUnder deletes objects by their prefix.
func (p *process) deleteUnder(ctx context.Context, prefix string) error {
	for info, err := range p.blobs.List(ctx, prefix) {
		if err == nil {
			err = p.blobs.Delete(ctx, info.Key)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// wantGone requires that nothing is left of the integration but the history of its
// jobs, and, once the days have passed that what was live is kept, no object and
// no garbage.
func (w *world) wantGone() {
	w.t.Helper()
	for range 5 { // some of which may meet the fault
		time.Sleep(time.Minute)
		_, _ = w.sweep(w.process())
		w.state.Check(w.t)
	}
	for _, part := range []string{w.org.Part("INTEGRATION", integration), w.org.Part("INTEGRATION"), w.org.Part("APP")} {
		for row, err := range w.table.List(w.t.Context(), part, table.Query{}) {
			w.t.Errorf("%s is left, %v", row.Key, err)
		}
	}
	for _, j := range w.jobs() {
		if !j.Status.Terminal() {
			w.t.Errorf("job %s is %s", j.ID, j.Status)
		}
	}
	for range 3 {
		time.Sleep(garbage.Keep)
		_, _ = w.sweep(w.process())
		w.state.Check(w.t)
	}
	if items, err := garbage.List(w.t.Context(), w.table); err != nil || len(items) > 0 {
		w.t.Errorf("garbage is left: %v, %v", items, err)
	}
	for info, err := range w.blobs.List(w.t.Context(), "snapshots/") {
		w.t.Errorf("%s is left, %v", info.Key, err)
	}
}

// removed plays a scenario in which the integration is removed right before the
// write of that number, whichever process makes it.
func (sc scenario) removed(w *world, at int) (fired bool) {
	sc.begin(w)
	over := map[job.ID]bool{}
	w.faults.arm(at, meddled)
	w.faults.meddle = func() {
		for _, j := range w.jobs() {
			over[j.ID] = j.Status.Terminal()
		}
		if err := w.process().remove(w); err != nil {
			w.t.Errorf("Remove: %v", err)
		}
		w.state.Check(w.t)
	}
	sc.enter(w)
	w.state.Check(w.t)
	w.settle()
	if !w.faults.fired {
		return false
	}
	w.faults.arm(0, meddled)
	for _, j := range w.jobs() {
		was, known := over[j.ID]
		switch {
		case !known:
			w.t.Errorf("job %s (%s) is of an integration that was gone", j.ID, j.Status)
		case !was && (j.Status != job.Failed || j.Reason != job.IntegrationRemoved):
			w.t.Errorf("job %s is %s (%s), want it removed with its integration", j.ID, j.Status, j.Reason)
		case was && j.Reason == job.IntegrationRemoved:
			w.t.Errorf("job %s was over before the integration was removed, and is %s", j.ID, j.Reason)
		}
	}
	w.wantGone()
	return true
}

// Removed at whatever point of a sync, an integration takes the sync with it:
// nothing of that is committed any more, and nothing of it stays.
func TestI1_RemovedAtEveryWrite(t *testing.T) {
	for _, sc := range scenarios {
		t.Run(sc.name, func(t *testing.T) {
			t.Parallel()
			for at, more := 1, true; more && !t.Failed(); at++ {
				synctest.Test(t, func(t *testing.T) {
					more = sc.removed(local(t), at)
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

// full is an integration with all that may hang on one: snapshots, one of them
// replaced, a mark, jobs that are over, one whose worker is silent and one that
// waits.
func (w *world) full() *job.Run {
	w.t.Helper()
	w.targets = []syncer.Target{directory{w: w, mapping: "m1"}}
	for _, users := range []map[string]string{ada, changed} {
		w.source = script{pages: pages(users)}
		w.mustSync(file, job.Completed)
	}
	w.triggers["t1"] = 1
	silent := &job.Store{Table: w.table, Blobs: w.blobs, Starter: w, Now: time.Now, Log: slog.New(slog.DiscardHandler)} // its writes have no faults
	run, err := silent.Claim(w.t.Context(), w.org, integration, job.ID{}, file)
	if err == nil {
		p := w.process()
		err = p.Tick(p.ctx, w.tick("t1", time.Now()))
	}
	if err != nil {
		w.t.Fatal(err)
	}
	w.state.Check(w.t)
	return run
}

// Wherever a removal stops, it was not begun or the sweep brings it to its end.
func TestRemovedAndKilled(t *testing.T) {
	for _, m := range []mode{killed, notApplied, replyLost, sentTwice} {
		t.Run(string(m), func(t *testing.T) {
			t.Parallel()
			for at, more := 1, true; more && !t.Failed(); at++ {
				synctest.Test(t, func(t *testing.T) {
					w := local(t)
					run := w.full()
					w.faults.arm(at, m)
					err := w.process().remove(w)
					if err != nil {
						if m == replyLost || m == sentTwice {
							t.Errorf("Remove = %v, and it was done", err)
						}
						if err := w.process().remove(w); err != nil && !errors.Is(err, systems.ErrNotFound) {
							t.Errorf("Remove again = %v", err)
						}
					}
					w.state.Check(t)
					if err := run.Commit(t.Context(), job.Report{}, true); !errors.Is(err, lease.ErrLost) {
						t.Errorf("Commit = %v, want ErrLost", err)
					}
					w.wantGone()
					for _, j := range w.jobs() {
						if j.Status != job.Completed && j.Reason != job.IntegrationRemoved {
							t.Errorf("job %s is %s (%s)", j.ID, j.Status, j.Reason)
						}
					}
					if more = w.faults.fired; t.Failed() {
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

// After a removal nothing can begin on the integration, nor is it made anew by
// who repeats its creation: that one is answered with what it made.
func TestRemovedForGood(t *testing.T) {
	inBubble(t, "every way in", func(w *world) {
		w.full()
		create := func() (systems.Integration, error) {
			s := &systems.Store{Table: w.table, Now: time.Now}
			return s.Create(w.t.Context(), w.org, systems.New{ID: w.id(), System: fileSystem(w.t)})
		}
		made, err := create()
		if err != nil {
			w.t.Fatal(err)
		}
		if err := w.process().remove(w); err != nil {
			w.t.Fatal(err)
		}
		jobs := len(w.jobs())
		for range 2 { // before the sweep, and after it
			p := w.process()
			if err := p.remove(w); !errors.Is(err, systems.ErrNotFound) {
				w.t.Errorf("Remove again = %v, want ErrNotFound", err)
			}
			if _, err := w.sync(p, file); !errors.Is(err, table.ErrNotFound) {
				w.t.Errorf("a sync: %v, want ErrNotFound", err)
			}
			if err := p.Tick(p.ctx, w.tick("t1", time.Now())); err != nil {
				w.t.Errorf("a tick: %v", err)
			}
			if again, err := create(); err != nil || !reflect.DeepEqual(again, made) {
				w.t.Errorf("the create repeated: %+v, %v; want %+v", again, err, made)
			}
			if _, err := w.sweep(p); err != nil {
				w.t.Error(err)
			}
			w.state.Check(w.t)
		}
		if now := len(w.jobs()); now != jobs {
			w.t.Errorf("there were %d jobs and are %d", jobs, now)
		}
		w.wantGone()
	})
}

// A tick that met a job, and slept until the integration was removed and swept
// away, writes nothing of it.
func TestRemovedUnderATick(t *testing.T) {
	for _, trigger := range []string{"t1", "t2"} { // the running job's, and another's
		inBubble(t, trigger, func(w *world) {
			w.triggers = map[string]int64{"t1": 1, "t2": 1}
			holder := w.process()
			if _, err := holder.Jobs.Tick(holder.ctx, w.tick("t1", time.Now())); err != nil {
				w.t.Fatal(err)
			}
			asleep := w.process()
			removed := false
			asleep.table.Hook = func(c tabletest.Call) tabletest.Fault {
				if c.Ordinal > 0 && !removed {
					removed = true
					if err := w.process().remove(w); err != nil {
						w.t.Error(err)
					}
					w.wantGone()
				}
				return tabletest.None()
			}
			if err := asleep.Tick(asleep.ctx, w.tick(trigger, time.Now().Add(time.Second))); err != nil || !removed {
				w.t.Errorf("Tick = %v", err)
			}
			if n := len(w.jobs()); n != 1 {
				w.t.Errorf("there are %d jobs", n)
			}
			w.wantGone()
		})
	}
}

// A tick over the quota, too, writes nothing of an integration that was removed and
// swept away since it looked.
func TestRemovedUnderARefusedTick(t *testing.T) {
	inBubble(t, "as it writes", func(w *world) {
		w.limit(1)
		w.source = script{pages: pages(ada)}
		w.mustSync(file, job.Completed)
		w.triggers["t1"] = 1
		asleep, removed := w.process(), false
		asleep.table.Hook = func(c tabletest.Call) tabletest.Fault {
			wrote := func(ws table.Write) bool { return strings.HasSuffix(ws.Key.Part, "#JOB") }
			if !removed && slices.ContainsFunc(c.Writes, wrote) {
				removed = true
				if err := w.process().remove(w); err != nil {
					w.t.Error(err)
				}
				w.wantGone()
			}
			return tabletest.None()
		}
		if err := asleep.Tick(asleep.ctx, w.tick("t1", time.Now())); err != nil || !removed {
			w.t.Errorf("Tick = %v", err)
		}
		if n := len(w.jobs()); n != 1 {
			w.t.Errorf("there are %d jobs", n)
		}
		w.wantGone()
	})
}

// Of two removals in a crowd of claims one succeeds, and nothing runs after it.
func TestRemovedInACrowd(t *testing.T) {
	t.Parallel()
	onPlatforms(t, func(w *world) {
		var crowd sync.WaitGroup
		claims, removals := make([]error, 64), make([]error, 2)
		for i := range claims {
			crowd.Go(func() {
				p := w.process()
				_, claims[i] = p.Jobs.Claim(p.ctx, w.org, integration, job.ID{}, file)
			})
			if i%32 == 0 {
				crowd.Go(func() {
					again := table.ErrUnavailable // a store that many want the same row of may be: then one asks again
					for again != nil && errors.Is(again, table.ErrUnavailable) {
						again = w.process().remove(w)
					}
					removals[i/32] = again
				})
			}
		}
		crowd.Wait()
		began, removed := 0, 0
		for _, err := range claims {
			var busy *lease.Busy
			switch {
			case err == nil:
				began++
			case !errors.As(err, &busy) && !errors.Is(err, table.ErrNotFound) && !errors.Is(err, table.ErrUnavailable):
				w.t.Errorf("a claim: %v", err)
			}
		}
		for _, err := range removals {
			switch {
			case err == nil:
				removed++
			case !errors.Is(err, systems.ErrNotFound):
				w.t.Errorf("a removal: %v", err)
			}
		}
		if began > 1 || removed != 1 {
			w.t.Errorf("%d claims and %d removals succeeded", began, removed)
		}
		w.state.Check(w.t)
		p := w.process()
		if _, err := p.Jobs.Claim(p.ctx, w.org, integration, job.ID{}, file); !errors.Is(err, table.ErrNotFound) {
			w.t.Errorf("a claim afterwards: %v", err)
		}
		if _, err := w.sweep(p); err != nil {
			w.t.Error(err)
		}
		w.state.Check(w.t)
		for row, err := range w.table.List(w.t.Context(), w.org.Part("INTEGRATION", integration), table.Query{}) {
			w.t.Errorf("%s is left, %v", row.Key, err)
		}
	})
}

// Who removes can remove what is its own org's only.
func TestI8_RemovedByItsOwnOrgOnly(t *testing.T) {
	inBubble(t, "another org", func(w *world) {
		p := w.process()
		if err := p.remover().Remove(p.ctx, org.NewID(), w.id()); !errors.Is(err, systems.ErrNotFound) {
			w.t.Errorf("Remove by another org = %v, want ErrNotFound", err)
		}
		w.source = script{pages: pages(ada)}
		w.mustSync(file, job.Completed)
	})
}

// The removal guard that counts is the one that stands when a run is about to
// commit, not the one of its beginning.
func TestGuardOfTheCommit(t *testing.T) {
	lax, strict := syncer.Guard{MaxPercent: 100, MaxCount: 100}, syncer.Guard{}
	for name, c := range map[string]struct {
		from, to syncer.Guard
		status   job.Status
	}{
		"made stricter": {lax, strict, job.Failed},
		"made laxer":    {strict, lax, job.Completed},
	} {
		for _, when := range []string{"while it reads", "behind its merge"} {
			inBubble(t, name+" "+when, func(w *world) {
				w.source = script{pages: pages(ada)}
				w.mustSync(file, job.Completed)
				w.settings.Guard = c.from
				fewer := script{pages: pages(people(3, "Ada"))}
				p, met := w.process(), false
				change := func() { w.settings.Guard, met = c.to, true }
				if when == "while it reads" {
					fewer.before = func(context.Context, int) error { change(); return nil }
				} else {
					p.blobs.Hook = func(b blobtest.Call) blobtest.Fault {
						if strings.HasSuffix(b.Key, "/problems") {
							change()
						}
						return blobtest.None()
					}
				}
				w.source = fewer
				j, err := w.sync(p, file)
				if err != nil || !met || j.Status != c.status || c.status == job.Failed && j.Reason != job.TooManyRemovals {
					w.t.Errorf("%s (%s), %v; want %s", j.Status, j.Reason, err, c.status)
				}
				w.state.Check(w.t)
			})
		}
	}
}

func fileSystem(t *testing.T) (id [16]byte) {
	t.Helper()
	s, ok := catalog.BySlug("custom_file")
	if !ok {
		t.Fatal("the catalogue has no custom_file")
	}
	return s.ID
}
