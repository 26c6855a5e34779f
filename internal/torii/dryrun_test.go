package torii_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"muster/internal/integration"
	"muster/internal/job"
	"muster/internal/org"
	"muster/internal/roster"
	"muster/internal/table"
	"muster/internal/upload"
)

const (
	noCounts = `{"received":0,"valid":0,"skipped":0,"duplicates":0,"added":0,"changed":0,"removed":0,"unchanged":0}`
	nobody   = `"counts":{"users":` + noCounts + `,"licenses":` + noCounts + `,"grants":` + noCounts + `}`
	tooLarge = `{"statusCode":413,"error":"Request Entity Too Large","kind":"too_large","message":"`
)

func TestDryRun(t *testing.T) {
	w := newWorld(t)
	id := w.put(t, w.acme.org.ID, upload.CustomIntegrationData)
	w.sync = func(context.Context, org.ID, string, job.Input, int64) (job.Job, error) {
		t.Error("a sync was begun")
		return job.Job{}, nil
	}
	full := job.Report{WouldRemove: 812, Live: 900, ProblemCounts: map[roster.Reason]int64{roster.EmailMissing: 1},
		Problems: []roster.Problem{{Reason: roster.EmailMissing, Pointer: "/users/3/email", Line: 4, Column: 7, Detail: "is missing"}}}
	full.Counts.Users = roster.Count{Received: 89, Valid: 88, Skipped: 1, Added: 1, Changed: 2, Removed: 812, Unchanged: 85}
	const users = `"counts":{"users":{"received":89,"valid":88,"skipped":1,"duplicates":0,"added":1,"changed":2,"removed":812,"unchanged":85},"licenses":` + noCounts + `,"grants":` + noCounts + `}`
	const rest = `,"problem_counts":{"email_missing":1},"would_remove":812,"live":900,"removal_guard_would_stop":%t,"problems":[{"reason":"email_missing","pointer":"/users/3/email","line":4,"column":7,"detail":"is missing"}]}`
	for name, tc := range map[string]struct {
		job    job.Job
		status int
		want   string
	}{
		"nothing at all": {job.Job{Status: job.Completed}, 200,
			`{"success":true,"dry_run":true,` + nobody + `,"problem_counts":{},"would_remove":0,"live":0,"removal_guard_would_stop":false,"problems":[]}`},
		"everything":           {job.Job{Status: job.Completed, Report: full}, 200, `{"success":true,"dry_run":true,` + users + fmt.Sprintf(rest, false)},
		"the guard would stop": {job.Job{Status: job.Failed, Reason: job.TooManyRemovals, Report: full}, 200, `{"success":true,"dry_run":true,` + users + fmt.Sprintf(rest, true)},
		"too large":            {job.Job{Status: job.Failed, Reason: job.TooLong, Message: "try otherwise"}, 413, tooLarge + `try otherwise"` + requestID},
		"a file at fault": {job.Job{Status: job.Failed, Reason: job.FileInvalid, Message: "in its words", Report: full}, 400,
			badRequest + `in its words","errors":[{"pointer":"/users/3/email","detail":"line 4, column 7: is missing"}]` + requestID},
		"a replaced file": {job.Job{Status: job.Failed, Reason: job.FileChanged, Message: "in its words"}, 400, badRequest + `in its words"` + requestID},
		"a file gone":     {job.Job{Status: job.Failed, Reason: job.FileGone, Message: "in its words"}, 410, `{"statusCode":410,"error":"Gone","kind":"gone","message":"in its words"` + requestID},
	} {
		t.Run(name, func(t *testing.T) {
			w.dryRun = func(_ context.Context, o org.ID, integration string, in job.Input, size int64) (job.Job, error) {
				if d := cmp.Diff(job.Input{Kind: job.InputFile, FileID: id}, in); d != "" || o != w.acme.org.ID || integration != w.acme.file.ID.String() || size != 12 {
					t.Errorf("a dry run of %s, %s, %d bytes: %s", o, integration, size, d)
				}
				return tc.job, nil
			}
			want(t, w.call("PUT", syncPath+"?dry_run=true", syncBody(id, 2)), tc.status, tc.want)
		})
	}
	for err, status := range map[error]int{table.ErrUnavailable: 503, context.Canceled: 503, integration.ErrNotFound: 404, errors.New("secret"): 500} {
		w.dryRun = func(context.Context, org.ID, string, job.Input, int64) (job.Job, error) {
			return job.Job{}, fmt.Errorf("dry run: %w", err)
		}
		if rec := w.call("PUT", syncPath+"?dry_run=true", syncBody(id, 2)); rec.Code != status {
			t.Errorf("%v: %d %s", err, rec.Code, rec.Body)
		}
	}
	read := w.key(w.acme.org.ID, org.Read)
	if rec := w.call("PUT", syncPath+"?dry_run=true", syncBody(id, 2), "Authorization", read); rec.Code != 403 {
		t.Errorf("a key that may only read: %d %s", rec.Code, rec.Body)
	}
}

// A dry run under a key is not what a sync under the same key is answered with,
// nor the other way round.
func TestDryRunUnderAKeyIsNoSync(t *testing.T) {
	w := newWorld(t)
	id := w.put(t, w.acme.org.ID, upload.CustomIntegrationData)
	synced := 0
	w.sync = func(context.Context, org.ID, string, job.Input, int64) (job.Job, error) {
		synced++
		return jobOf(job.Completed, "", ""), nil
	}
	w.dryRun = func(context.Context, org.ID, string, job.Input, int64) (job.Job, error) {
		return job.Job{Status: job.Completed}, nil
	}
	for _, order := range [][]string{{"?dry_run=true", ""}, {"", "?dry_run=true"}} {
		key := "one" + order[0]
		if rec := w.call("PUT", syncPath+order[0], syncBody(id, 2), "Idempotency-Key", key); rec.Code != 200 {
			t.Errorf("%q first: %d %s", order[0], rec.Code, rec.Body)
		}
		if rec := w.call("PUT", syncPath+order[1], syncBody(id, 2), "Idempotency-Key", key); rec.Code != 409 {
			t.Errorf("%q after %q: %d %s", order[1], order[0], rec.Code, rec.Body)
		}
	}
	if synced != 1 {
		t.Errorf("%d syncs were made of one that was asked for", synced)
	}
}

// A parameter that is nearly the one would sync for someone who wanted to look, and
// so would one without a value, or with two.
func TestMisspelledDryRun(t *testing.T) {
	for query, says := range map[string]string{
		"?dryRun=true": "must be written so", "?DRY_RUN=true": "must be written so", "?dry-run=1": "must be written so",
		"?allowRemovals=true": "must be written so", "?dry_run=true&dryrun=true": "must be written so", "?+dry_run=true": "must be written so",
		"?dry=true":         "must be written so",
		"?x=1;dry_run=true": "write a semicolon as %3B", "?dryRun=true;": "write a semicolon as %3B",
		"?dry_rnu=true": "must be written so", "?dry_runs=true": "must be written so", "?allow_removal=true": "must be written so",
		"?dry_run=": "expected true or false, once", "?dry_run=false&dry_run=true": "expected true or false, once",
		"?allow_removals=&dry_run": "expected true or false, once",
	} {
		t.Run(query, func(t *testing.T) {
			w := newWorld(t)
			rec := w.call("PUT", syncPath+query, syncBody(1, 2))
			if rec.Code != 400 || !strings.Contains(rec.Body.String(), says) {
				t.Errorf("answered %d: %s", rec.Code, rec.Body)
			}
		})
	}
	w := newWorld(t)
	if rec := w.call("PUT", syncPath+"?utm=1&run=2&allow=3", syncBody(7777, 2)); rec.Code != 404 {
		t.Errorf("an unknown word was answered %d: %s", rec.Code, rec.Body)
	}
}
