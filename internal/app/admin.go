package app

import (
	"context"
	"fmt"

	"muster/internal/org"
)

// CreateOrg makes an org and its hub integration. A crash between the two leaves
// an org without a hub, which is made when it is first asked for.
func (a *App) CreateOrg(ctx context.Context, name, domain string) (org.Org, error) {
	o, err := a.Orgs().Create(ctx, name, domain)
	if err != nil {
		return org.Org{}, fmt.Errorf("creating org: %w", err)
	}
	if _, err := a.Integrations().EnsureHub(ctx, o.ID); err != nil {
		return org.Org{}, fmt.Errorf("creating the hub of org %s: %w", o.ID, err)
	}
	return o, nil
}

// CreateKey makes a key of an org; both are as an operator writes them.
func (a *App) CreateKey(ctx context.Context, id, role string) (org.Secret, error) {
	o, err := org.ParseID(id)
	if err != nil {
		return org.Secret{}, err
	}
	r, err := org.ParseRole(role)
	if err != nil {
		return org.Secret{}, err
	}
	_, secret, err := a.Orgs().CreateKey(ctx, o, r)
	if err != nil {
		return org.Secret{}, fmt.Errorf("creating a key of org %s: %w", o, err)
	}
	return secret, nil
}
