package torii_test

import (
	"encoding/json"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"muster/internal/api"
	"muster/internal/job"
	"muster/internal/org"
	"muster/internal/roster"
)

const licensesPath = "/v1.0/apps/2/licenses"

func TestLicenses(t *testing.T) {
	w := newWorld(t)
	version := roster.Version{Job: job.NewID().String(), Token: 3}
	all := []roster.LicenseUse{use("Basic", 0, nil, 2, 1), use("Pro", 10, new(int64(15000)), 1, 2)}
	w.licenses = func(_ org.ID, _ string, q roster.LicensesQuery) (roster.LicensesPage, error) {
		if q.Skip > 0 && q.Version != version {
			t.Errorf("a later page is not pinned: %+v", q)
		}
		to := min(int(q.Skip)+q.Size, len(all))
		return roster.LicensesPage{Licenses: all[q.Skip:to], Version: version, Total: 2, More: to < len(all)}, nil
	}
	want(t, w.call("GET", licensesPath, ""), 200, `{"licenses":[`+basic+`,`+pro+`],"count":2,"total":2}`)
	next := api.EncodeCursor(map[string]any{"j": version.Job, "t": 3, "s": 1})
	var first struct{ NextCursor string }
	rec := w.call("GET", licensesPath+"?size=1", "")
	if err := json.Unmarshal(rec.Body.Bytes(), &first); err != nil {
		t.Fatal(err)
	}
	want(t, rec, 200, `{"licenses":[`+basic+`],"count":1,"total":2,"nextCursor":"`+first.NextCursor+`"}`)
	for _, cursor := range []string{next, first.NextCursor} {
		want(t, w.call("GET", licensesPath+"?size=1&cursor="+escape(cursor), ""), 200, `{"licenses":[`+pro+`],"count":1,"total":2}`)
	}
	w.licenses = func(org.ID, string, roster.LicensesQuery) (roster.LicensesPage, error) {
		return roster.LicensesPage{}, nil
	}
	want(t, w.call("GET", licensesPath, ""), 200, `{"licenses":[],"count":0,"total":0}`)
	w.licenses = func(org.ID, string, roster.LicensesQuery) (roster.LicensesPage, error) {
		return roster.LicensesPage{}, fmt.Errorf("open: %w", roster.ErrGone)
	}
	want(t, w.call("GET", licensesPath+"?cursor="+escape(next), ""), 410, listGone)
}

const listGone = gone + `the list that this cursor belongs to is no longer kept; begin again without a cursor"` + requestID

func TestLicenseUsers(t *testing.T) {
	w := newWorld(t)
	version := roster.Version{Job: job.NewID().String(), Token: 3}
	w.holders = func(o org.ID, integration string, q roster.HoldersQuery) (roster.HoldersPage, error) {
		if o != w.acme.org.ID || integration != w.acme.file.ID.String() {
			t.Errorf("the roster of %s, %s", o, integration)
		}
		first := roster.HoldersQuery{License: "Pro & more", Size: 2, Total: -1}
		second := roster.HoldersQuery{License: "Pro & more", Size: 2, Total: 3, After: "b@x.se", Version: version}
		switch {
		case cmp.Equal(q, first):
			return roster.HoldersPage{Version: version, Total: 3, More: true, Holders: []roster.Holder{
				{Email: "a@x.se", Status: roster.GrantActive, Member: true}, {Email: "b@x.se", Status: roster.GrantInactive, Member: true}}}, nil
		case cmp.Equal(q, second):
			return roster.HoldersPage{Version: version, Total: 3, Holders: []roster.Holder{{Email: "c@x.se", Status: roster.GrantDeleted}}}, nil
		}
		return roster.HoldersPage{}, fmt.Errorf("look: %w", roster.ErrNoLicense)
	}
	const path = licensesPath + "/users?name=Pro+%26+more&size=2"
	rec := w.call("GET", path, "")
	var page struct{ NextCursor string }
	if err := json.Unmarshal(rec.Body.Bytes(), &page); err != nil {
		t.Fatal(err)
	}
	want(t, rec, 200, `{"users":[{"email":"a@x.se","licenseStatus":"active","isAppUser":true},{"email":"b@x.se","licenseStatus":"inactive","isAppUser":true}],`+
		`"count":2,"total":3,"nextCursor":"`+page.NextCursor+`"}`)
	want(t, w.call("GET", path+"&cursor="+escape(page.NextCursor), ""), 200,
		`{"users":[{"email":"c@x.se","licenseStatus":"deleted","isAppUser":false}],"count":1,"total":3}`)
	want(t, w.call("GET", licensesPath+"/users?name=pro", ""), 404, notFound+`the app has no licence with this name"`+requestID)

	w.holders = func(org.ID, string, roster.HoldersQuery) (roster.HoldersPage, error) {
		return roster.HoldersPage{}, roster.ErrGone
	}
	want(t, w.call("GET", path+"&cursor="+escape(page.NextCursor), ""), 410, listGone)
}

func TestLicensesRefuse(t *testing.T) {
	w := newWorld(t)
	cursor := func(keys map[string]any) string { return "cursor=" + escape(api.EncodeCursor(keys)) }
	id := job.NewID().String()
	for query, want := range map[string][]string{
		"?size=0":    {"query.size"},
		"?size=1001": {"query.size"},
		"?cursor=x":  nil,
		"?" + cursor(map[string]any{"j": id, "t": 1, "s": 0}):     {"query.cursor"},
		"?" + cursor(map[string]any{"j": id, "t": 0, "s": 1}):     {"query.cursor"},
		"?" + cursor(map[string]any{"j": "../a", "t": 1, "s": 1}): {"query.cursor"},
		"/users":                   {"query.name"},
		"/users?name=":             {"query.name"},
		"/users?name=Pro&size=0":   {"query.size"},
		"/users?name=Pro&cursor=x": nil,
		"/users?name=Pro&" + cursor(map[string]any{"j": id, "t": 1, "h": 0, "a": "a"}): {"query.cursor"},
		"/users?name=Pro&" + cursor(map[string]any{"j": id, "t": 1, "h": 1}):           {"query.cursor"},
		"/users?name=Pro&" + cursor(map[string]any{"j": id, "t": 1, "n": 1, "a": "a"}): nil, // of the users of the app
	} {
		rec := w.call("GET", licensesPath+query, "")
		if diff := cmp.Diff(want, pointers(t, rec)); diff != "" || rec.Code != 400 {
			t.Errorf("%s: %d %s", query, rec.Code, diff)
		}
	}
}
