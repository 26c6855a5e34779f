package connection

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"
	"unicode/utf8"

	"muster/internal/org"
	"muster/internal/table"
)

// Health is what the calls through a connection came to, and whether they may go
// on. It has a row of its own: neither a stamp nor a pause moves the connection's
// version or its UpdatedAt.
type Health struct {
	HealthyAt     time.Time `json:"healthy_at,omitzero"`   // of the last call that succeeded
	UnhealthyAt   time.Time `json:"unhealthy_at,omitzero"` // of the last call that failed
	UnhealthyCode string    `json:"unhealthy_code,omitempty"`
	Failures      int       `json:"failures,omitempty"` // in a row, since a success or a resumption
	Pause         Pause     `json:"pause,omitzero"`
}

// healthDoc is a health as it is stored.
type healthDoc struct {
	Format int `json:"format"`
	Health
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

// stampEvery is how long a stamp stands for all that say the same, so that a sync
// of a hundred pages writes one row and not a hundred.
const stampEvery = time.Minute

// maxCode bounds UnhealthyCode, in bytes.
const maxCode = 100

// Healthy stamps a connection whose call succeeded now, and begins to count its
// failures anew. It lifts no pause. Where a stamp of the last minute says the same
// it is one read. ErrNotFound: the connection is gone, and nothing was written.
//
// A stamp is about a call that was made: who stamps logs its error and goes on.
func (s *Store) Healthy(ctx context.Context, o org.ID, id ID) error {
	now := s.Now().UTC()
	err := s.stamp(ctx, o, id, func(h *Health) (bool, error) {
		if h.Failures == 0 && h.State(now) == "healthy" && now.Sub(h.HealthyAt) < stampEvery {
			return false, nil
		}
		h.HealthyAt, h.Failures = now, 0
		if now.Before(h.UnhealthyAt) { // by a clock ahead of ours; this call came later
			h.HealthyAt = h.UnhealthyAt
		}
		return true, nil
	})
	if err != nil {
		return fmt.Errorf("stamp connection %s of org %s as healthy: %w", id, o, err)
	}
	return nil
}

// Unhealthy stamps a connection whose call failed now, for the reason that code
// says in a word of ours or as an HTTP status: never in the other system's words.
// Every failure counts until the org's breaker pauses the connection, also of any
// number at once; then, or without a breaker, a stamp stands for a minute's. The one
// that trips it is told to the log: the calls end there, and so do their own lines.
// Not so where the answer to the write was lost, table.ErrUnavailable: the pause may
// be there, and the error, which who stamps logs, is all that tells of it.
// Otherwise it is as Healthy is.
func (s *Store) Unhealthy(ctx context.Context, o org.ID, id ID, code string) error {
	now, most := s.Now().UTC(), -1
	if !utf8.ValidString(code) || len(code) > maxCode {
		code = "other"
	}
	var tripped bool
	var failures int
	err := s.stamp(ctx, o, id, func(h *Health) (wrote bool, err error) {
		tripped = false
		if h.Pause.By == "" && most < 0 {
			if most, err = s.breaker(ctx, o); err != nil {
				return false, err
			}
		}
		counts := h.Pause.By == "" && most > 0
		said := h.UnhealthyAt.After(h.HealthyAt) && h.UnhealthyCode == code
		if !counts && said && now.Sub(h.UnhealthyAt) < stampEvery {
			return false, nil
		}
		h.UnhealthyAt, h.UnhealthyCode = now, code
		if !now.After(h.HealthyAt) { // likewise, or at the same instant
			h.UnhealthyAt = h.HealthyAt.Add(1)
		}
		if counts {
			tripped, failures = h.fail(most, now), h.Failures
		}
		return true, nil
	})
	if err != nil {
		return fmt.Errorf("stamp connection %s of org %s as unhealthy: %w", id, o, err)
	}
	if tripped {
		s.warn(ctx, o, id, "the breaker paused a connection", slog.Int("failures", failures), slog.String("code", code))
	}
	return nil
}

func healthKey(o org.ID, id ID) table.Key { return o.Key(id.String(), "HEALTH") }

// health is a connection's health as it is shown; that of one never used is new.
func (s *Store) health(ctx context.Context, o org.ID, id ID) (Health, error) {
	h, _, err := s.readHealth(ctx, o, id)
	if err != nil || h.Pause.By != "" {
		return h, err
	}
	quota, err := s.overQuota(ctx, o)
	return h.under(quota), err
}

// readHealth reads the row, and the condition that it is still so.
func (s *Store) readHealth(ctx context.Context, o org.ID, id ID) (h Health, cond table.Cond, err error) {
	row, err := s.Table.Get(ctx, healthKey(o, id))
	if errors.Is(err, table.ErrNotFound) {
		return h, table.Absent, nil
	}
	if err == nil {
		err = row.Decode(&h)
	}
	return h, table.Version(row.Version), err
}

// stamp writes what change makes of a connection's health, on the row's version,
// again where another stamp came between; where change answers false nothing is to
// be written. A row is made only where its connection is: the transaction checks
// that it is as it was just read.
func (s *Store) stamp(ctx context.Context, o org.ID, id ID, change func(*Health) (bool, error)) error {
	var p patient
	for {
		h, cond, err := s.readHealth(ctx, o, id)
		if err != nil {
			return err
		}
		if write, err := change(&h); err != nil || !write {
			return err
		}
		c, err := s.find(ctx, o, id)
		if err != nil {
			return err
		}
		put := table.Put(healthKey(o, id), healthDoc{format, h}, cond)
		// If we stop here: the row says it or does not, and the next call says it again
		// (TestHealthKilledAtEveryWrite).
		err = table.WriteOnce(ctx, s.Table, put, table.Check(docKey(o, id), table.Version(c.version)))
		if !isConflict(err) {
			return err
		}
		if err := p.wait(ctx); err != nil {
			return err
		}
	}
}
