package functions_test

import (
	"encoding/json"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"gopkg.in/yaml.v3"

	"muster/internal/api"
	"muster/internal/app"
	"muster/internal/app/dataplane"
	"muster/internal/local"
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
	inTemplate := templateFunctions(t)
	for _, f := range fs {
		r, ok := inTemplate[f.folder]
		if !ok {
			t.Errorf("template.yaml has no function %s", f.folder)
			continue
		}
		delete(inTemplate, f.folder)
		var routes []string
		if f.op.ID != "" {
			routes = []string{f.op.Method + " " + f.op.Path}
		}
		if !slices.Equal(r.routes, routes) {
			t.Errorf("template.yaml routes %q to %s, the code %q", r.routes, f.folder, routes)
		}
		if r.code != ".build/"+f.folder {
			t.Errorf("template.yaml builds %s from %q", f.folder, r.code)
		}
	}
	for name := range inTemplate {
		t.Errorf("template.yaml has a function %s that nothing serves", name)
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

// TestOneSetOfVariables holds that the environment variables of Muster are the
// same in the code that reads them, in the template and in the README.
func TestOneSetOfVariables(t *testing.T) {
	code, err := filepath.Glob("../internal/aws/*.go")
	if err != nil {
		t.Fatal(err)
	}
	want := variables(t, slices.DeleteFunc(code, func(f string) bool { return filepath.Base(f) == "doc.go" })...)
	for _, file := range []string{"../template.yaml", "../README.md", "../internal/aws/doc.go"} {
		if got := variables(t, file); !slices.Equal(got, want) {
			t.Errorf("%s knows the variables %q, the code reads %q", file, got, want)
		}
	}
}

// variables are the names of environment variables in files, sorted. MUSTER_KEY
// is a shell's own, in the README and the events.
func variables(t *testing.T, files ...string) []string {
	t.Helper()
	var names []string
	for _, f := range files {
		text, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		names = append(names, regexp.MustCompile(`MUSTER_[A-Z_]+`).FindAllString(string(text), -1)...)
	}
	slices.Sort(names)
	return slices.DeleteFunc(slices.Compact(names), func(n string) bool { return n == "MUSTER_KEY" })
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

type templateFunction struct {
	code   string
	routes []string
}

// templateFunctions reads template.yaml's functions by their folder's name.
func templateFunctions(t *testing.T) map[string]templateFunction {
	t.Helper()
	raw, err := os.ReadFile("../template.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var doc struct {
		Resources map[string]struct {
			Type       string `yaml:"Type"`
			Properties struct {
				CodeUri string `yaml:"CodeUri"`
				Events  map[string]struct {
					Type       string `yaml:"Type"`
					Properties struct {
						Method string `yaml:"Method"`
						Path   string `yaml:"Path"`
					} `yaml:"Properties"`
				} `yaml:"Events"`
			} `yaml:"Properties"`
		} `yaml:"Resources"`
	}
	if err := yaml.Unmarshal(raw, &doc); err != nil {
		t.Fatalf("template.yaml: %v", err)
	}
	fs := map[string]templateFunction{}
	for id, r := range doc.Resources {
		if r.Type != "AWS::Serverless::Function" {
			continue
		}
		f := templateFunction{code: r.Properties.CodeUri}
		for _, e := range r.Properties.Events {
			if e.Type == "HttpApi" && e.Properties.Path != "" { // without one it is what no route takes
				f.routes = append(f.routes, e.Properties.Method+" "+e.Properties.Path)
			}
		}
		fs[kebab(id)] = f
	}
	return fs
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
