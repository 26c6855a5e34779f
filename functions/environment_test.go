package functions_test

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"muster/internal/samtemplate"
)

// usedBy are the variables that only some functions use: those that link the
// SDK's method. Every other one is for all.
var usedBy = map[string]string{"MUSTER_SYNC_FUNCTION": "lambda.Invoke"}

// means is what the template must say for a variable.
var means = map[string]string{
	"MUSTER_TABLE":            "${Table}",
	"MUSTER_BUCKET":           "${Bucket}",
	"MUSTER_MAX_UPLOAD_BYTES": "${MaxUploadBytes}",
	"MUSTER_IN_REQUEST_BYTES": "${InRequestBytes}",
	"MUSTER_RUNNING_JOBS":     "${RunningJobsPerOrg}",
	"MUSTER_SECRET_PREFIX":    "${AWS::StackName}",
	"MUSTER_SYNC_FUNCTION":    "${Sync}",
}

// checkEnvironment says where the functions' environment in the template is not
// what the functions read.
func checkEnvironment(in samtemplate.Template, read []string, l linkage) (faults []string) {
	fault := func(format string, args ...any) { faults = append(faults, fmt.Sprintf(format, args...)) }
	fs, err := in.Functions()
	if err != nil {
		return []string{err.Error()}
	}
	itself := in.At("Resources", "Sync", "Properties", "FunctionName") // it cannot refer to itself
	for _, f := range fs {
		for _, name := range read {
			value, given := f.Environment[name]
			method, some := usedBy[name]
			switch needs := !some || l.has(f.Folder, method); {
			case needs && !given:
				fault("%s reads %s, which template.yaml does not give it", f.Folder, name)
			case !needs && given:
				fault("%s has no use for %s: it does not link %s", f.Folder, name, method)
			case given && value != means[name] && (means[name] != "${Sync}" || value != itself):
				fault("template.yaml gives %s %s for %s, want %q", f.Folder, value, name, means[name])
			}
		}
		for _, name := range slices.Sorted(maps.Keys(f.Environment)) {
			if !slices.Contains(read, name) {
				fault("template.yaml gives %s the variable %s, which nobody reads", f.Folder, name)
			}
		}
	}
	return faults
}

// TestOneSetOfVariables holds that the environment variables of Muster are the
// same in the code that reads them, in the template, in the README and in the
// package's documentation.
func TestOneSetOfVariables(t *testing.T) {
	read := variablesRead(t)
	for _, fault := range checkEnvironment(theTemplate(t), read, mustLink(t)) {
		t.Error(fault)
	}
	for _, file := range []string{"../README.md", "../internal/aws/doc.go"} {
		if got := variablesIn(t, file); !slices.Equal(got, read) {
			t.Errorf("%s knows the variables %q, the code reads %q", file, got, read)
		}
	}
}

// TestEnvironmentMissesWhatIsGone takes each variable out of the template, renames
// it and gives it another's value: TestOneSetOfVariables would see each.
func TestEnvironmentMissesWhatIsGone(t *testing.T) {
	in, read, l := theTemplate(t), variablesRead(t), mustLink(t)
	if checkEnvironment(in, read, l) != nil {
		t.Skip("TestOneSetOfVariables says what is wrong")
	}
	places := [][]string{{"Globals", "Function"}}
	for _, id := range in.Resources("AWS::Serverless::Function") {
		places = append(places, []string{"Resources", id, "Properties"})
	}
	met := 0
	for _, place := range places {
		for _, path := range in.Paths(append(place, "Environment")...) {
			name := path[len(path)-1]
			if checkEnvironment(in.Without(path...), read, l) == nil {
				t.Errorf("nobody misses %s", strings.Join(path, "/"))
			}
			if strings.HasPrefix(name, "MUSTER_") {
				met++
				if checkEnvironment(in.Renamed(name+"S", path...), read, l) == nil {
					t.Errorf("nobody sees that %s is renamed", strings.Join(path, "/"))
				}
			}
		}
	}
	if met < len(read) {
		t.Errorf("only %d variables were met", met)
	}
}

// TestParameters holds that a value which the functions or AWS would refuse, some of
// them in the middle of a deployment, is refused before anything is changed.
func TestParameters(t *testing.T) {
	in, met := theTemplate(t), 0
	for _, path := range in.Paths("Parameters") {
		if len(path) != 2 {
			continue
		}
		met++
		bound := map[string]string{"Number": "MinValue", "String": "AllowedPattern"}[in.At(append(path, "Type")...)]
		if !in.Has(append(path, bound)...) && !in.Has(append(path, "AllowedValues")...) {
			t.Errorf("the parameter %s takes any value", path[1])
		}
	}
	if met < 8 {
		t.Errorf("there are %d parameters", met)
	}
}

var variable = regexp.MustCompile(`MUSTER_[A-Z_]+`)

// variablesRead are the names that stand as strings in the code of package aws,
// and its adapters, where alone a function may read its environment.
func variablesRead(t *testing.T) []string {
	t.Helper()
	var names []string
	for _, pattern := range []string{"../internal/aws/*.go", "../internal/aws/*/*.go"} {
		files, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range files {
			if strings.HasSuffix(file, "_test.go") {
				continue
			}
			parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, 0)
			if err != nil {
				t.Fatal(err)
			}
			ast.Inspect(parsed, func(n ast.Node) bool {
				if lit, is := n.(*ast.BasicLit); is && lit.Kind == token.STRING {
					if s, err := strconv.Unquote(lit.Value); err == nil && variable.FindString(s) == s && s != "" {
						names = append(names, s)
					}
				}
				return true
			})
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// variablesIn are those that a text names. MUSTER_KEY is a shell's own.
func variablesIn(t *testing.T, file string) []string {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	names := variable.FindAllString(string(text), -1)
	slices.Sort(names)
	return slices.DeleteFunc(slices.Compact(names), func(n string) bool { return n == "MUSTER_KEY" })
}
