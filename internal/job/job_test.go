package job_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"muster/internal/job"
	"muster/internal/lease"
	"muster/internal/local/bolt"
	"muster/internal/local/disk"
	"muster/internal/org"
	"muster/internal/roster"
	"muster/internal/syncer/syncertest"
	"muster/internal/table"
	"muster/internal/table/tabletest"
)

const integration = "0192f0c1-0000-7000-8000-000000000001"

var file = job.Input{Kind: job.InputFile, FileID: 7}

// env is a store over a table and blobs of its own, with one integration.
type env struct {
	*job.Store
	t      *testing.T
	org    org.ID
	state  *syncertest.State
	starts []job.Start
	down   error // what the starter answers
	log    bytes.Buffer
}

func (e *env) Start(_ context.Context, st job.Start) error {
	e.starts = append(e.starts, st)
	return e.down
}

func open(t *testing.T) *env {
	t.Helper()
	dir := t.TempDir()
	tab, err := bolt.Open(filepath.Join(dir, "table.db"), time.Now, bolt.NoSync)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = tab.Close() })
	blobs, err := disk.Open(filepath.Join(dir, "blobs"), func() string { return "" }, time.Now, disk.NoSync)
	if err != nil {
		t.Fatal(err)
	}
	e := &env{t: t, org: org.NewID()}
	e.Store = &job.Store{Table: tab, Blobs: blobs, Starter: e, Now: time.Now, Log: slog.New(slog.NewJSONHandler(&e.log, nil))}
	e.state = syncertest.New(tab, blobs, e.org)
	if err := tab.Write(t.Context(), lease.New(job.LeaseKey(e.org, integration))); err != nil {
		t.Fatal(err)
	}
	return e
}

// inBubble runs a test whose time passes when everybody waits.
func inBubble(t *testing.T, test func(*env)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		e := open(t)
		test(e)
		e.state.Check(t)
	})
}

// through is the same store over a table with faults.
func (e *env) through(hook func(tabletest.Call) tabletest.Fault) *job.Store {
	s := *e.Store
	s.Table = &tabletest.Faulty{Table: e.Table, Hook: hook}
	return &s
}

func (e *env) claim() *job.Run {
	e.t.Helper()
	run, err := e.Claim(e.t.Context(), e.org, integration, job.ID{}, file)
	if err != nil {
		e.t.Fatal(err)
	}
	return run
}

func (e *env) get(id job.ID) job.Job {
	e.t.Helper()
	j, err := e.Get(e.t.Context(), e.org, id)
	if err != nil {
		e.t.Fatal(err)
	}
	return j
}

func (e *env) sweep(want job.Swept) {
	e.t.Helper()
	if got, err := e.Sweep(e.t.Context()); got != want || err != nil {
		e.t.Errorf("Sweep = %+v, %v; want %+v", got, err, want)
	}
	e.state.Check(e.t)
}

// A job from its claim to its end, by way of a worker.
func TestLife(t *testing.T) {
	inBubble(t, func(e *env) {
		run := e.claim()
		if j, until, err := e.Running(e.t.Context(), e.org, integration); err != nil || j.ID != run.Job().ID || !until.Equal(time.Now().Add(lease.TTL)) {
			e.t.Errorf("Running = %s until %s, %v", j.ID, until, err)
		}
		var busy *lease.Busy
		if _, err := e.Claim(e.t.Context(), e.org, integration, job.ID{}, file); !errors.As(err, &busy) || busy.Job != run.Job().ID.String() {
			e.t.Errorf("a second claim: %v", err)
		}
		if err := run.Park(e.t.Context(), json.RawMessage(`{}`), job.Report{}); err != nil || len(e.starts) != 1 {
			e.t.Fatalf("Park: %v, starts %v", err, e.starts)
		}
		j := e.get(run.Job().ID)
		if j.Status != job.Pending || j.Checkpoint == nil || j.Continuations != 1 {
			e.t.Errorf("the parked job is %+v", j)
		}
		worker, err := e.Adopt(e.t.Context(), e.starts[0])
		if err != nil {
			e.t.Fatal(err)
		}
		if _, err := e.Adopt(e.t.Context(), e.starts[0]); !errors.Is(err, lease.ErrLost) {
			e.t.Errorf("the start, again: %v, want ErrLost", err)
		}
		if worker.Token() != 3 || worker.Job().Status != job.Processing {
			e.t.Errorf("the worker has token %d of job %+v", worker.Token(), worker.Job())
		}
		report := job.Report{Counts: roster.Counts{Users: roster.Count{Received: 1, Valid: 1, Added: 1}}}
		if err := worker.Commit(e.t.Context(), report, false); err != nil {
			e.t.Fatal(err)
		}
		e.state.Check(e.t)
		if err := worker.Close(e.t.Context(), job.Completed, "", "", report); err != nil {
			e.t.Fatal(err)
		}
		if _, _, err := e.Running(e.t.Context(), e.org, integration); !errors.Is(err, job.ErrNotFound) {
			e.t.Errorf("Running a job that is over: %v", err)
		}
		if _, err := e.Adopt(e.t.Context(), e.starts[0]); !errors.Is(err, lease.ErrLost) {
			e.t.Errorf("the start, when all is over: %v, want ErrLost", err)
		}
		e.sweep(job.Swept{})
	})
}

// Whoever was swept away can neither commit nor close nor park nor write.
func TestI1_SweptAwayRun(t *testing.T) {
	row := table.Key{Part: "P", Sort: "S"}
	for name, late := range map[string]func(ctx context.Context, r *job.Run) error{
		"commit": func(ctx context.Context, r *job.Run) error {
			return r.Commit(ctx, job.Report{}, false, table.Put(row, 1, table.Any))
		},
		"final commit": func(ctx context.Context, r *job.Run) error {
			return r.Commit(ctx, job.Report{}, true, table.Put(row, 1, table.Any))
		},
		"close": func(ctx context.Context, r *job.Run) error { return r.Close(ctx, job.Completed, "", "", job.Report{}) },
		"park":  func(ctx context.Context, r *job.Run) error { return r.Park(ctx, nil, job.Report{}) },
		"write": func(ctx context.Context, r *job.Run) error { return r.Write(ctx, table.Put(row, 1, table.Any)) },
		"held":  func(ctx context.Context, r *job.Run) error { return r.Held(ctx) },
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(e *env) {
				run := e.claim()
				time.Sleep(lease.TTL)
				e.sweep(job.Swept{Running: 1, Restarted: 1})
				before := e.get(run.Job().ID)
				if err := late(e.t.Context(), run); !errors.Is(err, lease.ErrLost) {
					e.t.Errorf("%v, want ErrLost", err)
				}
				if _, err := e.Table.Get(e.t.Context(), row); !errors.Is(err, table.ErrNotFound) {
					e.t.Errorf("a late write is there: %v", err)
				}
				after := e.get(run.Job().ID)
				if fmt.Sprint(before) != fmt.Sprint(after) || len(e.starts) != 1 {
					e.t.Errorf("the job was %+v and is %+v; starts %v", before, after, e.starts)
				}
			})
		})
	}
}

// Keep renews while it can, and ends the work when the lease is lost or ran out
// without an answer.
func TestKeep(t *testing.T) {
	t.Run("renews", func(t *testing.T) {
		inBubble(t, func(e *env) {
			run := e.claim()
			ctx, stop := run.Keep(e.t.Context())
			time.Sleep(time.Hour)
			e.sweep(job.Swept{Running: 1})
			if ctx.Err() != nil || run.Held(ctx) != nil {
				e.t.Errorf("after an hour: %v, %v", context.Cause(ctx), run.Held(ctx))
			}
			stop()
			time.Sleep(lease.TTL + time.Second)
			e.sweep(job.Swept{Running: 1, Restarted: 1})
		})
	})
	t.Run("lost", func(t *testing.T) {
		inBubble(t, func(e *env) {
			run := e.claim()
			ctx, stop := run.Keep(e.t.Context())
			defer stop()
			w, _ := e.seen().Raise("", time.Time{})
			if err := e.Table.Write(e.t.Context(), w); err != nil {
				e.t.Fatal(err)
			}
			time.Sleep(lease.Every + time.Second)
			if !errors.Is(context.Cause(ctx), lease.ErrLost) {
				e.t.Errorf("the cause is %v", context.Cause(ctx))
			}
			if swept, err := e.Sweep(e.t.Context()); err != nil || swept.Ended != 1 {
				e.t.Errorf("Sweep = %+v, %v; want the job that lost its lease ended", swept, err)
			}
		})
	})
	t.Run("no answers", func(t *testing.T) {
		inBubble(t, func(e *env) {
			var down atomic.Bool
			s := e.through(func(tabletest.Call) tabletest.Fault {
				if down.Load() {
					return tabletest.NotApplied(table.ErrUnavailable)
				}
				return tabletest.None()
			})
			run, err := s.Claim(e.t.Context(), e.org, integration, job.ID{}, file)
			if err != nil {
				e.t.Fatal(err)
			}
			ctx, stop := run.Keep(e.t.Context())
			defer stop()
			down.Store(true)
			time.Sleep(lease.TTL - time.Second)
			if ctx.Err() != nil {
				e.t.Errorf("the lease has a second left, and work was ended: %v", context.Cause(ctx))
			}
			time.Sleep(2 * time.Second)
			if !errors.Is(context.Cause(ctx), lease.ErrLost) {
				e.t.Errorf("the lease ran out, and the cause is %v", context.Cause(ctx))
			}
		})
	})
}

func (e *env) seen() lease.Seen {
	e.t.Helper()
	s, err := lease.Read(e.t.Context(), e.Table, job.LeaseKey(e.org, integration))
	if err != nil {
		e.t.Fatal(err)
	}
	return s
}

// A start that could not be sent, or was lost, is sent again each minute; nothing
// is written for it.
func TestStartIsSentAgain(t *testing.T) {
	inBubble(t, func(e *env) {
		e.down = errors.New("the queue is full")
		run := e.claim()
		if err := run.Park(e.t.Context(), nil, job.Report{}); err != nil {
			e.t.Errorf("Park, when the start cannot be sent: %v", err)
		}
		time.Sleep(59 * time.Second)
		e.sweep(job.Swept{Running: 1})
		before := e.seen()
		time.Sleep(time.Second)
		e.sweep(job.Swept{Running: 1, Resent: 1})
		if len(e.starts) != 2 || e.starts[0] != e.starts[1] || e.starts[1].Token != before.Token || fmt.Sprint(e.seen()) != fmt.Sprint(before) {
			e.t.Errorf("starts %v, lease %+v then %+v", e.starts, before, e.seen())
		}
		if _, err := e.Adopt(e.t.Context(), e.starts[1]); err != nil {
			e.t.Errorf("Adopt: %v", err)
		}
	})
}

// A worker that died with a checkpoint may have died of it: the next one begins
// from the beginning.
func TestRestartDropsTheCheckpoint(t *testing.T) {
	inBubble(t, func(e *env) {
		run := e.claim()
		if err := run.Park(e.t.Context(), json.RawMessage(`{}`), job.Report{}); err != nil {
			e.t.Fatal(err)
		}
		if _, err := e.Adopt(e.t.Context(), e.starts[0]); err != nil {
			e.t.Fatal(err)
		}
		time.Sleep(lease.TTL)
		if _, err := e.Sweep(e.t.Context()); err != nil {
			e.t.Fatal(err)
		}
		if j := e.get(run.Job().ID); j.Status != job.Pending || j.Restarts != 1 || j.Checkpoint != nil {
			e.t.Errorf("the job is %s after %d restarts, with checkpoint %s", j.Status, j.Restarts, j.Checkpoint)
		}
	})
}

// Two sweeps at once restart a job once; one whose clock is behind does nothing.
func TestSweepsAtOnce(t *testing.T) {
	e := open(t)
	run := e.claim()
	s := *e.Store
	s.Now = func() time.Time { return time.Now().Add(lease.TTL) }
	results := make(chan job.Swept, 8)
	var sent safeStarter
	s.Starter = &sent
	for range cap(results) {
		go func() {
			swept, err := s.Sweep(t.Context())
			if err != nil {
				t.Error(err)
			}
			results <- swept
		}()
	}
	restarted := 0
	for range cap(results) {
		restarted += (<-results).Restarted
	}
	if j := e.get(run.Job().ID); restarted != 1 || j.Restarts != 1 || len(sent) != 1 {
		t.Errorf("%d sweeps restarted it, the job says %d, %d starts", restarted, j.Restarts, len(sent))
	}
	e.state.Check(t)
}

// safeStarter is for one sweep at a time to use: more than one start is a race.
type safeStarter []job.Start

func (s *safeStarter) Start(_ context.Context, st job.Start) error {
	*s = append(*s, st)
	return nil
}

// A running row that no live job has goes, and is worth an error in the log; a
// job that ends while the sweep looks is not.
func TestSweepTidiesUp(t *testing.T) {
	t.Run("a row that stayed", func(t *testing.T) {
		inBubble(t, func(e *env) {
			run := e.claim()
			id := run.Job().ID.String()
			k := table.Key{Part: "RUNNING#" + id[len(id)-1:], Sort: id}
			row, err := e.Table.Get(e.t.Context(), k)
			if err != nil {
				e.t.Fatal(err)
			}
			if err := run.Close(e.t.Context(), job.Failed, job.SourceFailed, "it broke", job.Report{}); err != nil {
				e.t.Fatal(err)
			}
			// As a program would leave it that forgot it.
			err = e.Table.Write(e.t.Context(), table.Put(k, json.RawMessage(row.Body), table.Absent))
			if err != nil {
				e.t.Fatal(err)
			}
			if swept, err := e.Sweep(e.t.Context()); swept != (job.Swept{Running: 1, Tidied: 1}) || err != nil {
				e.t.Errorf("Sweep = %+v, %v", swept, err)
			}
			if _, err := e.Table.Get(e.t.Context(), k); !errors.Is(err, table.ErrNotFound) || !strings.Contains(e.log.String(), `"ERROR"`) {
				e.t.Errorf("the row: %v; the log: %s", err, &e.log)
			}
		})
	})
	t.Run("a job that ends meanwhile", func(t *testing.T) {
		inBubble(t, func(e *env) {
			run := e.claim()
			s := e.through(func(c tabletest.Call) tabletest.Fault {
				if c.Method == tabletest.Get && c.Key == job.LeaseKey(e.org, integration) {
					if err := run.Close(e.t.Context(), job.Failed, job.SourceFailed, "it broke", job.Report{}); err != nil && !errors.Is(err, lease.ErrLost) {
						e.t.Error(err)
					}
				}
				return tabletest.None()
			})
			if swept, err := s.Sweep(e.t.Context()); swept != (job.Swept{Running: 1}) || err != nil {
				e.t.Errorf("Sweep = %+v, %v", swept, err)
			}
			if strings.Contains(e.log.String(), `"ERROR"`) {
				e.t.Errorf("the log: %s", &e.log)
			}
		})
	})
	t.Run("its integration is gone", func(t *testing.T) {
		inBubble(t, func(e *env) {
			run := e.claim()
			if err := e.Table.Write(e.t.Context(), e.seen().Remove()); err != nil {
				e.t.Fatal(err)
			}
			e.sweep(job.Swept{Running: 1, Ended: 1})
			if j := e.get(run.Job().ID); j.Reason != job.IntegrationRemoved {
				e.t.Errorf("the job is %s, %s", j.Status, j.Reason)
			}
			if err := run.Commit(e.t.Context(), job.Report{}, true); !errors.Is(err, lease.ErrLost) {
				e.t.Errorf("Commit: %v, want ErrLost", err)
			}
		})
	})
	t.Run("one that cannot be read", func(t *testing.T) {
		inBubble(t, func(e *env) {
			e.claim()
			time.Sleep(lease.TTL)
			bad := table.Key{Part: "RUNNING#0", Sort: "no job's id"}
			if err := e.Table.Write(e.t.Context(), table.Put(bad, struct{}{}, table.Any)); err != nil {
				e.t.Fatal(err)
			}
			swept, err := e.Sweep(e.t.Context())
			if swept != (job.Swept{Running: 2, Restarted: 1}) || err == nil {
				e.t.Errorf("Sweep = %+v, %v; want the other restarted, and an error", swept, err)
			}
			if err := e.Table.Write(e.t.Context(), table.Delete(bad, table.Any)); err != nil {
				e.t.Fatal(err)
			}
		})
	})
}

func TestTickID(t *testing.T) {
	at := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	id := job.TickID("t1", 3, at)
	if again := job.TickID("t1", 3, at.In(time.FixedZone("", 3600))); again != id {
		t.Errorf("the same tick is %s and %s", id, again)
	}
	ids := []string{id.String()}
	for _, other := range []job.ID{job.TickID("t2", 3, at), job.TickID("t1", 4, at), job.TickID("t1", 3, at.Add(time.Second)), job.TickID("t", 13, at)} {
		ids = append(ids, other.String())
	}
	if sorted := slices.Sorted(slices.Values(ids)); len(slices.Compact(sorted)) != len(ids) {
		t.Errorf("different ticks have one id: %v", ids)
	}
	if later := job.TickID("t1", 3, at.Add(time.Millisecond)); later.String() <= id.String() {
		t.Errorf("a later tick, %s, sorts before %s", later, id)
	}
	if parsed, err := job.ParseID(id.String()); err != nil || parsed != id || id.String()[14] != '7' {
		t.Errorf("ParseID(%s) = %s, %v", id, parsed, err)
	}
}

func TestParseID(t *testing.T) {
	for _, bad := range []string{"", "x", "00000000-0000-0000-0000-000000000000", "urn:uuid:0192f0c1-0000-7000-8000-000000000001",
		"{0192f0c1-0000-7000-8000-000000000001}", "0192f0c1000070008000000000000001", "../0192f0c1-0000-7000-8000-00000000000"} {
		if id, err := job.ParseID(bad); err == nil {
			t.Errorf("ParseID(%q) = %s", bad, id)
		}
	}
}

func TestProblems(t *testing.T) {
	e := open(t)
	j := job.Job{ID: job.NewID(), Org: e.org, Report: job.Report{ProblemsKey: e.org.Path("jobs", "x", "1", "problems")}}
	var lines strings.Builder
	for i := range 5 {
		fmt.Fprintf(&lines, `{"reason":"email_missing","pointer":"/users/%d","detail":"%s"}`+"\n", i, strings.Repeat("å", 100))
	}
	if _, err := e.Blobs.Put(t.Context(), j.Report.ProblemsKey, "application/x-ndjson", strings.NewReader(lines.String())); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		from, n, want int
		more          bool
	}{{0, 10, 5, false}, {0, 5, 5, false}, {0, 2, 2, true}, {2, 2, 2, true}, {4, 2, 1, false}, {9, 2, 0, false}} {
		ps, more, err := e.Problems(t.Context(), j, c.from, c.n)
		if len(ps) != c.want || more != c.more || err != nil || c.want > 0 && ps[0].Pointer != fmt.Sprintf("/users/%d", c.from) {
			t.Errorf("Problems(%d, %d) = %v, %t, %v; want %d, %t", c.from, c.n, ps, more, err, c.want, c.more)
		}
	}
	if err := e.Blobs.Delete(t.Context(), j.Report.ProblemsKey); err != nil {
		t.Fatal(err)
	}
	if ps, more, err := e.Problems(t.Context(), j, 0, 10); len(ps) > 0 || more || err != nil {
		t.Errorf("problems that have outlived their age: %v, %t, %v", ps, more, err)
	}
}
