package app

import (
	"context"
	"fmt"

	"muster/internal/org"
)

// CreateOrg makes an org and its hub integration. If we stop between the two,
// nobody can see the org yet: CreateKey makes the hub before the first key.
func (a *App) CreateOrg(ctx context.Context, name, domain string) (org.Org, error) {
	o, err := a.Orgs().Create(ctx, name, domain)
	if err != nil {
		return org.Org{}, fmt.Errorf("creating org: %w", err)
	}
	return o, a.ensureHub(ctx, o.ID)
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
	if _, err := a.Orgs().Get(ctx, o); err != nil {
		return org.Secret{}, fmt.Errorf("creating a key of org %s: %w", o, err)
	}
	if err := a.ensureHub(ctx, o); err != nil {
		return org.Secret{}, err
	}
	_, secret, err := a.Orgs().CreateKey(ctx, o, r)
	if err != nil {
		return org.Secret{}, fmt.Errorf("creating a key of org %s: %w", o, err)
	}
	return secret, nil
}

func (a *App) ensureHub(ctx context.Context, o org.ID) error {
	if _, err := a.Integrations().EnsureHub(ctx, o); err != nil {
		return fmt.Errorf("creating the hub of org %s: %w", o, err)
	}
	return nil
}
