package api_test

import (
	"bytes"
	"context"
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"muster/internal/api"
	"muster/internal/org"
)

func TestHandleRefusesWhatCannotBe(t *testing.T) {
	type narrow struct {
		ID int32 `path:"id"`
	}
	type embedded struct{ narrow }
	type unread struct {
		ID digits `path:"id"` // huma would take the string and never call UnmarshalText
	}
	ok := api.Op{ID: "x", Method: "GET", Path: "/x/{id}", Role: org.Read}
	for name, f := range map[string]func(){
		"no role":    func() { op := ok; op.Role = ""; handle[noInput](op) },
		"bad role":   func() { op := ok; op.Role = "root"; handle[noInput](op) },
		"two minds":  func() { op := ok; op.Public = true; handle[noInput](op) },
		"no id":      func() { op := ok; op.ID = ""; handle[noInput](op) },
		"narrow int": func() { handle[narrow](ok) },
		"embedded":   func() { handle[embedded](ok) },
		"unread":     func() { handle[unread](ok) },
	} {
		t.Run(name, func(t *testing.T) {
			defer func() {
				if recover() == nil {
					t.Error("took it")
				}
			}()
			f()
		})
	}
}

func handle[I any](op api.Op) {
	api.Handle(op, func(context.Context, *I) (*struct{}, error) { return nil, nil })
}

func TestOpenAPI(t *testing.T) {
	info := api.Info{Title: "Muster", Version: "1"}
	doc, err := api.OpenAPI(info, putThing(), listThings(), upload())
	if err != nil {
		t.Fatal(err)
	}
	again, _ := api.OpenAPI(info, putThing(), listThings(), upload())
	if !bytes.Equal(doc, again) {
		t.Error("not the same twice")
	}
	var d struct {
		OpenAPI string
		Paths   map[string]map[string]struct {
			OperationID string
			Tags        []string
			Parameters  []struct{ Name string }
			RequestBody struct {
				Content map[string]struct{ Schema map[string]any }
			}
			Responses map[string]struct {
				Content map[string]struct{ Schema map[string]any }
			}
			Rate int `json:"x-rate-limit-per-minute"`
		}
		Components struct {
			Schemas map[string]struct {
				Properties           map[string]any
				Required             []string
				AdditionalProperties any
			}
		}
	}
	if err := json.Unmarshal(doc, &d); err != nil {
		t.Fatal(err)
	}
	put := d.Paths["/things/{id}"]["put"]
	if put.OperationID != "putThing" || put.Rate != 200 || put.Tags[0] != "Things" {
		t.Errorf("%+v", put)
	}
	if ref := put.Responses["default"].Content["application/json"].Schema["$ref"]; ref != "#/components/schemas/ErrorBody" {
		t.Errorf("errors are %v", put.Responses)
	}
	if e := d.Components.Schemas["ErrorBody"]; e.Properties["statusCode"] == nil || e.Properties["error"] == nil || e.Properties["$schema"] != nil || e.AdditionalProperties == false {
		t.Errorf("%+v", e)
	}
	if diff := cmp.Diff([]string{"name"}, d.Components.Schemas["Thing"].Required); diff != "" {
		t.Error(diff)
	}
	if tags, _ := d.Components.Schemas["Thing"].Properties["tags"].(map[string]any); tags["type"] != "array" {
		t.Errorf("a list may be null: %v", tags)
	}
	if names := d.Paths["/v1/things"]["get"].Parameters; len(names) != 4 || names[0].Name != "pagination[first]" {
		t.Errorf("%+v", names)
	}
	if form := d.Paths["/upload"]["post"].RequestBody.Content["multipart/form-data"].Schema; form["properties"] == nil {
		t.Errorf("%+v", form)
	}
	if _, ok := d.Paths["/openapi.json"]; ok || strings.Contains(string(doc), "422") || strings.Contains(string(doc), "problem+json") {
		t.Error("huma's own")
	}
}
