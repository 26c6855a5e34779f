package torii

import (
	"errors"

	"muster/internal/api"
	"muster/internal/integration"
	"muster/internal/job"
	"muster/internal/roster"
)

// DryRunReport is what an answer says of a dry run, and of nothing else. It is exported
// for the document: the fields of an embedded type that is not are left out of it.
type DryRunReport struct {
	DryRun        bool                    `json:"dry_run,omitempty" doc:"True for a dry run: nothing was changed, and what follows is there"`
	Counts        *roster.Counts          `json:"counts,omitempty" doc:"What would become of the records, as a job's report has it"`
	ProblemCounts map[roster.Reason]int64 `json:"problem_counts,omitzero" doc:"All problems, by reason"`
	WouldRemove   *int64                  `json:"would_remove,omitempty" doc:"Users that are active now and not in the file" example:"12"`
	Live          *int64                  `json:"live,omitempty" doc:"Users that are active now" example:"900"`
	GuardStops    *bool                   `json:"removal_guard_would_stop,omitempty" doc:"Whether the removal guard would stop the sync: then it takes allow_removals=true"`
	Problems      []dryRunProblem         `json:"problems,omitzero" doc:"The first ten"`
}

type dryRunProblem struct {
	Reason  roster.Reason `json:"reason" example:"email_missing"`
	Pointer string        `json:"pointer" doc:"A JSON pointer into the file" example:"/users/3/email"`
	Line    int64         `json:"line" example:"4"`
	Column  int64         `json:"column" doc:"In bytes, from 1" example:"7"`
	Detail  string        `json:"detail" doc:"What was expected" example:"expected an e-mail address"`
}

// dryRunOf is the answer to a dry run that ended as j, or with err. The removal
// guard is reported; what else would end the sync is answered as by the sync.
func dryRunOf(j job.Job, err error) (*syncOutput, error) {
	stops := j.Reason == job.TooManyRemovals
	switch {
	case errors.Is(err, integration.ErrNotFound): // removed since we looked
		return nil, noIntegration("idAppAccount")
	case err != nil:
		return nil, err
	case j.Reason == job.TooLong:
		return nil, api.TooLarge(j.Message)
	case j.Status == job.Failed && !stops:
		return nil, failure(j)
	}
	r := j.Report
	out := &syncOutput{}
	out.Body.Success = true
	out.Body.DryRunReport = DryRunReport{
		DryRun: true, Counts: &r.Counts, ProblemCounts: r.ProblemCounts, WouldRemove: &r.WouldRemove, Live: &r.Live, GuardStops: &stops,
		Problems: make([]dryRunProblem, len(r.Problems)),
	}
	for i, p := range r.Problems {
		out.Body.Problems[i] = dryRunProblem{p.Reason, p.Pointer, p.Line, p.Column, p.Detail}
	}
	if r.ProblemCounts == nil {
		out.Body.ProblemCounts = map[roster.Reason]int64{}
	}
	return out, nil
}
