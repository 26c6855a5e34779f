package torii_test

import (
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"muster/internal/api"
	"muster/internal/job"
	"muster/internal/org"
	"muster/internal/roster"
)

const usersPath = "/v1.0/apps/2/users"

var seen = time.Date(2031, 1, 1, 0, 0, 0, 0, time.UTC)

func member(email string) roster.Member {
	return roster.Member{User: roster.User{Email: email, Status: roster.Active}, FirstSeen: seen}
}

func TestUsers(t *testing.T) {
	w := newWorld(t)
	w.members = func(o org.ID, integration string, _ roster.MembersQuery) (roster.MembersPage, error) {
		if o != w.acme.org.ID || integration != w.acme.file.ID.String() {
			t.Errorf("the roster of %s, %s", o, integration)
		}
		full := member("adam@example.com")
		full.ID, full.FirstName, full.LastName, full.ExternalStatus = "15893", "Adam", "Test", "Active"
		full.Roles, full.LastUsed = []string{"Admin", "Super admin"}, time.Date(2021, 7, 5, 20, 43, 14, 5e8, time.UTC)
		full.Grants = []roster.Held{{License: "Basic", Status: roster.GrantInactive}, {License: "Pro", Status: roster.GrantActive}, {License: "X", Status: roster.GrantDeleted}}
		gone := member("tony@example.com")
		gone.Status, gone.LastName = roster.Deleted, "Example"
		return roster.MembersPage{Members: []roster.Member{full, gone}, Total: 2}, nil
	}
	const body = `{"users":[` +
		`{"email":"adam@example.com","firstName":"Adam","lastName":"Test","fullName":"Adam Test","status":"active","idExternalUser":"15893",` +
		`"role":"Admin, Super admin","externalStatus":"Active","lastVisitTime":"2021-07-05T20:43:14.5Z","isUserRemovedFromApp":false,` +
		`"appName":"Custom file","appAccountName":"Wiki","idAppAccount":2,"sources":["custom_file"],"creationTime":"2031-01-01T00:00:00Z",` +
		`"licenses":[{"name":"Basic","status":"inactive"},{"name":"Pro","status":"active"},{"name":"X","status":"deleted"}],"numberOfInactiveLicenses":1},` +
		`{"email":"tony@example.com","lastName":"Example","fullName":"Example","status":"deleted","isUserRemovedFromApp":true,` +
		`"appName":"Custom file","appAccountName":"Wiki","idAppAccount":2,"sources":["custom_file"],"creationTime":"2031-01-01T00:00:00Z",` +
		`"licenses":[],"numberOfInactiveLicenses":0}` +
		`],"count":2,"total":2}`
	want(t, w.call("GET", usersPath, ""), 200, body)
	want(t, w.call("GET", "/v1.0/apps/"+w.acme.file.ID.String()+"/users", ""), 200, body)
}

const noUsers = `{"users":[],"count":0,"total":0}`

func TestUsersOfNoSnapshot(t *testing.T) {
	w := newWorld(t)
	w.members = func(org.ID, string, roster.MembersQuery) (roster.MembersPage, error) {
		return roster.MembersPage{}, nil
	}
	want(t, w.call("GET", usersPath, ""), 200, noUsers)
	w.members = func(org.ID, string, roster.MembersQuery) (roster.MembersPage, error) {
		t.Error("a roster was read for a status that none of our users has")
		return roster.MembersPage{}, nil
	}
	want(t, w.call("GET", usersPath+"?status=managed", ""), 200, noUsers)
}

func TestUsersQueries(t *testing.T) {
	w := newWorld(t)
	var got roster.MembersQuery
	w.members = func(_ org.ID, _ string, q roster.MembersQuery) (roster.MembersPage, error) {
		got = q
		return roster.MembersPage{}, nil
	}
	usual := []roster.Field{roster.FieldEmail, roster.FieldFirstName, roster.FieldLastName}
	id := job.NewID().String()
	cursor := api.EncodeCursor(map[string]any{"j": id, "t": 7, "n": 42, "a": "adam@example.com", "f": ofAll})
	for query, want := range map[string]roster.MembersQuery{
		"":                                   {Size: 1000, Status: roster.Active, Fields: usual, Total: -1},
		"?size=1":                            {Size: 1, Status: roster.Active, Fields: usual, Total: -1},
		"?status=deleted&sort=email":         {Size: 1000, Status: roster.Deleted, Fields: usual, Total: -1},
		"?status=active&sort=email:asc&q=Ad": {Size: 1000, Status: roster.Active, Text: "Ad", Fields: usual, Total: -1},
		"?q=x&qFields=fullName,+role,externalStatus,idExternalUser,email,firstName,lastName": {Size: 1000, Status: roster.Active, Text: "x", Total: -1, Fields: []roster.Field{
			roster.FieldFullName, roster.FieldRole, roster.FieldExternalStatus, roster.FieldID, roster.FieldEmail, roster.FieldFirstName, roster.FieldLastName}},
		"?cursor=" + escape(cursor): {Size: 1000, Status: roster.Active, Fields: usual, Total: 42, After: "adam@example.com", Version: roster.Version{Job: id, Token: 7}},
		"?cursor=" + cursor:         {Size: 1000, Status: roster.Active, Fields: usual, Total: 42, After: "adam@example.com", Version: roster.Version{Job: id, Token: 7}},
	} {
		got = roster.MembersQuery{}
		if rec := w.call("GET", usersPath+query, ""); rec.Code != 200 {
			t.Errorf("%s: %d %s", query, rec.Code, rec.Body)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: %s", query, diff)
		}
	}
}

// ofAll is the mark of a cursor whose list has no filter of its own.
const ofAll = "162pn4f"

func TestUsersRefuses(t *testing.T) {
	w := newWorld(t)
	w.members = func(org.ID, string, roster.MembersQuery) (roster.MembersPage, error) {
		t.Error("a roster was read")
		return roster.MembersPage{}, nil
	}
	cursor := func(keys map[string]any) string { return "?cursor=" + escape(api.EncodeCursor(keys)) }
	id := job.NewID().String()
	for query, want := range map[string][]string{
		"?size=0":                          {"query.size"},
		"?size=1001":                       {"query.size"},
		"?size=many":                       {"query.size"},
		"?status=gone":                     {"query.status"},
		"?sort=email:desc":                 {"query.sort"},
		"?sort=lastName":                   {"query.sort"},
		"?qFields=email,score":             {"query.qFields"},
		"?qFields=,":                       {"query.qFields"},
		"?sort=a&qFields=b":                {"query.qFields", "query.sort"},
		"?cursor=x":                        nil,
		cursor(map[string]any{"other": 1}): nil,
		cursor(map[string]any{"j": "../../" + id, "t": 1, "n": 0, "a": "a", "f": ofAll}):          {"query.cursor"},
		cursor(map[string]any{"j": id, "t": 0, "n": 0, "a": "a", "f": ofAll}):                     {"query.cursor"},
		cursor(map[string]any{"j": id, "t": 1, "n": -1, "a": "a", "f": ofAll}):                    {"query.cursor"},
		cursor(map[string]any{"j": id, "t": 1, "n": 1, "f": ofAll}):                               {"query.cursor"},
		cursor(map[string]any{"j": id, "t": 1, "n": 1, "a": "a", "f": ofAll}) + "&q=other":        {"query.cursor"},
		cursor(map[string]any{"j": id, "t": 1, "n": 1, "a": "a", "f": ofAll}) + "&status=deleted": {"query.cursor"},
	} {
		rec := w.call("GET", usersPath+query, "")
		if diff := cmp.Diff(want, pointers(t, rec)); diff != "" || rec.Code != 400 {
			t.Errorf("%s: %d %s", query, rec.Code, diff)
		}
	}
	for _, app := range []string{"0", "-2", "4294967298", "x", "a%23b", "018f5c3e"} {
		rec := w.call("GET", "/v1.0/apps/"+app+"/users", "")
		if diff := cmp.Diff([]string{"path.idApp"}, pointers(t, rec)); diff != "" || rec.Code != 400 {
			t.Errorf("app %s: %d %s", app, rec.Code, diff)
		}
	}
	for _, app := range []string{"3", w.other.file.ID.String()} {
		want(t, w.call("GET", "/v1.0/apps/"+app+"/users", ""), 404, notFound+`there is no app account with this idApp"`+requestID)
	}
}

// A client follows nextCursor to the end and has every user once, of one state of
// the roster, whatever is committed meanwhile.
func TestUsersCursor(t *testing.T) {
	w := newWorld(t)
	version := roster.Version{Job: job.NewID().String(), Token: 3}
	var all []roster.Member
	for i := range 5 {
		all = append(all, member(fmt.Sprintf("user%d@example.com", i)))
	}
	w.members = func(_ org.ID, _ string, q roster.MembersQuery) (roster.MembersPage, error) {
		if q.After != "" && (q.Version != version || q.Total != 5) {
			t.Errorf("a later page is not pinned: %+v", q)
		}
		from := 0
		for from < len(all) && all[from].Email <= q.After {
			from++
		}
		to := min(from+q.Size, len(all))
		return roster.MembersPage{Members: all[from:to], Version: version, Total: 5, More: to < len(all)}, nil
	}
	var emails []string
	for cursor := ""; ; {
		rec := w.call("GET", usersPath+"?size=2&cursor="+escape(cursor), "")
		var page struct {
			Users        []struct{ Email string }
			Count, Total int
			NextCursor   string
		}
		if err := json.Unmarshal(rec.Body.Bytes(), &page); err != nil || rec.Code != 200 {
			t.Fatal(rec.Code, rec.Body, err)
		}
		if page.Count != len(page.Users) || page.Total != 5 {
			t.Errorf("%d users, count %d, total %d", len(page.Users), page.Count, page.Total)
		}
		for _, u := range page.Users {
			emails = append(emails, u.Email)
		}
		if cursor = page.NextCursor; cursor == "" {
			break
		}
	}
	if len(emails) != 5 || emails[4] != "user4@example.com" {
		t.Error(emails)
	}

	w.members = func(org.ID, string, roster.MembersQuery) (roster.MembersPage, error) {
		return roster.MembersPage{}, fmt.Errorf("open: %w", roster.ErrGone)
	}
	cursor := api.EncodeCursor(map[string]any{"j": version.Job, "t": 3, "n": 5, "a": "user1@example.com", "f": ofAll})
	want(t, w.call("GET", usersPath+"?cursor="+escape(cursor), ""), 410,
		`{"statusCode":410,"error":"Gone","kind":"gone","message":"the list that this cursor belongs to is no longer kept; begin again without a cursor"`+requestID)
}
