package syncer_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"muster/internal/job"
	"muster/internal/lease"
	"muster/internal/org"
	"muster/internal/roster"
	"muster/internal/snapshot"
	"muster/internal/syncer"
)

// statuses are how many jobs there are of each.
func (w *world) statuses() map[job.Status]int {
	w.t.Helper()
	n := map[job.Status]int{}
	for _, j := range w.jobs() {
		n[j.Status]++
	}
	return n
}

func (w *world) wantStatuses(want map[job.Status]int) {
	w.t.Helper()
	if d := cmp.Diff(want, w.statuses()); d != "" {
		w.t.Errorf("jobs (-want +got)\n%s", d)
	}
	w.state.Check(w.t)
}

// count makes the source of users, counts its reads, and does something during
// the first of them.
func count(w *world, users map[string]string, during func()) *int {
	reads := new(int)
	var mu sync.Mutex
	w.source = script{pages: pages(users), before: func(_ context.Context, page int) error {
		if page != 0 {
			return nil
		}
		mu.Lock()
		*reads++
		first := *reads == 1
		mu.Unlock()
		if first && during != nil {
			during()
		}
		return nil
	}}
	return reads
}

// fire is a tick of a trigger in a process of its own.
func (w *world) fire(trigger string, at time.Time) {
	w.t.Helper()
	p := w.process()
	if err := p.Tick(p.ctx, w.tick(trigger, at)); err != nil {
		w.t.Errorf("tick of %s: %v", trigger, err)
	}
}

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// The same firing, however often and whenever it is delivered, is one run.
func TestI5_TickDeliveredTwice(t *testing.T) {
	once := map[job.Status]int{job.Completed: 1}
	inBubble(t, "after success", func(w *world) {
		w.triggers["t1"] = 3
		reads := count(w, ada, nil)
		for range 3 {
			w.fire("t1", noon)
		}
		w.wantStatuses(once)
		if *reads != 1 {
			w.t.Errorf("%d runs", *reads)
		}
	})
	inBubble(t, "after failure", func(w *world) {
		w.triggers["t1"] = 3
		w.source = script{pages: pages(ada), before: failAt(1, errSource)}
		for range 3 {
			w.fire("t1", noon)
		}
		w.wantStatuses(map[job.Status]int{job.Failed: 1})
	})
	inBubble(t, "during the run", func(w *world) {
		w.triggers["t1"] = 3
		reads := count(w, ada, func() { w.fire("t1", noon); w.fire("t1", noon) })
		w.fire("t1", noon)
		w.wantStatuses(once)
		if *reads != 1 {
			w.t.Errorf("%d runs", *reads)
		}
	})
	inBubble(t, "while it waits", func(w *world) {
		w.triggers["t1"] = 3
		reads := count(w, ada, func() { w.fire("t1", noon); w.fire("t1", noon) })
		w.mustSync(file, job.Completed)
		w.wantStatuses(map[job.Status]int{job.Completed: 1, job.Requeued: 1})
		w.settle()
		w.wantStatuses(map[job.Status]int{job.Completed: 2})
		if *reads != 2 {
			w.t.Errorf("%d runs", *reads)
		}
	})
	inBubble(t, "as a duplicate", func(w *world) {
		w.triggers["t1"] = 3
		w.source = script{}
		count(w, ada, func() {
			for range 2 {
				w.fire("t1", noon.Add(time.Minute))
			}
		})
		w.fire("t1", noon)
		w.wantStatuses(map[job.Status]int{job.Completed: 1, job.DuplicateAborted: 1})
		w.fire("t1", noon.Add(time.Minute)) // once more, with the integration free
		w.wantStatuses(map[job.Status]int{job.Completed: 1, job.DuplicateAborted: 1})
	})
	t.Run("at once", func(t *testing.T) {
		t.Parallel()
		for round := range 20 {
			w := local(t)
			w.triggers["t1"] = 3
			reads := count(w, ada, nil)
			var all sync.WaitGroup
			for range 16 {
				p := w.process()
				all.Go(func() {
					if err := p.Tick(p.ctx, w.tick("t1", noon)); err != nil {
						t.Error(err)
					}
				})
			}
			all.Wait()
			w.wantStatuses(once)
			if *reads != 1 {
				t.Errorf("round %d: %d runs", round, *reads)
			}
		}
	})
}

// Another trigger's firing that meets a run waits, one for each trigger, and the
// sweep starts those that wait, the oldest first.
func TestI4_RequeuedJobRuns(t *testing.T) {
	inBubble(t, "three triggers", func(w *world) {
		w.triggers = map[string]int64{"t1": 1, "t2": 1, "t3": 1}
		var order []string
		count(w, ada, func() {
			w.fire("t3", noon.Add(2*time.Minute))
			w.fire("t2", noon.Add(time.Minute))
			w.fire("t2", noon.Add(3*time.Minute))
			w.fire("t1", noon.Add(time.Minute))
			w.wantStatuses(map[job.Status]int{job.Processing: 1, job.Requeued: 2, job.DuplicateAborted: 2})
			w.source = orderly{script{pages: pages(ada)}, w, &order}
		})
		w.fire("t1", noon)
		w.settle()
		w.wantStatuses(map[job.Status]int{job.Completed: 3, job.DuplicateAborted: 2})
		if want := []string{"trigger:t2", "trigger:t3"}; !slices.Equal(order, want) {
			w.t.Errorf("what waited ran as %v, want %v", order, want)
		}
	})
	inBubble(t, "its integration is removed", func(w *world) {
		w.triggers["t1"] = 1
		count(w, ada, func() { w.fire("t1", noon) })
		w.mustSync(file, job.Completed)
		if err := w.process().remove(w); err != nil {
			w.t.Fatal(err)
		}
		w.settle()
		waited := w.job(job.TickID("t1", 1, noon))
		if waited.Reason != job.IntegrationRemoved {
			w.t.Errorf("a job that waited for what is gone: %s, %s", waited.Status, waited.Reason)
		}
	})
}

// orderly notes whose run reads.
type orderly struct {
	script
	w     *world
	order *[]string
}

func (o orderly) Read(ctx context.Context, cursor []byte) iter.Seq2[roster.Batch, error] {
	id, err := job.ParseID(o.w.lease().Job)
	if err != nil {
		o.w.t.Error(err)
	}
	*o.order = append(*o.order, o.w.job(id).Input.StartedBy())
	return o.script.Read(ctx, cursor)
}

// A firing of a schedule that is not the trigger's any more does nothing at all.
func TestI5_StaleTick(t *testing.T) {
	for name, change := range map[string]func(*job.Tick){
		"an older revision":   func(tk *job.Tick) { tk.Revision = 2 },
		"a newer revision":    func(tk *job.Tick) { tk.Revision = 4 },
		"no such trigger":     func(tk *job.Tick) { tk.Trigger = "t9" },
		"of another org":      func(tk *job.Tick) { tk.Org = org.NewID() },
		"another integration": func(tk *job.Tick) { tk.Integration = "0192f0c1-0000-7000-8000-000000000002" },
	} {
		inBubble(t, name, func(w *world) {
			w.triggers["t1"] = 3
			reads := count(w, ada, nil)
			tk := w.tick("t1", noon)
			change(&tk)
			p := w.process()
			if err := p.Tick(p.ctx, tk); err != nil || p.table.Writes() > 0 || *reads > 0 {
				w.t.Errorf("tick: %v, %d writes, %d reads", err, p.table.Writes(), *reads)
			}
			w.wantStatuses(map[job.Status]int{})
		})
	}
}

// die adopts the latest start and stops.
func (w *world) die() {
	w.t.Helper()
	st := w.starts[len(w.starts)-1]
	w.starts = nil
	p := w.process()
	if _, err := p.Jobs.Adopt(p.ctx, st); err != nil {
		w.t.Fatal(err)
	}
	p.stop()
	w.state.Check(w.t)
}

// A job whose workers die three times is over, and its integration free.
func TestI4_ThreeDeaths(t *testing.T) {
	deaths := func(w *world) job.Job {
		for i := range job.MaxRestarts {
			time.Sleep(lease.TTL)
			if swept, err := w.sweep(w.process()); err != nil || swept.Restarted != 1 {
				w.t.Fatalf("death %d: swept %+v, %v", i+1, swept, err)
			}
			w.die()
		}
		time.Sleep(lease.TTL)
		if swept, err := w.sweep(w.process()); err != nil || swept.Ended != 1 {
			w.t.Fatalf("the last death: swept %+v, %v", swept, err)
		}
		w.state.Check(w.t)
		if l := w.lease(); l.Job != "" {
			w.t.Errorf("the lease names %s", l.Job)
		}
		jobs := w.jobs()
		return jobs[len(jobs)-1]
	}
	inBubble(t, "before the commit", func(w *world) {
		p := w.process()
		if _, err := p.Jobs.Claim(p.ctx, w.org, integration, job.ID{}, file); err != nil {
			w.t.Fatal(err)
		}
		p.stop()
		if j := deaths(w); j.Status != job.Failed || j.Reason != job.WorkerLost || j.Restarts != job.MaxRestarts {
			w.t.Errorf("the job is %s, %s after %d restarts", j.Status, j.Reason, j.Restarts)
		}
	})
	inBubble(t, "after the commit", func(w *world) {
		d := directory{w: w, mapping: "m1"}
		p := w.process()
		w.targets = append(w.targets, dies{d, p})
		w.source = script{pages: pages(ada)}
		if _, err := w.sync(p, file); err == nil {
			w.t.Fatal("the worker was to die while it serves its target")
		}
		if j := deaths(w); j.Reason != job.ApplyIncomplete || j.CommittedAt.IsZero() {
			w.t.Errorf("the job is %s, %s, committed at %s", j.Status, j.Reason, j.CommittedAt)
		}
		w.wantRoster(ada)
		w.targets[0] = d
		w.mustSync(file, job.Completed)
		d.check()
	})
	inBubble(t, "parked and never started", func(w *world) {
		large(w)
		for range 3 {
			w.starts = nil // dropped, as is what the sweep sends each minute
			for range 17 {
				time.Sleep(time.Minute)
				_, _ = w.sweep(w.process())
				if n := len(w.starts); n > 1 {
					w.t.Fatalf("a sweep sent %d starts", n)
				}
				w.starts = nil
				w.state.Check(w.t)
			}
		}
		if j := w.jobs()[0]; j.Reason != job.WorkerLost {
			w.t.Errorf("the job is %s, %s", j.Status, j.Reason)
		}
	})
}

// dies is a target at which a process stops.
type dies struct {
	directory
	p *process
}

func (d dies) Apply(ctx context.Context, p *syncer.Pass, rows iter.Seq2[snapshot.Row, error]) error {
	d.p.stop()
	return d.directory.Apply(ctx, p, rows)
}

// A target that fails ends the run, not the snapshot; the next run goes on where
// it was, behind the last row that the target had.
func TestApplyGoesOn(t *testing.T) {
	inBubble(t, "a target that fails in the middle", func(w *world) {
		d := directory{w: w, mapping: "m1"}
		w.targets = append(w.targets, limited{d, 4})
		w.source = script{pages: pages(ada)}
		j := w.mustSync(file, job.Failed)
		if j.Reason != job.ApplyIncomplete || j.CommittedAt.IsZero() {
			w.t.Errorf("the job is %s, %s", j.Status, j.Reason)
		}
		w.targets[0] = d
		w.mustSync(file, job.Completed) // an unchanged one
		d.check()
	})
	inBubble(t, "another snapshot comes before it went on", func(w *world) {
		d := directory{w: w, mapping: "m1"}
		w.targets = append(w.targets, limited{d, 4})
		w.source = script{pages: pages(ada)}
		w.mustSync(file, job.Failed)
		w.targets[0] = d
		w.source = script{pages: pages(with(ada, "p000@example.com", "Grace"))}
		w.mustSync(file, job.Completed)
		d.has() // some of it twice: nobody knows what came of what was begun
	})
}

// limited fails when it was given so many rows.
type limited struct {
	directory
	rows int
}

func (l limited) Apply(ctx context.Context, p *syncer.Pass, rows iter.Seq2[snapshot.Row, error]) error {
	n := 0
	return l.directory.Apply(ctx, p, func(yield func(snapshot.Row, error) bool) {
		for r, err := range rows {
			if n++; n > l.rows {
				yield(snapshot.Row{}, errors.New("target is down"))
				return
			}
			if !yield(r, err) {
				return
			}
		}
	})
}

// A snapshot that was put and never committed is garbage, and goes.
func TestI4_NoOrphanAfterAKill(t *testing.T) {
	inBubble(t, "between put and commit", func(w *world) {
		w.source = script{pages: pages(ada)}
		w.mustSync(file, job.Completed)
		w.source = script{pages: pages(changed)}
		p := w.process()
		p.table.Hook = w.killCommit(false)
		if _, err := w.sync(p, file); err == nil {
			w.t.Fatal("the process was to stop at its commit")
		}
		if n := w.snapshots(); n != 2 {
			w.t.Errorf("%d snapshots lie there, want the live one and the one that was put", n)
		}
		w.settle()
		w.wantRoster(changed)
		time.Sleep(49 * time.Hour)
		if _, err := w.sweep(w.process()); err != nil {
			w.t.Error(err)
		}
		w.state.Check(w.t)
		if n := w.snapshots(); n != 2 {
			w.t.Errorf("%d snapshots lie there, want the live one and the one that it replaced", n)
		}
		w.clear()
	})
}

func (w *world) snapshots() (n int) {
	w.t.Helper()
	for _, err := range w.blobs.List(w.t.Context(), "snapshots/") {
		if err != nil {
			w.t.Fatal(err)
		}
		n++
	}
	return n
}

// No id, token or integration of another org does anything.
func TestI8_AnotherOrg(t *testing.T) {
	inBubble(t, "with the same integration id", func(w *world) {
		theirs := org.NewID()
		w.install(theirs, integration) // the same id: even that must not matter
		large(w)
		st, mine := w.starts[0], w.jobs()[0]
		w.starts = nil
		p := w.process()
		before := w.lease()

		if err := p.Run(p.ctx, job.Start{Org: theirs, Job: st.Job, Token: st.Token}); err != nil {
			w.t.Errorf("a start with another org's id: %v", err)
		}
		if err := p.Run(p.ctx, job.Start{Org: w.org, Job: st.Job, Token: st.Token + 1}); err != nil {
			w.t.Errorf("a start with a token to come: %v", err)
		}
		if _, err := p.Jobs.Get(p.ctx, theirs, mine.ID); !errors.Is(err, job.ErrNotFound) {
			w.t.Errorf("another org reads the job: %v", err)
		}
		if _, _, err := p.Jobs.Running(p.ctx, theirs, integration); !errors.Is(err, job.ErrNotFound) {
			w.t.Errorf("another org sees what runs: %v", err)
		}
		if _, err := p.SyncFile(p.ctx, org.NewID(), integration, job.ID{}, file, 1); err == nil {
			w.t.Error("an org syncs an integration that is not its own")
		}
		if p.table.Writes() != 0 {
			w.t.Errorf("%d writes", p.table.Writes())
		}
		if d := cmp.Diff(fmt.Sprint(before), fmt.Sprint(w.lease())); d != "" {
			w.t.Errorf("the lease moved:\n%s", d)
		}
		w.settle()
		w.state.Check(w.t)
	})
}
