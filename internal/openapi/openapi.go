package openapi

import (
	"context"
	_ "embed"
	"encoding/json"
	"strings"
	"sync"

	"github.com/danielgtaylor/huma/v2"

	"muster/internal/api"
)

//go:embed openapi.json
var document []byte

// Info is what the document says of itself.
func Info() api.Info {
	return api.Info{
		Title:   "Muster",
		Version: "1",
		Description: "Keeps the people data of a company's systems in one place: holds each customer's connections, takes their users and licences, " +
			"runs one sync at a time, and says afterwards what became of every record.\n\n" +
			"An operation with x-rate-limit-per-minute takes so many calls of a key in each minute, then answers 429 with Retry-After.",
		Server: "/", // where the document was read; clients that need a whole address here have a setting for it
		Tags:   tags(),
	}
}

// tags are the contracts' own where they have them: clients make commands of these.
func tags() []api.Tag {
	return []api.Tag{
		{Name: "Organizations", Description: "Whose key it is"},
		{Name: "Files", Description: "Files of users and licences, sent by a customer: uploaded, registered, read back"},
		{Name: "Integrations", Description: "Syncs of an uploaded file"},
		{Name: "Apps", Description: "The integrations that take files, and what their licences cost"},
		{Name: "Applications Users", Description: "The users that the last sync of an app listed"},
		{Name: "Systems", Description: "The catalogue: kinds of third-party systems"},
		{Name: "System integrations", Description: "Systems installed in an organisation"},
		{Name: "Connections", Description: "Customers' access to third-party systems, with credentials that are kept and never answered"},
		{Name: "Jobs", Description: "Runs of syncs, and what became of every record"},
		{Name: "Health", Description: "Whether it answers"},
		{Name: "Documentation", Description: "How to call it"},
	}
}

// Document is the OpenAPI document, as indented JSON.
func Document() []byte { return document }

type output struct {
	CacheControl string `header:"Cache-Control"`
	Body         body
}

// body is a document as it is; to huma its type would be text in base64.
type body json.RawMessage

func (b body) MarshalJSON() ([]byte, error) { return b, nil }

func (body) Schema(huma.Registry) *huma.Schema {
	return &huma.Schema{Type: huma.TypeObject, Description: "An OpenAPI document", AdditionalProperties: true}
}

type input struct {
	Version string `query:"version" enum:"3.1,2.0" default:"3.1" doc:"2.0 is the same as a Swagger document, for clients that read no other"`
}

// Get is GET /openapi.json: the document, to anybody. It knows all paths, so where
// each call has a process of its own, this one answers what has no route.
func Get() api.Route {
	op := api.Op{
		ID: "getOpenapi", Method: "GET", Path: "/openapi.json", Tag: "Documentation", Public: true,
		Summary: "This document",
	}
	swagger := sync.OnceValues(Swagger)
	r := api.Handle(op, func(_ context.Context, in *input) (_ *output, err error) {
		doc := document
		if in.Version == "2.0" {
			if doc, err = swagger(); err != nil {
				return nil, err
			}
		}
		return &output{CacheControl: "public, max-age=300", Body: doc}, nil
	})
	return r.Knowing(patterns)
}

// patterns are the document's operations, as "GET /openapi.json".
func patterns() (all []string) {
	var doc struct {
		Paths map[string]map[string]json.RawMessage
	}
	if err := json.Unmarshal(document, &doc); err != nil {
		panic(err) // its tests have read it
	}
	for path, operations := range doc.Paths {
		for method := range operations {
			all = append(all, strings.ToUpper(method)+" "+path)
		}
	}
	return all
}
