package integration

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/google/uuid"

	"muster/internal/catalog"
	"muster/internal/org"
	"muster/internal/table"
)

// ErrNotFound: the org has no such integration, or no such trigger in it.
var ErrNotFound = errors.New("integration: not found")

// Guard are the limits of removals that an integration sets: a run that would
// remove more than both say is stopped before its commit.
type Guard struct {
	MaxPercent int64 // of the live users, 0 to 100
	MaxCount   int64
}

// DefaultGuard is the guard of an integration that chose none.
var DefaultGuard = Guard{MaxPercent: 50, MaxCount: 100}

// Integration is a system installed in an org.
type Integration struct {
	ID             ID
	Org            org.ID
	Number         int32 // from 1, unique in its org, never used again
	System         catalog.System
	Description    string    // "": none
	APIClientID    uuid.UUID // the connection behind it; zero: none
	APIEndpointURL string    // "": none
	ExternalOrgID  string    // the customer's id in the system; "": none
	RemovalGuard   Guard
	InsertedAt     time.Time // UTC, whole seconds
	UpdatedAt      time.Time
}

// Name is what to call it where there is room for one name.
func (i Integration) Name() string {
	if i.Description != "" {
		return i.Description
	}
	return i.System.Name
}

// doc is an integration as it is stored. What it leaves out has its default.
type doc struct {
	Format         int       `json:"format"`
	ID             ID        `json:"id"`
	Org            org.ID    `json:"org"`
	Number         int32     `json:"number"`
	System         uuid.UUID `json:"system"`
	Description    string    `json:"description,omitempty"`
	APIClientID    uuid.UUID `json:"api_client_id,omitzero"`
	APIEndpointURL string    `json:"api_endpoint_url,omitempty"`
	ExternalOrgID  string    `json:"external_org_id,omitempty"`
	RemovalGuard   guardDoc  `json:"removal_guard,omitzero"`
	InsertedAt     time.Time `json:"inserted_at"`
	UpdatedAt      time.Time `json:"updated_at"`
}

// guardDoc are the limits that were chosen; nil is the default, whatever it is.
type guardDoc struct {
	MaxPercent *int64 `json:"max_percent,omitempty"`
	MaxCount   *int64 `json:"max_count,omitempty"`
}

func (g guardDoc) guard() Guard {
	all := DefaultGuard
	if g.MaxPercent != nil {
		all.MaxPercent = *g.MaxPercent
	}
	if g.MaxCount != nil {
		all.MaxCount = *g.MaxCount
	}
	return all
}

const format = 1

// numberDoc leads from a number to its integration.
type numberDoc struct {
	Format int `json:"format"`
	ID     ID  `json:"id"`
}

func (d doc) integration() (Integration, error) {
	s, ok := catalog.ByID(d.System)
	if !ok {
		return Integration{}, fmt.Errorf("integration: %s is of system %s, which this version's catalogue does not hold", d.ID, d.System)
	}
	return Integration{
		ID: d.ID, Org: d.Org, Number: d.Number, System: s, Description: d.Description,
		APIClientID: d.APIClientID, APIEndpointURL: d.APIEndpointURL, ExternalOrgID: d.ExternalOrgID,
		RemovalGuard: d.RemovalGuard.guard(), InsertedAt: d.InsertedAt, UpdatedAt: d.UpdatedAt,
	}, nil
}

func docKey(o org.ID, id ID) table.Key { return o.Key(id.String(), "INTEGRATION") }

func numberKey(o org.ID, n int32) table.Key { return o.Key(strconv.Itoa(int(n)), "APP") }

// counterKey lies apart from the rows, so that no List meets it.
func counterKey(o org.ID) table.Key { return o.Key("APP", "COUNTER") }

// Store is the integrations of all orgs. Its fields are set once, before use; it
// is safe for concurrent use.
type Store struct {
	Table table.Table
	Now   func() time.Time
}

// now is the time of a change.
func (s *Store) now() time.Time { return s.Now().UTC().Truncate(time.Second) }

// Get reads one integration. ErrNotFound.
func (s *Store) Get(ctx context.Context, o org.ID, id ID) (Integration, error) {
	var d doc
	if err := s.read(ctx, docKey(o, id), &d); err != nil {
		return Integration{}, fmt.Errorf("get integration %s of org %s: %w", id, o, err)
	}
	return d.integration()
}

// Find reads the integration that r names. ErrNotFound.
func (s *Store) Find(ctx context.Context, o org.ID, r Ref) (Integration, error) {
	if r.number == 0 {
		return s.Get(ctx, o, r.id)
	}
	var n numberDoc
	if err := s.read(ctx, numberKey(o, r.number), &n); err != nil {
		return Integration{}, fmt.Errorf("find integration %s of org %s: %w", r, o, err)
	}
	return s.Get(ctx, o, n.ID)
}

func (s *Store) read(ctx context.Context, k table.Key, v any) error {
	row, err := s.Table.Get(ctx, k)
	if errors.Is(err, table.ErrNotFound) {
		return ErrNotFound
	}
	if err != nil {
		return err
	}
	return row.Decode(v)
}

// Page asks for a part of an org's integrations, in the order of their ids. The
// zero ID is no bound.
type Page struct {
	After    ID   // exclusive
	Before   ID   // exclusive
	Limit    int  // integrations at most, from 1
	Backward bool // the last Limit of the range instead of its first
}

// List reads a page, in the order of ids either way. more says that there are
// others beyond it, in the direction that the page goes.
func (s *Store) List(ctx context.Context, o org.ID, p Page) (page []Integration, more bool, err error) {
	q := table.Query{Limit: p.Limit + 1, Reverse: p.Backward}
	if !p.After.IsZero() {
		q.From = p.After.String() + "!" // behind that id and before any other: ids are of one length
	}
	if !p.Before.IsZero() {
		q.To = p.Before.String()
	}
	for row, err := range s.Table.List(ctx, o.Part("INTEGRATION"), q) {
		var i Integration
		if err == nil {
			i, err = decode(row)
		}
		if err != nil {
			return nil, false, fmt.Errorf("list integrations of org %s: %w", o, err)
		}
		page = append(page, i)
	}
	if more = len(page) > p.Limit; more {
		page = page[:p.Limit]
	}
	if p.Backward {
		slices.Reverse(page)
	}
	return page, more, nil
}

func decode(row table.Row) (Integration, error) {
	var d doc
	if err := row.Decode(&d); err != nil {
		return Integration{}, err
	}
	return d.integration()
}
