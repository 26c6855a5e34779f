package torii_test

import (
	"bytes"
	"context"
	"encoding/json"
	"log/slog"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"net/textproto"
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
	"muster/internal/integration"
	"muster/internal/job"
	"muster/internal/local/bolt"
	"muster/internal/local/disk"
	"muster/internal/org"
	"muster/internal/roster"
	"muster/internal/table/tabletest"
	"muster/internal/torii"
	"muster/internal/upload"
)

var start = time.Date(2031, 3, 4, 5, 6, 7, 0, time.UTC)

// world is the family's API over real stores in a folder, with two orgs. How a
// sync goes and what is in a roster is each test's to say.
type world struct {
	t            *testing.T
	api          http.Handler
	clock        *tabletest.Clock
	orgs         *org.Store
	uploads      *upload.Store
	integrations *integration.Store
	jobs         *job.Store

	acme, other tenant
	sync        func(ctx context.Context, o org.ID, integration string, in job.Input, size int64) (job.Job, error)
	dryRun      func(ctx context.Context, o org.ID, integration string, in job.Input, size int64) (job.Job, error)
	members     func(o org.ID, integration string, q roster.MembersQuery) (roster.MembersPage, error)
	jobID       job.ID // that the last sync was given
	licenses    func(o org.ID, integration string, q roster.LicensesQuery) (roster.LicensesPage, error)
	holders     func(o org.ID, integration string, q roster.HoldersQuery) (roster.HoldersPage, error)
}

// tenant is an org with a key, its hub (number 1) and a custom file (number 2).
type tenant struct {
	org       org.Org
	key       string
	hub, file integration.Integration
}

func (w *world) SyncFile(ctx context.Context, o org.ID, integration string, id job.ID, in job.Input, size int64) (job.Job, error) {
	w.jobID = id
	return w.sync(ctx, o, integration, in, size)
}

func (w *world) DryRun(ctx context.Context, o org.ID, integration string, in job.Input, size int64) (job.Job, error) {
	return w.dryRun(ctx, o, integration, in, size)
}

func (w *world) Roster(o org.ID, integration string) roster.Reader {
	return reader{w, o, integration}
}

type reader struct {
	w           *world
	org         org.ID
	integration string
}

func (r reader) Members(_ context.Context, q roster.MembersQuery) (roster.MembersPage, error) {
	return r.w.members(r.org, r.integration, q)
}

func (r reader) Licenses(_ context.Context, q roster.LicensesQuery) (roster.LicensesPage, error) {
	return r.w.licenses(r.org, r.integration, q)
}

func (r reader) Holders(_ context.Context, q roster.HoldersQuery) (roster.HoldersPage, error) {
	return r.w.holders(r.org, r.integration, q)
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
	var url string
	blobs, err := disk.Open(t.TempDir(), func() string { return url }, w.clock.Now)
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(blobs.Handler())
	t.Cleanup(server.Close)
	url = server.URL

	log := slog.New(slog.DiscardHandler)
	w.orgs = org.NewStore(tab, w.clock.Now)
	w.uploads = &upload.Store{Table: tab, Blobs: blobs, Signer: blobs, Now: w.clock.Now, MaxSize: 100}
	w.integrations = &integration.Store{Table: tab, Now: w.clock.Now}
	w.jobs = &job.Store{Table: tab, Blobs: blobs, Starter: noStarter{}, Now: w.clock.Now, Log: log}
	w.acme, w.other = w.tenant("Acme AB", "acme.example"), w.tenant("Other", "")
	w.api = api.New(api.Config{Auth: w.orgs, Table: tab, Log: log, Now: w.clock.Now},
		torii.GetFilesURL(w.uploads), torii.PostFiles(w.uploads), torii.PostFilesUpload(w.uploads),
		torii.GetFilesID(w.uploads), torii.GetFilesIDDownload(w.uploads),
		torii.PutServicesSyncCustom(w.integrations, w.uploads, w, w.jobs, w.clock.Now),
		torii.GetAppsIDAppUsers(w.integrations, w), torii.GetApps(w.integrations, w.orgs, w), torii.GetAppsIDApp(w.integrations, w.orgs, w),
		torii.GetAppsIDAppLicenses(w.integrations, w.orgs, w), torii.GetAppsIDAppLicensesUsers(w.integrations, w), torii.GetOrgsMy(w.orgs))
	return w
}

func (w *world) tenant(name, domain string) tenant {
	w.t.Helper()
	o, err := w.orgs.Create(w.t.Context(), name, domain)
	if err != nil {
		w.t.Fatal(err)
	}
	hub, err := w.integrations.EnsureHub(w.t.Context(), o.ID)
	if err != nil {
		w.t.Fatal(err)
	}
	system, _ := catalog.BySlug("custom_file")
	file, err := w.integrations.Create(w.t.Context(), o.ID, integration.New{System: system.ID, Description: "Wiki"})
	if err != nil {
		w.t.Fatal(err)
	}
	return tenant{o, w.key(o.ID, org.Write), hub, file}
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

const (
	notFound   = `{"statusCode":404,"error":"Not Found","kind":"not_found","message":"`
	badRequest = `{"statusCode":400,"error":"Bad Request","kind":"invalid","message":"`
	requestID  = `,"request_id":"r1"}`
)

// fault is the 400 of one fault, whose message says it as well.
func fault(pointer, detail string) string {
	return badRequest + pointer + " " + detail + `","errors":[{"pointer":"` + pointer + `","detail":"` + detail + `"}]` + requestID
}

// put uploads a small file as the key's org and answers its id.
func (w *world) put(t *testing.T, o org.ID, kind upload.Type) int64 {
	t.Helper()
	f, err := w.uploads.Put(t.Context(), o, "users.json", kind, []byte(`{"users":[]}`), uuid.Nil)
	if err != nil {
		t.Fatal(err)
	}
	return f.ID
}

func TestOrgsMy(t *testing.T) {
	w := newWorld(t)
	want(t, w.call("GET", "/v1.0/orgs/my", ""), 200,
		`{"org":{"id":1,"companyName":"Acme AB","domain":"acme.example","creationTime":"2031-03-04T05:06:07Z"}}`)
	want(t, w.call("GET", "/v1.0/orgs/my", "", "Authorization", w.other.key), 200,
		`{"org":{"id":2,"companyName":"Other","creationTime":"2031-03-04T05:06:07Z"}}`)
}

func TestRoles(t *testing.T) {
	w := newWorld(t)
	w.members = func(org.ID, string, roster.MembersQuery) (roster.MembersPage, error) {
		return roster.MembersPage{}, nil
	}
	read := "Bearer " + w.key(w.acme.org.ID, org.Read)
	for target, status := range map[string]int{
		"GET /v1.0/orgs/my":                 200,
		"GET /v1.0/apps/2/users":            200,
		"GET /v1.0/files/url?name=a&type=a": 403,
		"POST /v1.0/files":                  403,
		"POST /v1.0/files/upload":           403,
		"PUT /v1.0/services/sync/custom":    403,
		"GET /v1.0/services/sync/custom":    405,
		"GET /v1.0/apps/2/users/":           404,
		"GET /v1.0/apps":                    200,
		"GET /v1.0/apps/2":                  200,
		"GET /v1.0/apps/2/":                 404,
	} {
		method, path, _ := strings.Cut(target, " ")
		if rec := w.call(method, path, "", "Authorization", read); rec.Code != status {
			t.Errorf("%s: %d, want %d", target, rec.Code, status)
		}
	}
	if rec := w.call("GET", "/v1.0/orgs/my", "", "Authorization", "Bearer nonsense"); rec.Code != 401 {
		t.Errorf("an unknown key: %d", rec.Code)
	}
}

func TestTheWayOfALargeFile(t *testing.T) {
	w := newWorld(t)
	rec := w.call("GET", "/v1.0/files/url?name=my_file.json&type=text%2Fcsv", "")
	var issued struct {
		UploadFileParameters struct{ URL, FilePath string }
	}
	if err := json.Unmarshal(rec.Body.Bytes(), &issued); err != nil || rec.Code != 200 {
		t.Fatal(rec.Code, rec.Body, err)
	}
	p := issued.UploadFileParameters
	if p.FilePath != "1930367167000/my_file.json" || !strings.Contains(p.URL, p.FilePath) {
		t.Errorf("%+v", p)
	}
	register := `{"path":"` + p.FilePath + `","type":"customIntegrationData"}`
	want(t, w.call("POST", "/v1.0/files", register), 400,
		fault("/path", "has no file: PUT it to the url that came with this filePath, and look at the answer to that"))

	r, err := http.NewRequestWithContext(t.Context(), http.MethodPut, p.URL, strings.NewReader(`{"users":[]}`))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "text/csv")
	res, err := http.DefaultClient.Do(r)
	if err != nil || res.StatusCode != 200 {
		t.Fatal(res, err)
	}
	_ = res.Body.Close()
	want(t, w.call("POST", "/v1.0/files", register), 200, `{"id":1}`)
	want(t, w.call("POST", "/v1.0/files", register), 200, `{"id":2}`)

	unknown := fault("/path", "must be a filePath that GET /v1.0/files/url gave to this organization in the last 30 days")
	want(t, w.call("POST", "/v1.0/files", register, "Authorization", "Bearer "+w.other.key), 400, unknown)
	want(t, w.call("POST", "/v1.0/files", `{"path":"1612686123657/x.json","type":"plugin"}`), 400, unknown)
	want(t, w.call("POST", "/v1.0/files", `{"path":"../../x","type":"plugin"}`), 400, unknown)

	w.uploads.MaxSize = 11
	want(t, w.call("POST", "/v1.0/files", register), 413,
		`{"statusCode":413,"error":"Request Entity Too Large","kind":"too_large","message":"the file has 12 bytes, over the limit of 11, which whoever runs this server sets; leave out what a sync does not read, such as white space"`+requestID)
}

func TestFilesURLRefuses(t *testing.T) {
	w := newWorld(t)
	for query, want := range map[string][]string{
		"":                              {"query.name", "query.type"},
		"name=a.json":                   {"query.type"},
		"type=text/csv":                 {"query.name"},
		"name=&type=":                   {"query.name", "query.type"},
		"name=..&type=text/csv":         {"query.name"},
		"name=a%2Fb.json&type=text/csv": {"query.name"},
		"name=a%5Cb&type=%20x":          {"query.name", "query.type"},
		"name=" + strings.Repeat("x", 256) + "&type=x": {"query.name"},
	} {
		rec := w.call("GET", "/v1.0/files/url?"+query, "")
		if diff := cmp.Diff(want, pointers(t, rec)); diff != "" || rec.Code != 400 {
			t.Errorf("%q: %d %s", query, rec.Code, diff)
		}
	}
}

func TestFilesRefuses(t *testing.T) {
	w := newWorld(t)
	for body, want := range map[string][]string{
		`{}`:                            {"/path", "/type"},
		`{"path":"1/a.json"}`:           {"/type"},
		`{"path":1,"type":"logo"}`:      {"/path", "/type"},
		`{"path":null,"type":"plugin"}`: {"/path"},
	} {
		rec := w.call("POST", "/v1.0/files", body)
		if diff := cmp.Diff(want, pointers(t, rec)); diff != "" || rec.Code != 400 {
			t.Errorf("%s: %d %s", body, rec.Code, diff)
		}
	}
	if rec := w.call("POST", "/v1.0/files", ""); rec.Code != 400 {
		t.Errorf("no body: %d", rec.Code)
	}
}

// form is a body of multipart/form-data. Parts are written in their order.
func form(t *testing.T, parts ...[2]string) (body, contentType string) {
	t.Helper()
	var b bytes.Buffer
	m := multipart.NewWriter(&b)
	for _, p := range parts {
		h := textproto.MIMEHeader{"Content-Disposition": {`form-data; name="type"`}}
		if p[0] != "type" {
			h = textproto.MIMEHeader{"Content-Disposition": {`form-data; name="file"; filename="` + p[0] + `"`}, "Content-Type": {"application/octet-stream"}}
		}
		part, err := m.CreatePart(h)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := part.Write([]byte(p[1])); err != nil {
			t.Fatal(err)
		}
	}
	if err := m.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String(), m.FormDataContentType()
}

func TestFilesUpload(t *testing.T) {
	w := newWorld(t)
	small, kind := strings.Repeat("x", 3<<20), [2]string{"type", "customIntegrationData"}
	const large = `{"statusCode":413,"error":"Request Entity Too Large","kind":"too_large","message":"the file is over the limit of 3145728 bytes; ` +
		`upload a larger file with GET /v1.0/files/url, a PUT to the url, and POST /v1.0/files"` + requestID
	for _, tc := range []struct {
		name   string
		parts  [][2]string
		status int
		body   string
	}{
		{"file first, as curl", [][2]string{{"users.json", "{}"}, kind}, 200, `{"id":1}`},
		{"type first, as the vendor's client", [][2]string{kind, {"users.JSON", "{}"}}, 200, `{"id":2}`},
		{"3 MiB", [][2]string{{"users.json", small}, kind}, 200, `{"id":3}`},
		{"3 MiB and one", [][2]string{{"users.json", small + "x"}, kind}, 413, large},
		{"no known extension", [][2]string{{"users.exe", "{}"}, kind}, 400,
			fault("form.file", "must end in one of .csv .xls .xlsx .pdf .doc .docx .png .jpg .jpeg .xml .json .zip")},
	} {
		t.Run(tc.name, func(t *testing.T) {
			body, contentType := form(t, tc.parts...)
			want(t, w.call("POST", "/v1.0/files/upload", body, "Content-Type", contentType), tc.status, tc.body)
		})
	}
	f, err := w.uploads.Get(t.Context(), w.acme.org.ID, 1)
	if err != nil || f.Name != "users.json" || f.Type != upload.CustomIntegrationData || f.Size != 2 {
		t.Errorf("%+v, %v", f, err)
	}
	body, contentType := form(t, [2]string{"users.json", strings.Repeat("x", 4_400_000)}, kind)
	rec := w.call("POST", "/v1.0/files/upload", body, "Content-Type", contentType)
	if rec.Code != 413 || !strings.Contains(rec.Body.String(), "GET /v1.0/files/url") {
		t.Errorf("4.4 MB: %d %s", rec.Code, rec.Body)
	}
	for name, tc := range map[string]struct {
		parts [][2]string
		want  []string
	}{
		"no file":      {[][2]string{kind}, []string{"form.file"}},
		"no type":      {[][2]string{{"a.json", "{}"}}, []string{"form.type"}},
		"unknown type": {[][2]string{{"a.json", "{}"}, {"type", "logo"}}, []string{"form.type"}},
	} {
		body, contentType := form(t, tc.parts...)
		rec := w.call("POST", "/v1.0/files/upload", body, "Content-Type", contentType)
		if diff := cmp.Diff(tc.want, pointers(t, rec)); diff != "" || rec.Code != 400 {
			t.Errorf("%s: %d %s", name, rec.Code, diff)
		}
	}
}

func escape(s string) string { return url.QueryEscape(s) }
