package unified

import (
	"context"
	"slices"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"muster/internal/api"
	"muster/internal/catalog"
	"muster/internal/org"
)

// catalogueData is an entry of the catalogue, in the words of the contract.
type catalogueData struct {
	Type              string    `json:"type" doc:"What a connection has as integration_type" example:"custom_file"`
	Name              string    `json:"name" example:"Custom file"`
	Categories        []string  `json:"categories" example:"hris"`
	LogoURL           string    `json:"logo_url,omitempty" example:"https://example.com/logo.png"`
	IsActive          bool      `json:"is_active"`
	TokenNames        []string  `json:"token_names,omitempty" doc:"The parts of its credential, in the order of other_auth_info" example:"API key"`
	TokenInstructions []string  `json:"token_instructions,omitempty" doc:"How to find each" example:"Account, then API keys"`
	UpdatedAt         time.Time `json:"updated_at" example:"2026-05-04T10:20:30Z"`
}

func catalogueOf(s catalog.System, summary bool) catalogueData {
	d := catalogueData{
		Type: s.Slug, Name: s.Name, Categories: slices.Concat([]string{}, s.Categories), LogoURL: s.LogoURL, IsActive: true,
		TokenNames: s.TokenNames, TokenInstructions: s.TokenInstructions, UpdatedAt: whole(s.UpdatedAt),
	}
	if summary {
		d.TokenNames, d.TokenInstructions = nil, nil
	}
	return d
}

type integrationsInput struct {
	Limit      int      `query:"limit" default:"100" minimum:"1" maximum:"1000"`
	Offset     int      `query:"offset" default:"0" minimum:"0"`
	UpdatedGTE string   `query:"updated_gte" doc:"Changed then or later: an RFC 3339 date-time, in whole seconds" example:"2026-05-04T10:20:30Z"`
	Categories []string `query:"categories,explode" doc:"Of any of these categories, as several parameters or with commas" example:"hris"`
	Type       string   `query:"type" doc:"This one alone" example:"custom_file"`
	Active     bool     `query:"active" doc:"Only those that can be used; all can"`
	Env        string   `query:"env" doc:"Each environment has the same" example:"Production"`
	Summary    bool     `query:"summary" doc:"Without what is only needed to make a connection: the tokens"`

	from time.Time
}

// Resolve is called by huma after the request was read.
func (in *integrationsInput) Resolve(huma.Context) (faults []error) {
	var fault error
	if in.from, fault = readFrom(in.UpdatedGTE); fault != nil {
		faults = append(faults, fault)
	}
	words, unknown := readCategories(in.Categories)
	in.Categories = words
	return append(faults, unknown...)
}

func (in *integrationsInput) asksFor(s catalog.System) bool {
	shares := func(c string) bool { return slices.Contains(in.Categories, c) }
	return !s.Hub && (in.Type == "" || s.Slug == in.Type) && !s.UpdatedAt.Before(in.from) &&
		(in.Categories == nil || slices.ContainsFunc(s.Categories, shares))
}

type integrationsOutput struct{ Body []catalogueData }

// ListIntegrations is GET /unified/integration, a bare array: the catalogue but for
// the hub, which nobody has a connection to.
func ListIntegrations() api.Route {
	op := api.Op{
		ID: "listUnifiedIntegrations", Method: "GET", Path: "/unified/integration", Tag: "Integrations", Role: org.Read, Summary: "List integrations",
		Description: "The third-party systems that are known here. A connection may also be of one that is not. A page with fewer than limit is the last.",
	}
	return api.Handle(op, func(_ context.Context, in *integrationsInput) (*integrationsOutput, error) {
		found := slices.DeleteFunc(catalog.Systems(), func(s catalog.System) bool { return !in.asksFor(s) })
		from := min(in.Offset, len(found))
		page := found[from : min(len(found)-from, in.Limit)+from]
		out := &integrationsOutput{make([]catalogueData, len(page))}
		for i, s := range page {
			out.Body[i] = catalogueOf(s, in.Summary)
		}
		return out, nil
	})
}
