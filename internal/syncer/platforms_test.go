package syncer_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"muster/internal/aws/dynamo"
	"muster/internal/aws/s3store"
	"muster/internal/emulator"
	"muster/internal/job"
	"muster/internal/lease"
	"muster/internal/roster"
)

// onPlatforms runs a test on both platforms, by the real clock.
func onPlatforms(t *testing.T, test func(*world)) {
	t.Helper()
	t.Run("local", func(t *testing.T) { test(local(t)) })
	t.Run("aws", func(t *testing.T) {
		client, name := emulator.DynamoDBClient(t), emulator.TableName()
		if err := dynamo.CreateTable(t.Context(), client, name); err != nil {
			t.Fatal(err)
		}
		blobs := s3store.New(emulator.S3Client(t), emulator.Bucket(t))
		test(newWorld(t, dynamo.New(client, name), blobs))
	})
}

const rounds = 100

// Of two syncs of one integration at once one runs, and the other is told which.
func TestSecondSyncIsBusy(t *testing.T) {
	t.Parallel()
	onPlatforms(t, func(w *world) {
		for i := range rounds {
			open, release := make(chan struct{}), make(chan struct{})
			w.source = script{pages: pages(ada), before: func(_ context.Context, page int) error {
				if page == 1 {
					close(open) // a second run would close it again
					<-release
				}
				return nil
			}}
			first := make(chan job.Job)
			go func() {
				j, err := w.sync(w.process(), file)
				if err != nil {
					w.t.Error(err)
				}
				first <- j
			}()
			<-open
			_, err := w.sync(w.process(), file)
			close(release)
			j := <-first
			var busy *lease.Busy
			if !errors.As(err, &busy) || busy.Job != j.ID.String() || !busy.Until.After(time.Now()) {
				w.t.Fatalf("round %d: the second sync: %v, %+v; want busy with %s", i, err, busy, j.ID)
			}
			if j.Status != job.Completed {
				w.t.Fatalf("round %d: the first sync: %s, %s", i, j.Status, j.Message)
			}
		}
		w.wantStatuses(map[job.Status]int{job.Completed: rounds})
	})
}

// ways are the entries to a sync, all taken at once.
type ways struct {
	*world
	active, runs atomic.Int64
	back         sync.WaitGroup // entries that are not running
}

// Read is held open until every other entry has returned.
func (s *ways) during(context.Context, int) error {
	if n := s.active.Add(1); n > 1 {
		return fmt.Errorf("%d runs at once", n)
	}
	if s.runs.Add(1) == 1 {
		s.back.Wait()
	}
	s.active.Add(-1)
	return nil
}

// outcome is what an entry came to.
type outcome struct {
	entry string
	job   job.Job
	err   error
}

// A file, two deliveries of one tick, another trigger's tick, two deliveries of a
// worker's start (of a continuation, in every second round) and one of a start
// that is over, on one integration at once: one runs, and every other is told so.
func TestEveryWayInMeetsTheLease(t *testing.T) {
	t.Parallel()
	onPlatforms(t, func(w *world) {
		w.triggers = map[string]int64{"t1": 1, "t2": 1}
		stale := job.Start{Org: w.org, Job: job.NewID(), Token: 1}
		for i := range rounds {
			stale = w.round(i, stale)
			if w.t.Failed() {
				w.t.Fatalf("in round %d", i)
			}
		}
		w.state.Check(w.t)
	})
}

// round answers the start that it used up.
func (w *world) round(i int, stale job.Start) job.Start {
	s := &ways{world: w}
	one := pages(ada)[:1]
	parked := i%2 == 1
	var st job.Start
	if parked {
		st = w.park(i%4 == 3)
	}
	w.source = script{pages: append(one, one...), resume: true, before: s.during}
	at := noon.Add(time.Duration(i) * time.Hour)
	run := func(p *process, st job.Start) error { return p.Run(p.ctx, st) }
	entries := map[string]func(p *process) (job.Job, error){
		"file":        func(p *process) (job.Job, error) { return w.sync(p, file) },
		"tick":        func(p *process) (job.Job, error) { return job.Job{}, p.Tick(p.ctx, w.tick("t1", at)) },
		"tick again":  func(p *process) (job.Job, error) { return job.Job{}, p.Tick(p.ctx, w.tick("t1", at)) },
		"other tick":  func(p *process) (job.Job, error) { return job.Job{}, p.Tick(p.ctx, w.tick("t2", at)) },
		"stale start": func(p *process) (job.Job, error) { return job.Job{}, run(p, stale) },
	}
	if parked {
		entries["start"] = func(p *process) (job.Job, error) { return job.Job{}, run(p, st) }
		entries["start again"] = entries["start"]
	}
	s.back.Add(len(entries) - 1)
	outcomes := make(chan outcome, len(entries))
	var back atomic.Int64
	for name, enter := range entries {
		p := w.process()
		go func() {
			j, err := enter(p)
			if back.Add(1) < int64(len(entries)) {
				s.back.Done() // the last one is the one that runs
			}
			outcomes <- outcome{name, j, err}
		}()
	}
	var winner job.ID
	for range entries {
		o := <-outcomes
		var busy *lease.Busy
		switch {
		case o.entry == "file" && errors.As(o.err, &busy):
		case o.err != nil:
			w.t.Errorf("%s: %v", o.entry, o.err)
		}
	}
	if n := s.runs.Load(); n < 1 || n > 2 { // one run reads two pages, or one if it goes on
		w.t.Errorf("%d pages were read", n)
	}
	_ = winner
	// What waited runs now, one after the other.
	w.source = script{pages: one}
	for range 3 {
		p := w.process()
		if _, err := p.Jobs.Sweep(p.ctx); err != nil {
			w.t.Error(err)
		}
		w.mu.Lock()
		starts := w.starts
		w.starts = nil
		w.mu.Unlock()
		for _, next := range starts {
			p := w.process()
			if err := run(p, next); err != nil {
				w.t.Error(err)
			}
		}
	}
	if parked {
		return st
	}
	return stale
}

// park leaves a job for a worker, to go on from its first page or to begin.
func (w *world) park(checkpoint bool) job.Start {
	w.t.Helper()
	p := w.process()
	if !checkpoint {
		if _, err := p.SyncFile(p.ctx, w.org, integration, file, 1<<30); err != nil {
			w.t.Fatal(err)
		}
		st := w.starts[0]
		w.starts = nil
		return st
	}
	large := w.park(false)
	w.source = script{pages: []roster.Batch{pages(ada)[0], {}, {}}, resume: true, before: func(ctx context.Context, page int) error {
		if page == 1 {
			close(p.drain)
			<-ctx.Done() // nothing more comes: the grace ends it
			return ctx.Err()
		}
		return nil
	}}
	_ = large
	return large
}
