package torii

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"muster/internal/api"
	"muster/internal/integration"
	"muster/internal/job"
	"muster/internal/lease"
	"muster/internal/near"
	"muster/internal/org"
	"muster/internal/roster"
	"muster/internal/table"
	"muster/internal/upload"
)

// Syncs run the sync of a file.
type Syncs interface {
	// SyncFile claims the integration and syncs the file, of size bytes, here or,
	// where that would take too long, by a worker: the job's status says which, and
	// how it ended. A job that is there under id, unless that is zero, is answered as
	// it stands. *lease.Busy: another job has the integration. *job.Full: as many of the
	// org's jobs run as may.
	SyncFile(ctx context.Context, o org.ID, integration string, id job.ID, in job.Input, size int64) (job.Job, error)
	// DryRun says how that would end, as a job that is stored nowhere, and changes
	// nothing. TooLong: it is more than a request takes.
	DryRun(ctx context.Context, o org.ID, integration string, in job.Input, size int64) (job.Job, error)
}

// Jobs are the runs of syncs. *job.Store is one.
type Jobs interface {
	Get(ctx context.Context, o org.ID, id job.ID) (job.Job, error)
}

type syncInput struct {
	DryRun        bool `query:"dry_run" doc:"Say how the sync would end, and change nothing"`
	AllowRemovals bool `query:"allow_removals" doc:"Let this one run remove more users than the integration's guard allows"`
	Body          struct {
		IDFile       idText `json:"idFile" doc:"The file's id, as an integer or its digits" example:"7"`
		IDAppAccount idText `json:"idAppAccount" doc:"The app account's number, as an integer or its digits, or the system integration's UUID" example:"2"`
	}
}

// Resolve refuses the two parameters where they are spelled in another way, as
// ?dryRun=true or ?dry=true, and an empty one, and several of one. To leave them out,
// as other words that are not known, would sync for someone who only wanted to look.
// So would a semicolon between parameters, which url.Query drops with both of them.
func (*syncInput) Resolve(ctx huma.Context) (faults []error) {
	u := ctx.URL()
	if strings.Contains(u.RawQuery, ";") {
		return []error{&api.Fault{Pointer: "query", Detail: "separate parameters by &, and write a semicolon as %3B; nothing was done"}}
	}
	for sent, values := range u.Query() {
		for _, known := range []string{"dry_run", "allow_removals"} {
			fault := ""
			switch {
			case sent == known && (len(values) > 1 || values[0] == ""):
				fault = "expected true or false, once; nothing was done"
			case sent != known && isNear(sent, known):
				fault = "must be written so, with the underscore and in lower case; nothing was done"
			}
			if fault != "" {
				faults = append(faults, &api.Fault{Pointer: "query." + known, Detail: fault})
			}
		}
	}
	return faults
}

// isNear also takes dry alone: it can mean nothing else.
func isNear(sent, known string) bool {
	_, ok := near.Word(sent, []string{known})
	return ok || known == "dry_run" && strings.EqualFold(sent, "dry")
}

type syncOutput struct {
	Body struct {
		Success bool   `json:"success"`
		JobID   string `json:"job_id,omitempty" doc:"The sync's job: GET /v1/org/jobs/{job_id} says what became of every record. A dry run has none" example:"018f5c3e-8a00-7b1d-9d5e-6d7573746572"`
		DryRunReport
	}
}

// PutServicesSyncCustom is PUT /v1.0/services/sync/custom: an uploaded file
// becomes the users of an app account.
func PutServicesSyncCustom(integrations Integrations, uploads Uploads, syncs Syncs, jobs Jobs, now func() time.Time) api.Route {
	op := api.Op{
		ID: "putServicesSyncCustom", Method: "PUT", Path: base + "/services/sync/custom", Tag: "Integrations", Role: org.Write, PerMinute: 200,
		Summary: "Sync custom integration",
		Description: "Validates an uploaded JSON file of the type customIntegrationData and makes its users and licences those of the app account. " +
			"200 means that this is done; a file that takes longer than about 20 seconds is worked on afterwards, until when every other sync of the app account is a 409. " +
			"Where as many syncs of the organisation run as may at once, one more is a 429. " +
			"A file at fault is a 400 and changes nothing. " +
			"With dry_run=true nothing is changed at all: the answer says what would come of it, also while a sync is running, and whether the removal guard would stop it. " +
			"A file at fault is the same 400; one that is more than a request takes is a 413.",
	}
	return api.Handle(op, func(ctx context.Context, in *syncInput) (*syncOutput, error) {
		target, file, err := in.resolve(ctx, integrations, uploads, now())
		if err != nil {
			return nil, err
		}
		input := job.Input{Kind: job.InputFile, FileID: file.ID, AllowRemovals: in.AllowRemovals}
		if in.DryRun {
			j, err := syncs.DryRun(ctx, api.Caller(ctx).Org, target.ID.String(), input, file.Size)
			return dryRunOf(j, err)
		}
		j, err := syncs.SyncFile(ctx, api.Caller(ctx).Org, target.ID.String(), job.TryID(api.ChosenID(ctx)), input, file.Size)
		if err != nil {
			return nil, notRun(ctx, jobs, j, err)
		}
		if j.Status == job.Failed {
			return nil, api.ForJob(failure(j), j.ID.String())
		}
		out := &syncOutput{}
		out.Body.Success, out.Body.JobID = true, j.ID.String()
		return out, nil
	})
}

// resolve finds what the request names and refuses what cannot be synced. None
// of it makes a job.
func (in *syncInput) resolve(ctx context.Context, integrations Integrations, uploads Uploads, now time.Time) (integration.Integration, upload.File, error) {
	ref, id, err := in.ids()
	if err != nil {
		return integration.Integration{}, upload.File{}, err
	}
	target, err := find(ctx, integrations, ref, "idAppAccount")
	if err != nil {
		return integration.Integration{}, upload.File{}, err
	}
	file, err := fileOf(ctx, uploads, id, "idFile")
	if err == nil {
		err = unfit(target, file, now)
	}
	return target, file, err
}

func (in *syncInput) ids() (integration.Ref, int64, error) {
	var faults []api.Fault
	id, err := strconv.ParseUint(string(in.Body.IDFile), 10, 63)
	if err != nil || id == 0 {
		faults = append(faults, api.Fault{Pointer: "/idFile", Detail: "must be the id of a file, as an integer or its digits"})
	}
	ref, err := integration.ParseRef(string(in.Body.IDAppAccount))
	if err != nil {
		faults = append(faults, api.Fault{Pointer: "/idAppAccount", Detail: refDetail})
	}
	if faults != nil {
		return integration.Ref{}, 0, invalid(faults[0], faults[1:]...)
	}
	return ref, int64(id), nil
}

// unfit says why a file that is there cannot be synced to an app account that is.
func unfit(target integration.Integration, file upload.File, now time.Time) error {
	var faults []api.Fault
	if file.Type != upload.CustomIntegrationData {
		faults = append(faults, api.Fault{Pointer: "/idFile", Detail: "must be a file of the type customIntegrationData; upload it with that type"})
	}
	if !target.System.TakesFile {
		faults = append(faults, api.Fault{Pointer: "/idAppAccount", Detail: "must be the app account of a custom integration; this system takes no file"})
	}
	switch {
	case faults != nil:
		return invalid(faults[0], faults[1:]...)
	case file.Expired(now):
		return api.Gone(expired)
	}
	return nil
}

// notRun is the answer where SyncFile returned err. j is the job, if one was made.
func notRun(ctx context.Context, jobs Jobs, j job.Job, err error) error {
	var busy *lease.Busy
	var full *job.Full
	switch {
	case errors.As(err, &busy):
		return busyWith(ctx, jobs, busy)
	case errors.As(err, &full):
		return api.RateLimited(full.Error(), fullRetry)
	case j.ID != (job.ID{}):
		return api.ForJob(err, j.ID.String())
	case errors.Is(err, table.ErrNotFound): // removed since we looked
		return noIntegration("idAppAccount")
	}
	return err
}

// fullRetry is how long a client waits where as many syncs run as may: most are over
// in less.
const fullRetry = 10 * time.Second

func busyWith(ctx context.Context, jobs Jobs, busy *lease.Busy) error {
	id, err := job.ParseID(busy.Job)
	if err != nil {
		return fmt.Errorf("the lease names no job: %w", err)
	}
	other, err := jobs.Get(ctx, api.Caller(ctx).Org, id)
	if err != nil {
		return fmt.Errorf("read the job that the lease names: %w", err)
	}
	until := busy.Until
	if other.Status.Terminal() { // since we looked: its lease went with it
		until = time.Time{}
	}
	return api.Busy(api.JobRef{
		ID: busy.Job, Status: string(other.Status), StartedBy: other.Input.StartedBy(), StartedAt: other.StartedAt,
	}, until)
}

// failure is the answer to a job that failed. The job's message is written for
// whoever started it.
func failure(j job.Job) error {
	switch j.Reason {
	case job.FileInvalid, job.FileChanged:
		return api.Invalid(j.Message, problems(j.Report.Problems)...)
	case job.FileGone:
		return api.Gone(j.Message)
	case job.TooManyRemovals:
		return api.TooManyRemovals(j.Message, api.Removals{WouldRemove: int(j.Report.WouldRemove), Live: int(j.Report.Live)})
	case job.Cancelled:
		return api.Cancelled("the sync was cancelled; the app account is as it was before, or as the cancelled job's report says")
	case job.Unavailable:
		return api.Unavailable(j.Message)
	case job.IntegrationRemoved:
		return noIntegration("idAppAccount")
	}
	return fmt.Errorf("job %s failed: %s: %s", j.ID, j.Reason, j.Message)
}

func problems(ps []roster.Problem) []api.Fault {
	faults := make([]api.Fault, 0, job.ReportProblems)
	for _, p := range ps[:min(len(ps), job.ReportProblems)] {
		f := api.Fault{Pointer: p.Pointer, Detail: p.Detail}
		if p.Line > 0 {
			f.Detail = fmt.Sprintf("line %d, column %d: %s", p.Line, p.Column, p.Detail)
		}
		faults = append(faults, f)
	}
	return faults
}
