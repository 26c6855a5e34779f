package job_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"muster/internal/job"
	"muster/internal/lease"
	"muster/internal/org"
	"muster/internal/table"
)

const other = "0192f0c1-0000-7000-8000-000000000002"

// ids are the jobs of pages, read from one end to the other and put in order.
func (e *env) ids(q job.Query) (all []string, pages int) {
	e.t.Helper()
	for {
		p, err := e.List(e.t.Context(), e.org, q)
		if err != nil || len(p.Jobs) > q.Limit {
			e.t.Fatalf("List(%+v) = %d jobs, %v", q, len(p.Jobs), err)
		}
		var ids []string
		for _, j := range p.Jobs {
			ids = append(ids, j.ID.String())
		}
		if pages++; q.Backward {
			all, q.Before = append(ids, all...), p.From
		} else {
			all, q.After = append(all, ids...), p.To
		}
		if !p.More {
			return all, pages
		}
	}
}

// Every page size, either way, of any filter, gives the same jobs once.
func TestList(t *testing.T) {
	inBubble(t, func(e *env) {
		if err := e.Table.Write(e.t.Context(), lease.New(job.LeaseKey(e.org, other))); err != nil {
			e.t.Fatal(err)
		}
		var jobs []job.Job // newest first
		for i := range 41 {
			time.Sleep(time.Second)
			run, err := e.Claim(e.t.Context(), e.org, []string{integration, other}[i%3/2], job.ID{}, file)
			if err != nil {
				e.t.Fatal(err)
			}
			switch {
			case i%4 == 1:
				e.cancel(e.Store, run.Job().ID)
			case i < 40:
				if err := run.Commit(e.t.Context(), job.Report{}, true); err != nil {
					e.t.Fatal(err)
				}
			}
			jobs = append([]job.Job{e.get(run.Job().ID)}, jobs...)
		}
		for _, at := range []string{"", integration, other, "0192f0c1-0000-7000-8000-000000000003"} {
			for _, s := range []job.Status{"", job.Completed, job.Failed, job.Processing, job.Requeued} {
				var want []string
				for _, j := range jobs {
					if (at == "" || j.Integration == at) && (s == "" || j.Status == s) {
						want = append(want, j.ID.String())
					}
				}
				for _, limit := range []int{1, 2, 7, 16, 41, 1000} {
					for _, back := range []bool{false, true} {
						got, _ := e.ids(job.Query{Integration: at, Status: s, Limit: limit, Backward: back})
						if d := cmp.Diff(want, got); d != "" {
							e.t.Fatalf("%q, %q, by %d, backward %t (-want +got)\n%s", at, s, limit, back, d)
						}
					}
				}
			}
		}
		if p, err := e.List(e.t.Context(), org.NewID(), job.Query{Integration: integration, Limit: 10}); len(p.Jobs) > 0 || p.More || err != nil {
			e.t.Errorf("another org has %+v, %v", p, err)
		}
	})
}

// A rare status is found by pages that end early, and an index row without its job
// is nothing.
func TestListWalksSoFar(t *testing.T) {
	e := open(t)
	const n = 2*job.MaxWalk + 100
	rare := []string{}
	for from := 0; from < n; from += 50 {
		var ws []table.Write
		for i := range 50 {
			j := job.Job{ID: job.NewID(), Org: e.org, Integration: integration, Status: job.Completed}
			if (from+i)%3000 == 5 {
				j.Status = job.Failed
				rare = append(rare, j.ID.String())
			}
			ws = append(ws, table.Put(e.org.Key("JOB#"+j.ID.String(), "INTEGRATION", integration), 0, table.Absent))
			if i%10 != 0 {
				ws = append(ws, table.Put(e.org.Key(j.ID.String(), "JOB"), j, table.Absent))
			}
		}
		if err := e.Table.Write(t.Context(), ws...); err != nil {
			t.Fatal(err)
		}
	}
	slices.Reverse(rare)
	for _, at := range []string{"", integration} {
		for _, back := range []bool{false, true} {
			t.Run(fmt.Sprintf("%q, backward %t", at, back), func(t *testing.T) {
				got, pages := e.ids(job.Query{Integration: at, Status: job.Failed, Limit: 10, Backward: back})
				if d := cmp.Diff(rare, got); d != "" || pages < 2 || pages > 3 {
					t.Errorf("%d pages (-want +got)\n%s", pages, d)
				}
			})
		}
	}
	if all, pages := e.ids(job.Query{Integration: integration, Limit: 100}); len(all) != n*9/10 || pages > n/90+1 {
		t.Errorf("%d jobs on %d pages, want %d", len(all), pages, n*9/10)
	}
}
