package e2e

import (
	"bytes"
	"encoding/json"
	"io"
	"mime/multipart"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// TestToriiCLI does with Muster what Torii's own command line (torii-cli 0.1) does,
// by that program's rules: it makes its commands of the description that it is given
// as TORII_SPEC_URL, and reads answers in its own way.
//
// torii-cli.txtar has its requests header by header, over every target.
func TestToriiCLI(t *testing.T) {
	s := localSite(t)
	known := s.people(t)
	base := s.serve(t).base
	admin := caller{base, known["admin"]}
	for range 3 {
		admin.account(t)
	}
	cli := &toriiCLI{caller: caller{base, known["write"]}}
	cli.readSpec(t, "/openapi.json?version=2.0")
	toriiRound(t, cli)
	toriiLimit(t, cli)
}

// TestToriiCLINewerSpec: of the OpenAPI 3.1 document it makes all its commands but
// the upload of a file, for which it knows Swagger's word only.
func TestToriiCLINewerSpec(t *testing.T) {
	s := localSite(t)
	cli := &toriiCLI{caller: caller{base: s.serve(t).base}}
	cli.readSpec(t, "/openapi.json?version=2.0")
	old := cli.commands
	cli.readSpec(t, "/openapi.json")
	for name, c := range old {
		n, ok := cli.commands[name]
		if !ok || n.path != c.path || n.method != c.method || n.takesBody != c.takesBody && name != "files upload" {
			t.Errorf("%s is %+v of the one, %+v of the other", name, c, n)
		}
	}
}

func toriiRound(t *testing.T, cli *toriiCLI) {
	type options = map[string]string
	var who struct {
		Org struct{ CompanyName, Domain string }
	}
	cli.must(t, "organizations my", nil, "", &who)
	if who.Org.CompanyName != "Acme" || who.Org.Domain != "acme.example" {
		t.Errorf("whoami: %+v", who)
	}
	apps := cli.allPages(t, "apps list", options{"size": "2"})
	if len(apps) != 3 {
		t.Fatalf("apps list --page-all --size 2: %d apps, want 3", len(apps))
	}
	var app struct{ ID int }
	if err := json.Unmarshal(apps[0], &app); err != nil {
		t.Fatal(err)
	}

	var place struct {
		UploadFileParameters struct{ URL, FilePath string }
	}
	cli.must(t, "files url", options{"name": "crowd.json", "type": "application/json"}, "", &place)
	file := crowd(250)
	if err := put(place.UploadFileParameters.URL, bytes.NewReader(file), int64(len(file))); err != nil {
		t.Fatal(err)
	}
	var put, form struct{ ID int }
	cli.must(t, "files create", nil, `{"path":"`+place.UploadFileParameters.FilePath+`","type":"customIntegrationData"}`, &put)
	cli.upload(t, "files upload", "crowd.json", file, options{"type": "customIntegrationData"}, &form)
	for _, id := range []int{put.ID, form.ID} {
		var got struct{ File struct{ FileName string } }
		cli.must(t, "files get", options{"id": strconv.Itoa(id)}, "", &got)
		if got.File.FileName != "crowd.json" {
			t.Errorf("file %d: %+v", id, got)
		}
		if got := cli.download(t, "files download", options{"id": strconv.Itoa(id)}); !bytes.Equal(got, file) {
			t.Errorf("file %d has %d bytes, want %d", id, len(got), len(file))
		}
	}
	var done struct{ Success bool }
	cli.must(t, "integrations sync-custom", nil, `{"idFile":`+strconv.Itoa(form.ID)+`,"idAppAccount":`+strconv.Itoa(app.ID)+`}`, &done)
	if !done.Success {
		t.Error("the sync has no success")
	}
	users := cli.allPages(t, "applications-users users", options{"idApp": strconv.Itoa(app.ID), "size": "100"})
	if len(users) != 250 {
		t.Errorf("%d users on all pages, want 250", len(users))
	}
}

// toriiLimit: it reads Retry-After as whole seconds.
func toriiLimit(t *testing.T, cli *toriiCLI) {
	for range 2*100 + 1 { // a minute may end on the way
		status, header, _ := cli.send(t, "organizations my", nil, "")
		if status != http.StatusTooManyRequests {
			continue
		}
		if n, err := strconv.Atoi(header.Get("Retry-After")); err != nil || n < 1 || n > 60 {
			t.Errorf("Retry-After: %q", header.Get("Retry-After"))
		}
		return
	}
	t.Error("no call was one too many")
}

type toriiCLI struct {
	caller
	commands map[string]toriiCommand // by group and action
}

type toriiCommand struct {
	method, path, kind string
	query, inPath      []string
	takesBody          bool
}

// toriiTags are those that it makes commands of.
var toriiTags = []string{"Apps", "Users", "Contracts", "Integrations", "Workflows", "Organizations", "Roles", "Audit", "Files",
	"Transactions", "Parsings", "Plugins", "App Fields", "User Fields", "Contracts Fields", "Applications Users", "User Applications"}

type toriiSpec struct {
	BasePath string
	Servers  []struct{ URL string }
	Paths    map[string]map[string]struct {
		Tags        []string
		Consumes    []string
		Parameters  []struct{ Name, In string }
		RequestBody any
	}
}

func (c *toriiCLI) readSpec(t *testing.T, path string) {
	t.Helper()
	var spec toriiSpec
	caller{base: c.base}.must(t, "GET", path, nil, &spec)
	base := strings.TrimSuffix(spec.BasePath, "/")
	if base == "" && len(spec.Servers) > 0 {
		if u, err := url.Parse(spec.Servers[0].URL); err == nil && u.IsAbs() {
			base = strings.TrimSuffix(u.Path, "/")
		}
	}
	names := map[string][]toriiCommand{}
	for path, methods := range spec.Paths {
		for method, op := range methods {
			if len(op.Tags) == 0 || !slices.Contains(toriiTags, op.Tags[0]) {
				continue
			}
			cmd := toriiCommand{method: method, path: base + path, kind: "json", takesBody: op.RequestBody != nil}
			switch {
			case strings.HasSuffix(path, "/download") && method == "get":
				cmd.kind = "download"
			case slices.Contains(op.Consumes, "multipart/form-data"):
				cmd.kind = "upload"
			}
			for _, p := range op.Parameters {
				switch p.In {
				case "query":
					cmd.query = append(cmd.query, p.Name)
				case "path":
					cmd.inPath = append(cmd.inPath, p.Name)
				case "body", "formData":
					cmd.takesBody = true
				}
			}
			name := strings.ReplaceAll(strings.ToLower(op.Tags[0]), " ", "-") + " " + toriiAction(method, path)
			names[name] = append(names[name], cmd)
		}
	}
	c.commands = map[string]toriiCommand{}
	for name, commands := range names {
		for _, cmd := range commands {
			if len(commands) > 1 { // two of one name: their verbs tell them apart
				group, action, _ := strings.Cut(name, " ")
				name = group + " " + toriiVerb(cmd.method, strings.HasSuffix(cmd.path, "}")) + "-" + action
			}
			c.commands[name] = cmd
		}
	}
}

var camel = regexp.MustCompile(`([a-z])([A-Z])`)

// toriiAction is what follows the first step of the path, or else the method's verb.
func toriiAction(method, path string) string {
	steps := strings.FieldsFunc(strings.TrimPrefix(path, "/v1.0"), func(r rune) bool { return r == '/' })
	isParam := func(s string) bool { return strings.HasPrefix(s, "{") }
	if below := slices.DeleteFunc(slices.Clone(steps[1:]), isParam); len(below) > 0 {
		return strings.ToLower(camel.ReplaceAllString(strings.Join(below, "-"), "$1-$2"))
	}
	return toriiVerb(method, slices.ContainsFunc(steps, isParam))
}

func toriiVerb(method string, one bool) string {
	switch {
	case method == "get" && one:
		return "get"
	case method == "get":
		return "list"
	}
	return map[string]string{"post": "create", "put": "update", "patch": "update", "delete": "delete"}[method]
}

func (c *toriiCLI) request(t *testing.T, name string, options map[string]string, body io.Reader) *http.Request {
	t.Helper()
	cmd, ok := c.commands[name]
	if !ok {
		t.Fatalf("there is no command %q", name)
	}
	path, query := cmd.path, url.Values{}
	for option, value := range options {
		switch {
		case slices.Contains(cmd.inPath, option):
			path = strings.Replace(path, "{"+option+"}", url.PathEscape(value), 1)
		case slices.Contains(cmd.query, option):
			query.Set(option, value)
		default:
			t.Fatalf("%s: unknown option --%s", name, option)
		}
	}
	req, err := http.NewRequestWithContext(t.Context(), strings.ToUpper(cmd.method), c.base+path+"?"+query.Encode(), body)
	if err != nil {
		t.Fatal(err)
	}
	for name, value := range map[string]string{
		"Authorization": "Bearer " + c.key, "Accept": "*/*", "Accept-Language": "*", "Sec-Fetch-Mode": "cors", "User-Agent": "node",
	} {
		req.Header.Set(name, value)
	}
	return req
}

// send sends a command; it follows redirects, and keeps the key on one host.
func (c *toriiCLI) send(t *testing.T, name string, options map[string]string, payload string) (int, http.Header, []byte) {
	t.Helper()
	var body io.Reader
	if payload != "" {
		if !c.commands[name].takesBody {
			t.Fatalf("%s: unknown option --payload", name)
		}
		body = strings.NewReader(payload)
	}
	req := c.request(t, name, options, body)
	if payload != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	return exchange(t, req)
}

func exchange(t *testing.T, req *http.Request) (int, http.Header, []byte) {
	t.Helper()
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, resp.Header, body
}

func (c *toriiCLI) must(t *testing.T, name string, options map[string]string, payload string, answer any) {
	t.Helper()
	status, _, body := c.send(t, name, options, payload)
	if err := json.Unmarshal(body, answer); err != nil || status != http.StatusOK {
		t.Fatalf("%s answered %d: %s (%v)", name, status, body, err)
	}
}

// upload sends the fields first, and then the file.
func (c *toriiCLI) upload(t *testing.T, name, filename string, file []byte, fields map[string]string, answer any) {
	t.Helper()
	if c.commands[name].kind != "upload" {
		t.Fatalf("%s: unknown option --file", name)
	}
	var b bytes.Buffer
	w := multipart.NewWriter(&b)
	for field, value := range fields {
		if err := w.WriteField(field, value); err != nil {
			t.Fatal(err)
		}
	}
	part, err := w.CreateFormFile("file", filename) // as application/octet-stream
	if err != nil {
		t.Fatal(err)
	}
	part.Write(file)
	w.Close()
	req := c.request(t, name, nil, &b)
	req.Header.Set("Content-Type", w.FormDataContentType())
	status, _, body := exchange(t, req)
	if err := json.Unmarshal(body, answer); err != nil || status != http.StatusOK {
		t.Fatalf("%s answered %d: %s (%v)", name, status, body, err)
	}
}

func (c *toriiCLI) download(t *testing.T, name string, options map[string]string) []byte {
	t.Helper()
	if c.commands[name].kind != "download" {
		t.Fatalf("%s: unknown option --output", name)
	}
	status, _, body := c.send(t, name, options, "")
	if status != http.StatusOK {
		t.Fatalf("%s answered %d: %s", name, status, body)
	}
	return body
}

// allPages is its --page-all (which fills no parameter of a path; here it does): the
// first array of each answer, by nextCursor, and where there is none by an offset as
// long as total is more than what came, which ours must never bring it to.
func (c *toriiCLI) allPages(t *testing.T, name string, options map[string]string) (rows []json.RawMessage) {
	t.Helper()
	query := map[string]string{}
	for k, v := range options {
		query[k] = v
	}
	for range 100 {
		var page struct {
			Total      int
			NextCursor string
		}
		var whole json.RawMessage
		c.must(t, name, query, "", &whole)
		if err := json.Unmarshal(whole, &page); err != nil {
			t.Fatal(err)
		}
		rows = append(rows, firstArray(t, whole)...)
		switch {
		case page.NextCursor != "":
			query["cursor"] = page.NextCursor
		case page.Total > len(rows):
			t.Fatalf("%s: the last page was there with %d of %d rows; the rest would be asked for by an offset", name, len(rows), page.Total)
		default:
			return rows
		}
	}
	t.Fatalf("%s: no end after 100 pages", name)
	return nil
}

func firstArray(t *testing.T, object []byte) (rows []json.RawMessage) {
	t.Helper()
	d := json.NewDecoder(bytes.NewReader(object))
	d.Token()
	for d.More() {
		name, err := d.Token()
		var value json.RawMessage
		if err == nil {
			err = d.Decode(&value)
		}
		if err != nil {
			t.Fatal(err)
		}
		if value[0] == '[' {
			if err := json.Unmarshal(value, &rows); err != nil {
				t.Fatalf("%v: %v", name, err)
			}
			return rows
		}
	}
	t.Fatalf("there is no array in %s", object)
	return nil
}
