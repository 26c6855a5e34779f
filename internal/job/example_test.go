package job_test

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"muster/internal/job"
	"muster/internal/lease"
	"muster/internal/local/bolt"
	"muster/internal/org"
)

// queue is a Starter that a worker reads from.
type queue []job.Start

func (q *queue) Start(_ context.Context, st job.Start) error {
	*q = append(*q, st)
	return nil
}

// A request claims an integration and hands the job over; the worker that the
// start wakes adopts it, works under its lease and ends it.
func Example() {
	ctx := context.Background()
	dir, err := os.MkdirTemp("", "muster")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)
	t, err := bolt.Open(filepath.Join(dir, "table.db"), time.Now)
	if err != nil {
		panic(err)
	}
	defer t.Close()
	var starts queue
	jobs := &job.Store{Table: t, Starter: &starts, Now: time.Now, Log: slog.New(slog.DiscardHandler)}
	must := func(err error) {
		if err != nil {
			panic(err)
		}
	}
	o := org.NewID()
	must(t.Write(ctx, lease.New(job.LeaseKey(o, "wiki"))))

	request, err := jobs.Claim(ctx, o, "wiki", job.ID{}, job.Input{Kind: job.InputFile, FileID: 7})
	must(err)
	fmt.Println("request:", request.Job().Status)
	must(request.Park(ctx, nil, job.Report{}))
	fmt.Println("parked:", request.Job().Status)

	worker, err := jobs.Adopt(ctx, starts[0])
	must(err)
	kept, stop := worker.Keep(ctx)
	fmt.Println("worker:", worker.Job().Status, "with token", worker.Token())
	must(worker.Commit(kept, job.Report{}, true)) // with the writes that make the result visible
	stop()
	fmt.Println("done:", worker.Job().Status)
	// Output:
	// request: processing
	// parked: pending
	// worker: processing with token 3
	// done: completed
}
