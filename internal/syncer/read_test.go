package syncer_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"muster/internal/blob"
	"muster/internal/blob/blobtest"
	"muster/internal/job"
	"muster/internal/roster"
	"muster/internal/snapshot"
	"muster/internal/table"
	"muster/internal/table/tabletest"
)

// Whoever reads while syncs commit sees one snapshot or the other, whole, and can
// read the one that it opened to its end.
func TestI2_ReadersSeeOneSnapshot(t *testing.T) {
	w := local(t)
	const n = 40
	names := []string{"Ada", "Grace"}
	w.source = script{pages: pages(people(n, names[0]))}
	w.mustSync(file, job.Completed)
	store := &snapshot.Store{Table: w.table, Blobs: w.blobs}
	done := make(chan struct{})
	var readers sync.WaitGroup
	for range 3 {
		readers.Go(func() {
			for {
				select {
				case <-done:
					return
				default:
				}
				if err := oneName(w, store, n); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	for i := range 20 {
		w.source = script{pages: pages(people(n, names[(i+1)%2]))}
		if j, err := w.sync(w.process(), file); err != nil || j.Status != job.Completed || j.Report.Counts.Users.Changed != n {
			t.Errorf("sync %d: %s with %+v, %v", i, j.Status, j.Report.Counts.Users, err)
		}
	}
	close(done)
	readers.Wait()
	w.state.Check(t)
}

// oneName reads the latest snapshot and requires n users of one name.
func oneName(w *world, store *snapshot.Store, n int) error {
	r, err := store.Latest(context.Background(), w.org, integration)
	if err != nil {
		return err
	}
	defer func() { _ = r.Close() }()
	names := map[string]int{}
	for row, err := range r.Rows(context.Background(), 0, snapshot.Key{}) {
		if err != nil {
			return err
		}
		if row.Kind == snapshot.User {
			names[row.FirstName]++
		}
	}
	if len(names) != 1 || names["Ada"]+names["Grace"] != n {
		return fmt.Errorf("a reader saw %v", names)
	}
	return nil
}

// A process that stops before its commit has changed nothing, and one that stops
// after it has done all: the pointer, the job's end and the lease go together.
func TestI2_CommitIsOneStep(t *testing.T) {
	for _, after := range []bool{false, true} {
		inBubble(t, fmt.Sprintf("stops after: %t", after), func(w *world) {
			w.source = script{pages: pages(ada)}
			w.mustSync(file, job.Completed)
			w.source = script{pages: pages(changed)}
			p := w.process()
			p.table.Hook = w.killCommit(after)
			if _, err := w.sync(p, file); err == nil || p.table.Faults() != 1 {
				w.t.Fatalf("the process was to stop at its commit: %v", err)
			}
			w.state.Check(w.t)
			free := w.lease().Job == ""
			completed := w.jobs()[1].Status == job.Completed
			if free != after || completed != after {
				w.t.Errorf("the lease is free: %t, the job completed: %t; want %t", free, completed, after)
			}
			w.wantRoster(map[bool]map[string]string{true: changed, false: ada}[after])
		})
	}
}

// killCommit stops a process at the write that moves the pointer.
func (w *world) killCommit(after bool) func(tabletest.Call) tabletest.Fault {
	return func(c tabletest.Call) tabletest.Fault {
		moves := slices.ContainsFunc(c.Writes, func(wr table.Write) bool { return wr.Key == snapshot.PointerKey(w.org, integration) })
		switch {
		case !moves:
			return tabletest.None()
		case after:
			return tabletest.StopAfter()
		default:
			return tabletest.StopBefore()
		}
	}
}

var errSource = errors.New("the source broke; its words are for operators: token=hunter2")

// failAt fails before a page.
func failAt(n int, err error) func(context.Context, int) error {
	return func(_ context.Context, page int) error {
		if page == n {
			return err
		}
		return nil
	}
}

// What did not come to its end, and what would empty a roster, removes nobody,
// and the job says why.
func TestI3_NothingIsRemovedOnAPartialRead(t *testing.T) {
	live := people(250, "Ada")
	fault := &roster.Fault{Message: "line 3, column 7: expected a comma", Problems: []roster.Problem{{Reason: roster.WrongType, Pointer: "/users/3"}}}
	bad := []roster.Batch{{Problems: []roster.Problem{{Reason: roster.EmailMissing, Skips: roster.UserEntity}}}}
	for _, c := range []struct {
		name   string
		before map[string]string
		source roster.Source // nil: the integration has none
		err    error         // of opening it
		allow  bool
		status job.Status
		reason job.Reason
		after  map[string]string
	}{
		{"an error on page 3 of 5", live, script{pages: pages(live)[:5], before: failAt(2, errSource)}, nil, false, job.Failed, job.SourceFailed, live},
		{"an error behind the last page", live, failsLast{script{pages: pages(live)}}, nil, false, job.Failed, job.SourceFailed, live},
		{"an error on the first page, removals allowed", live, script{pages: pages(live), before: failAt(0, errSource)}, nil, true, job.Failed, job.SourceFailed, live},
		{"a file at fault", live, script{pages: pages(live)[:5], before: failAt(2, fault)}, nil, false, job.Failed, job.FileInvalid, live},
		{"a file that went away", live, script{pages: pages(live), before: failAt(2, blob.ErrNotFound)}, nil, false, job.Failed, job.FileGone, live},
		{"a file that was replaced", live, script{pages: pages(live), before: failAt(2, blob.ErrChanged)}, nil, false, job.Failed, job.FileChanged, live},
		{"a store that does not answer", live, script{pages: pages(live), before: failAt(2, blob.ErrUnavailable)}, nil, false, job.Failed, job.Unavailable, live},
		{"no source", live, nil, nil, false, job.Failed, job.NoSource, live},
		{"an empty read", live, script{}, nil, false, job.Failed, job.TooManyRemovals, live},
		{"an empty read of few", ada, script{}, nil, false, job.Failed, job.TooManyRemovals, ada},
		{"an empty read of nobody", nil, script{}, nil, false, job.Completed, "", map[string]string{}},
		{"an empty read, allowed", ada, script{}, nil, true, job.Completed, "", map[string]string{}},
		{"nobody who can be taken", ada, script{pages: bad}, nil, false, job.Failed, job.TooManyRemovals, ada},
		{"60 % of 250", live, script{pages: pages(people(100, "Ada"))}, nil, false, job.Failed, job.TooManyRemovals, live},
		{"60 % of 250, allowed", live, script{pages: pages(people(100, "Ada"))}, nil, true, job.Completed, "", people(100, "Ada")},
		{"49 % of 250", live, script{pages: pages(people(128, "Ada"))}, nil, false, job.Completed, "", people(128, "Ada")},
		{"80 % of 5", ada, script{pages: pages(people(1, "Ada"))}, nil, false, job.Completed, "", people(1, "Ada")},
	} {
		inBubble(t, c.name, func(w *world) {
			w.source = script{pages: pages(c.before)}
			w.mustSync(file, job.Completed)
			in := file
			in.AllowRemovals = c.allow
			w.source = c.source
			j := w.mustSync(in, c.status)
			if j.Reason != c.reason || strings.Contains(j.Message, "hunter2") {
				w.t.Errorf("reason %s (%s), want %s", j.Reason, j.Message, c.reason)
			}
			if r := j.Report; c.reason == job.TooManyRemovals && (r.WouldRemove == 0 || r.Live != int64(len(c.before))) {
				w.t.Errorf("the report says %d of %d would be removed", r.WouldRemove, r.Live)
			}
			if c.reason == job.FileInvalid && (j.Message != fault.Message || len(j.Report.Problems) != 1) {
				w.t.Errorf("the file's author is told %q, %v", j.Message, j.Report.Problems)
			}
			w.wantRoster(c.after)
			if removed := int64(len(c.before) - len(c.after)); j.Status == job.Completed && j.Report.Counts.Users.Removed != removed {
				w.t.Errorf("%d were removed, want %d", j.Report.Counts.Users.Removed, removed)
			}
			w.clear()
		})
	}
}

// failsLast yields an error when every page was given.
type failsLast struct{ script }

func (f failsLast) Read(ctx context.Context, cursor []byte) iter.Seq2[roster.Batch, error] {
	return func(yield func(roster.Batch, error) bool) {
		for b := range f.script.Read(ctx, cursor) {
			if !yield(b, nil) {
				return
			}
		}
		yield(roster.Batch{}, errSource)
	}
}

// A source that stops without a word when its context ends is not complete: the
// job is parked, and the next worker reads all of it.
func TestI3_SilentStop(t *testing.T) {
	for _, resume := range []bool{false, true} {
		inBubble(t, fmt.Sprintf("with cursors: %t", resume), func(w *world) {
			w.source = script{pages: pages(ada)}
			w.mustSync(file, job.Completed)
			w.source = silent{script{pages: pages(ada), resume: resume}}
			j := w.mustSync(file, job.Pending)
			w.wantRoster(ada)
			w.source = script{pages: pages(changed), resume: resume}
			w.settle()
			if got := w.job(j.ID); got.Status != job.Completed || got.Continuations != 1 {
				w.t.Errorf("the job is %s after %d continuations", got.Status, got.Continuations)
			}
			w.wantRoster(changed)
		})
	}
}

// silent gives one page and then nothing, until it is stopped.
type silent struct{ script }

func (s silent) Read(ctx context.Context, cursor []byte) iter.Seq2[roster.Batch, error] {
	return func(yield func(roster.Batch, error) bool) {
		for b := range s.script.Read(ctx, cursor) {
			if yield(b, nil) {
				<-ctx.Done()
			}
			return
		}
	}
}

// A store that fails in the middle of a read of the last snapshot ends the run.
func TestI3_LastSnapshotUnreadable(t *testing.T) {
	inBubble(t, "unavailable", func(w *world) {
		w.source = script{pages: pages(ada)}
		w.mustSync(file, job.Completed)
		p := w.process()
		w.source = script{pages: pages(people(1, "Grace"))}
		p.blobs.Hook = func(c blobtest.Call) blobtest.Fault {
			if c.Method == blobtest.ReadAt {
				return blobtest.NotApplied(blob.ErrUnavailable)
			}
			return blobtest.None()
		}
		j, err := w.sync(p, file)
		if err != nil || j.Status != job.Failed || j.Reason != job.Unavailable || p.blobs.Faults() == 0 {
			w.t.Errorf("sync: %s, %s, %v; %d faults", j.Status, j.Reason, err, p.blobs.Faults())
		}
		w.state.Check(w.t)
		w.wantRoster(ada)
	})
}

// Someone who is gone stays until retention is over and every target knows it.
func TestPurgeWaitsForTargets(t *testing.T) {
	inBubble(t, "one target", func(w *world) {
		w.settings.Retention = 48 * time.Hour
		w.source = script{pages: pages(ada)}
		w.mustSync(file, job.Completed)
		w.source = script{pages: pages(people(4, "Ada"))}
		w.mustSync(file, job.Completed)
		d := directory{w: w, mapping: "late"} // made after the removal: it must hear of it
		time.Sleep(72 * time.Hour)
		w.targets = append(w.targets, d)
		w.mustSync(file, job.Completed)
		d.check()
		if _, err := w.table.Get(w.t.Context(), d.key(snapshot.Key{Email: "p004@example.com"})); errors.Is(err, table.ErrNotFound) {
			w.t.Error("a target that was made late never heard of who had gone")
		}
		j := w.mustSync(file, job.Completed)
		for row := range w.latest().Rows(w.t.Context(), 0, snapshot.Key{}) {
			if row.Email == "p004@example.com" {
				w.t.Errorf("%v is still there after its retention and job %s", row.Key, j.ID)
			}
		}
	})
}
