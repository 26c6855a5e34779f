package functions_test

import (
	"encoding/json"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// arrows say which of our packages each may import. What is not listed may
// import none. An adapter knows its port and pure vocabulary, a family the api
// and what it shows, and nobody but the mains knows a platform.
var arrows = map[string]string{
	"table": "", "blob": "", "roster": "", "catalog": "", "near": "",
	"org":         "table",
	"secret":      "org",
	"connection":  "catalog garbage near org secret table",
	"lease":       "table",
	"garbage":     "table",
	"rosterfile":  "near roster",
	"job":         "blob lease org roster table",
	"upload":      "blob org table",
	"integration": "catalog garbage job lease org table",
	"snapshot":    "blob org roster table",
	"syncer":      "blob garbage job lease org roster snapshot table",

	"api":     "blob org table",
	"health":  "api",
	"openapi": "api",
	"torii":   "api integration job lease near org roster table upload",
	"unified": "api catalog connection org secret",
	"twine":   "api catalog integration job org roster",

	"app":           "api blob connection garbage health integration job lease openapi org secret table torii twine unified upload",
	"app/dataplane": "api app blob integration job lease org roster rosterfile snapshot syncer torii upload",

	"local/bolt":  "table",
	"local/disk":  "blob",
	"local/vault": "org secret",
	"local":       "blob job local/bolt local/disk local/vault secret table",
	"aws/dynamo":  "table",
	"aws/s3store": "blob",
	"aws/secrets": "aws/quiet org secret",
	"aws/gateway": "api",
	"aws/emf":     "",
	"aws/quiet":   "",
	"aws/invoke":  "job",
	"aws":         "api app aws/dynamo aws/emf aws/gateway aws/quiet blob job secret table",

	"cmd/muster": "api app app/dataplane aws aws/emf aws/invoke aws/s3store aws/secrets blob cost job local openapi org roster rosterfile rosterfile/rostergen syncer table",

	// What only tests and benchmarks use.
	"rosterfile/rostergen":      "",
	"table/tabletest":           "faulty table",
	"blob/blobtest":             "blob faulty",
	"faulty":                    "",
	"secret/secrettest":         "faulty org secret",
	"connection/connectiontest": "garbage org secret table",
	"syncer/syncertest":         "blob garbage job lease org roster snapshot table",
	"job/jobtest":               "job org",
	"cost":                      "blob table",
	"api/apitest":               "api",
	"aws/emf/emftest":           "",
	"emulator":                  "aws/dynamo",
	"samtemplate":               "",
	"e2e":                       "",
}

type listed struct {
	ImportPath string
	Imports    []string
	Deps       []string
}

func list(t *testing.T, args ...string) []listed {
	t.Helper()
	cmd := exec.Command("go", append([]string{"list", "-json=ImportPath,Imports,Deps"}, args...)...)
	cmd.Dir = ".."
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	var all []listed
	for d := json.NewDecoder(strings.NewReader(string(out))); d.More(); {
		var l listed
		if err := d.Decode(&l); err != nil {
			t.Fatal(err)
		}
		all = append(all, l)
	}
	return all
}

const ours = "muster/internal/"

func TestPackagesImportWhatTheyMay(t *testing.T) {
	for _, l := range list(t, "./internal/...") {
		name := strings.TrimPrefix(l.ImportPath, ours)
		may, known := arrows[name]
		if !known {
			t.Errorf("package %s is new: say in this test what it may import", name)
			continue
		}
		for _, i := range l.Imports {
			if i, is := strings.CutPrefix(i, ours); is && !slices.Contains(strings.Fields(may), i) {
				t.Errorf("%s imports %s, which it may not", name, i)
			}
		}
	}
}

// TestFunctionsLinkWhatTheyUse keeps Parquet and what makes a roster out of the
// functions that open none, the laptop out of all of them, and a client of the SDK out
// of those whose main does not name its port: it starts wherever it is imported.
func TestFunctionsLinkWhatTheyUse(t *testing.T) {
	clients := map[string]string{"s3": "s3store", "secretsmanager": "secrets", "lambda": "invoke"}
	for _, l := range list(t, "./functions/...") {
		for client, adapter := range clients {
			if slices.Contains(l.Deps, "github.com/aws/aws-sdk-go-v2/service/"+client) && !slices.Contains(l.Imports, ours+"aws/"+adapter) {
				t.Errorf("%s links the SDK's client of %s and does not name it", l.ImportPath, client)
			}
		}
		roster := slices.Contains(l.Imports, ours+"app/dataplane")
		for _, d := range l.Deps {
			switch {
			case strings.HasPrefix(d, ours+"local") || d == "go.etcd.io/bbolt":
				t.Errorf("%s links %s", l.ImportPath, d)
			case !roster && (d == "github.com/parquet-go/parquet-go" || d == ours+"snapshot" || d == ours+"syncer" || d == ours+"rosterfile"):
				t.Errorf("%s opens no roster and links %s", l.ImportPath, d)
			}
		}
	}
}

// TestParquetHasOneImporter keeps the format of a snapshot in one place.
func TestParquetHasOneImporter(t *testing.T) {
	for _, l := range list(t, "./...") {
		for _, i := range l.Imports {
			if strings.HasPrefix(i, "github.com/parquet-go/parquet-go") && l.ImportPath != ours+"snapshot" {
				t.Errorf("%s imports %s", l.ImportPath, i)
			}
		}
	}
}
