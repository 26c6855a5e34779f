package unified_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"muster/internal/api"
	"muster/internal/connection"
	"muster/internal/local/bolt"
	"muster/internal/local/vault"
	"muster/internal/org"
	"muster/internal/secret"
	"muster/internal/secret/secrettest"
	"muster/internal/unified"
)

// client is one org's, with a key of some role.
type client struct {
	testing.TB
	base, key string
	org       org.ID
}

// world is a server with two orgs, and everything that it logs.
type world struct {
	acme, reader, rival client
	vault               *vault.Vault
	keeper              *connection.Keeper
	orgs                *org.Store
	log                 *bytes.Buffer
}

func serve(t testing.TB) world {
	t.Helper()
	tab, err := bolt.Open(filepath.Join(t.TempDir(), "table.db"), time.Now, bolt.NoSync)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = tab.Close() })
	v, err := vault.Open(t.TempDir(), vault.NoSync)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = v.Close() })
	w := world{vault: v, log: &bytes.Buffer{}}
	log, orgs := slog.New(slog.NewJSONHandler(w.log, nil)), org.NewStore(tab, time.Now)
	w.orgs = orgs
	w.keeper = &connection.Keeper{Store: connection.Store{Table: tab, Now: time.Now, Limits: orgs, Log: log}, Vault: v}
	server := httptest.NewServer(api.New(api.Config{Auth: orgs, Table: tab, Log: log, Now: time.Now},
		unified.ListConnections(&w.keeper.Store, time.Now), unified.CreateConnection(w.keeper, time.Now), unified.GetConnection(&w.keeper.Store, time.Now),
		unified.UpdateConnection(w.keeper, time.Now), unified.PatchConnection(w.keeper, time.Now), unified.RemoveConnection(w.keeper),
		unified.PauseConnection(&w.keeper.Store, time.Now), unified.ResumeConnection(&w.keeper.Store, time.Now), unified.ListIntegrations()))
	t.Cleanup(server.Close)
	newKey := func(o org.ID, role org.Role) client {
		_, secret, err := orgs.CreateKey(t.Context(), o, role)
		if err != nil {
			t.Fatal(err)
		}
		return client{t, server.URL, secret.Reveal(), o}
	}
	acme, errA := orgs.Create(t.Context(), "Acme", "acme.example")
	rival, errR := orgs.Create(t.Context(), "Rival", "rival.example")
	if errA != nil || errR != nil {
		t.Fatal(errA, errR)
	}
	w.acme, w.reader, w.rival = newKey(acme.ID, org.Write), newKey(acme.ID, org.Read), newKey(rival.ID, org.Admin)
	return w
}

// send sends a request with the bare key, as Unified.to's client does.
func (c client) send(method, path, body string, header ...string) (int, string, http.Header) {
	c.Helper()
	req, err := http.NewRequestWithContext(c.Context(), method, c.base+path, strings.NewReader(body))
	if err != nil {
		c.Fatal(err)
	}
	req.Header.Set("Authorization", c.key)
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		c.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		c.Fatal(err)
	}
	return resp.StatusCode, strings.TrimSpace(string(text)), resp.Header
}

// ok is send where anything but 200 ends the test, and the answer read.
func (c client) ok(method, path, body string) map[string]any {
	c.Helper()
	status, text, _ := c.send(method, path, body)
	var m map[string]any
	if err := json.Unmarshal([]byte(text), &m); status != 200 || err != nil {
		c.Fatalf("%s %s answered %d: %s", method, path, status, text)
	}
	return m
}

// refused is the first fault of a 400, as "pointer detail".
func (c client) refused(method, path, body string) string {
	c.Helper()
	status, text, _ := c.send(method, path, body)
	var e struct {
		Errors []struct{ Pointer, Detail string }
	}
	if err := json.Unmarshal([]byte(text), &e); status != 400 || err != nil || len(e.Errors) == 0 {
		return fmt.Sprintf("answered %d: %s", status, text)
	}
	return e.Errors[0].Pointer + " " + e.Errors[0].Detail
}

func (c client) ids(query string) (names []string) {
	c.Helper()
	status, text, _ := c.send("GET", "/unified/connection"+query, "")
	var page []struct {
		Name string `json:"integration_name"`
	}
	if err := json.Unmarshal([]byte(text), &page); status != 200 || err != nil {
		c.Fatalf("%s answered %d: %s", query, status, text)
	}
	for _, p := range page {
		names = append(names, p.Name)
	}
	return names
}

const (
	path  = "/unified/connection"
	least = `{"integration_type":"hubspot","permissions":[],"categories":[]`
)

// The fields are the contract's, in its order; what has no value is left out.
func TestWire(t *testing.T) {
	w := serve(t)
	status, text, _ := w.acme.send("POST", path, least+`}`)
	if status != 200 {
		t.Fatalf("%d: %s", status, text)
	}
	var got struct {
		ID        string
		CreatedAt string `json:"created_at"`
	}
	if err := json.Unmarshal([]byte(text), &got); err != nil {
		t.Fatal(err)
	}
	want := fmt.Sprintf(`{"id":%q,"created_at":%q,"updated_at":%q,"workspace_id":%q,"integration_type":"hubspot","permissions":[],"categories":[],"is_paused":false,"environment":"Production","health":"new"}`,
		got.ID, got.CreatedAt, got.CreatedAt, w.acme.org)
	if text != want || !strings.HasSuffix(got.CreatedAt, "Z") || len(got.CreatedAt) != len("2026-01-02T03:04:05Z") {
		t.Errorf("answered\n%s, want\n%s", text, want)
	}
	arn, err := w.vault.Bring(t.Context(), "their/own", w.acme.org, secret.New([]byte(`{}`)))
	if err != nil {
		t.Fatal(err)
	}
	full := w.acme.ok("POST", path, `{"integration_type":"hibob","integration_name":"Bob","external_xref":"u1","permissions":["hris_employee_read","webhook","hris_robot_read"],
		"categories":["hris"],"environment":"Sandbox","auth_aws_arn":"their/own","auth":{"name":"A","emails":["a@b.example"],"expires_in":"3600","expiry_date":"2031-01-01T01:00:00.5+01:00"},
		"id":"x","created_at":"never","updated_at":null,"workspace_id":1,"is_paused":true,"last_healthy_at":"x","health":5,"unknown":{"a":1}}`)
	for name, want := range map[string]any{
		"integration_name": "Bob", "external_xref": "u1", "environment": "Sandbox", "auth_aws_arn": arn, "is_paused": false, "health": "new",
		"auth": map[string]any{"name": "A", "emails": []any{"a@b.example"}, "expires_in": 3600.0, "expiry_date": "2031-01-01T00:00:00Z"},
	} {
		if diff := cmp.Diff(want, full[name]); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
	// What was read may be sent back as it is.
	again, err := json.Marshal(full)
	if err != nil {
		t.Fatal(err)
	}
	for _, method := range []string{"PUT", "PATCH"} {
		if diff := cmp.Diff(full, w.acme.ok(method, path+"/"+full["id"].(string), string(again))); diff != "" {
			t.Errorf("%s of what was read: %s", method, diff)
		}
	}
}

func TestPutReplacesAndPatchMerges(t *testing.T) {
	w := serve(t)
	c := w.acme.ok("POST", path, `{"integration_type":"custom_file","integration_name":"N","external_xref":"x","environment":"Sandbox","permissions":["webhook"],"categories":["hris"]}`)
	one := path + "/" + c["id"].(string)
	patched := w.acme.ok("PATCH", one, `{"categories":["ats"],"external_xref":null}`)
	if patched["external_xref"] != nil || patched["integration_name"] != "N" || patched["environment"] != "Sandbox" || fmt.Sprint(patched["categories"]) != "[ats]" {
		t.Errorf("patched %v", patched)
	}
	put := w.acme.ok("PUT", one, least+`}`)
	if put["environment"] != "Production" || put["integration_name"] != nil || put["integration_type"] != "hubspot" {
		t.Errorf("put %v", put)
	}
	if got := w.acme.ids("?env=Sandbox"); len(got) != 0 {
		t.Errorf("still in Sandbox: %v", got)
	}
	if name := w.acme.ok("PATCH", one, `{"integration_type":"custom_file"}`)["integration_name"]; name == nil {
		t.Error("a system of the catalogue has no name of its own")
	}
	w.acme.ok("PATCH", one, `{"auth":{"api_url":"https://bob.example/~a@b?c=d@e","refresh_url":"/relative@x"}}`)
	for body, want := range map[string]string{
		`{"categories":null}`:                                           "/categories is required; an empty list will do",
		`{"integration_type":" "}`:                                      "/integration_type is required, and not blank",
		`{"integration_type":null}`:                                     "/integration_type is required, and not blank",
		`{"permissions":"webhook"}`:                                     "/permissions expected array",
		`{"auth":[]}`:                                                   "/auth expected object",
		`{"environment":" "}`:                                           "/environment must not be blank; left out, it is Production",
		`{"categories":["hrsi!"]}`:                                      `/categories/0 must be small letters, at most 100 bytes, such as hris; the nearest to what was sent is hris`,
		`{"categories":["HRIS"]}`:                                       `/categories/0 must be small letters, at most 100 bytes, such as hris; the nearest to what was sent is hris`,
		`{"permissions":["hris-employee-read"]}`:                        `/permissions/0 must be small letters in two to four parts with _ between, at most 100 bytes, such as hris_employee_read; the nearest to what was sent is hris_employee_read`,
		`{"categories":["` + strings.Repeat("x", 101) + `"]}`:           `/categories/0 must be small letters, at most 100 bytes, such as hris`,
		`{"categories":["hub-spot"]}`:                                   `/categories/0 must be small letters, at most 100 bytes, such as hris`,
		`{"permissions":["Read_employees"]}`:                            `/permissions/0 must be small letters in two to four parts with _ between, at most 100 bytes, such as hris_employee_read`,
		`{"categories":["hris"` + strings.Repeat(`,"hris"`, 100) + `]}`: `/categories must have at most 100 values`,
		`{"auth":{"expiry_date":"2031-01-01"}}`:                         "/auth/expiry_date must be a date-time with an offset, as 2026-05-04T10:20:30Z",
		`{"auth":{"api_url":"https://u:p@bob.example/"}}`:               "/auth/api_url must not hold a user or a password, since it is answered: send them as members of their own",
		`{"auth":{"token_url":"u:p@bob.example"}}`:                      "/auth/token_url must not hold a user or a password, since it is answered: send them as members of their own",
		`{"auth":{"name":7}}`:                                           "/auth/name must be a string of at most 4096 bytes",
	} {
		if got := w.acme.refused("PATCH", one, body); got != want {
			t.Errorf("%s: %s, want %s", body, got, want)
		}
	}
	_, text, _ := w.acme.send("PATCH", one, `{"integration_type":" ","permissions":["A"],"categories":["B"],"auth":{"name":7}}`)
	if got := strings.Count(text, `"pointer"`); got != 4 {
		t.Errorf("of four faults %d are named: %s", got, text)
	}
	for _, method := range []string{"POST", "PUT"} {
		at := map[string]string{"POST": path, "PUT": one}[method]
		if got := w.acme.refused(method, at, `{"integration_type":"hubspot","permissions":[]}`); got != "/categories is required" {
			t.Errorf("%s: %s", method, got)
		}
	}
}

// What a row cannot hold is refused, and is no error of ours.
func TestWhatNoRowHolds(t *testing.T) {
	w := serve(t)
	signs := strings.Repeat(`\u0001`, 4096) // of one byte each, and of six in a row
	for auth, want := range map[string]string{
		`"expires_in":"NaN"`:                                            "/auth/expires_in must be a number",
		`"refresh_token_expires_in":"-Infinity"`:                        "/auth/refresh_token_expires_in must be a number",
		`"expiry_date":"9999-12-31T23:59:59-01:00"`:                     "/auth/expiry_date must be a date-time with an offset, as 2026-05-04T10:20:30Z",
		`"expiry_date":"0000-01-01T00:00:00+01:00"`:                     "/auth/expiry_date must be a date-time with an offset, as 2026-05-04T10:20:30Z",
		`"emails":["` + strings.Repeat(signs[:6*320]+`","`, 250) + `"]`: "/auth holds too much that is no secret: all of a connection may have at most 391168 bytes",
	} {
		if got := w.acme.refused("POST", path, least+`,"auth":{"token":"t",`+auth+`}}`); got != want {
			t.Errorf("%.50s: %s, want %s", auth, got, want)
		}
	}
}

// Of a list full of words that are none, few are told the nearest: to look for all
// took a processor ten seconds.
func TestManyWrongWords(t *testing.T) {
	w := serve(t)
	words := strings.Repeat(`"HRIS-EMPLOYEE-READ",`, 999) + `"A"`
	status, text, _ := w.acme.send("POST", path, `{"integration_type":"t","categories":[],"permissions":[`+words+`]}`)
	if told := strings.Count(text, "the nearest"); status != 400 || !strings.Contains(text, "the first 100 of 1000 faults") || told != 1+10 { // in the message, too
		t.Errorf("%d, %d are told: %.200s", status, told, text)
	}
}

func TestRolesAndOrgs(t *testing.T) {
	w := serve(t)
	one := path + "/" + w.acme.ok("POST", path, least+`}`)["id"].(string)
	for _, call := range []struct{ method, at, body string }{
		{"POST", path, least + `}`}, {"PUT", one, least + `}`}, {"PATCH", one, `{}`}, {"DELETE", one, ""},
	} {
		if status, text, _ := w.reader.send(call.method, call.at, call.body); status != 403 {
			t.Errorf("%s by who may read: %d %s", call.method, status, text)
		}
	}
	if status, _, _ := w.reader.send("GET", one, ""); status != 200 {
		t.Errorf("get: %d", status)
	}
	words := map[string]bool{}
	for _, at := range []string{one, path + "/" + connection.NewID().String(), path + "/1"} {
		for _, call := range []struct{ method, body string }{{"GET", ""}, {"PUT", least + `}`}, {"PATCH", `{}`}, {"DELETE", ""}} {
			status, text, _ := w.rival.send(call.method, at, call.body)
			if status != 404 {
				t.Errorf("%s %s by another org: %d %s", call.method, at, status, text)
			}
			before, _, _ := strings.Cut(text, `"request_id"`)
			words[before] = true
		}
	}
	if len(words) != 1 || len(w.rival.ids("")) != 0 {
		t.Errorf("another org's is told from none: %v", words)
	}
	if status, text, _ := w.acme.send("DELETE", one, ""); status != 200 || text != "" {
		t.Errorf("delete: %d %q", status, text)
	}
	if status, _, _ := w.acme.send("DELETE", one, ""); status != 404 {
		t.Errorf("delete again: %d", status)
	}
}

func TestListQueries(t *testing.T) {
	w := serve(t)
	for i, name := range []string{"b", "C", "a"} {
		w.acme.ok("POST", path, fmt.Sprintf(`{"integration_type":"t","integration_name":%q,"external_xref":"u%d","permissions":[],"categories":["%s"]}`, name, i%2, []string{"hris", "ats", "crm"}[i]))
	}
	w.acme.ok("POST", path, `{"integration_type":"t","integration_name":"sand","permissions":[],"categories":[],"environment":"Sandbox #1"}`)
	for query, want := range map[string]string{
		"":                                      "b C a",
		"?limit=2":                              "b C",
		"?limit=2&offset=2":                     "a",
		"?offset=3":                             "",
		"?order=desc":                           "a C b",
		"?sort=name":                            "a b C",
		"?sort=name&order=desc&limit=1":         "C",
		"?external_xref=u0":                     "b a",
		"?external_xref=u0&sort=name":           "a b",
		"?external_xref=u2":                     "",
		"?categories=hris&categories=crm":       "b a",
		"?categories=ats,crm":                   "C a",
		"?categories=ats,crm&offset=1":          "a",
		"?env=Sandbox+%231":                     "sand",
		"?env=Nowhere":                          "",
		"?updated_gte=2020-01-01T00:00:00.000Z": "b C a",
		"?updated_gte=2020-01-01T00:00:00+02:00&sort=name": "a b C",
		"?updated_gte=2099-01-01T00:00:00Z":                "",
		"?unknown=1":                                       "b C a",
	} {
		if got := strings.Join(w.acme.ids(query), " "); got != want {
			t.Errorf("%s: %s, want %s", query, got, want)
		}
	}
	for query, want := range map[string]string{
		"?limit=0":        "query.limit expected number >= 1",
		"?limit=1001":     "query.limit expected number <= 1000",
		"?limit=x":        "query.limit expected a whole number",
		"?offset=-1":      "query.offset expected number >= 0",
		"?sort=id":        "query.sort expected one of name, updated_at, created_at",
		"?order=up":       "query.order expected one of asc, desc",
		"?external_xref=": "query.external_xref must not be empty: name a user, or leave it out to list the connections of all",
		"?categories=hris" + strings.Repeat(",x", 100): "query.categories must have at most 100 values",
		"?categories=hrs":        `query.categories is not a category; the nearest to what was sent is hris`,
		"?updated_gte=yesterday": "query.updated_gte must be a date-time with an offset, as 2026-05-04T10:20:30Z",
	} {
		if got := w.acme.refused("GET", path+query, ""); got != want {
			t.Errorf("%s: %s, want %s", query, got, want)
		}
	}
}

// A page that no answer holds is refused, since a shorter one would be taken for the
// last; with fewer on it, all are read.
func TestPageThatNoAnswerHolds(t *testing.T) {
	w := serve(t)
	emails := strings.Repeat(`"`+strings.Repeat("e", 318)+`",`, 999) + `"e"`
	for i := range 14 {
		w.acme.ok("POST", path, fmt.Sprintf(`{"integration_type":"t","integration_name":"%02d","permissions":[],"categories":[],"auth":{"emails":[%s]}}`, i, emails))
	}
	if got := w.acme.refused("GET", path, ""); got != "query.limit makes the page too large for an answer; ask for fewer" {
		t.Error(got)
	}
	if got := len(w.acme.ids("?limit=10")) + len(w.acme.ids("?limit=10&offset=10")); got != 14 {
		t.Errorf("%d on two pages", got)
	}
}

// A credential comes back in no answer and in no line of the log, however the
// request that brought it ends (invariant I6).
func TestI6_SecretsAreNeverAnswered(t *testing.T) {
	w := serve(t)
	const canary = "canary-7Kq/+ü"
	var answers strings.Builder
	say := func(method, at, body string) string {
		_, text, _ := w.acme.send(method, at, body)
		answers.WriteString(text + "\n")
		return text
	}
	auth := `"auth":{"name":"A","token":"` + canary + `","meta":{"deep":["` + canary + `"]},"Access_Token":"` + canary + `"}`
	var made struct{ ID string }
	if err := json.Unmarshal([]byte(say("POST", path, least+","+auth+"}")), &made); err != nil || made.ID == "" {
		t.Fatal(err)
	}
	one := path + "/" + made.ID
	id, err := connection.ParseID(made.ID)
	if err != nil {
		t.Fatal(err)
	}
	if _, v, err := w.keeper.Credential(t.Context(), w.acme.org, id); err != nil || !strings.Contains(string(v.Reveal()), canary) {
		t.Fatalf("it is not kept: %v", err)
	}
	say("GET", one, "")
	say("GET", path, "")
	say("PATCH", one, `{`+auth+`}`)
	say("PUT", one, least+","+auth+"}")
	if text := say("PATCH", one, `{"auth":{"meta":{"X":"`+canary+`","x":1}},"AUTH":{"name":"`+canary+`"},"Auth":5}`); !strings.Contains(text, `"auth":{"name":"A"}`) {
		t.Errorf("names in another case: %s", text)
	}
	for _, body := range []string{
		`{"auth":{"token":"` + canary + `"`,                       // not JSON
		`{"auth":{"token":"` + canary + "\x01" + `"}}`,            // nor this
		`{"auth":{"token":` + canary + `}}`,                       // nor this
		`{"auth":"` + canary + `"}`,                               // another type
		`{"auth":{"name":["` + canary + `"]}}`,                    // in an open member
		`{"auth":{"expiry_date":"` + canary + `"}}`,               //
		`{"auth":{"emails":"` + canary + `"}}`,                    //
		`{"auth":{"expires_in":"` + canary + `"}}`,                //
		`{"auth_aws_arn":"` + canary + `"}`,                       // in the place of a pointer
		`{"secretsmanager_key":"` + canary + `"}`,                 //
		`{"permissions":["` + canary + `"]}`,                      // in the wrong list
		`{"permissions":"` + canary + `"}`,                        //
		`{"environment":["` + canary + `"]}`,                      //
		`{"auth":{"pem":"` + strings.Repeat(canary, 9000) + `"}}`, // more than is kept
	} {
		if text := say("PATCH", one, body); !strings.Contains(text, `"statusCode":400`) {
			t.Errorf("%.60s answered %s", body, text)
		}
	}
	say("DELETE", one, "")
	for where, text := range map[string]string{"an answer": answers.String(), "the log": w.log.String()} {
		for _, form := range []string{canary, "canary-7Kq", "Y2FuYXJ5LTdLc"} {
			if strings.Contains(text, form) {
				t.Errorf("%s has it:\n%s", where, text)
			}
		}
	}
}

// A vault that bears no more is not asked again in a second, as one that is down is.
func TestVaultBearsNoMore(t *testing.T) {
	w := serve(t)
	one := path + "/" + w.acme.ok("POST", path, least+`,"auth":{"token":"t"}}`)["id"].(string)
	w.keeper.Vault = &secrettest.Faulty{Vault: w.vault, Hook: func(c secrettest.Call) secrettest.Fault {
		if c.Method == secrettest.Put {
			return secrettest.NotApplied(fmt.Errorf("put: %w: LimitExceededException", secret.ErrTooMany))
		}
		return secrettest.None()
	}}
	status, text, header := w.acme.send("PATCH", one, `{"auth":{"token":"u"}}`)
	if status != 429 || header.Get("Retry-After") != "600" || !strings.Contains(text, `"kind":"rate_limited"`) || !strings.Contains(text, "ten minutes") {
		t.Errorf("%d, Retry-After %s: %s", status, header.Get("Retry-After"), text)
	}
}

// The same request under one key makes one connection.
func TestIdempotency(t *testing.T) {
	w := serve(t)
	body := least + `,"auth":{"token":"t"}}`
	_, first, _ := w.acme.send("POST", path, body, "Idempotency-Key", "k1")
	_, second, header := w.acme.send("POST", path, body, "Idempotency-Key", "k1")
	if first != second || header.Get("Idempotency-Replayed") != "true" || len(w.acme.ids("")) != 1 {
		t.Errorf("%s\n%s", first, second)
	}
}
