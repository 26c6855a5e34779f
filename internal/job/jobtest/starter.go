package jobtest

import (
	"context"
	"sync"
	"testing"
	"time"

	"muster/internal/job"
	"muster/internal/org"
)

// Work is what the starter's workers run.
type Work func(context.Context, job.Start)

// Run holds a starter to the port's contract. open makes one whose workers run
// work; what it starts it ends with the test.
func Run(t *testing.T, open func(t *testing.T, work Work) job.Starter) {
	t.Run("delivers what was sent", func(t *testing.T) { delivers(t, open) })
	t.Run("delivers every one of many sent at once", func(t *testing.T) { deliversAll(t, open) })
	t.Run("does not wait for the work", func(t *testing.T) { doesNotWait(t, open) })
	t.Run("the work outlives its sender", func(t *testing.T) { outlives(t, open) })
	t.Run("a worker that hangs keeps no other from its start", func(t *testing.T) { hangsAlone(t, open) })
}

type opener = func(*testing.T, Work) job.Starter

func newStart(token int64) job.Start {
	return job.Start{Org: org.NewID(), Job: job.NewID(), Token: token}
}

func send(t *testing.T, s job.Starter, st job.Start) {
	t.Helper()
	if err := s.Start(t.Context(), st); err != nil {
		t.Fatalf("start %+v: %v", st, err)
	}
}

func await[T any](t *testing.T, c <-chan T, what string) (v T) {
	t.Helper()
	select {
	case v = <-c:
	case <-time.After(30 * time.Second): // only a broken starter waits so long
		t.Fatalf("%s did not come", what)
	}
	return v
}

func delivers(t *testing.T, open opener) {
	got := make(chan job.Start, 10)
	s := open(t, func(_ context.Context, st job.Start) { got <- st })
	want := newStart(1<<53 + 1) // no float on the way may round it
	send(t, s, want)
	if st := await(t, got, "the start"); st != want {
		t.Errorf("delivered %+v, sent %+v", st, want)
	}
}

func deliversAll(t *testing.T, open opener) {
	const n = 200
	var mu sync.Mutex
	left := map[job.Start]bool{}
	all := make(chan struct{})
	s := open(t, func(_ context.Context, st job.Start) {
		mu.Lock()
		defer mu.Unlock()
		if delete(left, st); len(left) == 0 {
			select {
			case <-all: // a second delivery, which the port allows
			default:
				close(all)
			}
		}
	})
	starts := make([]job.Start, n)
	for i := range starts {
		starts[i] = newStart(int64(i + 1))
		left[starts[i]] = true
	}
	var wg sync.WaitGroup
	for _, st := range starts {
		wg.Go(func() {
			if err := s.Start(context.Background(), st); err != nil {
				t.Errorf("start: %v", err)
			}
		})
	}
	wg.Wait()
	await(t, all, "every start")
}

func doesNotWait(t *testing.T, open opener) {
	began, release := make(chan struct{}, 10), make(chan struct{})
	s := open(t, func(context.Context, job.Start) { began <- struct{}{}; <-release })
	defer close(release)
	send(t, s, newStart(1)) // would not return, if it waited
	await(t, began, "the work")
}

func outlives(t *testing.T, open opener) {
	began, release, ended := make(chan struct{}, 10), make(chan struct{}), make(chan error, 10)
	s := open(t, func(ctx context.Context, _ job.Start) {
		began <- struct{}{}
		<-release
		ended <- ctx.Err()
	})
	ctx, cancel := context.WithCancel(t.Context())
	if err := s.Start(ctx, newStart(1)); err != nil {
		t.Fatal(err)
	}
	await(t, began, "the work")
	cancel()
	close(release)
	if err := await(t, ended, "the end of the work"); err != nil {
		t.Errorf("the work ended with its sender: %v", err)
	}
}

func hangsAlone(t *testing.T, open opener) {
	held, release, second := make(chan struct{}, 10), make(chan struct{}), make(chan struct{}, 10)
	s := open(t, func(_ context.Context, st job.Start) {
		if st.Token == 1 {
			held <- struct{}{}
			<-release
			return
		}
		second <- struct{}{}
	})
	defer close(release)
	send(t, s, newStart(1))
	await(t, held, "the first")
	send(t, s, newStart(2))
	await(t, second, "the second, beside a first that hangs")
}
