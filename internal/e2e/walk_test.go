package e2e

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
)

// operation is one of the OpenAPI document's.
type operation struct {
	id, method, path string
	hasBody, public  bool
	query            []string // names of the parameters
}

// looks reports whether the operation only looks: an upload's URL is given to
// those who may write.
func (op operation) looks() bool { return op.method == http.MethodGet && op.id != "getFilesUrl" }

var parameter = regexp.MustCompile(`\{[^}]+\}`)

func operations(t *testing.T, c caller) (ops []operation) {
	t.Helper()
	var doc struct {
		Paths map[string]map[string]struct {
			OperationID string
			RequestBody json.RawMessage
			Security    []json.RawMessage
			Parameters  []struct{ Name, In string }
		}
	}
	c.must(t, "GET", "/openapi.json", nil, &doc)
	for path, methods := range doc.Paths {
		for method, o := range methods {
			op := operation{id: o.OperationID, method: strings.ToUpper(method), path: path, hasBody: o.RequestBody != nil, public: len(o.Security) == 0}
			for _, p := range o.Parameters {
				if p.In == "query" {
					op.query = append(op.query, p.Name)
				}
			}
			ops = append(ops, op)
		}
	}
	slices.SortFunc(ops, func(a, b operation) int { return strings.Compare(a.path+a.method, b.path+b.method) })
	if len(ops) < 20 {
		t.Fatalf("the document has %d operations", len(ops))
	}
	return ops
}

// things are what an org has that an operation can name.
type things struct {
	integration, job string
	connection, arn  string
	number, file     string
	uploadPath       string
}

// nobodys are of the same form, and no org has them.
func nobodys() things {
	id := func() string { return uuid.Must(uuid.NewV7()).String() }
	return things{
		integration: id(), job: id(), connection: id(), arn: "arn:muster:secret:local:" + id() + ":" + id() + "_1a2b3c4d-aaaaaa",
		number: "777777", file: "888888", uploadPath: "1612686123657/users.json",
	}
}

// mask makes what names one org's things the same as what names another's.
func (th things) mask(s string) string {
	for _, id := range []string{th.integration, th.job, th.number, th.file, th.uploadPath, th.connection, th.arn} {
		s = regexp.MustCompile(`\b`+regexp.QuoteMeta(id)+`\b`).ReplaceAllString(s, "<id>")
	}
	return requestID.ReplaceAllString(s, "")
}

var requestID = regexp.MustCompile(`"request_id":"[^"]*"`)

// target fills the path's parameters. A new parameter must be added here.
func (th things) target(t *testing.T, op operation) string {
	t.Helper()
	path := parameter.ReplaceAllStringFunc(op.path, func(p string) string {
		switch at := op.path[:strings.Index(op.path, p)]; {
		case at == "/v1.0/apps/":
			return th.number
		case at == "/v1.0/files/":
			return th.file
		case at == "/v1/org/jobs/":
			return th.job
		case strings.HasPrefix(at, "/v1/org/system-integrations/"):
			return th.integration
		case strings.HasPrefix(at, "/unified/connection/"):
			return th.connection
		}
		t.Fatalf("%s %s: say in this test what %s names", op.method, op.path, p)
		return ""
	})
	q := url.Values{}
	if slices.Contains(op.query, "system_integration_id") {
		q.Set("system_integration_id", th.integration)
	}
	if op.id == "getAppsIdappLicensesUsers" {
		q.Set("name", "Pro")
	}
	if op.id == "getFilesUrl" {
		q.Set("name", "users.json")
		q.Set("type", "application/json")
	}
	if q := q.Encode(); q != "" {
		return path + "?" + q
	}
	return path
}

// body is one that names th, for an operation that takes a body.
func (th things) body(t *testing.T, op operation) any {
	t.Helper()
	switch op.id {
	case "postFiles":
		return map[string]any{"path": th.uploadPath, "type": "customIntegrationData"}
	case "putServicesSyncCustom":
		return map[string]any{"idFile": th.file, "idAppAccount": th.number}
	case "createSystemIntegration":
		return map[string]any{"system_id": customFile}
	case "patchSystemIntegration":
		return map[string]any{"description": "changed by another"}
	case "createUnifiedConnection", "updateUnifiedConnection", "patchUnifiedConnection":
		return map[string]any{"integration_type": "hubspot", "permissions": []string{}, "categories": []string{}, "auth_aws_arn": th.arn}
	case "pauseUnifiedConnection":
		return map[string]any{"reason": "paused by another"}
	case "postFilesUpload":
		return nil
	}
	if op.hasBody {
		t.Fatalf("%s %s: say in this test what a body of it names", op.method, op.path)
	}
	return nil
}

func (th things) ask(t *testing.T, c caller, op operation) (status int, text string) {
	t.Helper()
	status, _, b, err := c.try(op.method, th.target(t, op), th.body(t, op))
	if err != nil {
		t.Fatal(err)
	}
	return status, string(b)
}

// stocked makes an org's things. The numbers are some that an org without a past
// does not have.
func stocked(t *testing.T, c caller) (th things) {
	t.Helper()
	users := func() *strings.Reader {
		return strings.NewReader(`{"users": [{"email": "walker-one@acme.example", "firstName": "Walker"}, {"email": "walker-two@acme.example"}],
			"licenses": [{"name": "Pro", "users": [{"email": "walker-one@acme.example"}]}]}`)
	}
	var number int32
	var file int64
	for range 4 {
		th.integration, number = c.account(t)
		_, th.uploadPath = c.place(t)
		file = c.upload(t, users(), users().Size())
	}
	th.number, th.file = fmt.Sprint(number), fmt.Sprint(file)
	var synced struct {
		JobID string `json:"job_id"`
	}
	c.must(t, "PUT", "/v1.0/services/sync/custom", map[string]any{"idFile": th.file, "idAppAccount": th.number}, &synced)
	th.job = synced.JobID
	var connected struct {
		ID  string
		ARN string `json:"auth_aws_arn"`
	}
	c.must(t, "POST", "/unified/connection", map[string]any{
		"integration_type": "hubspot", "integration_name": "Walker's", "permissions": []string{}, "categories": []string{}, "auth": map[string]any{"access_token": "walker-token"},
	}, &connected)
	th.connection, th.arn = connected.ID, connected.ARN
	return th
}

// view is everything that c can see: every list, and every thing of th.
func view(t *testing.T, c caller, ops []operation, th things) map[string]string {
	t.Helper()
	seen := map[string]string{}
	for _, op := range ops {
		if !op.looks() || op.id == "getFilesIdDownload" { // whose every answer is another
			continue
		}
		status, text := th.ask(t, c, op)
		if status != http.StatusOK {
			t.Fatalf("%s %s answered %d: %s", op.method, op.path, status, text)
		}
		seen[op.id] = text
	}
	return seen
}

// TestI8_EveryOperationKeepsOrgsApart walks all operations with the ids of another
// org: the answer is the one for an id that nobody has, word for word, and the other
// org's data is as it was. No answer to a list shows any of it.
func TestI8_EveryOperationKeepsOrgsApart(t *testing.T) {
	s := localSite(t)
	_, acmeKey := s.newOrg(t, "Acme", "acme.example")
	_, rivalKey := s.newOrg(t, "Rival", "rival.example")
	base := s.serve(t).base
	acme, rival := caller{base, acmeKey}, caller{base, rivalKey}
	ops := operations(t, acme)
	theirs, none := stocked(t, acme), nobodys()
	before := view(t, acme, ops, theirs)

	for _, op := range ops {
		status, text := theirs.ask(t, rival, op)
		for _, word := range []string{"walker", "Walker", "Acme", theirs.integration, theirs.job, theirs.connection, theirs.arn} {
			if strings.Contains(text, word) && !op.public {
				t.Errorf("%s %s shows another org's %q: %s", op.method, op.path, word, text)
			}
		}
		names := strings.Contains(op.path, "{") || slices.Contains([]string{"postFiles", "putServicesSyncCustom", "createUnifiedConnection"}, op.id) || strings.Contains(theirs.target(t, op), theirs.integration)
		if !names || op.public {
			continue
		}
		wantStatus, want := none.ask(t, rival, op)
		if status/100 != 4 && !strings.Contains(theirs.target(t, op), "?system_integration_id=") {
			t.Errorf("%s %s with another org's ids answered %d: %s", op.method, op.path, status, text)
		}
		got, unknown := theirs.mask(text), none.mask(want)
		if status != wantStatus || got != unknown {
			t.Errorf("%s %s tells another org's from nobody's (%d, %d):\n%s", op.method, op.path, status, wantStatus, cmp.Diff(unknown, got))
		}
	}
	if diff := cmp.Diff(before, view(t, acme, ops, theirs)); diff != "" {
		t.Errorf("another org's requests changed what Acme sees:\n%s", diff)
	}
}

// TestReadKeysWriteNothing walks all operations that are no GET with a key that may
// only read.
func TestReadKeysWriteNothing(t *testing.T) {
	s := localSite(t)
	org, key := s.newOrg(t, "Acme", "acme.example")
	read := s.newKey(t, org, "read")
	base := s.serve(t).base
	admin, reader := caller{base, key}, caller{base, read}
	ops := operations(t, admin)
	th := stocked(t, admin)
	before := view(t, admin, ops, th)

	for _, op := range ops {
		status, text := th.ask(t, reader, op)
		switch {
		case op.looks() && status/100 == 4:
			t.Errorf("%s %s answered a read key %d: %s", op.method, op.path, status, text)
		case !op.looks() && (status != http.StatusForbidden || !strings.Contains(text, `"kind":"forbidden"`)):
			t.Errorf("%s %s answered a read key %d: %s", op.method, op.path, status, text)
		}
	}
	if diff := cmp.Diff(before, view(t, admin, ops, th)); diff != "" {
		t.Errorf("a read key changed something:\n%s", diff)
	}
}
