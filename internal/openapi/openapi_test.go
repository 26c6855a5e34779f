package openapi_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"log/slog"
	"net/http/httptest"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"muster/internal/api"
	"muster/internal/app"
	"muster/internal/app/dataplane"
	"muster/internal/local"
	"muster/internal/openapi"
)

var update = flag.Bool("update", false, "write openapi.json")

// describe is the document of all routes.
func describe(t *testing.T) []byte {
	t.Helper()
	p, err := local.Open(t.TempDir(), func() string { return "" }, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Close() })
	a := &app.App{Platform: p, Settings: app.DefaultSettings, Now: time.Now, Log: slog.New(slog.DiscardHandler)}
	var routes []api.Route
	for _, endpoint := range slices.Concat(app.Endpoints, dataplane.Endpoints) {
		routes = append(routes, endpoint(a))
	}
	doc, err := api.OpenAPI(openapi.Info(), routes...)
	if err != nil {
		t.Fatal(err)
	}
	return append(doc, '\n')
}

func TestDocumentIsOfTheRoutes(t *testing.T) {
	want := describe(t)
	if *update {
		if err := os.WriteFile("openapi.json", want, 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if diff := cmp.Diff(string(want), string(openapi.Document())); diff != "" {
		t.Errorf("openapi.json is not what the routes say; go test ./internal/openapi -update writes it:\n%s", diff)
	}
}

func TestGet(t *testing.T) {
	h := api.New(api.Config{Log: slog.New(slog.DiscardHandler), Now: time.Now}, openapi.Get())
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest("GET", "/openapi.json", nil))
	if w.Code != 200 || w.Header().Get("Content-Type") != "application/json" || w.Header().Get("Cache-Control") != "public, max-age=300" {
		t.Errorf("%d %v", w.Code, w.Header())
	}
	var want bytes.Buffer
	if err := json.Compact(&want, openapi.Document()); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want.String()+"\n", w.Body.String()); diff != "" {
		t.Error(diff)
	}
}

// Torii's own clients make their commands from the tags that they know, and
// resolve paths against where the document says that the API is, or their own
// setting if it says nothing.
func TestDocumentForToriisClients(t *testing.T) {
	var doc struct {
		Servers []struct{ URL string }
		Paths   map[string]map[string]struct {
			Tags []string
		}
	}
	if err := json.Unmarshal(openapi.Document(), &doc); err != nil {
		t.Fatal(err)
	}
	if len(doc.Servers) != 1 || doc.Servers[0].URL != "/" {
		t.Errorf("servers: %v", doc.Servers)
	}
	tags := map[string]string{}
	for path, methods := range doc.Paths {
		for method, op := range methods {
			tags[method+" "+path] = op.Tags[0]
		}
	}
	for call, tag := range map[string]string{
		"post /v1.0/files/upload":        "Files",
		"put /v1.0/services/sync/custom": "Integrations",
		"get /v1.0/apps/{idApp}/users":   "Applications Users",
		"get /v1.0/orgs/my":              "Organizations",
	} {
		if tags[call] != tag {
			t.Errorf("%s has the tag %q, want %q", call, tags[call], tag)
		}
	}
}
