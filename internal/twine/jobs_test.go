package twine_test

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"net/url"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"muster/internal/api"
	"muster/internal/job"
	"muster/internal/org"
	"muster/internal/roster"
	"muster/internal/twine"
)

// serving is w with these jobs instead of its own.
func (w *world) serving(jobs twine.Jobs) *world {
	c := *w
	c.api = api.New(api.Config{Auth: w.orgs, Log: slog.New(slog.DiscardHandler), Now: w.clock.Now}, twine.GetJob(jobs))
	return &c
}

const noCounts = `{"received":0,"valid":0,"skipped":0,"duplicates":0,"added":0,"changed":0,"removed":0,"unchanged":0}`

// A job that was just claimed, from the real store: what it has not is null.
func TestGetJob(t *testing.T) {
	w := newWorld(t)
	integration := w.acme.hub.ID.String()
	run, err := w.jobs.Claim(t.Context(), w.acme.id, integration, job.ID{}, job.Input{Kind: job.InputFile, FileID: 12})
	if err != nil {
		t.Fatal(err)
	}
	id := run.Job().ID.String()
	want(t, w.call("GET", "/v1/org/jobs/"+id, ""), 200, `{"data":{"id":"`+id+`","org_id":"`+w.acme.id.String()+`","system_integration_id":"`+integration+`",`+
		`"sync_trigger_id":null,"type":"sync","status":"processing","reason":null,"message":null,"input":{"kind":"file","id_file":12,"allow_removals":false},"restarts":0,`+
		`"inserted_at":"2031-03-04T05:06:07Z","started_at":"2031-03-04T05:06:07Z","committed_at":null,"ended_at":null,`+
		`"counts":{"users":`+noCounts+`,"licenses":`+noCounts+`,"grants":`+noCounts+`},"problem_counts":{},`+
		`"timings_ms":{"read":0,"sort":0,"merge":0,"commit":0,"apply":0},"problems":[]},`+
		`"pagination":{"start_cursor":null,"end_cursor":null,"has_next_page":false,"has_previous_page":false}}`)

	none := notFound + `there is no job with this job_id"` + requestID
	want(t, w.call("GET", "/v1/org/jobs/"+uuid.NewString(), ""), 404, none)
	want(t, w.call("GET", "/v1/org/jobs/"+uuid.Nil.String(), ""), 404, none)
	want(t, w.call("GET", "/v1/org/jobs/"+id, "", "Authorization", w.other.key), 404, none)
	if rec := w.call("GET", "/v1/org/jobs/12", ""); rec.Code != 400 {
		t.Errorf("a number: %d", rec.Code)
	}
	if rec := w.call("GET", "/v1/org/jobs/"+id, "", "Authorization", w.key(w.acme.id, org.Read)); rec.Code != 200 {
		t.Errorf("with a key that may only read: %d", rec.Code)
	}
}

// A job that has been through everything.
func TestGetJobWhole(t *testing.T) {
	w := newWorld(t)
	at := start.Add(1234567 * time.Microsecond)
	j := job.Job{
		ID: job.NewID(), Org: w.acme.id, Integration: w.acme.hub.ID.String(), Status: job.Failed, Reason: job.TooManyRemovals, Message: "the run would remove 4 of 7 users",
		Input: job.Input{Kind: job.InputTrigger, Trigger: uuid.NewString(), AllowRemovals: true}, Restarts: 1,
		InsertedAt: start, StartedAt: at, CommittedAt: at.Add(time.Second), EndedAt: at.Add(time.Minute),
		Report: job.Report{
			Counts:        roster.Counts{Users: roster.Count{Received: 8, Valid: 5, Skipped: 2, Duplicates: 1, Added: 3, Changed: 1, Removed: 4, Unchanged: 1}},
			ProblemCounts: map[roster.Reason]int64{roster.EmailMissing: 2, roster.DateInvalid: 1},
			Problems: []roster.Problem{
				{Reason: roster.EmailMissing, Pointer: "/users/3", Line: 4, Column: 7, Detail: "expected an address"},
				{Reason: roster.DateInvalid, Pointer: "/users/4/lastUsedDate", Detail: "expected a date"},
			},
			Timings: job.Timings{Read: 1, Sort: 2, Merge: 3, Commit: 4, Apply: 5},
		},
	}
	cursor := func(i int) string { return api.EncodeCursor(map[string]int{"i": i}) }
	want(t, w.serving(fakeJobs{job: j}).call("GET", "/v1/org/jobs/"+j.ID.String(), ""), 200, `{"data":{"id":"`+j.ID.String()+`","org_id":"`+w.acme.id.String()+
		`","system_integration_id":"`+j.Integration+`","sync_trigger_id":"`+j.Input.Trigger+`","type":"sync","status":"failed","reason":"too_many_removals","message":"the run would remove 4 of 7 users",`+
		`"input":{"kind":"trigger","id_file":null,"allow_removals":true},"restarts":1,`+
		`"inserted_at":"2031-03-04T05:06:07Z","started_at":"2031-03-04T05:06:08.234Z","committed_at":"2031-03-04T05:06:09.234Z","ended_at":"2031-03-04T05:07:08.234Z",`+
		`"counts":{"users":{"received":8,"valid":5,"skipped":2,"duplicates":1,"added":3,"changed":1,"removed":4,"unchanged":1},"licenses":`+noCounts+`,"grants":`+noCounts+`},`+
		`"problem_counts":{"date_invalid":1,"email_missing":2},"timings_ms":{"read":1,"sort":2,"merge":3,"commit":4,"apply":5},`+
		`"problems":[{"reason":"email_missing","pointer":"/users/3","line":4,"column":7,"detail":"expected an address"},`+
		`{"reason":"date_invalid","pointer":"/users/4/lastUsedDate","line":null,"column":null,"detail":"expected a date"}]},`+
		`"pagination":{"start_cursor":"`+cursor(0)+`","end_cursor":"`+cursor(1)+`","has_next_page":false,"has_previous_page":false}}`)
}

func TestGetJobPagesItsProblems(t *testing.T) {
	w := newWorld(t)
	stored := fakeJobs{job: job.Job{ID: job.NewID(), Org: w.acme.id, Integration: w.acme.hub.ID.String(), Status: job.Completed}}
	inRow := stored
	const n = 25
	for i := range n {
		stored.ps = append(stored.ps, roster.Problem{Reason: roster.EmailMissing, Pointer: fmt.Sprint(i)})
	}
	stored.job.Report = job.Report{ProblemsKey: "k", Problems: stored.ps[:10], ProblemCounts: map[roster.Reason]int64{roster.EmailMissing: 20, roster.EmailInvalid: 5}}
	inRow.job.Report = job.Report{Problems: stored.ps[:5], ProblemCounts: stored.job.Report.ProblemCounts}
	cursor := func(i int) string { return url.QueryEscape(api.EncodeCursor(map[string]int{"i": i})) }
	for name, tc := range map[string]struct {
		jobs           twine.Jobs
		query          string
		from, to       int
		next, previous bool
	}{
		"default":          {stored, "", 0, 10, true, false},
		"first":            {stored, "?pagination[first]=3", 0, 3, true, false},
		"all":              {stored, "?pagination[first]=1000", 0, 25, false, false},
		"after":            {stored, "?pagination[after]=" + cursor(9), 10, 20, true, true},
		"after, to an end": {stored, "?pagination[after]=" + cursor(19), 20, 25, false, true},
		"after the last":   {stored, "?pagination[after]=" + cursor(24), 25, 25, false, true},
		"far behind":       {stored, "?pagination[after]=" + cursor(9999), 25, 25, false, true},
		"last":             {stored, "?pagination[last]=3", 22, 25, false, true},
		"before":           {stored, "?pagination[last]=3&pagination[before]=" + cursor(5), 2, 5, true, true},
		"before, default":  {stored, "?pagination[before]=" + cursor(5), 0, 5, true, false},
		"before the first": {stored, "?pagination[before]=" + cursor(0), 0, 0, true, false},
		"in the row":       {inRow, "?pagination[first]=3", 0, 3, true, false},
		"in the row, last": {inRow, "?pagination[last]=3", 2, 5, false, true},
		"behind the row":   {inRow, "?pagination[after]=" + cursor(7), 5, 5, false, true},
	} {
		t.Run(name, func(t *testing.T) {
			rec := w.serving(tc.jobs).call("GET", "/v1/org/jobs/"+stored.job.ID.String()+tc.query, "")
			var got struct {
				Data       struct{ Problems []struct{ Pointer string } }
				Pagination api.PageInfo
			}
			if err := json.Unmarshal(rec.Body.Bytes(), &got); err != nil || rec.Code != 200 {
				t.Fatal(rec.Code, rec.Body, err)
			}
			var names, expected []string
			for _, p := range got.Data.Problems {
				names = append(names, p.Pointer)
			}
			for i := tc.from; i < tc.to; i++ {
				expected = append(expected, fmt.Sprint(i))
			}
			if diff := cmp.Diff(expected, names); diff != "" {
				t.Error(diff)
			}
			if p := got.Pagination; p.HasNextPage != tc.next || p.HasPreviousPage != tc.previous || (p.StartCursor == nil) != (tc.from == tc.to) {
				t.Errorf("%+v", p)
			}
		})
	}
	for _, query := range []string{"?pagination[after]=x", "?pagination[after]=" + cursor(-2), "?pagination[before]=" + cursor(10_000), "?pagination[first]=1001"} {
		if rec := w.serving(stored).call("GET", "/v1/org/jobs/"+stored.job.ID.String()+query, ""); rec.Code != 400 {
			t.Errorf("%s: %d", query, rec.Code)
		}
	}
}
