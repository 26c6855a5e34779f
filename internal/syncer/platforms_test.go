package syncer_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"muster/internal/aws/s3store"
	"muster/internal/emulator"
	"muster/internal/job"
	"muster/internal/lease"
	"muster/internal/roster"
)

// onPlatforms runs a test on both platforms, by the real clock.
func onPlatforms(t *testing.T, test func(*world)) {
	t.Helper()
	t.Run("local", func(t *testing.T) { test(local(t).unhurried()) })
	t.Run("aws", func(t *testing.T) {
		blobs := s3store.New(emulator.S3Client(t), emulator.Bucket(t))
		test(newWorld(t, emulator.Table(t, emulator.DynamoDBClient(t)), blobs).unhurried())
	})
}

// unhurried is a world by the real clock in which no request's time is over, however
// busy the machine.
func (w *world) unhurried() *world {
	w.request = time.Hour
	return w
}

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

// A file, two deliveries of one tick, another trigger's tick, two deliveries of a
// worker's start (in every fourth round of a continuation) and one that is over,
// on one integration at once: one runs, and every other is told so.
func TestEveryWayInMeetsTheLease(t *testing.T) {
	t.Parallel()
	onPlatforms(t, func(w *world) {
		w.triggers = map[string]int64{"t1": 1, "t2": 1}
		stale := job.Start{Org: w.org, Job: job.NewID(), Token: 1}
		for i := range rounds {
			r := &round{world: w, at: noon.Add(time.Duration(i) * time.Hour), stale: stale}
			if i%2 == 1 {
				r.parked = w.park(i%4 == 3)
				stale = *r.parked
			}
			r.enter()
			r.judge()
			r.rest()
			if w.t.Failed() {
				w.t.Fatalf("in round %d", i)
			}
		}
		w.state.Check(w.t)
	})
}

// round is every way in, once.
type round struct {
	*world
	at     time.Time // of the ticks
	parked *job.Start
	stale  job.Start

	active atomic.Int64
	others sync.WaitGroup // entries that do not run
	file   job.Job
	busy   *lease.Busy // what the file was told
}

// enter takes every way at once. Who reads waits until all others have returned.
func (r *round) enter() {
	r.source = script{pages: pages(ada)[:1], resume: true, before: func(context.Context, int) error {
		if n := r.active.Add(1); n > 1 {
			return fmt.Errorf("%d runs at once", n)
		}
		r.others.Wait()
		r.active.Add(-1)
		return nil
	}}
	start := func(st job.Start) func(*process) error { return func(p *process) error { return p.Run(p.ctx, st) } }
	tick := func(trigger string) func(*process) error {
		return func(p *process) error { return p.Tick(p.ctx, r.tick(trigger, r.at)) }
	}
	entries := []func(*process) error{r.put, tick("t1"), tick("t1"), tick("t2"), start(r.stale)}
	if r.parked != nil {
		entries = append(entries, start(*r.parked), start(*r.parked))
	}
	r.others.Add(len(entries) - 1)
	var back atomic.Int64
	var all sync.WaitGroup
	for _, entry := range entries {
		all.Go(func() {
			if err := entry(r.process()); err != nil {
				r.t.Error(err)
			}
			if int(back.Add(1)) < len(entries) {
				r.others.Done()
			}
		})
	}
	all.Wait()
}

func (r *round) put(p *process) (err error) {
	if r.file, err = r.sync(p, file); errors.As(err, &r.busy) {
		return nil
	}
	return err
}

// judge requires one completed job, and that the others say which it was.
func (r *round) judge() {
	r.t.Helper()
	ids := []job.ID{job.TickID("t1", 1, r.at), job.TickID("t2", 1, r.at)}
	if r.busy == nil {
		ids = append(ids, r.file.ID)
	}
	if r.parked != nil {
		ids = append(ids, r.parked.Job)
	}
	n := map[job.Status]int{}
	for _, id := range ids {
		j, err := r.process().Jobs.Get(r.t.Context(), r.org, id)
		if err != nil {
			r.t.Fatal(err)
		}
		n[j.Status]++
		if j.Status == job.Completed && r.busy != nil && r.busy.Job != id.String() {
			r.t.Errorf("the file was told of %s, and %s ran", r.busy.Job, id)
		}
	}
	if n[job.Completed] != 1 || n[job.Requeued] != len(ids)-1 {
		r.t.Errorf("jobs of the round: %v, want one completed and the others requeued", n)
	}
}

// rest lets those that wait run, one after the other.
func (r *round) rest() {
	r.source = script{pages: pages(ada)[:1]}
	for range 2 {
		p := r.process()
		if _, err := p.Jobs.Sweep(p.ctx); err != nil {
			r.t.Error(err)
		}
		for _, st := range r.sent() {
			if err := p.Run(p.ctx, st); err != nil {
				r.t.Error(err)
			}
		}
	}
	if l := r.lease(); l.Job != "" {
		r.t.Errorf("the integration is not free: %+v", l)
	}
}

// sent takes the starts that are on their way.
func (w *world) sent() []job.Start {
	w.mu.Lock()
	defer w.mu.Unlock()
	starts := w.starts
	w.starts = nil
	return starts
}

// park leaves a job for a worker: one to begin, or one to go on.
func (w *world) park(checkpoint bool) *job.Start {
	w.t.Helper()
	p := w.process()
	if _, err := p.SyncFile(p.ctx, w.org, integration, job.ID{}, file, 1<<30); err != nil {
		w.t.Fatal(err)
	}
	st := w.sent()[0]
	if !checkpoint {
		return &st
	}
	w.source = endless{}
	close(p.drain)
	if err := p.Run(p.ctx, st); err != nil {
		w.t.Fatal(err)
	}
	next := w.sent()[0]
	if j, err := p.Jobs.Get(p.ctx, w.org, st.Job); err != nil || j.Checkpoint == nil {
		w.t.Fatalf("parked without a checkpoint: %+v, %v", j, err)
	}
	return &next
}

// endless is a source of empty pages that goes on until it is stopped.
type endless struct{}

func (endless) Read(context.Context, []byte) iter.Seq2[roster.Batch, error] {
	return func(yield func(roster.Batch, error) bool) {
		for yield(roster.Batch{Cursor: []byte("0")}, nil) {
		}
	}
}
