package dataplane_test

import (
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"muster/internal/api"
	"muster/internal/app"
	"muster/internal/app/dataplane"
	"muster/internal/local"
	"muster/internal/org"
	"muster/internal/table"
	"muster/internal/table/tabletest"
	"muster/internal/upload"
)

// faulty is a platform as one process has it, with faults in its table.
type faulty struct {
	*local.Platform
	table *tabletest.Faulty
}

func (f faulty) Table() table.Table { return f.table }

// keyed is one of the calls that heed an idempotency key, and the partition of
// the rows that it makes one of.
type keyed struct {
	name, method, path, contentType, body, makes string
	status                                       int
}

const users = `{"users":[{"email":"ada@example.com"}]}`

func keyedCalls(path string, file int64) []keyed {
	const multipart = "--b\r\nContent-Disposition: form-data; name=\"type\"\r\n\r\nplugin\r\n" +
		"--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.json\"\r\n\r\n{}\r\n--b--\r\n"
	return []keyed{
		{"createSystemIntegration", "POST", "/v1/org/system-integrations", "application/json", `{"system_id":"018f5c3e-8a01-7c42-a1f0-66696c650001"}`, "INTEGRATION", 201},
		{"postFilesUpload", "POST", "/v1.0/files/upload", "multipart/form-data; boundary=b", multipart, "UPLOAD", 200},
		{"postFiles", "POST", "/v1.0/files", "application/json", `{"path":"` + path + `","type":"plugin"}`, "UPLOAD", 200},
		{"putServicesSyncCustom", "PUT", "/v1.0/services/sync/custom", "application/json", fmt.Sprintf(`{"idFile":%d,"idAppAccount":2}`, file), "JOB", 200},
	}
}

// tenant is an org in a folder, with an app account, a file and an issued path.
type tenant struct {
	t        *testing.T
	platform *local.Platform
	clock    *tabletest.Clock
	org      org.ID
	key      string
	calls    []keyed
}

func newTenant(t *testing.T) *tenant {
	t.Helper()
	p := &tenant{t: t, clock: tabletest.NewClock(time.Date(2031, 3, 4, 5, 6, 7, 0, time.UTC))}
	var err error
	if p.platform, err = local.Open(t.TempDir(), func() string { return "http://127.0.0.1" }, p.clock.Now); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.platform.Close() })
	a := p.app(p.platform)
	o, err := a.CreateOrg(t.Context(), "Acme", "")
	if err != nil {
		t.Fatal(err)
	}
	secret, err := a.CreateKey(t.Context(), o.ID.String(), "write")
	if err != nil {
		t.Fatal(err)
	}
	p.org, p.key = o.ID, secret.Reveal()
	f, err := a.Uploads().Put(t.Context(), o.ID, "users.json", upload.CustomIntegrationData, []byte(users), uuid.Nil)
	if err != nil {
		t.Fatal(err)
	}
	_, path, err := a.Uploads().IssueURL(t.Context(), o.ID, "b.json", "application/json")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := a.Blobs().Put(t.Context(), o.ID.Path("uploads")+"/"+path, "application/json", strings.NewReader(users)); err != nil {
		t.Fatal(err)
	}
	p.calls = keyedCalls(path, f.ID)
	p.send(a, p.calls[0]) // app account 2
	return p
}

func (p *tenant) app(platform app.Platform) *app.App {
	return &app.App{Platform: platform, Settings: app.DefaultSettings, Now: p.clock.Now, Log: slog.New(slog.DiscardHandler), TempDir: p.t.TempDir()}
}

func (p *tenant) send(a *app.App, c keyed, headers ...string) *httptest.ResponseRecorder {
	var routes []api.Route
	for _, endpoint := range slices.Concat(app.Endpoints, dataplane.Endpoints) {
		routes = append(routes, endpoint(a))
	}
	r := httptest.NewRequest(c.method, c.path, strings.NewReader(c.body))
	r.Header.Set("Authorization", "Bearer "+p.key)
	r.Header.Set("Content-Type", c.contentType)
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	a.Serve(routes...).ServeHTTP(w, r)
	return w
}

func (p *tenant) rows(name string) (n int) {
	for _, err := range p.platform.Table().List(p.t.Context(), p.org.Part(name), table.Query{}) {
		if err != nil {
			p.t.Fatal(err)
		}
		n++
	}
	return n
}

// A process dies at any write of a call with an idempotency key; a minute later
// the client, which got no answer, asks another one again: there is one of what
// was asked for, and the answer is its.
func TestKeyedCallsKilledAtEveryWrite(t *testing.T) {
	for i, c := range keyedCalls("", 0) {
		for _, after := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s after=%t", c.name, after), func(t *testing.T) {
				for at, more := 1, true; more && !t.Failed(); at++ {
					more = killedAt(t, i, at, after)
					if !more && at <= 3 {
						t.Errorf("only %d writes were met", at-1)
					}
				}
			})
		}
	}
}

func killedAt(t *testing.T, call, at int, after bool) (fired bool) {
	t.Helper()
	p := newTenant(t)
	c := p.calls[call]
	before := p.rows(c.makes)
	dying := &tabletest.Faulty{Table: p.platform.Table(), Hook: tabletest.KillAt(at, after)}
	first := p.send(p.app(faulty{p.platform, dying}), c, "Idempotency-Key", "k")
	p.clock.Advance(time.Minute)
	second := p.send(p.app(p.platform), c, "Idempotency-Key", "k")
	if second.Code != c.status || p.rows(c.makes) != before+1 {
		t.Errorf("write %d: %d %s, %d made", at, second.Code, second.Body, p.rows(c.makes)-before)
	}
	if first.Code == c.status && first.Body.String() != second.Body.String() {
		t.Errorf("write %d: first %s, then %s", at, first.Body, second.Body)
	}
	third := p.send(p.app(p.platform), c, "Idempotency-Key", "k")
	if third.Header().Get("Idempotency-Replayed") != "true" || third.Body.String() != second.Body.String() {
		t.Errorf("write %d: %d %v %s", at, third.Code, third.Header(), third.Body)
	}
	return dying.Faults() > 0
}

// Calls are counted as the contract publishes it.
func TestCallsAreCounted(t *testing.T) {
	p := newTenant(t)
	for _, c := range p.calls {
		limit := "200"
		if c.name == "createSystemIntegration" {
			limit = ""
		}
		if got := p.send(p.app(p.platform), c).Header().Get("X-Rate-Limit-Limit"); got != limit {
			t.Errorf("%s: limit %q, want %q", c.name, got, limit)
		}
	}
	if w := p.send(p.app(p.platform), keyed{method: http.MethodGet, path: "/v1.0/orgs/my"}); w.Code != 200 || w.Header().Get("X-Rate-Limit-Remaining") != "99" {
		t.Errorf("%d %v", w.Code, w.Header())
	}
}
