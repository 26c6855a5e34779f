package twine

import (
	"context"
	"errors"
	"time"

	"muster/internal/api"
	"muster/internal/job"
	"muster/internal/org"
	"muster/internal/roster"
)

// Jobs are the runs of syncs. *job.Store is one.
type Jobs interface {
	Get(ctx context.Context, o org.ID, id job.ID) (job.Job, error)
	Problems(ctx context.Context, j job.Job, from, n int) (ps []roster.Problem, more bool, err error)
}

type jobInput struct {
	ID string `path:"job_id" format:"uuid"`
	api.Page
}

type jobOutput struct {
	Body struct {
		Data       jobData      `json:"data"`
		Pagination api.PageInfo `json:"pagination" doc:"Of data.problems"`
	}
}

type jobData struct {
	JobRow
	Problems []problemData `json:"problems" doc:"A page of the first 10,000 problems, in the order in which they were met"`
}

// JobRow is a job as a list has it, without its problems. It is exported for the
// document: the fields of an embedded type that is not are left out of it.
type JobRow struct {
	ID                  string                  `json:"id" format:"uuid"`
	OrgID               string                  `json:"org_id" format:"uuid"`
	SystemIntegrationID string                  `json:"system_integration_id" format:"uuid"`
	SyncTriggerID       *string                 `json:"sync_trigger_id" example:"018f5c3e-8a01-7c42-a1f0-5d1b7c0e9a35"`
	Type                string                  `json:"type" enum:"sync"`
	Status              job.Status              `json:"status" enum:"pending,processing,completed,skipped,failed,requeued,duplicate_aborted,unresolved" example:"failed"`
	Reason              *string                 `json:"reason" doc:"Why it failed, in one word of a closed set" example:"apply_incomplete"`
	Message             *string                 `json:"message" doc:"Why it failed, and what to do" example:"the run ended before its people were written; the next run goes on from there"`
	Input               jobInputData            `json:"input"`
	Restarts            int                     `json:"restarts" doc:"How often it began again because its worker died" example:"0"`
	InsertedAt          time.Time               `json:"inserted_at"`
	StartedAt           *time.Time              `json:"started_at"`
	CommittedAt         *time.Time              `json:"committed_at" doc:"When its result became visible"`
	EndedAt             *time.Time              `json:"ended_at"`
	Counts              roster.Counts           `json:"counts"`
	ProblemCounts       map[roster.Reason]int64 `json:"problem_counts" doc:"All problems, by reason" example:"{\"email_invalid\":2,\"email_duplicate\":1}"`
	TimingsMS           job.Timings             `json:"timings_ms"`
}

type jobInputData struct {
	Kind          job.InputKind `json:"kind" enum:"file,trigger,retention"`
	IDFile        *int64        `json:"id_file" doc:"Of kind file" example:"7"`
	AllowRemovals bool          `json:"allow_removals"`
}

type problemData struct {
	Reason  roster.Reason `json:"reason" example:"email_invalid"`
	Pointer string        `json:"pointer" doc:"A JSON pointer into the file" example:"/users/3/email"`
	Line    *int64        `json:"line" example:"5"`
	Column  *int64        `json:"column" doc:"In bytes, from 1" example:"18"`
	Detail  string        `json:"detail" doc:"What was expected" example:"expected an e-mail address alone, such as adam@example.com"`
}

// GetJob is GET /v1/org/jobs/{job_id}.
func GetJob(jobs Jobs) api.Route {
	op := api.Op{
		ID: "getJob", Method: "GET", Path: base + "/org/jobs/{job_id}", Tag: "Jobs", Role: org.Read,
		Summary: "Get job", Description: "One sync: where it stands and what became of every record. pagination[…] pages the problems, 10 at a time if it is left out.",
	}
	return api.Handle(op, func(ctx context.Context, in *jobInput) (*jobOutput, error) {
		id, err := job.ParseID(in.ID)
		if err != nil {
			return nil, noJob()
		}
		j, err := jobs.Get(ctx, api.Caller(ctx).Org, id)
		if errors.Is(err, job.ErrNotFound) {
			return nil, noJob()
		}
		if err != nil {
			return nil, err
		}
		return answer(ctx, jobs, j, &in.Page)
	})
}

// answer is a job with a page of its problems.
func answer(ctx context.Context, jobs Jobs, j job.Job, p *api.Page) (out *jobOutput, err error) {
	out = &jobOutput{}
	out.Body.Data.JobRow = jobOf(j)
	out.Body.Data.Problems, out.Body.Pagination, err = problemsOf(ctx, jobs, j, p)
	return out, err
}

func noJob() error { return api.NotFound("there is no job with this job_id") }

func jobOf(j job.Job) JobRow {
	d := JobRow{
		ID: j.ID.String(), OrgID: j.Org.String(), SystemIntegrationID: j.Integration, SyncTriggerID: text(j.Input.Trigger),
		Type: "sync", Status: j.Status, Reason: text(string(j.Reason)), Message: text(j.Message), Input: jobInputData{Kind: j.Input.Kind, AllowRemovals: j.Input.AllowRemovals},
		Restarts: j.Restarts, InsertedAt: wire(j.InsertedAt), StartedAt: at(j.StartedAt), CommittedAt: at(j.CommittedAt), EndedAt: at(j.EndedAt),
		Counts: j.Report.Counts, ProblemCounts: j.Report.ProblemCounts, TimingsMS: j.Report.Timings,
	}
	if j.Input.Kind == job.InputFile {
		d.Input.IDFile = &j.Input.FileID
	}
	if d.ProblemCounts == nil {
		d.ProblemCounts = map[roster.Reason]int64{}
	}
	return d
}

// defaultProblems are shown where the request says nothing.
const defaultProblems = 10

// problemCursor is the place of a problem among those of its job.
type problemCursor struct {
	Index int `json:"i"`
}

func problemsOf(ctx context.Context, jobs Jobs, j job.Job, p *api.Page) ([]problemData, api.PageInfo, error) {
	from, n, err := window(j, p)
	if err != nil {
		return nil, api.PageInfo{}, err
	}
	ps, more, err := read(ctx, jobs, j, from, n)
	if err != nil {
		return nil, api.PageInfo{}, err
	}
	if p.Backward() {
		more = from > 0
	}
	rows := make([]problemData, len(ps))
	for i, pr := range ps {
		rows[i] = problemData{pr.Reason, pr.Pointer, number(pr.Line), number(pr.Column), pr.Detail}
	}
	if len(rows) == 0 {
		return rows, p.Info("", "", more), nil
	}
	cursor := func(i int) string { return api.EncodeCursor(problemCursor{i}) }
	return rows, p.Info(cursor(from), cursor(from+len(rows)-1), more), nil
}

// window is where the page begins and how many problems it has at most.
func window(j job.Job, p *api.Page) (from, n int, err error) {
	n = defaultProblems
	if p.First > 0 || p.Last > 0 {
		n = p.Limit()
	}
	c := problemCursor{Index: -1}
	if p.Backward() {
		c.Index = kept(j)
	}
	if p.Cursor() != "" {
		if err := api.DecodeCursor(p.Cursor(), &c); err != nil {
			return 0, 0, err
		}
		if c.Index < 0 || c.Index >= roster.MaxProblems {
			return 0, 0, badCursor()
		}
	}
	if p.Backward() {
		from = max(0, c.Index-n)
		return from, c.Index - from, nil
	}
	return c.Index + 1, n, nil
}

// kept is how many problems of a job can be paged.
func kept(j job.Job) int {
	if j.Report.ProblemsKey == "" {
		return len(j.Report.Problems)
	}
	var n int64
	for _, c := range j.Report.ProblemCounts {
		n += c
	}
	return int(min(n, roster.MaxProblems))
}

// read reads problems: all that are kept, or, of a job that ended before it could
// put them, those in its row.
func read(ctx context.Context, jobs Jobs, j job.Job, from, n int) ([]roster.Problem, bool, error) {
	if j.Report.ProblemsKey != "" {
		return jobs.Problems(ctx, j, from, n)
	}
	ps := j.Report.Problems
	from = min(from, len(ps))
	to := min(from+n, len(ps))
	return ps[from:to], to < len(ps), nil
}

func wire(t time.Time) time.Time { return t.UTC().Truncate(time.Millisecond) }

func at(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	t = wire(t)
	return &t
}

func number(n int64) *int64 {
	if n == 0 {
		return nil
	}
	return &n
}
