package torii_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"muster/internal/job"
	"muster/internal/lease"
	"muster/internal/org"
	"muster/internal/roster"
	"muster/internal/table"
	"muster/internal/upload"
)

const syncPath = "/v1.0/services/sync/custom"

func syncBody(file, account any) string {
	return fmt.Sprintf(`{"idFile":%v,"idAppAccount":%v}`, file, account)
}

// jobOf is a job of a file as a sync would return it.
func jobOf(s job.Status, r job.Reason, message string) job.Job {
	return job.Job{ID: job.NewID(), Status: s, Reason: r, Message: message}
}

func TestSync(t *testing.T) {
	w := newWorld(t)
	id := w.put(t, w.acme.org.ID, upload.CustomIntegrationData)
	uuid := `"` + w.acme.file.ID.String() + `"`
	type call struct {
		Org         string
		Integration string
		Input       job.Input
		Size        int64
	}
	var got call
	j := jobOf(job.Completed, "", "")
	w.sync = func(_ context.Context, o org.ID, integration string, in job.Input, size int64) (job.Job, error) {
		got = call{o.String(), integration, in, size}
		return j, nil
	}
	for name, tc := range map[string]struct {
		body, query string
		status      job.Status
	}{
		"integers":             {syncBody(id, 2), "", job.Completed},
		"strings, as the page": {syncBody(`"1"`, `"2"`), "", job.Completed},
		"UUID":                 {syncBody(id, uuid), "", job.Completed},
		"UUID in upper case":   {syncBody(id, strings.ToUpper(uuid)), "", job.Completed},
		"unknown members":      {`{"idFile":1,"idAppAccount":2,"more":{"a":[]}}`, "", job.Completed},
		"removals allowed":     {syncBody(id, 2), "?allow_removals=true", job.Completed},
		"handed over":          {syncBody(id, 2), "", job.Pending},
		"adopted meanwhile":    {syncBody(id, 2), "", job.Processing},
	} {
		t.Run(name, func(t *testing.T) {
			got, j.Status = call{}, tc.status
			want(t, w.call("PUT", syncPath+tc.query, tc.body), 200, `{"success":true,"job_id":"`+j.ID.String()+`"}`)
			expected := call{w.acme.org.ID.String(), w.acme.file.ID.String(), job.Input{Kind: job.InputFile, FileID: id, AllowRemovals: tc.query != ""}, 12}
			if diff := cmp.Diff(expected, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// Nothing of this makes a job, so nothing of it may reach the sync.
func TestSyncRefusesBeforeTheLease(t *testing.T) {
	w := newWorld(t)
	w.sync = func(context.Context, org.ID, string, job.Input, int64) (job.Job, error) {
		t.Error("a sync was begun")
		return job.Job{}, nil
	}
	w.dryRun = w.sync
	data, plugin := w.put(t, w.acme.org.ID, upload.CustomIntegrationData), w.put(t, w.acme.org.ID, upload.Plugin)
	w.put(t, w.other.org.ID, upload.CustomIntegrationData)
	w.put(t, w.other.org.ID, upload.CustomIntegrationData)
	theirs := w.put(t, w.other.org.ID, upload.CustomIntegrationData)
	const (
		noApp   = notFound + `there is no app account with this idAppAccount"` + requestID
		noFile  = notFound + `there is no file with this idFile"` + requestID
		number  = "must be the number of an app account, as an integer or its digits, or the id of its system integration"
		fileID  = "must be the id of a file, as an integer or its digits"
		notData = "must be a file of the type customIntegrationData; upload it with that type"
		notFile = "must be the app account of a custom integration; this system takes no file"
	)
	for name, tc := range map[string]struct {
		body   string
		status int
		want   string
	}{
		"unknown app account":       {syncBody(data, 3), 404, noApp},
		"another org's app account": {syncBody(data, `"`+w.other.file.ID.String()+`"`), 404, noApp},
		"unknown file":              {syncBody(99, 2), 404, noFile},
		"another org's file":        {syncBody(theirs, 2), 404, noFile},
		"a file of another type":    {syncBody(plugin, 2), 400, fault("/idFile", notData)},
		"the hub takes no file":     {syncBody(data, 1), 400, fault("/idAppAccount", notFile)},
		"both":                      {syncBody(plugin, 1), 400, badRequest + "/idFile " + notData + `","errors":[{"pointer":"/idFile","detail":"` + notData + `"},{"pointer":"/idAppAccount","detail":"` + notFile + `"}]` + requestID},
		"a fraction":                {syncBody("1.5", 2), 400, fault("/idFile", fileID)},
		"an exponent":               {syncBody("1e0", 2), 400, fault("/idFile", fileID)},
		"zero":                      {syncBody(0, 2), 400, fault("/idFile", fileID)},
		"negative":                  {syncBody(-1, 2), 400, fault("/idFile", fileID)},
		"a sign":                    {syncBody(`"+1"`, 2), 400, fault("/idFile", fileID)},
		"past 64 bits":              {syncBody("18446744073709551617", 2), 400, fault("/idFile", fileID)},
		"an id that cannot be":      {syncBody("9223372036854775807", 2), 404, noFile},
		"an empty string":           {syncBody(`""`, 2), 400, fault("/idFile", fileID)},
		"null":                      {syncBody("null", 2), 400, fault("/idFile", fileID)},
		"an object":                 {syncBody(`{"a":1}`, 2), 400, fault("/idFile", fileID)},
		"an app account past int32": {syncBody(data, "4294967298"), 400, fault("/idAppAccount", number)},
		"an app account of no form": {syncBody(data, `"a#b"`), 400, fault("/idAppAccount", number)},
		"neither given":             {`{}`, 400, badRequest + `/idAppAccount: is required; and 1 more, see errors","errors":[{"pointer":"/idAppAccount","detail":"is required"},{"pointer":"/idFile","detail":"is required"}]` + requestID},
	} {
		t.Run(name, func(t *testing.T) {
			want(t, w.call("PUT", syncPath, tc.body), tc.status, tc.want)
			want(t, w.call("PUT", syncPath+"?dry_run=true", tc.body), tc.status, tc.want)
		})
	}
	if got := pointers(t, w.call("PUT", syncPath+"?dry_run=perhaps", syncBody(data, 2))); !cmp.Equal(got, []string{"query.dry_run"}) {
		t.Errorf("a dry run or not: %v", got)
	}
	if got := pointers(t, w.call("PUT", syncPath, syncBody(true, `[]`))); !cmp.Equal(got, []string{"/idFile", "/idAppAccount"}) {
		t.Errorf("both ill-formed: %v", got)
	}
	f, err := w.uploads.Get(t.Context(), w.acme.org.ID, data)
	if err != nil {
		t.Fatal(err)
	}
	w.clock.Advance(f.PutAt.Add(upload.Keep).Sub(w.clock.Now()))
	want(t, w.call("PUT", syncPath, syncBody(data, 2)), 410,
		`{"statusCode":410,"error":"Gone","kind":"gone","message":"the file was uploaded more than 30 days ago and is gone; upload it again"`+requestID)
}

func TestSyncBusy(t *testing.T) {
	w := newWorld(t)
	id := w.put(t, w.acme.org.ID, upload.CustomIntegrationData)
	w.sync = func(ctx context.Context, o org.ID, integration string, in job.Input, _ int64) (job.Job, error) {
		run, err := w.jobs.Claim(ctx, o, integration, job.ID{}, in)
		if err != nil {
			return job.Job{}, fmt.Errorf("claim: %w", err)
		}
		return run.Job(), nil
	}
	first, err := w.jobs.Claim(t.Context(), w.acme.org.ID, w.acme.file.ID.String(), job.ID{}, job.Input{Kind: job.InputTrigger, Trigger: "t1"})
	if err != nil {
		t.Fatal(err)
	}
	w.clock.Advance(20 * time.Second)
	rec := w.call("PUT", syncPath, syncBody(id, 2))
	want(t, rec, 409, `{"statusCode":409,"error":"Conflict","kind":"busy","message":"another sync of this integration is running; try again later"`+
		requestID[:len(requestID)-1]+`,"job":{"id":"`+first.Job().ID.String()+`","status":"processing","started_by":"trigger:t1","started_at":"2031-03-04T05:06:07Z"},`+
		`"lease_expires_at":"2031-03-04T05:07:07Z"}`)
	if got := rec.Header().Get("Retry-After"); got != "40" {
		t.Errorf("Retry-After %q", got)
	}
	busy := &lease.Busy{Job: first.Job().ID.String(), Until: w.clock.Now().Add(time.Minute)}
	if _, err := w.jobs.Cancel(t.Context(), w.acme.org.ID, first.Job().ID); err != nil {
		t.Fatal(err)
	}
	claim := w.sync
	w.sync = func(context.Context, org.ID, string, job.Input, int64) (job.Job, error) { return job.Job{}, busy }
	rec = w.call("PUT", syncPath, syncBody(id, 2))
	if rec.Code != 409 || rec.Header().Get("Retry-After") != "1" || strings.Contains(rec.Body.String(), "lease_expires_at") {
		t.Errorf("a job that ended meanwhile: %d, Retry-After %s, %s", rec.Code, rec.Header().Get("Retry-After"), rec.Body)
	}
	w.sync = claim
	theirs := w.put(t, w.other.org.ID, upload.CustomIntegrationData)
	if rec := w.call("PUT", syncPath, syncBody(theirs, 2), "Authorization", w.other.key); rec.Code != 200 {
		t.Errorf("another org's integration of the same number is busy too: %d %s", rec.Code, rec.Body)
	}
}

// Another app account of an org that has as many syncs running as it may is told to
// come again, which is not remembered for its Idempotency-Key.
func TestSyncFull(t *testing.T) {
	w := newWorld(t)
	id := w.put(t, w.acme.org.ID, upload.CustomIntegrationData)
	w.sync = func(context.Context, org.ID, string, job.Input, int64) (job.Job, error) {
		return job.Job{}, fmt.Errorf("claim: %w", &job.Full{Limit: 2})
	}
	rec := w.call("PUT", syncPath, syncBody(id, 2), "Idempotency-Key", "k")
	want(t, rec, 429, `{"statusCode":429,"error":"Too Many Requests","kind":"rate_limited","message":"no more syncs of the organisation may run at once: its limit is 2; try again when one of them has ended"`+requestID)
	if got := rec.Header().Get("Retry-After"); got != "10" {
		t.Errorf("Retry-After %q", got)
	}
	w.sync = func(context.Context, org.ID, string, job.Input, int64) (job.Job, error) {
		return jobOf(job.Completed, "", ""), nil
	}
	if rec := w.call("PUT", syncPath, syncBody(id, 2), "Idempotency-Key", "k"); rec.Code != 200 {
		t.Errorf("the same request later: %d %s", rec.Code, rec.Body)
	}
}

func TestSyncFails(t *testing.T) {
	w := newWorld(t)
	id := w.put(t, w.acme.org.ID, upload.CustomIntegrationData)
	var many []roster.Problem
	for i := range 12 {
		many = append(many, roster.Problem{Pointer: fmt.Sprintf("/users/%d/email", i), Line: int64(i + 1), Column: 3, Detail: "is missing"})
	}
	for name, tc := range map[string]struct {
		reason job.Reason
		report job.Report
		status int
		want   string // up to the request's id, %s is the job's message
		after  string // between the request's id and the job's
	}{
		"a bad file": {job.FileInvalid, job.Report{Problems: []roster.Problem{
			{Pointer: "/users/3/email", Line: 4, Column: 7, Detail: "expected an address"}, {Pointer: "/users", Detail: "expected one valid user"}}}, 400,
			badRequest + `%s","errors":[{"pointer":"/users/3/email","detail":"line 4, column 7: expected an address"},{"pointer":"/users","detail":"expected one valid user"}]`, ""},
		"a replaced file":   {job.FileChanged, job.Report{}, 400, badRequest + `%s"`, ""},
		"a file gone":       {job.FileGone, job.Report{}, 410, `{"statusCode":410,"error":"Gone","kind":"gone","message":"%s"`, ""},
		"too many removals": {job.TooManyRemovals, job.Report{WouldRemove: 812, Live: 900}, 409, `{"statusCode":409,"error":"Conflict","kind":"too_many_removals","message":"%s"`, `,"removals":{"would_remove":812,"live":900}`},
		"cancelled":         {"cancelled", job.Report{}, 409, `{"statusCode":409,"error":"Conflict","kind":"cancelled","message":"the sync was cancelled; the app account is as it was before, or as the cancelled job's report says"`, ""},
		"unavailable":       {job.Unavailable, job.Report{}, 503, `{"statusCode":503,"error":"Service Unavailable","kind":"unavailable","message":"%s"`, ""},
		"removed meanwhile": {job.IntegrationRemoved, job.Report{}, 404, notFound + `there is no app account with this idAppAccount"`, ""},
		"our own fault":     {job.Internal, job.Report{}, 500, `{"statusCode":500,"error":"Internal Server Error","kind":"internal","message":"something went wrong on our side; the request id leads to what"`, ""},
		"lost three times":  {job.WorkerLost, job.Report{}, 500, `{"statusCode":500,"error":"Internal Server Error","kind":"internal","message":"something went wrong on our side; the request id leads to what"`, ""},
	} {
		t.Run(name, func(t *testing.T) {
			j := jobOf(job.Failed, tc.reason, "in the job's words")
			j.Report = tc.report
			w.sync = func(context.Context, org.ID, string, job.Input, int64) (job.Job, error) { return j, nil }
			want(t, w.call("PUT", syncPath, syncBody(id, 2)), tc.status,
				strings.Replace(tc.want, "%s", j.Message, 1)+`,"request_id":"r1"`+tc.after+`,"job_id":"`+j.ID.String()+`"}`)
		})
	}
	j := jobOf(job.Failed, job.FileInvalid, "bad")
	j.Report.Problems = many
	w.sync = func(context.Context, org.ID, string, job.Input, int64) (job.Job, error) { return j, nil }
	if got := pointers(t, w.call("PUT", syncPath, syncBody(id, 2))); len(got) != 10 || got[9] != "/users/9/email" {
		t.Errorf("the first ten problems are %v", got)
	}
}

func TestSyncErrors(t *testing.T) {
	w := newWorld(t)
	id := w.put(t, w.acme.org.ID, upload.CustomIntegrationData)
	made := jobOf(job.Processing, "", "")
	for name, tc := range map[string]struct {
		job    job.Job
		err    error
		status int
		hasJob bool
	}{
		"before the claim":        {job.Job{}, table.ErrUnavailable, 503, false},
		"after it":                {made, table.ErrUnavailable, 503, true},
		"something else":          {made, errors.New("secret"), 500, true},
		"integration removed":     {job.Job{}, fmt.Errorf("claim: %w", table.ErrNotFound), 404, false},
		"lease of an unknown job": {job.Job{}, &lease.Busy{Job: job.NewID().String()}, 500, false},
		"lease of what is no job": {job.Job{}, &lease.Busy{Job: "x"}, 500, false},
	} {
		t.Run(name, func(t *testing.T) {
			w.sync = func(context.Context, org.ID, string, job.Input, int64) (job.Job, error) { return tc.job, tc.err }
			rec := w.call("PUT", syncPath, syncBody(id, 2))
			if rec.Code != tc.status || strings.Contains(rec.Body.String(), made.ID.String()) != tc.hasJob || strings.Contains(rec.Body.String(), "secret") {
				t.Errorf("%d %s", rec.Code, rec.Body)
			}
		})
	}
}
