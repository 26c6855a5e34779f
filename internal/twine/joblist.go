package twine

import (
	"context"

	"muster/internal/api"
	"muster/internal/integration"
	"muster/internal/job"
	"muster/internal/org"
)

// JobLists are the runs of syncs, page by page. *job.Store is one.
type JobLists interface {
	List(ctx context.Context, o org.ID, q job.Query) (job.Page, error)
}

type jobsInput struct {
	SystemIntegrationID string `query:"system_integration_id" format:"uuid" doc:"Only jobs of this system integration"`
	Status              string `query:"status" enum:"pending,processing,completed,skipped,failed,requeued,duplicate_aborted,unresolved" doc:"Only jobs that are in this status"`
	api.Page
}

type jobsOutput struct{ Body list[JobRow] }

// GetJobs is GET /v1/org/jobs, newest first.
func GetJobs(jobs JobLists) api.Route {
	op := api.Op{
		ID: "getJobs", Method: "GET", Path: base + "/org/jobs", Tag: "Jobs", Role: org.Read,
		Summary: "Get jobs",
		Description: "The syncs of the organization, newest first, without their problems. A page of one status may end early, even with no job in it: " +
			"has_next_page says whether there is more to come behind end_cursor.",
	}
	return api.Handle(op, func(ctx context.Context, in *jobsInput) (*jobsOutput, error) {
		q, err := in.query()
		if err != nil {
			return nil, err
		}
		page, err := jobs.List(ctx, api.Caller(ctx).Org, q)
		if err != nil {
			return nil, err
		}
		body := list[JobRow]{Data: make([]JobRow, len(page.Jobs)), Pagination: in.Info("", "", page.More)}
		for i, j := range page.Jobs {
			body.Data[i] = jobOf(j)
		}
		if page.From != (job.ID{}) {
			cursor := func(id job.ID) string { return api.EncodeCursor(idCursor{id.String()}) }
			body.Pagination = in.Info(cursor(page.From), cursor(page.To), page.More)
		}
		return &jobsOutput{body}, nil
	})
}

func (in *jobsInput) query() (job.Query, error) {
	q := job.Query{Status: job.Status(in.Status), Limit: in.Limit(), Backward: in.Backward()}
	if in.SystemIntegrationID != "" {
		id, err := integration.ParseID(in.SystemIntegrationID)
		if err != nil {
			return q, api.Invalid("system_integration_id must be a UUID", api.Fault{Pointer: "query.system_integration_id", Detail: "must be a UUID"})
		}
		q.Integration = id.String()
	}
	if in.Cursor() == "" {
		return q, nil
	}
	var c idCursor
	if err := api.DecodeCursor(in.Cursor(), &c); err != nil {
		return q, err
	}
	id, err := job.ParseID(c.ID)
	if err != nil {
		return q, badCursor()
	}
	if q.Backward {
		q.Before = id
	} else {
		q.After = id
	}
	return q, nil
}
