package app

import (
	"context"
	"fmt"

	"github.com/google/uuid"

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
	o, err := orgID(id)
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

// Keys are the keys of an org, without their secrets.
func (a *App) Keys(ctx context.Context, id string) ([]org.Key, error) {
	o, err := orgID(id)
	if err != nil {
		return nil, err
	}
	if _, err := a.Orgs().Get(ctx, o); err != nil {
		return nil, fmt.Errorf("listing the keys of org %s: %w", o, err)
	}
	var keys []org.Key
	for k, err := range a.Orgs().Keys(ctx, o) {
		if err != nil {
			return nil, fmt.Errorf("listing the keys of org %s: %w", o, err)
		}
		keys = append(keys, k)
	}
	return keys, nil
}

// RevokeKey makes a key of an org work no more, within a minute everywhere.
func (a *App) RevokeKey(ctx context.Context, id, key string) error {
	o, err := orgID(id)
	if err != nil {
		return err
	}
	k, err := uuid.Parse(key)
	if err != nil {
		return fmt.Errorf("%q is not the id of a key: key list shows them", key)
	}
	return a.Orgs().RevokeKey(ctx, o, k)
}

// orgID reads an org's id as an operator writes it.
func orgID(id string) (org.ID, error) {
	o, err := org.ParseID(id)
	if err != nil {
		return org.ID{}, fmt.Errorf("%w: org list shows them", err)
	}
	return o, nil
}

func (a *App) ensureHub(ctx context.Context, o org.ID) error {
	if _, err := a.Integrations().EnsureHub(ctx, o); err != nil {
		return fmt.Errorf("creating the hub of org %s: %w", o, err)
	}
	return nil
}
