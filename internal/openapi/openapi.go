package openapi

import (
	"context"
	_ "embed"
	"encoding/json"

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
	return &huma.Schema{Type: huma.TypeObject, Description: "An OpenAPI 3.1 document", AdditionalProperties: true}
}

// Get is GET /openapi.json: the document, to anybody.
func Get() api.Route {
	op := api.Op{
		ID: "getOpenapi", Method: "GET", Path: "/openapi.json", Tag: "Documentation", Public: true,
		Summary: "This document",
	}
	return api.Handle(op, func(context.Context, *struct{}) (*output, error) {
		return &output{CacheControl: "public, max-age=300", Body: document}, nil
	})
}
