package integration

import (
	"context"
	"fmt"

	"github.com/google/uuid"

	"muster/internal/org"
)

// Trigger is what the row of a trigger says to those who run it.
type Trigger struct {
	Revision int64 `json:"revision"` // raised whenever its schedule changes
	Enabled  bool  `json:"enabled"`
}

// Due reports whether a tick of that revision is to run: not if the trigger is
// off, nor if the tick is of a schedule that was replaced since.
func (t Trigger) Due(revision int64) bool { return t.Enabled && t.Revision == revision }

// Trigger reads a trigger of an integration by its UUID. ErrNotFound, also for
// what is no UUID.
func (s *Store) Trigger(ctx context.Context, o org.ID, integration ID, trigger string) (Trigger, error) {
	id, err := uuid.Parse(trigger)
	if err != nil || len(trigger) != 36 {
		return Trigger{}, fmt.Errorf("%w: %q is not a trigger id", ErrNotFound, trigger)
	}
	var t Trigger
	if err := s.read(ctx, o.Key("TRIGGER#"+id.String(), "INTEGRATION", integration.String()), &t); err != nil {
		return Trigger{}, fmt.Errorf("trigger %s of integration %s: %w", id, integration, err)
	}
	return t, nil
}
