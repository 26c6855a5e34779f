package functions_test

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"go/format"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"muster/internal/api"
	"muster/internal/app"
	"muster/internal/app/dataplane"
	"muster/internal/blob"
	"muster/internal/job"
	"muster/internal/local"
	"muster/internal/samtemplate"
	"muster/internal/secret"
)

var update = flag.Bool("update", false, "write the functions' main.go")

// function is one Lambda: an endpoint, or a worker without a route.
type function struct {
	folder, call, serve, doc string
	ports                    []string // that it asks for, beside the table
	op                       api.Op
}

// kebab is a Go or operation name as a folder: GetFilesURL, getFilesUrl and
// get-files-url are one.
func kebab(name string) string {
	var b strings.Builder
	upper := func(i int) bool { return i >= 0 && i < len(name) && 'A' <= name[i] && name[i] <= 'Z' }
	for i := range len(name) {
		ends := i+1 < len(name) && !upper(i+1) // of a run of capitals
		if i > 0 && upper(i) && (!upper(i-1) || ends) {
			b.WriteByte('-')
		}
		b.WriteByte(name[i])
	}
	return strings.ToLower(b.String())
}

// theFunctions are all functions, from the code.
func theFunctions(t *testing.T) []function {
	p, err := local.Open(t.TempDir(), func() string { return "" }, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Close() })
	var fs []function
	for _, endpoint := range slices.Concat(app.Endpoints, dataplane.Endpoints) {
		path := runtime.FuncForPC(reflect.ValueOf(endpoint).Pointer()).Name() // muster/internal/app.GetHealth
		call := path[strings.LastIndex(path, "/")+1:]
		_, name, _ := strings.Cut(call, ".")
		a, ask := newApp(p)
		op := endpoint(a).Op
		fs = append(fs, function{
			folder: kebab(name), call: call, serve: "Serve", op: op, ports: ask.ports(),
			doc: fmt.Sprintf("serves %s %s.", op.Method, op.Path),
		})
		if kebab(op.ID) != kebab(name) {
			t.Errorf("%s serves the operation %s: one name, please", call, op.ID)
		}
	}
	for _, w := range []struct {
		function
		work func(*app.App) func(context.Context, json.RawMessage) error
	}{
		{function{folder: "sync", call: "dataplane.Sync", doc: "works on the jobs that starts and ticks name."}, dataplane.Sync},
		{function{folder: "sweep", call: "app.Sweep", doc: "mends, every minute, what died, and deletes what is due."}, app.Sweep},
	} {
		a, ask := newApp(p)
		_ = w.work(a)(t.Context(), nil) // an event of nothing to do is an error to some
		w.serve, w.function.ports = "Work", ask.ports()
		fs = append(fs, w.function)
	}
	return fs
}

// asked is a platform that notes what it is asked for, by the names of aws.Ports.
type asked struct {
	app.Platform
	names map[string]bool
}

func newApp(p app.Platform) (*app.App, asked) {
	ask := asked{p, map[string]bool{}}
	return &app.App{Platform: ask, Settings: app.DefaultSettings, Now: time.Now, Log: slog.New(slog.DiscardHandler)}, ask
}

func (a asked) ports() []string { return slices.Sorted(maps.Keys(a.names)) }

func (a asked) Blobs() blob.Store    { a.names["Bucket"] = true; return a.Platform.Blobs() }
func (a asked) Signer() blob.Signer  { a.names["Bucket"] = true; return a.Platform.Signer() }
func (a asked) Vault() secret.Vault  { a.names["Vault"] = true; return a.Platform.Vault() }
func (a asked) Starter() job.Starter { a.names["Starter"] = true; return a.Platform.Starter() }

// adapters are what opens each port.
var adapters = map[string]string{"Bucket": "s3store", "Vault": "secrets", "Starter": "invoke"}

func (f function) source() string {
	imports, ports := []string{ours + "app", ours + "aws"}, ""
	if strings.HasPrefix(f.call, "dataplane.") {
		imports[0] += "/dataplane"
	}
	for _, p := range f.ports {
		imports = append(imports, ours+"aws/"+adapters[p])
		ports += fmt.Sprintf(", %s: %s.Open", p, adapters[p])
	}
	slices.Sort(imports)
	source, err := format.Source(fmt.Appendf(nil, "// Command %s %s\npackage main\n\nimport (\n\"%s\"\n)\n\nfunc main() { aws.%s(%s, aws.Ports{%s}) }\n",
		f.folder, f.doc, strings.Join(imports, "\"\n\""), f.serve, f.call, strings.TrimPrefix(ports, ", ")))
	if err != nil {
		panic(err)
	}
	return string(source)
}

// TestOneSetOfNames holds that functions, events, the template's functions and
// routes, and the operations in the code are the same, under one name each.
func TestOneSetOfNames(t *testing.T) {
	fs := theFunctions(t)
	want := map[string]function{}
	for _, f := range fs {
		want[f.folder] = f
		checkMain(t, f)
		checkEvent(t, f)
	}
	for _, dir := range []string{"*/main.go", "../events/*.json"} {
		found, err := filepath.Glob(dir)
		if err != nil {
			t.Fatal(err)
		}
		for _, path := range found {
			name := strings.TrimSuffix(filepath.Base(path), ".json")
			if dir == "*/main.go" {
				name = filepath.Dir(path)
			}
			if _, ok := want[name]; !ok {
				t.Errorf("%s belongs to no endpoint and no worker", path)
			}
		}
	}
	for _, fault := range checkTemplate(fs, theTemplate(t)) {
		t.Error(fault)
	}
}

// checkTemplate says where the template's functions and routes are not the code's.
func checkTemplate(fs []function, in samtemplate.Template) (faults []string) {
	fault := func(format string, args ...any) { faults = append(faults, fmt.Sprintf(format, args...)) }
	all, err := in.Functions()
	if err != nil {
		return []string{err.Error()}
	}
	got := map[string]samtemplate.Function{}
	for _, f := range all {
		got[kebab(f.ID)] = f
	}
	for _, f := range fs {
		r, ok := got[f.folder]
		if !ok {
			fault("template.yaml has no function %s", f.folder)
			continue
		}
		delete(got, f.folder)
		if r.CodeURI != ".build/"+f.folder {
			fault("template.yaml builds %s from %q", f.folder, r.CodeURI)
		}
		if routes := slices.DeleteFunc(slices.Clone(r.Routes), samtemplate.Route.Default); f.op.ID == "" && len(routes) > 0 ||
			f.op.ID != "" && !slices.Equal(routes, []samtemplate.Route{{Method: f.op.Method, Path: f.op.Path}}) {
			fault("template.yaml routes %q to %s, the code %s %s", routes, f.folder, f.op.Method, f.op.Path)
		}
	}
	for name := range got {
		fault("template.yaml has a function %s that nothing serves", name)
	}
	return append(faults, checkWays(all)...)
}

// checkWays: what no route takes has a function, and what no request wakes a clock.
func checkWays(all []samtemplate.Function) (faults []string) {
	var defaults, clocks int
	for _, f := range all {
		if slices.ContainsFunc(f.Routes, samtemplate.Route.Default) {
			defaults++
		}
		if f.Folder == "sweep" {
			clocks = len(f.Schedules)
		}
	}
	if defaults != 1 || clocks != 1 {
		faults = append(faults, fmt.Sprintf("template.yaml gives %d functions what no route takes, and sweep %d schedules; want 1 and 1", defaults, clocks))
	}
	return faults
}

// TestTemplateMissesWhatIsGone takes each function and each of its events out of
// the template, renames both, and adds an endpoint to the code: TestOneSetOfNames
// would see each.
func TestTemplateMissesWhatIsGone(t *testing.T) {
	fs, in := theFunctions(t), theTemplate(t)
	if checkTemplate(fs, in) != nil {
		t.Skip("TestOneSetOfNames says what is wrong")
	}
	for i, f := range fs {
		if checkTemplate(slices.Delete(slices.Clone(fs), i, i+1), in) == nil {
			t.Errorf("nobody sees that nothing serves %s", f.folder)
		}
	}
	for _, id := range in.Resources("AWS::Serverless::Function") {
		paths := [][]string{{"Resources", id}, {"Resources", id, "Properties", "CodeUri"}}
		for _, p := range in.Paths("Resources", id, "Properties", "Events") {
			switch p[len(p)-1] {
			case "Type", "Path", "Method", "Http", "Default", "EveryMinute", "ScheduleExpression":
				paths = append(paths, p)
			}
		}
		for _, p := range paths {
			if checkTemplate(fs, in.Without(p...)) == nil {
				t.Errorf("nobody misses %s", strings.Join(p, "/"))
			}
		}
		if checkTemplate(fs, in.Renamed("Another", "Resources", id)) == nil {
			t.Errorf("nobody sees that %s is renamed", id)
		}
	}
}

func checkMain(t *testing.T, f function) {
	t.Helper()
	path := filepath.Join(f.folder, "main.go")
	if *update {
		if err := os.MkdirAll(f.folder, 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(f.source()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if got, _ := os.ReadFile(path); string(got) != f.source() {
		t.Errorf("%s is not what -update writes", path)
	}
}

// TestReadmeNamesEveryCall holds the README's table to the routes.
func TestReadmeNamesEveryCall(t *testing.T) {
	readme, err := os.ReadFile("../README.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range theFunctions(t) {
		if call := f.op.Method + " " + f.op.Path; f.op.ID != "" && !strings.Contains(string(readme), "`"+call+"`") {
			t.Errorf("README.md does not say what %s does", call)
		}
	}
}

// checkEvent holds the example event to the route that it is for.
func checkEvent(t *testing.T, f function) {
	t.Helper()
	path := filepath.Join("..", "events", f.folder+".json")
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Errorf("%s has no example event: %v", f.folder, err)
		return
	}
	var e struct {
		RouteKey string `json:"routeKey"`
		RawPath  string `json:"rawPath"`
	}
	if err := json.Unmarshal(raw, &e); err != nil {
		t.Errorf("%s: %v", path, err)
		return
	}
	if f.op.ID != "" && e.RouteKey != f.op.Method+" "+f.op.Path {
		t.Errorf("%s is for %q, the code has %s %s", path, e.RouteKey, f.op.Method, f.op.Path)
	}
}

// TestAllRoutesInOneAPI registers every route in one API, as the local gateway
// does: two types of one name would end it at its start, and no function alone.
func TestAllRoutesInOneAPI(t *testing.T) {
	p, err := local.Open(t.TempDir(), func() string { return "" }, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	a := &app.App{Platform: p, Settings: app.DefaultSettings, Now: time.Now, Log: slog.New(slog.DiscardHandler)}
	var routes []api.Route
	for _, endpoint := range slices.Concat(app.Endpoints, dataplane.Endpoints) {
		routes = append(routes, endpoint(a))
	}
	a.Serve(routes...)
}
