package twine

import (
	"context"
	"errors"

	"muster/internal/api"
	"muster/internal/job"
	"muster/internal/org"
)

// Cancels end jobs. *job.Store is one.
type Cancels interface {
	Jobs
	// Cancel ends a job that is not over. job.ErrNotFound, job.ErrTerminal.
	Cancel(ctx context.Context, o org.ID, id job.ID) (job.Job, error)
}

// CancelJob is POST /v1/org/jobs/{job_id}/cancel.
func CancelJob(jobs Cancels) api.Route {
	op := api.Op{
		ID: "cancelJob", Method: "POST", Path: base + "/org/jobs/{job_id}/cancel", Tag: "Jobs", Role: org.Write,
		Summary: "Cancel job",
		Description: "Ends a sync that waits or runs, and answers as GET does. Before the commit nothing is changed; after it the snapshot stays, and what is left to do for its targets is the next run's. " +
			"A job that is over is a 409.",
	}
	return api.Handle(op, func(ctx context.Context, in *jobInput) (*jobOutput, error) {
		id, err := job.ParseID(in.ID)
		if err != nil {
			return nil, noJob()
		}
		j, err := jobs.Cancel(ctx, api.Caller(ctx).Org, id)
		switch {
		case errors.Is(err, job.ErrNotFound):
			return nil, noJob()
		case errors.Is(err, job.ErrTerminal):
			return nil, api.Conflict("the job is " + string(j.Status) + ", so there is nothing to cancel")
		case err != nil:
			return nil, err
		}
		return answer(ctx, jobs, j, &in.Page)
	})
}
