package twine

import (
	"context"
	"time"

	"github.com/google/uuid"

	"muster/internal/api"
	"muster/internal/integration"
	"muster/internal/org"
)

// Integrations are the systems that orgs have installed. *integration.Store is one.
type Integrations interface {
	Create(ctx context.Context, o org.ID, n integration.New) (integration.Integration, error)
	Get(ctx context.Context, o org.ID, id integration.ID) (integration.Integration, error)
	List(ctx context.Context, o org.ID, p integration.Page) ([]integration.Integration, bool, error)
}

const integrationsTag = "System integrations"

type integrationData struct {
	ID               string           `json:"id" format:"uuid"`
	OrgID            string           `json:"org_id" format:"uuid"`
	SystemID         string           `json:"system_id" format:"uuid"`
	AppAccountID     int32            `json:"app_account_id" doc:"Its number in calls that name an app or an app account" example:"2"`
	APIClientID      *string          `json:"api_client_id" doc:"The connection with its credentials" example:"018f5c3e-8a01-7c42-a1f0-5d1b7c0e9a38"`
	APIEndpointURL   *string          `json:"api_endpoint_url" example:"https://api.example.com"`
	Description      *string          `json:"description" example:"Intranet"`
	DomainMappings   []map[string]any `json:"domain_mappings"`
	ExternalOrgID    *string          `json:"external_org_id" example:"acme-1"`
	InsertedAt       time.Time        `json:"inserted_at"`
	PropertyMappings []map[string]any `json:"property_mappings"`
	RemovalGuard     guardData        `json:"removal_guard" doc:"A sync that would remove more than max_percent of the live users, and more than max_count of them, is stopped"`
	System           systemData       `json:"system"`
	SystemCustom     map[string]any   `json:"system_custom" nullable:"true"`
	UpdatedAt        time.Time        `json:"updated_at"`
}

type guardData struct {
	MaxCount   int64 `json:"max_count" example:"100"`
	MaxPercent int64 `json:"max_percent" example:"50"`
}

func dataOf(i integration.Integration) integrationData {
	d := integrationData{
		ID: i.ID.String(), OrgID: i.Org.String(), SystemID: i.System.ID.String(), AppAccountID: i.Number,
		APIEndpointURL: text(i.APIEndpointURL), Description: text(i.Description), ExternalOrgID: text(i.ExternalOrgID),
		DomainMappings: []map[string]any{}, PropertyMappings: []map[string]any{}, RemovalGuard: guardData{i.RemovalGuard.MaxCount, i.RemovalGuard.MaxPercent},
		InsertedAt: i.InsertedAt.UTC(), System: systemOf(i.System), UpdatedAt: i.UpdatedAt.UTC(),
	}
	if i.APIClientID != uuid.Nil {
		d.APIClientID = text(i.APIClientID.String())
	}
	return d
}

type createInput struct {
	Body struct {
		SystemID              string         `json:"system_id" format:"uuid" doc:"A system of the catalogue"`
		Auth                  map[string]any `json:"auth,omitempty" nullable:"true" doc:"Credentials, of the system's own form"`
		CreateDefaultMappings *bool          `json:"create_default_mappings,omitempty" nullable:"true" doc:"Create the system's default domain mappings, for those domains that it has; false if left out"`
		Description           *string        `json:"description,omitempty" nullable:"true" maxLength:"1000" example:"Intranet"`
		SystemCustom          map[string]any `json:"system_custom,omitempty" nullable:"true" doc:"Settings of the system's own form"`
		TemplateID            *string        `json:"template_id,omitempty" nullable:"true" format:"uuid"`
	}
}

type integrationOutput struct{ Body one[integrationData] }

// CreateSystemIntegration is POST /v1/org/system-integrations.
func CreateSystemIntegration(integrations Integrations) api.Route {
	op := api.Op{
		ID: "createSystemIntegration", Method: "POST", Path: base + "/org/system-integrations", Tag: integrationsTag, Role: org.Write, Status: 201,
		Summary: "Create system integration",
	}
	return api.Handle(op, func(ctx context.Context, in *createInput) (*integrationOutput, error) {
		i, err := integrations.Create(ctx, api.Caller(ctx).Org, in.asked(api.ChosenID(ctx)))
		if err != nil {
			return nil, refused(err)
		}
		return &integrationOutput{one[integrationData]{dataOf(i)}}, nil
	})
}

// asked is what was asked for. An id that is none is the zero one, which no
// system has.
func (in *createInput) asked(id uuid.UUID) integration.New {
	n := integration.New{ID: integration.TryID(id), HasAuth: in.Body.Auth != nil, HasCustom: in.Body.SystemCustom != nil, FromTemplate: in.Body.TemplateID != nil}
	if id, err := uuid.Parse(in.Body.SystemID); err == nil {
		n.System = id
	}
	if in.Body.Description != nil {
		n.Description = *in.Body.Description
	}
	return n
}

type integrationInput struct {
	ID string `path:"system_integration_id" format:"uuid"`
}

// GetSystemIntegration is GET /v1/org/system-integrations/{system_integration_id}.
func GetSystemIntegration(integrations Integrations) api.Route {
	op := api.Op{
		ID: "getSystemIntegration", Method: "GET", Path: base + "/org/system-integrations/{system_integration_id}", Tag: integrationsTag, Role: org.Read,
		Summary: "Get system integration",
	}
	return api.Handle(op, func(ctx context.Context, in *integrationInput) (*integrationOutput, error) {
		id, err := integration.ParseID(in.ID)
		if err != nil {
			return nil, noIntegration()
		}
		i, err := integrations.Get(ctx, api.Caller(ctx).Org, id)
		if err != nil {
			return nil, refused(err)
		}
		return &integrationOutput{one[integrationData]{dataOf(i)}}, nil
	})
}

func noIntegration() error {
	return api.NotFound("there is no system integration with this system_integration_id")
}

type integrationsOutput struct{ Body list[integrationData] }

// GetSystemIntegrations is GET /v1/org/system-integrations, oldest first. The
// first is the org's own, which stands for Muster itself.
func GetSystemIntegrations(integrations Integrations) api.Route {
	op := api.Op{
		ID: "getSystemIntegrations", Method: "GET", Path: base + "/org/system-integrations", Tag: integrationsTag, Role: org.Read,
		Summary: "Get system integrations", Description: "Oldest first.",
	}
	return api.Handle(op, func(ctx context.Context, in *pageInput) (*integrationsOutput, error) {
		p, err := rangeOf(&in.Page)
		if err != nil {
			return nil, err
		}
		rows, more, err := integrations.List(ctx, api.Caller(ctx).Org, p)
		if err != nil {
			return nil, err
		}
		body := list[integrationData]{Data: make([]integrationData, len(rows))}
		for i, row := range rows {
			body.Data[i] = dataOf(row)
		}
		body.Pagination = info(&in.Page, body.Data, func(d integrationData) string { return d.ID }, more)
		return &integrationsOutput{body}, nil
	})
}

func rangeOf(p *api.Page) (integration.Page, error) {
	q := integration.Page{Limit: p.Limit(), Backward: p.Backward()}
	if p.Cursor() == "" {
		return q, nil
	}
	var c idCursor
	if err := api.DecodeCursor(p.Cursor(), &c); err != nil {
		return q, err
	}
	id, err := integration.ParseID(c.ID)
	if err != nil {
		return q, badCursor()
	}
	if p.Backward() {
		q.Before = id
	} else {
		q.After = id
	}
	return q, nil
}
