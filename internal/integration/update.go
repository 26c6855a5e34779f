package integration

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"unicode/utf8"

	"muster/internal/org"
	"muster/internal/table"
)

// The longest of what Settings hold, in characters.
const (
	MaxAddress       = 2000
	MaxExternalOrgID = 255
)

// Settings are what may be changed of an integration. "" and nil are none.
type Settings struct {
	Description    string
	APIEndpointURL string // http or https, with a host and without credentials
	ExternalOrgID  string
	MaxPercent     *int64 // of the removal guard, 0 to 100; nil: DefaultGuard's
	MaxCount       *int64 // of the removal guard, from 0; nil: DefaultGuard's
	HasAuth        bool   // credentials were given
}

// check finds every fault.
func (s Settings) check() error {
	var faults []Fault
	refuse := func(bad bool, pointer, detail string) {
		if bad {
			faults = append(faults, Fault{pointer, detail})
		}
	}
	longest := func(text string, characters int, pointer string) {
		refuse(!utf8.ValidString(text) || utf8.RuneCountInString(text) > characters, pointer, fmt.Sprintf("must have at most %d characters", characters))
	}
	longest(s.Description, MaxDescription, "/description")
	longest(s.APIEndpointURL, MaxAddress, "/api_endpoint_url")
	refuse(!address(s.APIEndpointURL), "/api_endpoint_url", "must be an http or https URL with a host, and without credentials in it")
	longest(s.ExternalOrgID, MaxExternalOrgID, "/external_org_id")
	refuse(s.MaxPercent != nil && (*s.MaxPercent < 0 || *s.MaxPercent > 100), "/removal_guard/max_percent", "must be from 0 to 100")
	refuse(s.MaxCount != nil && *s.MaxCount < 0, "/removal_guard/max_count", "must be 0 or more")
	refuse(s.HasAuth, "/auth", "this system has no credentials; leave it out")
	if faults != nil {
		return &Invalid{faults}
	}
	return nil
}

// address reports whether text is one that a system may have, or none.
func address(text string) bool {
	if text == "" {
		return true
	}
	u, err := url.Parse(text)
	return err == nil && (u.Scheme == "https" || u.Scheme == "http") && u.Hostname() != "" && u.User == nil
}

func (d doc) settings() Settings {
	return Settings{
		Description: d.Description, APIEndpointURL: d.APIEndpointURL, ExternalOrgID: d.ExternalOrgID,
		MaxPercent: d.RemovalGuard.MaxPercent, MaxCount: d.RemovalGuard.MaxCount,
	}
}

func (d *doc) set(s Settings) {
	d.Description, d.APIEndpointURL, d.ExternalOrgID = s.Description, s.APIEndpointURL, s.ExternalOrgID
	d.RemovalGuard = guardDoc{s.MaxPercent, s.MaxCount}
}

// updateRounds is how often an Update reads again what another changed meanwhile.
const updateRounds = 20

// Update changes settings of an integration: edit gets them as they are, more
// than once where another changes them meanwhile, so that neither change is lost.
// ErrNotFound; *Invalid.
func (s *Store) Update(ctx context.Context, o org.ID, id ID, edit func(*Settings)) (Integration, error) {
	for range updateRounds {
		i, err := s.update(ctx, o, id, edit)
		var moved *table.Conflict
		if !errors.As(err, &moved) {
			return i, err
		}
	}
	return Integration{}, fmt.Errorf("update integration %s of org %s: it moved %d times meanwhile: %w", id, o, updateRounds, table.ErrUnavailable)
}

// update is one try. *table.Conflict: it was changed since it was read.
func (s *Store) update(ctx context.Context, o org.ID, id ID, edit func(*Settings)) (Integration, error) {
	row, err := s.Table.Get(ctx, docKey(o, id))
	if errors.Is(err, table.ErrNotFound) {
		err = ErrNotFound
	}
	if err != nil {
		return Integration{}, fmt.Errorf("update integration %s of org %s: %w", id, o, err)
	}
	var d doc
	if err := row.Decode(&d); err != nil {
		return Integration{}, err
	}
	settings := d.settings()
	edit(&settings)
	if err := settings.check(); err != nil {
		return Integration{}, err
	}
	d.set(settings)
	d.UpdatedAt = s.now()
	// If we stop here: the settings are changed, only our caller does not know; the
	// same again changes nothing (TestUpdateFaults).
	if err := table.WriteOnce(ctx, s.Table, table.Put(row.Key, d, table.Version(row.Version))); err != nil {
		return Integration{}, fmt.Errorf("update integration %s of org %s: %w", id, o, err)
	}
	return d.integration()
}
