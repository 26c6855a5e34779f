package dataplane

import (
	"context"
	"errors"

	"muster/internal/roster"
)

// Licenses reads a page out of the snapshot that the query is pinned to.
func (r reader) Licenses(ctx context.Context, q roster.LicensesQuery) (page roster.LicensesPage, err error) {
	s, err := r.open(ctx, q.Version)
	if err != nil {
		return page, err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	return s.Licenses(ctx, q)
}

// Holders reads a page out of the snapshot that the query is pinned to.
func (r reader) Holders(ctx context.Context, q roster.HoldersQuery) (page roster.HoldersPage, err error) {
	s, err := r.open(ctx, q.Version)
	if err != nil {
		return page, err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	return s.Holders(ctx, q)
}
