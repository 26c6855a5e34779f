package snapshot

import (
	"context"
	"errors"
	"fmt"

	"muster/internal/blob"
	"muster/internal/org"
	"muster/internal/roster"
)

// Roster reads the integration's snapshots for lists: the latest, or the one that
// a query is pinned to, whether it is still the latest or not.
func (s *Store) Roster(o org.ID, integration string) roster.Reader {
	return versions{s, o, integration}
}

// versions are the snapshots of one integration. Each query opens its own.
type versions struct {
	store       *Store
	org         org.ID
	integration string
}

func (s versions) Members(ctx context.Context, q roster.MembersQuery) (roster.MembersPage, error) {
	return readVersion(ctx, s, q.Version, q, (*Reader).Members)
}

func (s versions) Licenses(ctx context.Context, q roster.LicensesQuery) (roster.LicensesPage, error) {
	return readVersion(ctx, s, q.Version, q, (*Reader).Licenses)
}

func (s versions) Holders(ctx context.Context, q roster.HoldersQuery) (roster.HoldersPage, error) {
	return readVersion(ctx, s, q.Version, q, (*Reader).Holders)
}

// readVersion reads one page of one version. A pinned one that is missing, or goes
// while it is read, is roster.ErrGone; the latest is never missing.
func readVersion[Q, P any](ctx context.Context, s versions, v roster.Version, q Q,
	read func(*Reader, context.Context, Q) (P, error)) (page P, err error) {
	pinned := v != roster.Version{}
	defer func() {
		if pinned && errors.Is(err, blob.ErrNotFound) {
			err = fmt.Errorf("%w: %w", roster.ErrGone, err)
		}
	}()
	var r *Reader
	if pinned {
		r, err = s.open(ctx, v)
	} else {
		r, err = s.store.Latest(ctx, s.org, s.integration)
	}
	if err != nil {
		return page, err
	}
	defer func() { err = errors.Join(err, r.Close()) }()
	return read(r, ctx, q)
}

// open opens what the run of a job wrote. The path is made from the caller's own
// org and integration, so another org's cursor finds nothing.
func (s versions) open(ctx context.Context, v roster.Version) (*Reader, error) {
	if !isName(v.Job) {
		return nil, fmt.Errorf("%w: no job has such an id", roster.ErrGone)
	}
	return s.store.open(ctx, BlobKey(s.org, s.integration, v.Job, v.Token), "")
}

// isName keeps what a cursor says from becoming another path.
func isName(s string) bool {
	for i := range len(s) {
		if c := s[i]; !('0' <= c && c <= '9' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || c == '-') {
			return false
		}
	}
	return s != "" && len(s) <= 64
}
