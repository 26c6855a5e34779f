package openapi_test

import (
	"encoding/json"
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/danielgtaylor/huma/v2"

	"muster/internal/openapi"
)

// spec is as much of the document as its rules are about.
type spec struct {
	Servers []struct{ URL string }
	Tags    []struct{ Name, Description string }
	Paths   map[string]map[string]operation

	Components struct {
		Schemas         map[string]*schema
		SecuritySchemes map[string]any
	}
}

type operation struct {
	path                 string
	OperationID, Summary string
	Tags                 []string
	Security             []map[string][]string
	Parameters           []struct {
		Name, In, Description string
		Schema                *schema
	}
	RequestBody struct {
		Required bool
		Content  map[string]media
	}
	Responses map[string]struct{ Content map[string]media }
}

type media struct {
	Schema   *schema
	Example  any
	Examples map[string]struct{ Value any }
}

// schema is as much of JSON Schema as the document uses.
type schema struct {
	Ref        string `json:"$ref"`
	Type       any
	Format     string
	Examples   []any
	Enum       []any
	Default    any
	Properties map[string]*schema
	Required   []string
	Items      *schema
	Minimum    *float64
	Maximum    *float64
	MinLength  *int
	MaxLength  *int
	Pattern    string
}

// is reports a type, also one of those that may be null.
func (s *schema) is(types ...string) bool {
	for _, t := range types {
		if list, ok := s.Type.([]any); s.Type == t || ok && slices.Contains(list, any(t)) {
			return true
		}
	}
	return false
}

func document(t *testing.T) spec {
	t.Helper()
	var d spec
	if err := json.Unmarshal(openapi.Document(), &d); err != nil {
		t.Fatal(err)
	}
	return d
}

// each calls f for the operations, in the order of their ids.
func (d spec) each(t *testing.T, f func(t *testing.T, op operation)) {
	var ops []operation
	for path, methods := range d.Paths {
		for op := range maps.Values(methods) {
			op.path = path
			ops = append(ops, op)
		}
	}
	slices.SortFunc(ops, func(a, b operation) int { return strings.Compare(a.OperationID, b.OperationID) })
	for _, op := range ops {
		t.Run(op.OperationID, func(t *testing.T) { f(t, op) })
	}
}

func TestDocumentRules(t *testing.T) {
	d := document(t)
	if len(d.Servers) != 1 || d.Servers[0].URL != "/" {
		t.Errorf("servers: %v", d.Servers)
	}
	described, used, ids := map[string]bool{}, map[string]bool{}, map[string]bool{}
	for _, tag := range d.Tags {
		if tag.Description == "" || described[tag.Name] {
			t.Errorf("the tag %q has no description, or stands twice", tag.Name)
		}
		described[tag.Name] = true
	}
	public := map[string]bool{"getHealth": true, "getOpenapi": true}
	d.each(t, func(t *testing.T, op operation) {
		if op.OperationID == "" || ids[op.OperationID] {
			t.Error("has no id, or one that another has")
		}
		ids[op.OperationID] = true
		if op.Summary == "" {
			t.Error("has no summary")
		}
		if len(op.Tags) != 1 || !described[op.Tags[0]] {
			t.Errorf("has the tags %q: want one, which tags() in openapi.go describes", op.Tags)
		}
		for _, tag := range op.Tags {
			used[tag] = true
		}
		for kind, m := range op.RequestBody.Content {
			s := m.Schema
			if name, ok := strings.CutPrefix(s.Ref, "#/components/schemas/"); ok {
				s = d.Components.Schemas[name]
			}
			if len(s.Required) > 0 && !op.RequestBody.Required {
				t.Errorf("may be sent without a body, whose %s must have %q", kind, s.Required)
			}
		}
		var named []string
		for _, p := range op.Parameters {
			if p.In == "path" {
				named = append(named, "{"+p.Name+"}")
			}
		}
		if want := regexp.MustCompile(`{\w+}`).FindAllString(op.path, -1); !slices.Equal(named, want) {
			t.Errorf("says of the parameters of its path %q, want %q", named, want)
		}
		for _, need := range op.Security {
			for scheme := range need {
				if d.Components.SecuritySchemes[scheme] == nil {
					t.Errorf("needs the key %q, which is not declared", scheme)
				}
			}
		}
		if public[op.OperationID] != (len(op.Security) == 0) {
			t.Errorf("needs keys: %v", op.Security)
		}
	})
	for tag := range described {
		if !used[tag] {
			t.Errorf("no operation has the tag %q", tag)
		}
	}
}

func TestDocumentExamples(t *testing.T) {
	d := document(t)
	d.each(t, func(t *testing.T, op operation) {
		for _, p := range op.Parameters {
			obvious := p.Schema.is("boolean") || len(p.Schema.Enum) > 0 || p.Schema.Format == "uuid"
			if !obvious && p.Description != "Is not supported" {
				d.wantTag(t, p.In+" "+p.Name, p.Schema)
			}
			for _, example := range p.Schema.Examples {
				d.fits(t, p.In+" "+p.Name, p.Schema, example)
			}
		}
		for kind, m := range op.RequestBody.Content {
			d.wantExample(t, "request "+kind, m)
		}
		errors := 0
		for code, r := range op.Responses {
			for kind, m := range r.Content {
				if code != "default" {
					d.wantExample(t, code+" "+kind, m)
				}
				for name, e := range m.Examples {
					d.fits(t, name, m.Schema, e.Value)
					errors++
				}
			}
		}
		if errors == 0 {
			t.Error("has no example of an error")
		}
	})
}

func (d spec) wantExample(t *testing.T, place string, m media) {
	t.Helper()
	if m.Example == nil {
		t.Errorf("%s has no example", place)
		return
	}
	d.wantTag(t, place, m.Schema)
	d.fits(t, place, m.Schema, m.Example)
}

// wantTag looks for values that say nothing by themselves: text without a format
// and numbers. Their fields need a tag example:"…".
func (d spec) wantTag(t *testing.T, place string, s *schema) {
	t.Helper()
	if len(s.Examples) > 0 || len(s.Enum) > 0 || s.Default != nil {
		return
	}
	if name, ok := strings.CutPrefix(s.Ref, "#/components/schemas/"); ok {
		d.wantTag(t, place, d.Components.Schemas[name])
		return
	}
	if s.is("integer", "number") || s.is("string") && s.Format == "" {
		t.Errorf("%s: the field needs a tag example:\"…\"", place)
	}
	for name, p := range s.Properties {
		d.wantTag(t, place+"/"+name, p)
	}
	if s.Items != nil {
		d.wantTag(t, place+"/0", s.Items)
	}
}

// fits validates a value as a request's would be.
func (d spec) fits(t *testing.T, place string, s *schema, value any) {
	t.Helper()
	registry := huma.NewMapRegistry("#/components/schemas/", huma.DefaultSchemaNamer)
	for name, s := range d.Components.Schemas {
		registry.Map()[name] = s.huma()
	}
	result := &huma.ValidateResult{}
	huma.Validate(registry, s.huma(), huma.NewPathBuffer([]byte(place), len(place)), huma.ModeReadFromServer, value, result)
	for _, err := range result.Errors {
		t.Errorf("an example does not fit its schema: %v", err)
	}
}

func (s *schema) huma() *huma.Schema {
	if s == nil {
		return nil
	}
	h := &huma.Schema{
		Ref: s.Ref, Format: s.Format, Enum: s.Enum, Required: s.Required, Items: s.Items.huma(), Nullable: s.is("null"),
		Minimum: s.Minimum, Maximum: s.Maximum, MinLength: s.MinLength, MaxLength: s.MaxLength, Pattern: s.Pattern,
		Properties: map[string]*huma.Schema{},
	}
	for _, t := range []string{"object", "array", "string", "integer", "number", "boolean"} {
		if s.is(t) {
			h.Type = t
		}
	}
	for name, p := range s.Properties {
		h.Properties[name] = p.huma()
	}
	h.PrecomputeMessages()
	return h
}
