package twine

import (
	"context"
	"time"

	"muster/internal/api"
	"muster/internal/catalog"
	"muster/internal/org"
)

// Orgs are the tenants. *org.Store is one.
type Orgs interface {
	Get(ctx context.Context, id org.ID) (org.Org, error)
}

type pageInput struct{ api.Page }

type organizationsOutput struct{ Body list[orgData] }

// orgData has the members of the contract; most of them Muster has nothing for.
type orgData struct {
	OrgID                      string           `json:"org_id" format:"uuid"`
	Name                       string           `json:"name" example:"Acme"`
	VAT                        *string          `json:"vat" example:"SE556677889901"`
	OwnerID                    *string          `json:"owner_id" example:"018f5c3e-8a01-7c42-a1f0-5d1b7c0e9a36"`
	ParentID                   *string          `json:"parent_id" example:"018f5c3e-8a01-7c42-a1f0-5d1b7c0e9a37"`
	DeleteProtection           bool             `json:"delete_protection"`
	DeleteProtectionDisabledAt *time.Time       `json:"delete_protection_disabled_at"`
	CustomProperties           []map[string]any `json:"custom_properties" example:"[]"`
	Roles                      []map[string]any `json:"roles" example:"[]"`
}

// GetOrganizations is GET /v1/org: the key's own organization.
func GetOrganizations(orgs Orgs) api.Route {
	op := api.Op{
		ID: "getOrganizations", Method: "GET", Path: base + "/org", Tag: "Organizations", Role: org.Read,
		Summary: "Get organizations", Description: "A key speaks for one organization, so this is a list of one.",
	}
	return api.Handle(op, func(ctx context.Context, in *pageInput) (*organizationsOutput, error) {
		o, err := orgs.Get(ctx, api.Caller(ctx).Org)
		if err != nil {
			return nil, err
		}
		row := orgData{OrgID: o.ID.String(), Name: o.CompanyName, CustomProperties: []map[string]any{}, Roles: []map[string]any{}}
		body, err := cut(&in.Page, []orgData{row}, func(d orgData) string { return d.OrgID })
		return &organizationsOutput{body}, err
	})
}

type systemsOutput struct{ Body list[systemData] }

type systemData struct {
	ID      string  `json:"id" format:"uuid"`
	Kind    string  `json:"kind" enum:"hr,payroll,time_tracking,identity_provider,other"`
	Name    string  `json:"name" example:"Custom file"`
	Slug    string  `json:"slug" example:"custom_file"`
	LogoURL *string `json:"logo_url" example:"https://example.com/logo.png"`
}

func systemOf(s catalog.System) systemData {
	return systemData{s.ID.String(), string(s.Kind), s.Name, s.Slug, text(s.LogoURL)}
}

// GetSystems is GET /v1/systems: the catalogue.
func GetSystems() api.Route {
	op := api.Op{
		ID: "getSystems", Method: "GET", Path: base + "/systems", Tag: "Systems", Role: org.Read,
		Summary: "Get systems", Description: "The systems that can be installed. Their ids are the same in every deployment.",
	}
	return api.Handle(op, func(_ context.Context, in *pageInput) (*systemsOutput, error) {
		var rows []systemData
		for _, s := range catalog.Systems() {
			rows = append(rows, systemOf(s))
		}
		body, err := cut(&in.Page, rows, func(d systemData) string { return d.ID })
		return &systemsOutput{body}, err
	})
}
