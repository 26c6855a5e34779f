package torii

import (
	"context"

	"muster/internal/api"
	"muster/internal/org"
	"muster/internal/roster"
)

type holdersInput struct {
	IDApp  string `path:"idApp" doc:"The app's number (the app account's too), or the system integration's UUID" example:"2"`
	Name   string `query:"name" required:"true" minLength:"1" doc:"The licence's name, exactly" example:"Pro"`
	Size   int    `query:"size" minimum:"1" maximum:"1000" default:"1000" doc:"Users at most"`
	Cursor string `query:"cursor" doc:"The nextCursor of the answer before; send the name as it was" example:"eyJhIjoiYWRhQGV4YW1wbGUuY29tIn0="`
}

type holdersOutput struct {
	Body struct {
		Users      []licenseUser `json:"users"` // the first array of the answer, and the only one at its top: clients look for that
		Count      int           `json:"count" doc:"Users in this answer" example:"1"`
		Total      int64         `json:"total" doc:"Users on all pages" example:"1"`
		NextCursor string        `json:"nextCursor,omitempty" doc:"Absent on the last page" example:"eyJhIjoiYWRhQGV4YW1wbGUuY29tIn0="`
	}
}

type licenseUser struct {
	Email         string `json:"email" example:"ada@example.com"`
	LicenseStatus string `json:"licenseStatus" enum:"active,inactive,deleted"`
	IsAppUser     bool   `json:"isAppUser" doc:"The file lists a user of this e-mail, not only the licence"`
}

// holdersCursor pins a list to one state of the roster, as usersCursor does.
type holdersCursor struct {
	Job   string `json:"j"`
	Token int64  `json:"t"`
	Total int64  `json:"h"`
	After string `json:"a"`
}

// GetAppsIDAppLicensesUsers is GET /v1.0/apps/{idApp}/licenses/users, which is
// ours.
func GetAppsIDAppLicensesUsers(integrations Integrations, rosters Rosters) api.Route {
	op := api.Op{
		ID: "getAppsIdappLicensesUsers", Method: "GET", Path: base + "/apps/{idApp}/licenses/users", Tag: appsTag, Role: org.Read, PerMinute: 600,
		Summary: "List users of a license",
		Description: "Muster's own, not in Torii's API: who holds the licence, in the order of their e-mail addresses. " +
			"All pages of one list are of the same sync; a cursor of one that is no longer kept is a 410.",
	}
	return api.Handle(op, func(ctx context.Context, in *holdersInput) (*holdersOutput, error) {
		app, err := findApp(ctx, integrations, in.IDApp)
		if err != nil {
			return nil, err
		}
		q, err := in.query()
		if err != nil {
			return nil, err
		}
		page, err := rosters.Roster(api.Caller(ctx).Org, app.ID.String()).Holders(ctx, q)
		if err != nil {
			return nil, unread(err, "users of a licence", app.ID.String())
		}
		return holdersPage(page), nil
	})
}

func (in *holdersInput) query() (q roster.HoldersQuery, err error) {
	q = roster.HoldersQuery{License: in.Name, Size: in.Size, Total: -1}
	if in.Cursor == "" {
		return q, nil
	}
	var c holdersCursor
	if err := api.DecodeCursor(in.Cursor, &c); err != nil {
		return q, err
	}
	q.After, q.Total = c.After, c.Total
	q.Version, err = pinned(c.Job, c.Token, c.Total > 0 && c.After != "")
	return q, err
}

func holdersPage(page roster.HoldersPage) *holdersOutput {
	out := &holdersOutput{}
	out.Body.Users = make([]licenseUser, len(page.Holders))
	for i, h := range page.Holders {
		out.Body.Users[i] = licenseUser{h.Email, grantStatus(h.Status), h.Member}
	}
	out.Body.Count, out.Body.Total = len(page.Holders), page.Total
	if n := len(page.Holders); page.More {
		out.Body.NextCursor = api.EncodeCursor(holdersCursor{page.Version.Job, page.Version.Token, page.Total, page.Holders[n-1].Email})
	}
	return out
}
