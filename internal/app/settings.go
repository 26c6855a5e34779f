package app

import (
	"context"
	"fmt"

	"muster/internal/garbage"
	"muster/internal/integration"
	"muster/internal/org"
)

// ListOrgs are the tenants of the deployment, oldest first.
func (a *App) ListOrgs(ctx context.Context) ([]org.Org, error) {
	var all []org.Org
	for o, err := range a.Orgs().List(ctx) {
		if err != nil {
			return nil, err
		}
		all = append(all, o)
	}
	return all, nil
}

// SetOrg changes an org's settings and answers what it is now. A retention counts
// from the next sync of each integration; where none comes by, from the sweep's
// next, which it is entered for here: a shorter one lets people go who would
// otherwise stay until the day that the longer one set.
func (a *App) SetOrg(ctx context.Context, id string, c org.Change) (org.Org, error) {
	o, err := orgID(id)
	if err != nil {
		return org.Org{}, err
	}
	set, err := a.Orgs().Set(ctx, o, c)
	if err != nil || c.RetentionDays == 0 {
		return set, err
	}
	// If we stop here: the setting counts, and who should go by it goes with the next
	// sync, or on the day entered before; setting it again enters this one.
	page := integration.Page{Limit: 100}
	for more := true; more; {
		var found []integration.Integration
		if found, more, err = a.Integrations().List(ctx, o, page); err != nil {
			return set, fmt.Errorf("change org %s: the retention is set; set it again: %w", o, err)
		}
		for _, i := range found {
			due, _ := garbage.Enter(garbage.Retired, o.String()+"/"+i.ID.String(), a.Now())
			if err := a.Table().Write(ctx, due); err != nil {
				return set, fmt.Errorf("change org %s: the retention is set; set it again: %w", o, err)
			}
			page.After = i.ID
		}
	}
	return set, nil
}
