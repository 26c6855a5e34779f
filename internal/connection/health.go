package connection

import (
	"context"
	"errors"
	"time"

	"muster/internal/org"
	"muster/internal/table"
)

// Health is what the calls through a connection came to. It has a row of its own:
// to stamp it moves neither the connection's version nor its UpdatedAt.
type Health struct {
	HealthyAt     time.Time `json:"healthy_at,omitzero"`   // of the last call that succeeded
	UnhealthyAt   time.Time `json:"unhealthy_at,omitzero"` // of the last call that failed
	UnhealthyCode string    `json:"unhealthy_code,omitempty"`
	Paused        bool      `json:"paused,omitempty"`
}

// recently is how long a failure after successes is a failure of now.
const recently = 24 * time.Hour

// State is one word for it at now: new (never used), healthy, unhealthy_now (it
// has just begun to fail) or unhealthy.
func (h Health) State(now time.Time) string {
	switch {
	case h.HealthyAt.IsZero() && h.UnhealthyAt.IsZero():
		return "new"
	case !h.HealthyAt.Before(h.UnhealthyAt):
		return "healthy"
	case !h.HealthyAt.IsZero() && now.Sub(h.UnhealthyAt) <= recently:
		return "unhealthy_now"
	}
	return "unhealthy"
}

func healthKey(o org.ID, id ID) table.Key { return o.Key(id.String(), "HEALTH") }

// health reads a connection's health; that of one never used is zero.
func (s *Store) health(ctx context.Context, o org.ID, id ID) (Health, error) {
	var h Health
	row, err := s.Table.Get(ctx, healthKey(o, id))
	if errors.Is(err, table.ErrNotFound) {
		return h, nil
	}
	if err == nil {
		err = row.Decode(&h)
	}
	return h, err
}
