package syncer_test

import (
	"context"
	"fmt"
	"iter"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"muster/internal/job"
	"muster/internal/lease"
	"muster/internal/snapshot"
	"muster/internal/syncer"
	"muster/internal/table"
	"muster/internal/table/tabletest"
)

// outside is a target that no transaction can fence: it counts what is called
// after its process lost the lease.
type outside struct {
	robbed *atomic.Bool
	late   *atomic.Int64
}

func (outside) Mapping() string { return "outside" }

func (o outside) Apply(ctx context.Context, p *syncer.Pass, rows iter.Seq2[snapshot.Row, error]) error {
	for row, err := range rows {
		if err != nil {
			return err
		}
		before := o.robbed.Load()
		if err := p.Held(ctx); err != nil {
			return err
		}
		if before {
			o.late.Add(1)
		}
		if err := p.Done(ctx, row.Key); err != nil {
			return err
		}
	}
	return nil
}

// theft is a way in which a process loses the lease it works under.
type theft struct {
	name string
	do   func(w *world)
}

const apart = 5 * time.Minute

func ahead() time.Time { return time.Now().Add(apart) }

// restart is a sweep that believes the lease has run out: its clock is ahead.
func (w *world) restart() {
	p := w.processAt(ahead)
	_, _ = p.Jobs.Sweep(p.ctx)
}

var thefts = []theft{
	{"restarted", (*world).restart},
	{"restarted and done by another", func(w *world) { w.restart(); w.deliver() }},
	{"ended by the sweep", func(w *world) {
		for range job.MaxRestarts + 1 {
			w.restart()
			p := w.process()
			for _, st := range w.starts[len(w.starts)-min(1, len(w.starts)):] {
				_, _ = p.Jobs.Adopt(p.ctx, st) // and dies
			}
		}
	}},
}

// A process loses its lease right before any of its writes: that one and all
// later ones fail, and nothing it says can be seen.
func TestI1_FencedAtEveryWrite(t *testing.T) {
	for _, targets := range []int{0, 1} {
		for _, th := range thefts {
			t.Run(fmt.Sprintf("%s/%d targets", th.name, targets), func(t *testing.T) {
				t.Parallel()
				for at, more := 2, true; more && !t.Failed(); at++ {
					synctest.Test(t, func(t *testing.T) { more = robbed(local(t), th, targets, at) })
				}
			})
		}
	}
}

// robbed plays a sync whose lease is taken before its write of that number, and
// reports whether it had so many.
func robbed(w *world, th theft, targets, at int) bool {
	var gone atomic.Bool
	var late atomic.Int64
	var ds []directory
	if targets > 0 {
		ds = []directory{{w: w, mapping: "m1"}}
		w.targets = []syncer.Target{ds[0], outside{&gone, &late}}
	}
	w.source = script{pages: pages(ada)}
	w.mustSync(file, job.Completed)

	after, committed := with(ada, "p001@example.com", "Grace"), false
	w.source = script{pages: pages(with(ada, "p001@example.com", "Impostor"))}
	victim := w.process()
	victim.table.Hook = func(c tabletest.Call) tabletest.Fault {
		if c.Ordinal == at {
			l := w.lease()
			id, err := job.ParseID(l.Job)
			committed = err == nil && !w.job(id).CommittedAt.IsZero()
			w.source = script{pages: pages(after)}
			w.targets = append([]syncer.Target(nil), w.targets...)
			if targets > 0 {
				w.targets[1] = outside{new(atomic.Bool), new(atomic.Int64)} // of another process
			}
			th.do(w)
			gone.Store(true)
		}
		return tabletest.None()
	}
	j, err := w.sync(victim, file)
	if !gone.Load() {
		return false
	}
	if err != nil {
		w.t.Errorf("write %d: the loser of a lease reports %v, which is no failure of the job", at, err)
	}
	if got := w.job(j.ID); got.Status != j.Status {
		w.t.Errorf("write %d: the loser says %s, the job's row %s", at, j.Status, got.Status)
	}
	w.state.Check(w.t)
	if late.Load() > 0 {
		w.t.Errorf("write %d: %d calls to a target outside after the lease was gone", at, late.Load())
	}
	w.settle()
	ended := w.job(j.ID)
	switch {
	case committed:
		after = with(ada, "p001@example.com", "Impostor") // it was not one yet
	case ended.Status == job.Failed && ended.Reason == job.WorkerLost:
		after = ada
	}
	w.wantRoster(after)
	if ended.Status == job.Failed { // the next run goes on
		w.mustSync(file, job.Completed)
	}
	for _, d := range ds {
		d.check()
	}
	w.clear()
	return true
}

// Whose clock is wrong may lose its lease; there is one commit all the same, and
// an end.
func TestI1_ClocksApart(t *testing.T) {
	for _, c := range []struct {
		name          string
		worker, sweep time.Duration
		robs          bool // a run that is alive
	}{
		{"the worker is ahead", apart, 0, false},
		{"the worker is behind", -apart, 0, true},
		{"the sweep is ahead", 0, apart, true},
		{"the sweep is behind", 0, -apart, false},
		{"both, apart", -apart, apart, true},
	} {
		inBubble(t, c.name, func(w *world) {
			at := func(d time.Duration) func() time.Time { return func() time.Time { return time.Now().Add(d) } }
			d := directory{w: w, mapping: "m1"}
			w.targets = []syncer.Target{d}
			w.source = script{pages: pages(ada), before: func(context.Context, int) error {
				time.Sleep(20 * time.Second) // a page: over the whole read, more than a lease
				p := w.processAt(at(c.sweep))
				_, err := p.Jobs.Sweep(p.ctx)
				return err
			}}
			first := w.processAt(at(c.worker))
			first.RequestTime = time.Hour
			j, err := w.sync(first, file)
			if err != nil {
				w.t.Fatal(err)
			}
			w.state.Check(w.t)
			for range 30 {
				w.deliver()
				if w.job(j.ID).Status.Terminal() {
					break
				}
				time.Sleep(time.Minute)
				p := w.processAt(at(c.sweep))
				_, _ = p.Jobs.Sweep(p.ctx)
				w.state.Check(w.t)
			}
			got := w.job(j.ID)
			if !got.Status.Terminal() {
				w.t.Fatalf("after half an hour the job is %s", got.Status)
			}
			if robbed := got.Restarts > 0; robbed != c.robs || !robbed && got.Status != job.Completed {
				w.t.Errorf("the job is %s after %d restarts", got.Status, got.Restarts)
			}
			if got.Status == job.Completed {
				w.wantRoster(ada)
				d.check()
			} else {
				w.wantRoster(map[string]string{})
			}
		})
	}
}

// A process that slept through its lease, with all of its goroutines, finds it
// gone and writes nothing.
func TestI1_PausedHolder(t *testing.T) {
	inBubble(t, "asleep while it reads", func(w *world) {
		asleep, woken := make(chan struct{}), make(chan struct{})
		p := w.process()
		p.RequestTime = time.Hour
		p.table.Table = gated{w.table, asleep, woken}
		w.source = script{pages: pages(people(5, "Impostor")), before: func(ctx context.Context, page int) error {
			if page == 1 {
				close(asleep)
				<-woken
			}
			return nil
		}}
		done := make(chan job.Job)
		go func() {
			j, err := w.sync(p, file)
			if err != nil {
				w.t.Error(err)
			}
			done <- j
		}()
		<-asleep
		w.mu.Lock()
		w.source = script{pages: pages(ada)}
		w.mu.Unlock()
		time.Sleep(lease.TTL + time.Minute)
		if swept, err := w.sweep(w.process()); err != nil || swept.Restarted != 1 {
			w.t.Fatalf("sweep: %+v, %v; want one restart", swept, err)
		}
		w.settle()
		close(woken)
		if j := <-done; j.Status != job.Completed || j.Restarts != 1 {
			w.t.Errorf("the sleeper reports %s after %d restarts, want what the other made of it", j.Status, j.Restarts)
		}
		w.state.Check(w.t)
		w.wantRoster(ada)
	})
}

// gated is a table whose writes are held up between two moments.
type gated struct {
	table.Table
	asleep, woken chan struct{}
}

func (g gated) Write(ctx context.Context, ws ...table.Write) error {
	select {
	case <-g.asleep:
		<-g.woken
	default:
	}
	return g.Table.Write(ctx, ws...)
}
