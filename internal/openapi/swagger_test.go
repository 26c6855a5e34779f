package openapi_test

import (
	"encoding/json"
	"log/slog"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"muster/internal/api"
	"muster/internal/openapi"
)

// TestSwagger reads the document as a client of Swagger 2.0 does: bodies and forms
// are parameters, and every reference leads somewhere.
func TestSwagger(t *testing.T) {
	h := api.New(api.Config{Log: slog.New(slog.DiscardHandler), Now: time.Now}, openapi.Get())
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest("GET", "/openapi.json?version=2.0", nil))
	var doc struct {
		Swagger     string
		Definitions map[string]any
		Paths       map[string]map[string]struct {
			OperationID string
			Consumes    []string
			Parameters  []struct {
				Name, In, Type string
				Required       bool
				Schema         map[string]any
			}
		}
	}
	if err := json.Unmarshal(w.Body.Bytes(), &doc); err != nil || doc.Swagger != "2.0" {
		t.Fatalf("%d, version %q (%v)", w.Code, doc.Swagger, err)
	}
	for rest := w.Body.String(); ; {
		_, after, ok := strings.Cut(rest, `"$ref":"`)
		if !ok {
			break
		}
		ref, after, _ := strings.Cut(after, `"`)
		if name, ok := strings.CutPrefix(ref, "#/definitions/"); !ok || doc.Definitions[name] == nil {
			t.Errorf("the reference %s leads nowhere", ref)
		}
		rest = after
	}
	var got []string
	upload := doc.Paths["/v1.0/files/upload"]["post"]
	for _, p := range upload.Parameters {
		if p.In == "formData" {
			got = append(got, p.Name+" "+p.Type)
		}
	}
	if diff := cmp.Diff([]string{"file file", "type string"}, got); diff != "" || !slices.Equal(upload.Consumes, []string{"multipart/form-data"}) {
		t.Errorf("the form: consumes %q\n%s", upload.Consumes, diff)
	}
	bodies := 0
	for _, p := range doc.Paths["/v1.0/services/sync/custom"]["put"].Parameters {
		if p.In == "body" && p.Schema != nil && p.Required {
			bodies++
		}
	}
	if bodies != 1 {
		t.Errorf("the sync has %d bodies", bodies)
	}
	if n := len(document(t).Paths); len(doc.Paths) != n {
		t.Errorf("%d paths, want %d", len(doc.Paths), n)
	}
}

func TestUnknownVersion(t *testing.T) {
	h := api.New(api.Config{Log: slog.New(slog.DiscardHandler), Now: time.Now}, openapi.Get())
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest("GET", "/openapi.json?version=1.2", nil))
	if w.Code != 400 {
		t.Errorf("answered %d", w.Code)
	}
}
