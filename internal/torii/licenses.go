package torii

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/bits"

	"muster/internal/api"
	"muster/internal/job"
	"muster/internal/org"
	"muster/internal/roster"
)

const (
	// licenseTypes is how many licences an app shows one by one.
	licenseTypes = 500
	// licensesAtOnce are counted in one pass over a roster.
	licensesAtOnce = 10_000
)

// money is an amount in the smallest unit of its currency.
type money struct {
	Value    int64  `json:"value" doc:"In the smallest unit of the currency, as cents" example:"180000"`
	Currency string `json:"currency" doc:"ISO 4217" example:"USD"`
}

type appLicenses struct {
	Summary licenseSummary `json:"summary"`
	Types   []licenseType  `json:"types" doc:"The first 500 licences by name; GET /v1.0/apps/{idApp}/licenses has all"`
}

type licenseSummary struct {
	TotalAmount      int64  `json:"totalAmount" example:"12"`
	ActiveAmount     int64  `json:"activeAmount" example:"9"`
	InactiveAmount   int64  `json:"inactiveAmount" example:"1"`
	UnassignedAmount int64  `json:"unassignedAmount" example:"2"`
	PricePerLicense  *money `json:"pricePerLicense" doc:"Always null"`
	AnnualCost       money  `json:"annualCost" doc:"Of the licences whose price is known"`
	PotentialSavings money  `json:"potentialSavings" doc:"What of it is inactive or unassigned"`
}

// licenseType is one kind of licence. Prices are in the organization's currency
// to begin with, so that the converted amounts are the same.
type licenseType struct {
	Name                          string `json:"name" example:"Pro"`
	TotalAmount                   int64  `json:"totalAmount" doc:"Active, inactive and unassigned" example:"12"`
	ActiveAmount                  int64  `json:"activeAmount" example:"9"`
	InactiveAmount                int64  `json:"inactiveAmount" example:"1"`
	UnassignedAmount              int64  `json:"unassignedAmount" example:"2"`
	PricePerLicense               *money `json:"pricePerLicense,omitempty" doc:"The file's pricePerUser, taken as a year's; this and what follows from it are absent if the file gives none"`
	AnnualCost                    *money `json:"annualCost,omitempty"`
	PotentialSavings              *money `json:"potentialSavings,omitempty" doc:"What the inactive and unassigned cost"`
	PricePerLicenseInOrgCurrency  *money `json:"pricePerLicenseInOrgCurrency,omitempty"`
	AnnualCostInOrgCurrency       *money `json:"annualCostInOrgCurrency,omitempty"`
	PotentialSavingsInOrgCurrency *money `json:"potentialSavingsInOrgCurrency,omitempty"`
}

func licenseTypeOf(u roster.LicenseUse, currency string) licenseType {
	t := licenseType{Name: u.Name, ActiveAmount: u.Active, InactiveAmount: u.Inactive, UnassignedAmount: u.Unassigned}
	idle := plus(u.Inactive, u.Unassigned)
	t.TotalAmount = plus(u.Active, idle)
	if u.PricePerUser != nil {
		t.PricePerLicense = &money{*u.PricePerUser, currency}
		t.AnnualCost = &money{times(*u.PricePerUser, t.TotalAmount), currency}
		t.PotentialSavings = &money{times(*u.PricePerUser, idle), currency}
		t.PricePerLicenseInOrgCurrency, t.AnnualCostInOrgCurrency, t.PotentialSavingsInOrgCurrency = t.PricePerLicense, t.AnnualCost, t.PotentialSavings
	}
	return t
}

// plus and times stop at the largest number: a file may give any amounts.
func plus(a, b int64) int64 {
	if a > math.MaxInt64-b {
		return math.MaxInt64
	}
	return a + b
}

func times(a, b int64) int64 {
	if hi, lo := bits.Mul64(uint64(a), uint64(b)); hi == 0 && lo <= math.MaxInt64 {
		return int64(lo)
	}
	return math.MaxInt64
}

func (s *licenseSummary) add(t licenseType) {
	s.TotalAmount = plus(s.TotalAmount, t.TotalAmount)
	s.ActiveAmount = plus(s.ActiveAmount, t.ActiveAmount)
	s.InactiveAmount = plus(s.InactiveAmount, t.InactiveAmount)
	s.UnassignedAmount = plus(s.UnassignedAmount, t.UnassignedAmount)
	if t.AnnualCost != nil {
		s.AnnualCost.Value = plus(s.AnnualCost.Value, t.AnnualCost.Value)
		s.PotentialSavings.Value = plus(s.PotentialSavings.Value, t.PotentialSavings.Value)
	}
}

// licensesOf reads all licences of an app. Without a roster there are none.
func licensesOf(ctx context.Context, r roster.Reader, currency string) (*appLicenses, error) {
	l := &appLicenses{Types: []licenseType{}}
	l.Summary.AnnualCost.Currency, l.Summary.PotentialSavings.Currency = currency, currency
	q := roster.LicensesQuery{Size: licensesAtOnce}
	for more := true; more; {
		page, err := r.Licenses(ctx, q)
		if err != nil {
			return nil, fmt.Errorf("licences of an app: %w", err)
		}
		for _, u := range page.Licenses {
			t := licenseTypeOf(u, currency)
			l.Summary.add(t)
			if len(l.Types) < licenseTypes {
				l.Types = append(l.Types, t)
			}
		}
		q.Version, q.Skip, more = page.Version, q.Skip+int64(len(page.Licenses)), page.More
	}
	return l, nil
}

// size is about what the licences take of an answer, in bytes.
func (l *appLicenses) size() int {
	n := 0
	for i := range l.Types {
		n += len(l.Types[i].Name) + 500
	}
	return n
}

type licensesInput struct {
	IDApp  string `path:"idApp" doc:"The app's number (the app account's too), or the system integration's UUID" example:"2"`
	Size   int    `query:"size" minimum:"1" maximum:"1000" default:"1000" doc:"Licences at most"`
	Cursor string `query:"cursor" doc:"The nextCursor of the answer before" example:"eyJhIjoiYWRhQGV4YW1wbGUuY29tIn0="`
}

type licensesOutput struct {
	Body struct {
		Licenses   []licenseType `json:"licenses"` // the first array of the answer, and the only one at its top: clients look for that
		Count      int           `json:"count" doc:"Licences in this answer" example:"1"`
		Total      int64         `json:"total" doc:"Licences on all pages" example:"1"`
		NextCursor string        `json:"nextCursor,omitempty" doc:"Absent on the last page" example:"eyJhIjoiYWRhQGV4YW1wbGUuY29tIn0="`
	}
}

// licensesCursor pins a list to one state of the roster. A name may be of any
// length, so that the cursor counts.
type licensesCursor struct {
	Job   string `json:"j"`
	Token int64  `json:"t"`
	Skip  int64  `json:"s"`
}

// GetAppsIDAppLicenses is GET /v1.0/apps/{idApp}/licenses, which is ours.
func GetAppsIDAppLicenses(integrations Integrations, orgs Orgs, rosters Rosters) api.Route {
	op := api.Op{
		ID: "getAppsIdappLicenses", Method: "GET", Path: base + "/apps/{idApp}/licenses", Tag: appsTag, Role: org.Read, PerMinute: 400,
		Summary: "List licenses of an app",
		Description: "Muster's own, not in Torii's API: the licences of the app's last sync by name, each as in types of GET /v1.0/apps/{idApp}. " +
			"GET /v1.0/apps/{idApp}/licenses/users says who holds one.",
	}
	return api.Handle(op, func(ctx context.Context, in *licensesInput) (*licensesOutput, error) {
		app, err := findApp(ctx, integrations, in.IDApp)
		if err != nil {
			return nil, err
		}
		q, err := in.query()
		if err != nil {
			return nil, err
		}
		o, err := orgs.Get(ctx, api.Caller(ctx).Org)
		if err != nil {
			return nil, err
		}
		page, err := rosters.Roster(o.ID, app.ID.String()).Licenses(ctx, q)
		if err != nil {
			return nil, unread(err, "licences", app.ID.String())
		}
		return licensesPage(page, q.Skip+int64(len(page.Licenses)), o.Settings.DisplayCurrency), nil
	})
}

func (in *licensesInput) query() (q roster.LicensesQuery, err error) {
	q.Size = in.Size
	if in.Cursor == "" {
		return q, nil
	}
	var c licensesCursor
	if err := api.DecodeCursor(in.Cursor, &c); err != nil {
		return q, err
	}
	q.Skip = c.Skip
	q.Version, err = pinned(c.Job, c.Token, c.Skip > 0)
	return q, err
}

func licensesPage(page roster.LicensesPage, next int64, currency string) *licensesOutput {
	out := &licensesOutput{}
	out.Body.Licenses = make([]licenseType, len(page.Licenses))
	for i, u := range page.Licenses {
		out.Body.Licenses[i] = licenseTypeOf(u, currency)
	}
	out.Body.Count, out.Body.Total = len(page.Licenses), page.Total
	if page.More {
		out.Body.NextCursor = api.EncodeCursor(licensesCursor{page.Version.Job, page.Version.Token, next})
	}
	return out
}

// pinned is the version that a cursor names; rest says whether the cursor's other
// keys can be.
func pinned(id string, token int64, rest bool) (roster.Version, error) {
	if _, err := job.ParseID(id); err != nil || token < 1 || !rest {
		return roster.Version{}, invalid(api.Fault{Pointer: "query.cursor", Detail: cursorDetail})
	}
	return roster.Version{Job: id, Token: token}, nil
}

// unread is the answer where a roster's reader returned err.
func unread(err error, what, integration string) error {
	switch {
	case errors.Is(err, roster.ErrGone):
		return api.Gone("the list that this cursor belongs to is no longer kept; begin again without a cursor").Because(err)
	case errors.Is(err, roster.ErrNoLicense):
		return api.NotFound("the app has no licence with this name")
	}
	return fmt.Errorf("%s of integration %s: %w", what, integration, err)
}
