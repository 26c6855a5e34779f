package org

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"time"

	"github.com/google/uuid"

	"muster/internal/table"
)

// ErrUnknownKey: the secret is no key's, or that key was revoked.
var ErrUnknownKey = errors.New("org: no such API key")

// Role is what a key may do. Each role may all that the one before it may.
type Role string

const (
	Read  Role = "read"  // look
	Write Role = "write" // change things, but no settings or keys; delete no integration
	Admin Role = "admin" // everything in its org
)

func (r Role) rank() int {
	switch r {
	case Read:
		return 1
	case Write:
		return 2
	case Admin:
		return 3
	}
	return 0
}

// Valid reports whether r is one of the three roles.
func (r Role) Valid() bool { return r.rank() > 0 }

// Allows reports whether a key of role r may do what needs role need. An unknown
// role allows nothing, and nothing allows what needs an unknown role.
func (r Role) Allows(need Role) bool { return need.Valid() && r.rank() >= need.rank() }

// ParseRole reads "read", "write" or "admin". ErrInvalid.
func ParseRole(s string) (Role, error) {
	if r := Role(s); r.Valid() {
		return r, nil
	}
	return "", noRole(s)
}

func noRole(s string) error {
	return fmt.Errorf("%w: role %q; there are read, write and admin", ErrInvalid, s)
}

// Key is an API key without its secret.
type Key struct {
	ID        uuid.UUID // UUIDv7
	Role      Role
	CreatedAt time.Time
}

// Caller is who sent a request.
type Caller struct {
	Org  ID
	Key  uuid.UUID
	Role Role
}

// secretRow is what a key's hash leads to; listRow is the same key among its
// org's, and leads back, so that it can be revoked without its secret.
type secretRow struct {
	Format int       `json:"format"`
	Org    ID        `json:"org"`
	ID     uuid.UUID `json:"id"`
	Role   Role      `json:"role"`
}

type listRow struct {
	Format    int       `json:"format"`
	ID        uuid.UUID `json:"id"`
	Role      Role      `json:"role"`
	CreatedAt time.Time `json:"created_at"`
	Hash      string    `json:"hash"`
}

const listPrefix = "KEY#"

func secretKey(hash string) table.Key        { return table.Key{Part: "KEY#" + hash, Sort: "KEY"} }
func listKey(org ID, id uuid.UUID) table.Key { return org.Key(listPrefix + id.String()) }

// CreateKey makes a key for an org that exists. The secret is returned here and
// nowhere else, ever. ErrNotFound, ErrInvalid.
func (s *Store) CreateKey(ctx context.Context, org ID, role Role) (Key, Secret, error) {
	if !role.Valid() {
		return Key{}, Secret{}, noRole(string(role))
	}
	if _, err := s.Get(ctx, org); err != nil {
		return Key{}, Secret{}, fmt.Errorf("create key: %w", err)
	}
	secret, key := newSecret(), Key{ID: uuid.Must(uuid.NewV7()), Role: role, CreatedAt: s.now().UTC().Truncate(time.Second)}
	hash := secret.hash().String()
	// If we stop here: both rows are there or neither is. With the rows and no
	// answer there is a key that nobody knows; it is in the list, and can be
	// revoked there (TestCreateKeySurvivesALostReply).
	err := table.WriteOnce(ctx, s.table,
		table.Put(secretKey(hash), secretRow{format, org, key.ID, role}, table.Absent),
		table.Put(listKey(org, key.ID), listRow{format, key.ID, role, key.CreatedAt, hash}, table.Absent))
	if err != nil {
		return Key{}, Secret{}, fmt.Errorf("create key of org %s: %w", org, err)
	}
	return key, secret, nil
}

// Keys yields the keys of an org, oldest first. An error comes last.
func (s *Store) Keys(ctx context.Context, org ID) iter.Seq2[Key, error] {
	return func(yield func(Key, error) bool) {
		for row, err := range s.table.List(ctx, org.Part(), table.Query{Prefix: listPrefix}) {
			var r listRow
			if err == nil {
				err = row.Decode(&r)
			}
			if err != nil {
				yield(Key{}, fmt.Errorf("list keys of org %s: %w", org, err))
				return
			}
			if !yield(Key{r.ID, r.Role, r.CreatedAt}, nil) {
				return
			}
		}
	}
}

// RevokeKey ends a key: every process refuses it after CacheTTL at the latest,
// this one as a rule at once. To revoke a key twice, or another org's, is
// ErrNotFound.
func (s *Store) RevokeKey(ctx context.Context, org ID, id uuid.UUID) error {
	row, err := s.table.Get(ctx, listKey(org, id))
	if errors.Is(err, table.ErrNotFound) {
		return fmt.Errorf("revoke key %s of org %s: %w", id, org, ErrNotFound)
	}
	var r listRow
	if err == nil {
		err = row.Decode(&r)
	}
	if err != nil {
		return fmt.Errorf("revoke key %s of org %s: %w", id, org, err)
	}
	// If we stop here: the key works and is listed, or neither. A lost answer is
	// made good by calling again, which says ErrNotFound (TestRevokeKey).
	if err := s.table.Write(ctx, table.Delete(secretKey(r.Hash), table.Any), table.Delete(row.Key, table.Any)); err != nil {
		return fmt.Errorf("revoke key %s of org %s: %w", id, org, err)
	}
	s.cache.forget(id)
	return nil
}

// Authenticate says whose key the secret is. ErrUnknownKey; any other error says
// that the table could not be asked. An answer is kept for CacheTTL; that a
// secret is unknown is not, so a new key works at once and a flood of wrong ones
// pushes out no right one.
func (s *Store) Authenticate(ctx context.Context, secret string) (Caller, error) {
	sec, err := ParseSecret(secret)
	if err != nil {
		return Caller{}, err
	}
	h, now := sec.hash(), s.now()
	if c, ok := s.cache.get(h, now); ok {
		return c, nil
	}
	row, err := s.table.Get(ctx, secretKey(h.String()))
	if errors.Is(err, table.ErrNotFound) {
		return Caller{}, ErrUnknownKey
	}
	var r secretRow
	if err == nil {
		err = row.Decode(&r)
	}
	if err != nil {
		return Caller{}, fmt.Errorf("authenticate: %w", withoutKey(err))
	}
	c := Caller{r.Org, r.ID, r.Role}
	s.cache.put(h, c, now)
	return c, nil
}

// withoutKey cuts the chain of an error that names the row: the row's key is a
// hash of the secret, and this error will be logged.
func withoutKey(err error) error {
	for _, known := range []error{table.ErrUnavailable, context.Canceled, context.DeadlineExceeded} {
		if errors.Is(err, known) {
			return known
		}
	}
	return errors.New("the key's row could not be read")
}
