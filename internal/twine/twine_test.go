package twine_test

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"muster/internal/api"
	"muster/internal/api/apitest"
	"muster/internal/catalog"
	"muster/internal/health"
	"muster/internal/integration"
	"muster/internal/job"
	"muster/internal/local/bolt"
	"muster/internal/local/disk"
	"muster/internal/org"
	"muster/internal/roster"
	"muster/internal/table/tabletest"
	"muster/internal/torii"
	"muster/internal/twine"
)

var start = time.Date(2031, 3, 4, 5, 6, 7, 0, time.UTC)

const (
	fileSystem = "018f5c3e-8a01-7c42-a1f0-66696c650001"
	hubSystem  = "018f5c3e-8a00-7b1d-9d5e-6d7573746572"

	badRequest = `{"statusCode":400,"error":"Bad Request","kind":"invalid","message":"`
	notFound   = `{"statusCode":404,"error":"Not Found","kind":"not_found","message":"`
	requestID  = `,"request_id":"r1"}`
)

// world is the family's API over real stores in a folder, with two orgs.
type world struct {
	t            *testing.T
	api          http.Handler
	clock        *tabletest.Clock
	orgs         *org.Store
	integrations *integration.Store
	jobs         *job.Store
	acme, other  tenant
}

type tenant struct {
	id  org.ID
	key string
	hub integration.Integration
}

type noStarter struct{}

func (noStarter) Start(context.Context, job.Start) error { return nil }

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{t: t, clock: tabletest.NewClock(start)}
	tab, err := bolt.Open(filepath.Join(t.TempDir(), "table.db"), w.clock.Now)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = tab.Close() })
	blobs, err := disk.Open(t.TempDir(), func() string { return "" }, w.clock.Now)
	if err != nil {
		t.Fatal(err)
	}
	log := slog.New(slog.DiscardHandler)
	w.orgs = org.NewStore(tab, w.clock.Now)
	w.integrations = &integration.Store{Table: tab, Now: w.clock.Now}
	w.jobs = &job.Store{Table: tab, Blobs: blobs, Starter: noStarter{}, Now: w.clock.Now, Log: log}
	w.acme, w.other = w.tenant("Acme AB"), w.tenant("Other")
	w.api = api.New(api.Config{Auth: w.orgs, Table: tab, Log: log, Now: w.clock.Now}, routes(w)...)
	return w
}

func routes(w *world) []api.Route {
	return []api.Route{
		twine.GetOrganizations(w.orgs), twine.GetSystems(), twine.CreateSystemIntegration(w.integrations),
		twine.GetSystemIntegration(w.integrations), twine.GetSystemIntegrations(w.integrations), twine.GetJob(w.jobs),
	}
}

func (w *world) tenant(name string) tenant {
	w.t.Helper()
	o, err := w.orgs.Create(w.t.Context(), name, "")
	if err != nil {
		w.t.Fatal(err)
	}
	hub, err := w.integrations.EnsureHub(w.t.Context(), o.ID)
	if err != nil {
		w.t.Fatal(err)
	}
	return tenant{o.ID, w.key(o.ID, org.Write), hub}
}

func (w *world) key(o org.ID, role org.Role) string {
	w.t.Helper()
	_, secret, err := w.orgs.CreateKey(w.t.Context(), o, role)
	if err != nil {
		w.t.Fatal(err)
	}
	return secret.Reveal()
}

// call sends a request with acme's key, unless headers say otherwise.
func (w *world) call(method, target, body string, headers ...string) *httptest.ResponseRecorder {
	w.t.Helper()
	return apitest.Call(w.t, w.api, w.acme.key, method, target, body, headers...)
}

// want and pointers are what apitest makes of an answer.
var want, pointers = apitest.Want, apitest.Pointers

// pagination is the member of that name of a page whose rows have these ids.
func pagination(first, last string, next, previous bool) string {
	cursor := func(id string) string { return api.EncodeCursor(map[string]string{"id": id}) }
	return fmt.Sprintf(`"pagination":{"start_cursor":"%s","end_cursor":"%s","has_next_page":%t,"has_previous_page":%t}`, cursor(first), cursor(last), next, previous)
}

// wantJSON is the integration's data in an answer.
func wantJSON(t *testing.T, i integration.Integration, description string) string {
	t.Helper()
	system := `{"id":"` + fileSystem + `","kind":"other","name":"Custom file","slug":"custom_file","logo_url":null}`
	if i.System.Hub {
		system = `{"id":"` + hubSystem + `","kind":"other","name":"Muster","slug":"twine","logo_url":null}`
	}
	return fmt.Sprintf(`{"id":"%s","org_id":"%s","system_id":"%s","app_account_id":%d,"api_client_id":null,"api_endpoint_url":null,"description":%s,`+
		`"domain_mappings":[],"external_org_id":null,"inserted_at":"2031-03-04T05:06:07Z","property_mappings":[],"removal_guard":{"max_count":100,"max_percent":50},"system":%s,"system_custom":null,`+
		`"updated_at":"2031-03-04T05:06:07Z"}`, i.ID, i.Org, i.System.ID, i.Number, description, system)
}

func TestOrganizations(t *testing.T) {
	w := newWorld(t)
	id := w.acme.id.String()
	data := `{"data":[{"org_id":"` + id + `","name":"Acme AB","vat":null,"owner_id":null,"parent_id":null,"delete_protection":false,` +
		`"delete_protection_disabled_at":null,"custom_properties":[],"roles":[]}],`
	want(t, w.call("GET", "/v1/org", ""), 200, data+pagination(id, id, false, false)+`}`)
	rec := w.call("GET", "/v1/org", "", "Authorization", "Bearer "+w.other.key)
	if !strings.Contains(rec.Body.String(), `"name":"Other"`) || strings.Contains(rec.Body.String(), id) {
		t.Errorf("another key's org: %s", rec.Body)
	}
}

func TestSystems(t *testing.T) {
	w := newWorld(t)
	hub := `{"id":"` + hubSystem + `","kind":"other","name":"Muster","slug":"twine","logo_url":null}`
	file := `{"id":"` + fileSystem + `","kind":"other","name":"Custom file","slug":"custom_file","logo_url":null}`
	after := func(id string) string { return url.QueryEscape(api.EncodeCursor(map[string]string{"id": id})) }
	for query, body := range map[string]string{
		"":                     `{"data":[` + hub + `,` + file + `],` + pagination(hubSystem, fileSystem, false, false) + `}`,
		"?pagination[first]=1": `{"data":[` + hub + `],` + pagination(hubSystem, hubSystem, true, false) + `}`,
		"?pagination%5Bfirst%5D=1&pagination%5Bafter%5D=" + after(hubSystem): `{"data":[` + file + `],` + pagination(fileSystem, fileSystem, false, true) + `}`,
		"?pagination[after]=" + after(fileSystem):                            `{"data":[],"pagination":{"start_cursor":null,"end_cursor":null,"has_next_page":false,"has_previous_page":true}}`,
		"?pagination[last]=1":                      `{"data":[` + file + `],` + pagination(fileSystem, fileSystem, false, true) + `}`,
		"?pagination[before]=" + after(fileSystem): `{"data":[` + hub + `],` + pagination(hubSystem, hubSystem, true, false) + `}`,
	} {
		t.Run(query, func(t *testing.T) { want(t, w.call("GET", "/v1/systems"+query, ""), 200, body) })
	}
	for _, query := range []string{"?pagination[first]=0", "?pagination[first]=1001", "?pagination[first]=1&pagination[last]=1", "?pagination[after]=x", "?pagination[after]=" + after(uuid.NewString())} {
		if rec := w.call("GET", "/v1/systems"+query, ""); rec.Code != 400 {
			t.Errorf("%s: %d", query, rec.Code)
		}
	}
}

func TestCreateSystemIntegration(t *testing.T) {
	w := newWorld(t)
	for name, tc := range map[string]struct{ body, description string }{
		"only the system":  {`{"system_id":"` + fileSystem + `"}`, `null`},
		"with a name":      {`{"system_id":"` + fileSystem + `","description":"Wiki & co"}`, `"Wiki & co"`},
		"nulls are absent": {`{"system_id":"` + fileSystem + `","auth":null,"create_default_mappings":null,"description":null,"system_custom":null,"template_id":null}`, `null`},
		"default mappings": {`{"system_id":"` + strings.ToUpper(fileSystem) + `","create_default_mappings":true,"unknown":1,"description":""}`, `null`},
	} {
		t.Run(name, func(t *testing.T) {
			rec := w.call("POST", "/v1/org/system-integrations", tc.body)
			var got struct{ Data struct{ ID string } }
			if err := json.Unmarshal(rec.Body.Bytes(), &got); err != nil {
				t.Fatal(rec.Body, err)
			}
			id, err := integration.ParseID(got.Data.ID)
			if err != nil {
				t.Fatal(rec.Body, err)
			}
			stored, err := w.integrations.Get(t.Context(), w.acme.id, id)
			if err != nil {
				t.Fatal(err)
			}
			body := `{"data":` + wantJSON(t, stored, tc.description) + `}`
			want(t, rec, 201, body)
			want(t, w.call("GET", "/v1/org/system-integrations/"+got.Data.ID, ""), 200, body)
		})
	}
}

func TestCreateSystemIntegrationRefuses(t *testing.T) {
	w := newWorld(t)
	const (
		unknown  = "must be the id of a system in the catalogue; GET /v1/systems lists them"
		template = "must be the id of a template of this org; it has none"
	)
	for name, tc := range map[string]struct {
		body string
		want []string
	}{
		"no system":              {`{}`, []string{"/system_id"}},
		"null for the system":    {`{"system_id":null}`, []string{"/system_id"}},
		"a slug":                 {`{"system_id":"custom_file"}`, []string{"/system_id"}},
		"the hub":                {`{"system_id":"` + hubSystem + `"}`, []string{"/system_id"}},
		"auth":                   {`{"system_id":"` + fileSystem + `","auth":{"slug":"custom_file","api_key":"hunter2"}}`, []string{"/auth"}},
		"empty auth":             {`{"system_id":"` + fileSystem + `","auth":{}}`, []string{"/auth"}},
		"auth that is no object": {`{"system_id":"` + fileSystem + `","auth":"hunter2"}`, []string{"/auth"}},
		"system_custom":          {`{"system_id":"` + fileSystem + `","system_custom":{"slug":"custom_file"}}`, []string{"/system_custom"}},
		"the page's own":         {`{"system_id":"018eae56-8f9d-7ca0-bea3-17f3db6cf75b","auth":{"api_key":"hunter2","slug":"twenty_four_seven"},"create_default_mappings":true,"description":"<string>","system_custom":{"slug":"agda_file"},"template_id":"018eae56-8f9d-7ca0-bea3-17f3db6cf75b"}`, []string{"/system_id", "/template_id"}},
		"a long description":     {`{"system_id":"` + fileSystem + `","description":"` + strings.Repeat("x", 1001) + `"}`, []string{"/description"}},
	} {
		rec := w.call("POST", "/v1/org/system-integrations", tc.body)
		if diff := cmp.Diff(tc.want, pointers(t, rec)); diff != "" || rec.Code != 400 || strings.Contains(rec.Body.String(), "hunter2") {
			t.Errorf("%s: %d %s\n%s", name, rec.Code, rec.Body, diff)
		}
	}
	want(t, w.call("POST", "/v1/org/system-integrations", `{"system_id":"`+uuid.NewString()+`","template_id":"`+uuid.NewString()+`"}`), 400,
		badRequest+`/system_id `+unknown+`","errors":[{"pointer":"/system_id","detail":"`+unknown+`"},{"pointer":"/template_id","detail":"`+template+`"}]`+requestID)
	read := w.call("POST", "/v1/org/system-integrations", `{"system_id":"`+fileSystem+`"}`, "Authorization", w.key(w.acme.id, org.Read))
	if read.Code != 403 {
		t.Errorf("with a key that may only read: %d", read.Code)
	}
}

func TestGetSystemIntegrationOfOthers(t *testing.T) {
	w := newWorld(t)
	none := notFound + `there is no system integration with this system_integration_id"` + requestID
	for _, id := range []string{uuid.NewString(), w.other.hub.ID.String(), uuid.Nil.String()} {
		want(t, w.call("GET", "/v1/org/system-integrations/"+id, ""), 404, none)
	}
	if rec := w.call("GET", "/v1/org/system-integrations/1", ""); rec.Code != 400 || !cmp.Equal(pointers(t, rec), []string{"path.system_integration_id"}) {
		t.Errorf("a number: %d %s", rec.Code, rec.Body)
	}
}

func TestGetSystemIntegrations(t *testing.T) {
	w := newWorld(t)
	system, _ := catalog.BySlug("custom_file")
	all := []integration.Integration{w.acme.hub}
	for range 4 {
		i, err := w.integrations.Create(t.Context(), w.acme.id, integration.New{System: system.ID})
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, i)
	}
	page := func(from, to int, next, previous bool) string {
		var rows []string
		for _, i := range all[from:to] {
			rows = append(rows, wantJSON(t, i, "null"))
		}
		return `{"data":[` + strings.Join(rows, ",") + `],` + pagination(all[from].ID.String(), all[to-1].ID.String(), next, previous) + `}`
	}
	cursor := func(i int) string {
		return url.QueryEscape(api.EncodeCursor(map[string]string{"id": all[i].ID.String()}))
	}
	for query, body := range map[string]string{
		"":                     page(0, 5, false, false),
		"?pagination[first]=2": page(0, 2, true, false),
		"?pagination[first]=2&pagination[after]=" + cursor(1): page(2, 4, true, true),
		"?pagination[first]=2&pagination[after]=" + cursor(3): page(4, 5, false, true),
		"?pagination[last]=2": page(3, 5, false, true),
		"?pagination[last]=2&pagination[before]=" + cursor(3): page(1, 3, true, true),
		"?pagination[before]=" + cursor(2):                    page(0, 2, true, false),
		"?pagination[after]=" + cursor(3):                     page(4, 5, false, true),
	} {
		t.Run(query, func(t *testing.T) { want(t, w.call("GET", "/v1/org/system-integrations"+query, ""), 200, body) })
	}
	for _, query := range []string{"?pagination[after]=x", "?pagination[after]=" + url.QueryEscape(api.EncodeCursor(map[string]string{"id": "a#b"}))} {
		if rec := w.call("GET", "/v1/org/system-integrations"+query, ""); rec.Code != 400 {
			t.Errorf("%s: %d %s", query, rec.Code, rec.Body)
		}
	}
}

// Every route in one API: two body types of one name, or two equal ids, would panic.
func TestFamiliesTogether(t *testing.T) {
	w := newWorld(t)
	all := append(routes(w), health.Get(), torii.GetFilesURL(nil), torii.PostFiles(nil), torii.PostFilesUpload(nil),
		torii.PutServicesSyncCustom(nil, nil, nil, nil, nil), torii.GetAppsIDAppUsers(nil, nil), torii.GetOrgsMy(nil))
	if _, err := api.OpenAPI(api.Info{Title: "t", Version: "1"}, all...); err != nil {
		t.Error(err)
	}
}

// fakeJobs is for the states that are long to reach.
type fakeJobs struct {
	job job.Job
	ps  []roster.Problem
}

func (f fakeJobs) Get(_ context.Context, o org.ID, id job.ID) (job.Job, error) {
	if o != f.job.Org || id != f.job.ID {
		return job.Job{}, job.ErrNotFound
	}
	return f.job, nil
}

func (f fakeJobs) Problems(_ context.Context, _ job.Job, from, n int) ([]roster.Problem, bool, error) {
	from = min(from, len(f.ps))
	to := min(from+n, len(f.ps))
	return f.ps[from:to], to < len(f.ps), nil
}
