package functions_test

import (
	"encoding/json"
	"flag"
	"fmt"
	"log/slog"
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
	"muster/internal/local"
	"muster/internal/samtemplate"
)

var update = flag.Bool("update", false, "write the functions' main.go")

// function is one Lambda: an endpoint, or a worker without a route.
type function struct {
	folder, call, serve, doc string
	imports                  []string
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
	a := &app.App{Platform: p, Settings: app.DefaultSettings, Now: time.Now, Log: slog.New(slog.DiscardHandler)}
	var fs []function
	for _, endpoint := range slices.Concat(app.Endpoints, dataplane.Endpoints) {
		path := runtime.FuncForPC(reflect.ValueOf(endpoint).Pointer()).Name() // muster/internal/app.GetHealth
		call := path[strings.LastIndex(path, "/")+1:]
		_, name, _ := strings.Cut(call, ".")
		op := endpoint(a).Op
		fs = append(fs, function{
			folder: kebab(name), call: call, serve: "Serve", op: op, imports: importsOf(call),
			doc: fmt.Sprintf("serves %s %s.", op.Method, op.Path),
		})
		if kebab(op.ID) != kebab(name) {
			t.Errorf("%s serves the operation %s: one name, please", call, op.ID)
		}
	}
	return append(fs,
		function{folder: "sync", call: "dataplane.Sync", serve: "Work", imports: importsOf("dataplane."), doc: "works on the jobs that starts and ticks name."},
		function{folder: "sweep", call: "app.Sweep", serve: "Work", imports: importsOf("app."), doc: "mends, every minute, what died, and deletes what is due."})
}

func importsOf(call string) []string {
	if strings.HasPrefix(call, "dataplane.") {
		return []string{"muster/internal/app/dataplane", "muster/internal/aws"}
	}
	return []string{"muster/internal/app", "muster/internal/aws"}
}

func (f function) source() string {
	return fmt.Sprintf("// Command %s %s\npackage main\n\nimport (\n\t%q\n\t%q\n)\n\nfunc main() { aws.%s(%s) }\n",
		f.folder, f.doc, f.imports[0], f.imports[1], f.serve, f.call)
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
