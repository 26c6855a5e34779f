package twine_test

import (
	"strings"
	"testing"

	"github.com/google/uuid"

	"muster/internal/api"
	"muster/internal/job"
	"muster/internal/org"
	"muster/internal/twine"
)

// cancelling is w with the calls that end jobs.
func (w *world) cancelling() *world {
	c := *w
	c.api = api.New(api.Config{Auth: w.orgs, Now: w.clock.Now, Log: w.jobs.Log}, twine.GetJob(w.jobs), twine.CancelJob(w.jobs))
	return &c
}

func TestCancelJob(t *testing.T) {
	w := newWorld(t).cancelling()
	run, err := w.jobs.Claim(t.Context(), w.acme.id, w.acme.hub.ID.String(), job.ID{}, job.Input{Kind: job.InputFile, FileID: 12})
	if err != nil {
		t.Fatal(err)
	}
	path := "/v1/org/jobs/" + run.Job().ID.String()
	none := notFound + `there is no job with this job_id"` + requestID
	want(t, w.call("POST", path+"/cancel", "", "Authorization", w.other.key), 404, none)
	want(t, w.call("POST", "/v1/org/jobs/"+uuid.NewString()+"/cancel", ""), 404, none)
	if rec := w.call("POST", path+"/cancel", "", "Authorization", w.key(w.acme.id, org.Read)); rec.Code != 403 {
		t.Errorf("with a key that may only read: %d", rec.Code)
	}
	rec := w.call("POST", path+"/cancel", `{"ignored": true}`)
	if !strings.Contains(rec.Body.String(), `"status":"failed","reason":"cancelled","message":"it was cancelled before`) {
		t.Errorf("%d %s", rec.Code, rec.Body)
	}
	want(t, rec, 200, strings.TrimSpace(w.call("GET", path, "").Body.String()))
	want(t, w.call("POST", path+"/cancel", ""), 409,
		`{"statusCode":409,"error":"Conflict","kind":"conflict","message":"the job is failed, so there is nothing to cancel"`+requestID)
}
