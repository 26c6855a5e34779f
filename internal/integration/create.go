package integration

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/google/uuid"

	"muster/internal/catalog"
	"muster/internal/job"
	"muster/internal/lease"
	"muster/internal/org"
	"muster/internal/table"
)

// MaxDescription is the longest description, in characters.
const MaxDescription = 1000

// New is what an integration is made of.
type New struct {
	ID           ID // of a try that may not be the first; zero: a new one
	System       uuid.UUID
	Description  string // "": none
	HasAuth      bool   // credentials were given
	HasCustom    bool   // settings of the system's own were given
	FromTemplate bool   // a template was named
}

// Fault is one thing that is wrong with what was asked for.
type Fault struct {
	Pointer string // JSON pointer into the request
	Detail  string // what is expected, never what was given
}

// Invalid says everything that is wrong with what was asked for.
type Invalid struct{ Faults []Fault }

func (e *Invalid) Error() string {
	var b strings.Builder
	b.WriteString("integration: invalid")
	for _, f := range e.Faults {
		b.WriteString("; " + f.Pointer + " " + f.Detail)
	}
	return b.String()
}

// check finds the system and every fault.
func (n New) check() (catalog.System, error) {
	var faults []Fault
	refuse := func(bad bool, pointer, detail string) {
		if bad {
			faults = append(faults, Fault{pointer, detail})
		}
	}
	s, ok := catalog.ByID(n.System)
	refuse(!ok, "/system_id", "must be the id of a system in the catalogue; GET /v1/systems lists them")
	refuse(s.Hub, "/system_id", "is the hub, which every org has once; it is in the list of integrations already")
	refuse(ok && n.HasAuth, "/auth", "this system has no credentials; leave it out")
	refuse(ok && n.HasCustom, "/system_custom", "this system has no settings of its own; leave it out")
	refuse(n.FromTemplate, "/template_id", "must be the id of a template of this org; it has none")
	refuse(!utf8.ValidString(n.Description) || utf8.RuneCountInString(n.Description) > MaxDescription,
		"/description", fmt.Sprintf("must have at most %d characters", MaxDescription))
	if faults != nil {
		return catalog.System{}, &Invalid{faults}
	}
	return s, nil
}

// Create installs a system in an org. *Invalid. Calling it twice makes two,
// unless both name one ID: then the second answers what the first made, though
// that was removed since.
func (s *Store) Create(ctx context.Context, o org.ID, n New) (Integration, error) {
	system, err := n.check()
	if err != nil {
		return Integration{}, err
	}
	d := doc{ID: n.ID, System: system.ID, Description: n.Description}
	if d.ID.IsZero() {
		d.ID = NewID()
		return s.make(ctx, o, d)
	}
	return s.ensure(ctx, o, d)
}

// EnsureHub makes the org's hub unless it is there, and answers it. Call it
// between making an org and making a key for it, whichever key it is: nobody can
// see an org that has no key, so a process that stops before this call leaves an
// org whose hub the next attempt at a key makes. The hub's id follows from the
// org's: it is made once, however many try.
func (s *Store) EnsureHub(ctx context.Context, o org.ID) (Integration, error) {
	return s.ensure(ctx, o, doc{ID: hubID(o), System: catalog.Hub().ID})
}

// ensure makes d unless something is there under its id, or was, and answers that.
func (s *Store) ensure(ctx context.Context, o org.ID, d doc) (Integration, error) {
	found, err := s.Get(ctx, o, d.ID)
	if !errors.Is(err, ErrNotFound) {
		return found, err
	}
	made, err := s.make(ctx, o, d)
	var c *table.Conflict
	if !errors.As(err, &c) {
		return made, err
	}
	found, err = s.Get(ctx, o, d.ID) // made by another meanwhile
	if !errors.Is(err, ErrNotFound) {
		return found, err
	}
	var was removed
	if err := s.read(ctx, removedKey(o, d.ID), &was); err != nil {
		return Integration{}, fmt.Errorf("create integration %s of org %s: %w", d.ID, o, err)
	}
	return was.integration()
}

// make gives d its number and writes it. *table.Conflict: its id is taken.
func (s *Store) make(ctx context.Context, o org.ID, d doc) (Integration, error) {
	// If we stop here: nothing exists. After it, a number is spent and names
	// nothing: numbers may have gaps (TestCreateStopsAnywhere).
	n, err := s.Table.Add(ctx, counterKey(o), 1, time.Time{})
	if err != nil {
		return Integration{}, fmt.Errorf("create integration of org %s: number: %w", o, err)
	}
	if n < 1 || n > math.MaxInt32 {
		return Integration{}, fmt.Errorf("create integration of org %s: number %d is no positive int32", o, n)
	}
	now := s.now()
	d.Format, d.Org, d.Number, d.InsertedAt, d.UpdatedAt = format, o, int32(n), now, now
	// If we stop here: the integration is there with its number and its lease, or
	// not at all. Without an answer, it is in the list (TestCreateStopsAnywhere).
	err = table.WriteOnce(ctx, s.Table,
		table.Put(docKey(o, d.ID), d, table.Absent),
		table.Put(numberKey(o, d.Number), numberDoc{format, d.ID}, table.Absent),
		table.Check(removedKey(o, d.ID), table.Absent),
		lease.New(job.LeaseKey(o, d.ID.String())))
	if err != nil {
		return Integration{}, fmt.Errorf("create integration %s of org %s: %w", d.ID, o, err)
	}
	return d.integration()
}
