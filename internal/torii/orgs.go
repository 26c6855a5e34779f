package torii

import (
	"context"
	"time"

	"muster/internal/api"
	"muster/internal/org"
)

// Orgs are the tenants. *org.Store is one.
type Orgs interface {
	Get(ctx context.Context, id org.ID) (org.Org, error)
}

type orgOutput struct {
	Body struct {
		Org organization `json:"org"`
	}
}

type organization struct {
	ID           int32     `json:"id" example:"1"`
	CompanyName  string    `json:"companyName" example:"Acme"`
	Domain       string    `json:"domain,omitempty" example:"acme.example"`
	CreationTime time.Time `json:"creationTime"`
}

// GetOrgsMy is GET /v1.0/orgs/my: whose key this is.
func GetOrgsMy(orgs Orgs) api.Route {
	op := api.Op{
		ID: "getOrgsMy", Method: "GET", Path: base + "/orgs/my", Tag: "Organizations", Role: org.Read, PerMinute: 100,
		Summary: "Get organization",
	}
	return api.Handle(op, func(ctx context.Context, _ *struct{}) (*orgOutput, error) {
		o, err := orgs.Get(ctx, api.Caller(ctx).Org)
		if err != nil {
			return nil, err
		}
		out := &orgOutput{}
		out.Body.Org = organization{o.Number, o.CompanyName, o.Domain, o.CreatedAt.UTC()}
		return out, nil
	})
}
