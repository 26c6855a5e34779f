package syncer_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"muster/internal/blob"
	"muster/internal/blob/blobtest"
	"muster/internal/job"
	"muster/internal/roster"
	"muster/internal/syncer"
	"muster/internal/table"
	"muster/internal/table/tabletest"
)

// dryRun is a dry run by a process of its own, which must write nothing anywhere
// and leave nothing on disk.
func (w *world) dryRun(in job.Input) (job.Job, error) {
	w.t.Helper()
	p := w.process()
	j, err := p.DryRun(p.ctx, w.org, integration, in, 1)
	if n, m := p.table.Writes(), p.blobs.Writes(); n+m > 0 {
		w.t.Errorf("it wrote %d times to the table and %d times to the blobs", n, m)
	}
	return j, err
}

// mustForesee requires a dry run and a sync right after it to end alike.
func (w *world) mustForesee(in job.Input) job.Job {
	w.t.Helper()
	dry, err := w.dryRun(in)
	if err != nil {
		w.t.Fatal(err)
	}
	j, err := w.sync(w.process(), in)
	if err != nil {
		w.t.Fatal(err)
	}
	type ending struct {
		Status  job.Status
		Reason  job.Reason
		Message string
		Report  job.Report
	}
	of := func(j job.Job) ending {
		e := ending{j.Status, j.Reason, j.Message, j.Report}
		e.Report.Timings, e.Report.ProblemsKey = job.Timings{}, ""
		return e
	}
	if d := cmp.Diff(of(j), of(dry)); d != "" {
		w.t.Errorf("the sync (-) and the dry run before it (+)\n%s", d)
	}
	return j
}

// A dry run says what the sync then says, of whatever there is: new and changed
// people, some gone and some back, duplicates, ids shared, statuses that are none,
// licences listed or not, a guard that stops it, rows past their retention.
func TestDryRunForeseesTheSync(t *testing.T) {
	const rounds, syncs = 8, 12
	var stopped atomic.Int64 // the seeds are tried at once
	for seed := range uint64(rounds) {
		inBubble(t, fmt.Sprintf("seed %d", seed), func(w *world) {
			w.settings = syncer.Settings{Guard: syncer.Guard{MaxPercent: 30, MaxCount: 3}, Retention: 48 * time.Hour}
			r := rand.New(rand.NewPCG(seed, 1))
			for range syncs {
				w.source = script{pages: randomPages(r)}
				in := file
				in.AllowRemovals = r.IntN(3) == 0
				if w.mustForesee(in).Reason == job.TooManyRemovals {
					stopped.Add(1)
				}
				time.Sleep(time.Duration(r.IntN(40)) * time.Hour)
			}
		})
	}
	t.Cleanup(func() { // when the parallel ones are through
		if n := stopped.Load(); n == 0 || n == rounds*syncs {
			t.Errorf("the guard stopped %d of %d: neither all nor none were to be met", n, rounds*syncs)
		}
	})
}

// randomPages are a few batches of what a source may yield of twenty people.
func randomPages(r *rand.Rand) []roster.Batch {
	batches := make([]roster.Batch, 1+r.IntN(3))
	listed, most := r.IntN(2) == 0, 1+r.IntN(20)
	email := func() string { return fmt.Sprintf("p%02d@example.com", r.IntN(most)) }
	for i := range batches {
		b := &batches[i]
		b.ListsLicenses = listed
		for n := range r.IntN(20) {
			b.Users = append(b.Users, roster.User{Place: roster.Place{Index: int64(n), Line: int64(n + 1), Column: 1},
				Email: email(), ID: fmt.Sprint(r.IntN(15)), FirstName: []string{"", "Ada"}[r.IntN(2)], Status: roster.Status(r.IntN(3))})
		}
		for n := range r.IntN(3) {
			b.Problems = append(b.Problems, roster.Problem{Reason: roster.EmailMissing, Pointer: fmt.Sprintf("/users/%d", n), Skips: roster.Entity(r.IntN(4))})
		}
		for n := 0; listed && n < r.IntN(8); n++ {
			name := fmt.Sprint("L", r.IntN(3))
			b.Licenses = append(b.Licenses, roster.License{Name: name, Unassigned: int64(r.IntN(2))})
			b.Grants = append(b.Grants, roster.Grant{License: name, Email: email(), Status: roster.GrantStatus(r.IntN(4))})
		}
	}
	return batches
}

// What ends a sync before its merge ends a dry run in the same words.
func TestDryRunOfAFileAtFault(t *testing.T) {
	fault := &roster.Fault{Message: "line 3, column 7: expected a comma", Problems: []roster.Problem{
		{Pointer: "/users/3", Line: 3, Column: 7, Detail: "expected a comma"}, {Reason: roster.EmailMissing, Pointer: "/users/1"}}}
	for _, c := range []struct {
		name   string
		err    error
		reason job.Reason // "": an error, as which the sync's own is shown
	}{
		{"at fault", fault, job.FileInvalid},
		{"gone", blob.ErrNotFound, job.FileGone},
		{"replaced", blob.ErrChanged, job.FileChanged},
		{"unreadable", blob.ErrUnavailable, ""},
		{"broken", errSource, ""},
	} {
		inBubble(t, c.name, func(w *world) {
			w.source = script{pages: pages(ada), before: failAt(1, c.err)}
			if c.reason != "" {
				if j := w.mustForesee(file); j.Reason != c.reason {
					w.t.Errorf("reason %s, want %s", j.Reason, c.reason)
				}
				return
			}
			if j, err := w.dryRun(file); !errors.Is(err, c.err) || j.Status != "" {
				w.t.Errorf("%s, %v; want %v", j.Status, err, c.err)
			}
		})
	}
}

// A dry run asks for no lease: it goes on beside a sync, and neither heeds the
// other. It is compared with what is committed.
func TestDryRunBesideASync(t *testing.T) {
	inBubble(t, "in the middle of the read", func(w *world) {
		w.source = script{pages: pages(ada)}
		w.mustSync(file, job.Completed)
		w.source = script{pages: pages(changed), before: func(_ context.Context, page int) error {
			if page != 1 {
				return nil
			}
			w.mu.Lock()
			w.source = script{pages: pages(people(3, "Grace"))}
			w.mu.Unlock()
			before := w.lease()
			j, err := w.dryRun(file)
			if err != nil || j.Status != job.Completed || j.Report.Counts.Users.Changed != 3 {
				w.t.Errorf("%s, %+v, %v", j.Status, j.Report.Counts.Users, err)
			}
			if after := w.lease(); after != before {
				w.t.Errorf("the lease was %+v and is %+v", before, after)
			}
			return nil
		}}
		w.mustSync(file, job.Completed)
		w.wantRoster(changed)
		if n := len(w.jobs()); n != 2 {
			w.t.Errorf("there are %d jobs of 2 syncs", n)
		}
	})
}

// Not one write, whatever is in the way: a dry run on stores that fail every
// write ends as one on stores that do not. And nothing is left on disk.
func TestDryRunOnStoresThatTakeNoWrite(t *testing.T) {
	inBubble(t, "every write fails", func(w *world) {
		w.source = script{pages: pages(people(250, "Ada"))}
		w.mustSync(file, job.Completed)
		w.targets = []syncer.Target{directory{w: w, mapping: "m"}}
		w.source = script{pages: pages(people(20, "Grace"))}
		p := w.process()
		p.table.Hook = func(c tabletest.Call) tabletest.Fault {
			if c.Ordinal > 0 {
				return tabletest.NotApplied(table.ErrUnavailable)
			}
			return tabletest.None()
		}
		p.blobs.Hook = func(c blobtest.Call) blobtest.Fault {
			if c.Ordinal > 0 {
				return blobtest.NotApplied(blob.ErrUnavailable)
			}
			return blobtest.None()
		}
		j, err := p.DryRun(p.ctx, w.org, integration, file, 1)
		if err != nil || j.Reason != job.TooManyRemovals || j.Report.WouldRemove != 230 || j.Report.Live != 250 || j.Report.Counts.Users.Changed != 20 {
			w.t.Errorf("%s (%s), %+v, %v", j.Status, j.Reason, j.Report, err)
		}
		if p.table.Writes()+p.blobs.Writes() > 0 {
			w.t.Errorf("%d and %d writes", p.table.Writes(), p.blobs.Writes())
		}
		if left, err := os.ReadDir(w.tmp); err != nil || len(left) > 0 {
			w.t.Errorf("on disk are left %v, %v", left, err)
		}
	})
}

// A dry run has a request and nothing behind it.
func TestDryRunEndsWithItsRequest(t *testing.T) {
	slow := func(ctx context.Context, _ int) error {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(15 * time.Second):
			return nil
		}
	}
	inBubble(t, "too large", func(w *world) {
		p := w.process()
		j, err := p.DryRun(p.ctx, w.org, integration, file, p.InRequest+1)
		if err != nil || j.Status != job.Failed || j.Reason != job.TooLong {
			w.t.Errorf("%s (%s: %s), %v", j.Status, j.Reason, j.Message, err)
		}
	})
	inBubble(t, "too slow", func(w *world) {
		w.source = script{pages: pages(ada), before: slow}
		began := time.Now()
		j, err := w.dryRun(file)
		if err != nil || j.Reason != job.TooLong || time.Since(began) != 20*time.Second {
			w.t.Errorf("%s (%s: %s), %v after %v", j.Status, j.Reason, j.Message, err, time.Since(began))
		}
	})
	inBubble(t, "the client goes", func(w *world) {
		w.source = script{pages: pages(ada), before: slow}
		ctx, cancel := context.WithTimeout(w.t.Context(), 10*time.Second)
		defer cancel()
		ctx, gone := context.WithCancel(context.WithoutCancel(ctx))
		time.AfterFunc(5*time.Second, gone)
		if j, err := w.process().DryRun(ctx, w.org, integration, file, 1); !errors.Is(err, context.Canceled) {
			w.t.Errorf("%s (%s), %v", j.Status, j.Reason, err)
		}
	})
	inBubble(t, "the process ends", func(w *world) {
		w.source = script{pages: pages(ada), before: slow}
		p := w.process()
		time.AfterFunc(5*time.Second, func() { close(p.drain) })
		if j, err := p.DryRun(p.ctx, w.org, integration, file, 1); !errors.Is(err, context.Canceled) {
			w.t.Errorf("%s (%s), %v", j.Status, j.Reason, err)
		}
	})
}

// Check says of a source what its first sync reports, and each problem once, those
// that only the merge finds in the order of the source.
func TestCheckForeseesTheFirstSync(t *testing.T) {
	inBubble(t, "of random rosters", func(w *world) {
		r := rand.New(rand.NewPCG(7, 1))
		for range 20 {
			w.source = script{pages: randomPages(r)}
			var told []roster.Problem
			report, err := syncer.Check(w.t.Context(), w.source, w.tmp, time.Now, func(p roster.Problem) { told = append(told, p) })
			if err != nil {
				w.t.Fatal(err)
			}
			id := fmt.Sprintf("0192f0c1-0000-7000-8000-%012d", r.IntN(1e9))
			w.install(w.org, id)
			p := w.process()
			j, err := p.SyncFile(p.ctx, w.org, id, job.ID{}, file, 1)
			if err != nil || j.Status != job.Completed {
				w.t.Fatal(j.Status, j.Message, err)
			}
			j.Report.Timings, report.Timings, j.Report.ProblemsKey = job.Timings{}, job.Timings{}, ""
			if d := cmp.Diff(j.Report, report); d != "" {
				w.t.Errorf("the sync (-) and the check (+)\n%s", d)
			}
			counts := map[roster.Reason]int64{}
			for _, p := range told {
				counts[p.Reason]++
			}
			if d := cmp.Diff(report.ProblemCounts, counts); d != "" && len(told)+len(report.ProblemCounts) > 0 {
				w.t.Errorf("counted (-) and told (+)\n%s", d)
			}
			merged := slices.DeleteFunc(told, func(p roster.Problem) bool { return p.Reason == roster.EmailMissing })
			if !slices.IsSortedFunc(merged, func(a, b roster.Problem) int { return int(a.Line - b.Line) }) {
				w.t.Errorf("not in the order of the source: %v", merged)
			}
		}
	})
}

func TestCheckOfAFileAtFault(t *testing.T) {
	whole := roster.Problem{Pointer: "/users/3", Line: 3, Column: 7, Detail: "expected a comma"}
	fault := &roster.Fault{Message: "line 3, column 7: expected a comma", Problems: []roster.Problem{whole}}
	source := script{pages: pages(ada), before: failAt(2, fault)}
	var told []roster.Reason
	report, err := syncer.Check(t.Context(), source, t.TempDir(), time.Now, func(p roster.Problem) { told = append(told, p.Reason) })
	var got *roster.Fault
	if !errors.As(err, &got) || got != fault || report.Counts.Users.Received != 5 {
		t.Errorf("%v, %+v", err, report.Counts.Users)
	}
	if want := []roster.Reason{roster.EmailMissing, roster.FileInvalid}; !slices.Equal(told, want) {
		t.Errorf("told %v, want %v", told, want)
	}
}
