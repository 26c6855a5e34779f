package functions_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/licensecheck"
)

// licenses are those under which what we ship may be. A copyleft one, and one that
// licensecheck does not know, ends the build.
var licenses = []string{"Apache-2.0", "BSD-2-Clause", "BSD-3-Clause", "ISC", "MIT", "MIT-0"}

// TestLicenses reads the licence of every module that is linked into a function or
// into muster. make licenses prints them.
func TestLicenses(t *testing.T) {
	modules := linked(t)
	for _, name := range slices.Sorted(maps.Keys(modules)) {
		found, err := licensesOf(modules[name])
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		t.Logf("%-70s %s", name, strings.Join(found, ", "))
		for _, id := range found {
			if !slices.Contains(licenses, id) {
				t.Errorf("%s has the licence %s: if it may be shipped, name it in licenses", name, id)
			}
		}
	}
	if len(modules) < 10 {
		t.Errorf("%d modules are linked: that is not all", len(modules))
	}
}

// linked are the modules of others in what we ship, and where they lie.
func linked(t *testing.T) map[string]string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", "list", "-deps", "-tags", "lambda.norpc,nethttpomithttp2", "-json=Module", "muster/functions/...", "muster/internal/cmd/muster")
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	modules := map[string]string{}
	for d := json.NewDecoder(bytes.NewReader(out)); ; {
		var p struct {
			Module *struct {
				Path, Version, Dir string
				Main               bool
			}
		}
		if err := d.Decode(&p); errors.Is(err, io.EOF) {
			return modules
		} else if err != nil {
			t.Fatal(err)
		}
		if m := p.Module; m != nil && !m.Main {
			modules[m.Path+" "+m.Version] = m.Dir
		}
	}
}

var licenseFile = regexp.MustCompile(`(?i)^(un)?(licen[cs]e|copying)(-|_|\.|$)`)

// licensesOf are the licences in a module's own files of that name, each a known
// text from its beginning to its end.
func licensesOf(dir string) ([]string, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	found := map[string]bool{}
	for _, e := range entries {
		if e.IsDir() || !licenseFile.MatchString(e.Name()) || strings.HasSuffix(e.Name(), "-SUMMARY") {
			continue
		}
		text, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			return nil, err
		}
		scan := licensecheck.Scan(text)
		if scan.Percent < 75 {
			return nil, fmt.Errorf("%s is %.0f%% a licence that is known", e.Name(), scan.Percent)
		}
		for _, m := range scan.Match {
			found[m.ID] = true
		}
	}
	if len(found) == 0 {
		return nil, errors.New("has no licence")
	}
	return slices.Sorted(maps.Keys(found)), nil
}

// TestReproducible builds functions from this tree and from a copy elsewhere that is
// no repository: the same sources are the same bytes.
func TestReproducible(t *testing.T) {
	copied := filepath.Join(t.TempDir(), "elsewhere")
	copySources(t, "..", copied)
	for _, name := range []string{"get-health", "put-services-sync-custom"} {
		here, there := buildHash(t, "..", name), buildHash(t, copied, name)
		t.Logf("%s %s", name, here)
		if here != there {
			t.Errorf("%s is %s of this tree and %s of a copy", name, here, there)
		}
	}
}

func buildHash(t *testing.T, dir, name string) string {
	t.Helper()
	out := filepath.Join(t.TempDir(), "bootstrap")
	cmd := exec.CommandContext(t.Context(), "go", slices.Concat([]string{"build"}, buildFlags(t), []string{"-o", out, "./functions/" + name})...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux", "GOARCH=arm64", "GOFLAGS=")
	if text, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	b, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("%x", sha256.Sum256(b))
}

// buildFlags are those of the Makefile.
func buildFlags(t *testing.T) []string {
	t.Helper()
	b, err := os.ReadFile("../Makefile")
	if err != nil {
		t.Fatal(err)
	}
	m := regexp.MustCompile(`(?m)^BUILD_FLAGS\s*:=(.*)$`).FindSubmatch(b)
	if m == nil {
		t.Fatal("the Makefile has no BUILD_FLAGS")
	}
	var flags []string
	for _, f := range regexp.MustCompile(`"[^"]*"|\S+`).FindAllString(string(m[1]), -1) {
		flags = append(flags, strings.Trim(f, `"`))
	}
	return flags
}

// TestBuiltWithTheSameTags: what is tested, measured and looked through is built with
// the tags of what is deployed, wherever a build is written down.
func TestBuiltWithTheSameTags(t *testing.T) {
	flags := buildFlags(t)
	tags := flags[slices.Index(flags, "-tags")+1]
	builds := 0
	err := filepath.WalkDir("..", func(path string, d fs.DirEntry, err error) error {
		if d != nil && d.IsDir() && path != ".." && strings.HasPrefix(d.Name(), ".") {
			return filepath.SkipDir
		}
		if err != nil || d.IsDir() || filepath.Ext(path) != ".go" {
			return err
		}
		b, err := os.ReadFile(path)
		for _, m := range regexp.MustCompile(`"-tags", "([a-z][^"]*)"`).FindAllSubmatch(b, -1) {
			if builds++; string(m[1]) != tags {
				t.Errorf("%s builds with the tags %s, the Makefile with %s", path, m[1], tags)
			}
		}
		return err
	})
	if err != nil || builds < 3 {
		t.Errorf("%d builds were found (%v)", builds, err)
	}
}

// copySources copies what a build reads.
func copySources(t *testing.T, from, to string) {
	t.Helper()
	err := filepath.WalkDir(from, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(from, path)
		if err != nil {
			return err
		}
		switch top, _, _ := strings.Cut(rel, string(filepath.Separator)); {
		case rel == ".", top == "functions", top == "internal", top == "go.mod", top == "go.sum":
		case d.IsDir():
			return filepath.SkipDir
		default:
			return nil
		}
		if d.IsDir() {
			return os.MkdirAll(filepath.Join(to, rel), 0o755)
		}
		b, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		return os.WriteFile(filepath.Join(to, rel), b, 0o600)
	})
	if err != nil {
		t.Fatal(err)
	}
}

// TestToolsArePinned: what the Makefile and its tests run of others has a version.
func TestToolsArePinned(t *testing.T) {
	b, err := os.ReadFile("../Makefile")
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range regexp.MustCompile(`\bgo (?:run|install) +[\w-]+\.\S+/\S+`).FindAll(b, -1) {
		if !regexp.MustCompile(`@v\d+\.\d+\.\d+$`).Match(m) {
			t.Errorf("%s names no version: make it a tool in go.mod", m)
		}
	}
	mod, err := os.ReadFile("../go.mod")
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range regexp.MustCompile(`\bgo tool ([\w-]+)`).FindAllSubmatch(b, -1) {
		if !regexp.MustCompile(`(?m)^\t\S*\b` + string(m[1]) + `(/v\d+)?$`).Match(mod) {
			t.Errorf("go tool %s is no tool in go.mod", m[1])
		}
	}
}
