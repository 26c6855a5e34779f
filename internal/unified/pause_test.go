package unified_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"muster/internal/catalog"
	"muster/internal/connection"
	"muster/internal/org"
)

// A pause by each who may, as a client sees it: its fields are there while it
// holds, and none of it is a change of the connection.
func TestPausedConnection(t *testing.T) {
	w := serve(t)
	made := w.acme.ok("POST", path, least+`}`)
	at := path + "/" + made["id"].(string)
	id, err := connection.ParseID(made["id"].(string))
	if err != nil {
		t.Fatal(err)
	}
	want := func(got map[string]any, paused bool, by, reason any, health string) {
		t.Helper()
		_, dated := got["paused_at"]
		if got["is_paused"] != paused || got["paused_by"] != by || got["paused_reason"] != reason || got["health"] != health || dated != (paused && by != "quota") {
			t.Errorf("%v", got)
		}
		if got["updated_at"] != made["updated_at"] {
			t.Errorf("updated at %v, and before at %v", got["updated_at"], made["updated_at"])
		}
	}
	want(made, false, nil, nil, "new")
	time.Sleep(time.Until(time.Now().Truncate(time.Second).Add(time.Second))) // a second that updated_at could show
	want(w.acme.ok("POST", at+"/pause", ""), true, "person", nil, "new")
	want(w.acme.ok("POST", at+"/resume", ""), false, nil, nil, "new")
	want(w.acme.ok("POST", at+"/pause", `{"reason":"on holiday","more":1}`), true, "person", "on holiday", "new")
	want(w.acme.ok("POST", at+"/pause", `{"reason":"another"}`), true, "person", "on holiday", "new")
	want(w.acme.ok("GET", at, ""), true, "person", "on holiday", "new")
	want(w.acme.ok("PATCH", at, `{"is_paused":false,"paused_by":"me"}`), true, "person", "on holiday", "new")
	want(w.acme.ok("POST", at+"/resume", `{}`), false, nil, nil, "new")
	want(w.acme.ok("POST", at+"/resume", ""), false, nil, nil, "new")

	for range 10 {
		if err := w.keeper.Unhealthy(t.Context(), w.acme.org, id, "401"); err != nil {
			t.Fatal(err)
		}
	}
	got := w.acme.ok("GET", at, "")
	want(got, true, "breaker", "10 calls failed in a row, the last with 401", "unhealthy")
	if got["last_unhealthy_code"] != "401" || got["last_unhealthy_at"] == nil {
		t.Errorf("%v", got)
	}
	if _, err := w.orgs.Set(t.Context(), w.acme.org, org.Change{MonthlySyncs: new(1)}); err != nil {
		t.Fatal(err)
	}
	if _, err := w.orgs.TakeSync(t.Context(), w.acme.org); err != nil {
		t.Fatal(err)
	}
	spent, err := w.orgs.SyncsSpent(t.Context(), w.acme.org)
	if err != nil || spent == nil {
		t.Fatal(spent, err)
	}
	want(w.acme.ok("GET", at, ""), true, "breaker", "10 calls failed in a row, the last with 401", "unhealthy")
	want(w.acme.ok("POST", at+"/resume", ""), true, "quota", spent.Error(), "unhealthy")
	if other := w.acme.ok("POST", path, least+`}`); other["paused_by"] != "quota" {
		t.Errorf("a new one: %v", other)
	}
}

func TestPauseRefuses(t *testing.T) {
	w := serve(t)
	at := path + "/" + w.acme.ok("POST", path, least+`}`)["id"].(string)
	for _, what := range []string{"/pause", "/resume"} {
		if status, text, _ := w.reader.send("POST", at+what, ""); status != 403 {
			t.Errorf("%s by who may read: %d %s", what, status, text)
		}
		for _, at := range []string{at, path + "/" + connection.NewID().String(), path + "/1"} {
			if status, text, _ := w.rival.send("POST", at+what, ""); status != 404 || !strings.Contains(text, "there is no connection with this id") {
				t.Errorf("%s of another's: %d %s", what, status, text)
			}
		}
	}
	if got := w.acme.refused("POST", at+"/pause", `{"reason":"`+strings.Repeat("x", connection.MaxPauseReason+1)+`"}`); got != "/reason must have at most 500 bytes" {
		t.Error(got)
	}
	if got := w.acme.refused("POST", at+"/pause", `{"reason":7}`); got != "/reason expected string" {
		t.Error(got)
	}
}

func TestListIntegrations(t *testing.T) {
	w := serve(t)
	const file = `{"type":"custom_file","name":"Custom file","categories":["hris"],"is_active":true,"updated_at":"2026-11-22T00:00:00Z"}`
	for query, want := range map[string]string{
		"":                                    file,
		"?active=true&env=Sandbox":            file,
		"?summary=true":                       file,
		"?categories=crm,hris":                file,
		"?categories=crm&categories=ats":      "",
		"?type=custom_file":                   file,
		"?type=twine":                         "", // the hub
		"?type=hubspot":                       "",
		"?limit=1":                            file,
		"?offset=1":                           "",
		"?offset=9223372036854775807":         "",
		"?updated_gte=2026-11-22T00:00:00Z":   file,
		"?updated_gte=2026-11-22T00:00:01Z":   "",
		"?updated_gte=2999-01-01T00:00:00Z":   "",
		"?updated_gte=2020-01-01T00:00:00.5Z": file,
	} {
		status, text, _ := w.reader.send("GET", "/unified/integration"+query, "")
		if status != 200 || text != "["+want+"]" {
			t.Errorf("%s answered %d: %s", query, status, text)
		}
	}
	for query, want := range map[string]string{
		"?limit=0":               "query.limit expected number >= 1",
		"?offset=-1":             "query.offset expected number >= 0",
		"?categories=hrs":        "query.categories is not a category; the nearest to what was sent is hris",
		"?updated_gte=yesterday": "query.updated_gte must be a date-time with an offset, as 2026-05-04T10:20:30Z",
		"?active=perhaps":        "query.active expected true or false",
	} {
		if got := w.acme.refused("GET", "/unified/integration"+query, ""); got != want {
			t.Errorf("%s: %s, want %s", query, got, want)
		}
	}
}

// The catalogue's categories are of the list that connections have.
func TestCatalogueSpeaksUnified(t *testing.T) {
	for _, s := range catalog.Systems() {
		i := slices.IndexFunc(s.Categories, func(c string) bool { return connection.UnknownCategory(c) != "" })
		if i >= 0 || !s.Hub && s.Categories == nil {
			t.Errorf("%s: %v", s.Slug, s.Categories)
		}
	}
}
