package syncer_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"

	"muster/internal/job"
	"muster/internal/lease"
	"muster/internal/org"
	"muster/internal/table"
)

// tenant counts a world's runs as those of an org that is there.
type tenant struct {
	*org.Store
	id org.ID
}

func (q tenant) TakeSync(ctx context.Context, _ org.ID) (func(context.Context) error, error) {
	return q.Store.TakeSync(ctx, q.id)
}

func (w *world) quota(t table.Table, now func() time.Time) job.Quota {
	if w.tenant.IsZero() {
		return nil
	}
	return tenant{org.NewStore(t, now), w.tenant}
}

// limit makes an org with a quota of n syncs, where n is not 0, or changes it.
func (w *world) limit(n int) {
	w.t.Helper()
	if n == 0 {
		return
	}
	orgs := org.NewStore(w.table, time.Now)
	if w.tenant.IsZero() {
		o, err := orgs.Create(w.t.Context(), "Acme", "")
		if err != nil {
			w.t.Fatal(err)
		}
		w.tenant = o.ID
	}
	if _, err := orgs.Set(w.t.Context(), w.tenant, org.Change{MonthlySyncs: &n}); err != nil {
		w.t.Fatal(err)
	}
}

// counted is how many runs of this month the org has used.
func (w *world) counted() int64 {
	w.t.Helper()
	used, err := w.table.Add(w.t.Context(), w.tenant.Key("SYNCS#"+time.Now().UTC().Format("2006-01"), "LIMIT"), 0, time.Time{})
	if err != nil {
		w.t.Fatal(err)
	}
	return used
}

// letIn is how many runs began, or wait, that count.
func (w *world) letIn() (n int64) {
	w.t.Helper()
	for _, j := range w.jobs() {
		if j.Input.Kind != job.InputRetention && j.Input.Follows == "" && j.Status != job.DuplicateAborted && j.Reason != job.QuotaSpent {
			n++
		}
	}
	return n
}

// checkQuota requires that every run was counted, and at most so many more.
func (w *world) checkQuota(more int64) {
	w.t.Helper()
	if w.tenant.IsZero() {
		return
	}
	if in, counted := w.letIn(), w.counted(); counted < in || counted > in+more {
		w.t.Errorf("%d runs were counted, %d let in", counted, in)
	}
}

// Whatever write a process stops at, what runs is counted, and a kill costs no
// more than one run: TestI4_KilledAtEveryWrite plays it with and without a busy
// integration. Here a client asks again, under the same id.
func TestQuotaKilledAtEveryWrite(t *testing.T) {
	for _, m := range []mode{killed, notApplied, replyLost, sentTwice} {
		for at := 1; at <= 8; at++ {
			inBubble(t, fmt.Sprintf("%s %d", m, at), func(w *world) {
				w.limit(2)
				twoTries(w, at, m)
				w.checkQuota(1)
			})
		}
	}
}

// Each way in counts a run once, when it is let in.
func TestQuotaCountsWhatRuns(t *testing.T) {
	for name, c := range map[string]struct {
		runs func(*world)
		want int64
	}{
		"a file": {func(w *world) { w.mustSync(file, job.Completed) }, 1},
		"a file at fault": {func(w *world) {
			w.source = script{before: failAt(0, errSource), pages: pages(ada)}
			w.mustSync(file, job.Failed)
		}, 1},
		"a large file": {large, 1},
		"a dry run": {func(w *world) {
			p := w.process()
			if _, err := p.DryRun(p.ctx, w.org, integration, file, 1); err != nil {
				w.t.Error(err)
			}
		}, 0},
		"a tick, three times": {func(w *world) {
			w.triggers["t1"] = 3
			for range 3 {
				w.fire("t1", noon)
			}
		}, 1},
		"a tick of an integration that is gone": {func(w *world) {
			w.triggers["t1"] = 3
			p := w.process()
			tick := w.tick("t1", noon)
			tick.Integration = "0192f0c1-0000-7000-8000-00000000000f"
			if run, err := p.Jobs.Tick(p.ctx, tick); run != nil || err != nil {
				w.t.Errorf("%v, %v", run, err)
			}
		}, 0},
		"another trigger meanwhile": {func(w *world) {
			s := script{pages: pages(ada)}
			meets(w, &s)
			w.source = s
			scheduled(w)
		}, 2},
		"the same trigger meanwhile": {func(w *world) {
			w.triggers["t1"] = 3
			count(w, ada, func() { w.fire("t1", noon.Add(time.Minute)) })
			w.fire("t1", noon)
		}, 1},
		"a file meanwhile": {func(w *world) {
			var busy *lease.Busy
			count(w, ada, func() {
				if _, err := w.sync(w.process(), file); !errors.As(err, &busy) {
					w.t.Error(err)
				}
			})
			w.mustSync(file, job.Completed)
		}, 1},
		"a continuation": {func(w *world) {
			s := script{pages: pages(ada)}
			drains(w, &s)
			w.source = s
			scheduled(w)
		}, 1},
		"a restart": {func(w *world) {
			w.faults.arm(4, killed)
			request(w)
		}, 1},
		"one file under one key, which failed twice": {func(w *world) {
			id := job.NewID()
			for _, failing := range []int{0, 0, -1} {
				w.source = script{pages: pages(ada), before: failAt(failing, errSource)}
				p := w.process()
				if _, err := p.SyncFile(p.ctx, w.org, integration, id, file, 1); err != nil {
					w.t.Error(err)
				}
			}
			if n := len(w.jobs()); n != 3 {
				w.t.Errorf("%d jobs", n)
			}
		}, 1},
		"the end of a retention": {func(w *world) {
			p := w.process()
			run, err := p.Jobs.Claim(p.ctx, w.org, integration, job.ID{}, job.Input{Kind: job.InputRetention})
			if err != nil {
				w.t.Fatal(err)
			}
			if err := run.Close(p.ctx, job.Completed, "", "", job.Report{}); err != nil {
				w.t.Error(err)
			}
		}, 0},
	} {
		inBubble(t, name, func(w *world) {
			w.limit(9)
			w.source = script{pages: pages(ada)}
			c.runs(w)
			w.settle()
			if got := w.counted(); got != c.want {
				w.t.Errorf("%d runs are counted, want %d", got, c.want)
			}
			w.checkQuota(0)
		})
	}
}

// A file over the quota is refused before anything is made; the same request goes
// through when the month is over, or the quota larger.
func TestQuotaRefusesAFile(t *testing.T) {
	inBubble(t, "until the next month", func(w *world) {
		w.limit(1)
		reads := count(w, ada, nil)
		w.mustSync(file, job.Completed)
		id := job.NewID()
		try := func() (job.Job, error) {
			p := w.process()
			return p.SyncFile(p.ctx, w.org, integration, id, file, 1)
		}
		_, err := try()
		var spent *org.Spent
		if !errors.As(err, &spent) || len(w.jobs()) != 1 || w.lease().Job != "" || *reads != 1 {
			w.t.Fatalf("%v; %d jobs, %d reads, lease %+v", err, len(w.jobs()), *reads, w.lease())
		}
		time.Sleep(time.Until(spent.Resumes) - time.Second)
		if _, err := try(); !errors.As(err, &spent) {
			w.t.Errorf("a second before: %v", err)
		}
		time.Sleep(time.Second)
		if j, err := try(); err != nil || j.ID != id || j.Status != job.Completed {
			w.t.Errorf("%+v, %v", j, err)
		}
		if _, err := w.sync(w.process(), file); !errors.As(err, &spent) {
			w.t.Errorf("over the next month's: %v", err)
		}
		w.limit(2)
		w.mustSync(file, job.Completed)
	})
}

// A tick over the quota leaves one job that says so, however often it is
// delivered, and reads nothing; what waits already runs.
func TestQuotaRefusesATick(t *testing.T) {
	inBubble(t, "once", func(w *world) {
		w.limit(1)
		w.triggers["t1"] = 3
		reads := count(w, ada, nil)
		for range 2 {
			w.fire("t1", noon)
			w.fire("t1", noon.Add(time.Hour))
		}
		w.wantStatuses(map[job.Status]int{job.Completed: 1, job.Failed: 1})
		for _, j := range w.jobs() {
			if j.Status == job.Failed && (j.Reason != job.QuotaSpent || j.Message == "" || j.EndedAt.IsZero()) {
				w.t.Errorf("%+v", j)
			}
		}
		if *reads != 1 || w.counted() != 1 {
			w.t.Errorf("%d reads, %d counted", *reads, w.counted())
		}
		gone := w.tick("t1", noon.Add(2*time.Hour))
		gone.Integration = "0192f0c1-0000-7000-8000-00000000000f"
		if run, err := w.process().Jobs.Tick(w.t.Context(), gone); run != nil || err != nil || len(w.jobs()) != 2 {
			w.t.Errorf("of an integration that is gone: %v, %v, %d jobs", run, err, len(w.jobs()))
		}
	})
	inBubble(t, "and not what waits", func(w *world) {
		w.limit(2)
		s := script{pages: pages(ada)}
		meets(w, &s)
		w.source = s
		scheduled(w)
		w.fire("t1", noon)
		w.settle()
		w.wantStatuses(map[job.Status]int{job.Completed: 2, job.Failed: 1})
	})
	for _, m := range []mode{killed, notApplied, replyLost, sentTwice} {
		for at := 1; at <= 3; at++ {
			inBubble(t, fmt.Sprintf("%s at its write %d", m, at), func(w *world) {
				w.limit(1)
				w.source = script{pages: pages(ada)}
				w.triggers["t1"] = 3
				w.fire("t1", noon)
				w.faults.arm(at, m)
				for range 3 {
					p := w.process()
					_ = p.Tick(p.ctx, w.tick("t1", noon.Add(time.Hour)))
				}
				w.wantStatuses(map[job.Status]int{job.Completed: 1, job.Failed: 1})
				if !w.faults.fired {
					w.t.Error("no fault was met")
				}
			})
		}
	}
}

// Of 64 syncs at once, on as many integrations, exactly as many run as the quota
// has. On one integration those that it keeps busy cost nothing.
func TestQuotaOf64AtOnce(t *testing.T) {
	for _, integrations := range []int{64, 1} {
		t.Run(fmt.Sprintf("%d integrations", integrations), func(t *testing.T) {
			w := local(t).unhurried()
			w.limit(20)
			w.source = script{pages: pages(ada)}
			ids := []string{integration}
			for len(ids) < integrations {
				ids = append(ids, uuid.Must(uuid.NewV7()).String())
				w.install(w.org, ids[len(ids)-1])
			}
			var ran, refused, busy atomic.Int64
			var all sync.WaitGroup
			for i := range 64 {
				p := w.process()
				all.Go(func() {
					j, err := p.SyncFile(p.ctx, w.org, ids[i%len(ids)], job.ID{}, file, 1)
					var spent *org.Spent
					var taken *lease.Busy
					switch {
					case err == nil && j.Status == job.Completed:
						ran.Add(1)
					case errors.As(err, &spent):
						refused.Add(1)
					case errors.As(err, &taken):
						busy.Add(1)
					default:
						t.Errorf("%+v, %v", j, err)
					}
				})
			}
			all.Wait()
			if integrations == 64 && (ran.Load() != 20 || refused.Load() != 44) {
				t.Errorf("%d ran, %d were refused", ran.Load(), refused.Load())
			}
			if ran.Load() == 0 || ran.Load() > 20 {
				t.Errorf("%d ran", ran.Load())
			}
			w.checkQuota(0)
		})
	}
}
