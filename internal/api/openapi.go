package api

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"

	"github.com/danielgtaylor/huma/v2"
)

// Info is what the OpenAPI document says of itself.
type Info struct {
	Title       string
	Version     string
	Description string
	Server      string // base address; may be relative to where the document was read
	Tags        []Tag  // in the order in which they are shown
}

// Tag says what the operations of one tag are for.
type Tag struct{ Name, Description string }

const securityScheme = "key"

func (i Info) document() *huma.OpenAPI {
	doc := &huma.OpenAPI{
		OpenAPI: "3.1.0",
		Info:    &huma.Info{Title: i.Title, Version: i.Version, Description: i.Description},
		Components: &huma.Components{SecuritySchemes: map[string]*huma.SecurityScheme{
			securityScheme: {Type: "http", Scheme: "bearer", Description: "An API key; the scheme may be left out."},
		}},
	}
	if i.Server != "" {
		doc.Servers = []*huma.Server{{URL: i.Server}}
	}
	for _, tag := range i.Tags {
		doc.Tags = append(doc.Tags, &huma.Tag{Name: tag.Name, Description: tag.Description})
	}
	return doc
}

// OpenAPI is the document of the routes, OpenAPI 3.1 as indented JSON, with an
// example of each body and of the errors. Equal routes give equal bytes.
func OpenAPI(info Info, routes ...Route) ([]byte, error) {
	h := newHuma(http.NewServeMux(), info)
	for _, r := range routes {
		h.OpenAPI().OnAddOperation = []huma.AddOpFunc{func(doc *huma.OpenAPI, o *huma.Operation) {
			exemplify(doc, r.Op, o)
			requireForm(o)
		}}
		r.register(h, r.Op.operation())
	}
	b, err := json.Marshal(h.OpenAPI())
	if err != nil {
		return nil, fmt.Errorf("openapi document: %w", err)
	}
	var out bytes.Buffer
	if err := json.Indent(&out, b, "", "  "); err != nil {
		return nil, fmt.Errorf("openapi document: %w", err)
	}
	return out.Bytes(), nil
}

// requireForm says what huma does not: a form that must have a field must be sent.
func requireForm(o *huma.Operation) {
	if o.RequestBody == nil {
		return
	}
	if form := o.RequestBody.Content["multipart/form-data"]; form != nil && len(form.Schema.Required) > 0 {
		o.RequestBody.Required = true
	}
}
