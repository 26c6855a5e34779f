package twine_test

import (
	"encoding/json"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"muster/internal/api"
	"muster/internal/job"
	"muster/internal/twine"
)

func TestGetJobs(t *testing.T) {
	w := newWorld(t)
	w.api = api.New(api.Config{Auth: w.orgs, Now: w.clock.Now, Log: w.jobs.Log}, twine.GetJob(w.jobs), twine.GetJobs(w.jobs))
	hub := w.acme.hub.ID.String()
	var ids []string // newest first
	for range 3 {
		w.clock.Advance(time.Second)
		run, err := w.jobs.Claim(t.Context(), w.acme.id, hub, job.ID{}, job.Input{Kind: job.InputFile, FileID: 12})
		if err != nil {
			t.Fatal(err)
		}
		ids = append([]string{run.Job().ID.String()}, ids...)
		if _, err := w.jobs.Cancel(t.Context(), w.acme.id, run.Job().ID); err != nil {
			t.Fatal(err)
		}
		time.Sleep(2 * time.Millisecond) // ids are ordered by the real clock's milliseconds
	}
	cursor := func(id string) string { return url.QueryEscape(api.EncodeCursor(map[string]string{"id": id})) }
	for query, c := range map[string]struct {
		want           []string
		next, previous bool
	}{
		"":                                     {ids, false, false},
		"?system_integration_id=" + hub:        {ids, false, false},
		"?status=failed&pagination[first]=2":   {ids[:2], true, false},
		"?status=completed":                    {nil, false, false},
		"?pagination[after]=" + cursor(ids[1]): {ids[2:], false, true},
		"?pagination[last]=2":                  {ids[1:], false, true},
		"?pagination[before]=" + cursor(ids[2]) + "&pagination[last]=1":                              {ids[1:2], true, true},
		"?system_integration_id=" + strings.ToUpper(hub) + "&pagination[before]=" + cursor(ids[1]):   {ids[:1], true, false},
		"?system_integration_id=" + w.other.hub.ID.String() + "&pagination[after]=" + cursor(ids[0]): {nil, false, true},
	} {
		rec := w.call("GET", "/v1/org/jobs"+query, "")
		var got struct {
			Data       []struct{ ID string }
			Pagination api.PageInfo
		}
		if err := json.Unmarshal(rec.Body.Bytes(), &got); err != nil || rec.Code != 200 {
			t.Fatalf("%s: %d %s", query, rec.Code, rec.Body)
		}
		var list []string
		for _, d := range got.Data {
			list = append(list, d.ID)
		}
		if d := cmp.Diff(c.want, list); d != "" || got.Pagination.HasNextPage != c.next || got.Pagination.HasPreviousPage != c.previous {
			t.Errorf("%s: %+v (-want +got)\n%s", query, got.Pagination, d)
		}
	}
	one := strings.TrimSpace(w.call("GET", "/v1/org/jobs/"+ids[0], "").Body.String())
	row, _, _ := strings.Cut(strings.TrimPrefix(one, `{"data":`), `,"problems"`)
	want(t, w.call("GET", "/v1/org/jobs?pagination[first]=1", ""), 200, `{"data":[`+row+`}],`+pagination(ids[0], ids[0], true, false)+`}`)
	for _, query := range []string{"?status=late", "?system_integration_id=7", "?pagination[after]=x", "?pagination[after]=" + cursor("x"), "?pagination[first]=1001"} {
		if rec := w.call("GET", "/v1/org/jobs"+query, ""); rec.Code != 400 {
			t.Errorf("%s: %d", query, rec.Code)
		}
	}
	want(t, w.call("GET", "/v1/org/jobs", "", "Authorization", w.other.key), 200,
		`{"data":[],"pagination":{"start_cursor":null,"end_cursor":null,"has_next_page":false,"has_previous_page":false}}`)
}
