package connection

import (
	"context"
	"fmt"
	"time"

	"muster/internal/org"
)

// By is who paused a connection.
type By string

const (
	Person  By = "person"
	Breaker By = "breaker" // too many of its calls failed in a row
	Quota   By = "quota"   // the org's syncs of the month are used up; never written, always reckoned
)

// Pause is why a connection is not to be used; the zero Pause is none. Where there
// are several reasons it names the first of person, breaker, quota.
type Pause struct {
	By     By        `json:"by,omitempty"`
	At     time.Time `json:"at,omitzero"`      // zero for the quota
	Reason string    `json:"reason,omitempty"` // for a person
}

// Paused is the error of who would use a connection that is paused.
type Paused struct{ Pause }

func (e *Paused) Error() string {
	text := "the connection is paused by "
	switch e.By {
	case Person:
		text += "a person"
	case Breaker:
		text += "the breaker"
	default:
		text += "the " + string(e.By)
	}
	if e.Reason != "" {
		text += ": " + e.Reason
	}
	return text
}

// MaxPauseReason is how many bytes a person's reason may have.
const MaxPauseReason = 500

// Pause pauses a connection as a person does, for a reason that may be "", and
// answers it. One that a person paused before is answered as it is; a pause of the
// breaker becomes the person's. No machine lifts it. ErrNotFound, *Invalid.
func (s *Store) Pause(ctx context.Context, o org.ID, id ID, reason string) (Connection, error) {
	if len(reason) > MaxPauseReason {
		return Connection{}, invalid("/reason", fmt.Sprintf("must have at most %d bytes", MaxPauseReason))
	}
	now := s.Now().UTC()
	return s.pausing(ctx, o, id, "pause", func(h *Health) (bool, error) {
		if h.Pause.By == Person {
			return false, nil
		}
		h.Pause = Pause{Person, now, reason}
		return true, nil
	})
}

// Resume lifts the pause of a person and of the breaker, which begins to count
// anew, and answers the connection, which the quota may still pause. ErrNotFound.
func (s *Store) Resume(ctx context.Context, o org.ID, id ID) (Connection, error) {
	return s.pausing(ctx, o, id, "resume", func(h *Health) (bool, error) {
		was := h.Pause.By
		h.Pause, h.Failures = Pause{}, 0
		return was != "", nil
	})
}

func (s *Store) pausing(ctx context.Context, o org.ID, id ID, what string, change func(*Health) (bool, error)) (Connection, error) {
	if err := s.stamp(ctx, o, id, change); err != nil {
		return Connection{}, fmt.Errorf("%s connection %s of org %s: %w", what, id, o, err)
	}
	return s.Get(ctx, o, id)
}

// Usable says whether calls may go through a connection: *Paused where a person or
// the breaker paused it. It is one read. Whether the connection is there is not its
// matter, and neither is the quota: that is judged where a run begins, and one that
// was let in goes to its end.
func (s *Store) Usable(ctx context.Context, o org.ID, id ID) error {
	h, _, err := s.readHealth(ctx, o, id)
	if err != nil {
		return fmt.Errorf("whether connection %s of org %s is usable: %w", id, o, err)
	}
	if h.Pause.By != "" {
		return &Paused{h.Pause}
	}
	return nil
}

// fail counts a failure of a connection that is not paused, and pauses it where
// that is one too many, which is its answer.
func (h *Health) fail(most int, now time.Time) (tripped bool) {
	if h.Failures++; h.Failures < most {
		return false
	}
	h.Pause = Pause{Breaker, now, fmt.Sprintf("%d calls failed in a row", h.Failures)}
	if h.UnhealthyCode != "" {
		h.Pause.Reason += ", the last with " + h.UnhealthyCode
	}
	return true
}

// Limits are what an org's settings and its quota say of its connections.
// *org.Store is one.
type Limits interface {
	Get(ctx context.Context, o org.ID) (org.Org, error)
	SyncsSpent(ctx context.Context, o org.ID) (*org.Spent, error)
}

// breaker is how many calls of a connection may fail in a row; 0: any number.
func (s *Store) breaker(ctx context.Context, o org.ID) (int, error) {
	if s.Limits == nil {
		return org.DefaultSettings.BreakerFailures, nil
	}
	settings, err := s.Limits.Get(ctx, o)
	return settings.Settings.BreakerFailures, err
}

// overQuota is the pause of an org whose quota is spent; the zero Pause otherwise.
func (s *Store) overQuota(ctx context.Context, o org.ID) (Pause, error) {
	if s.Limits == nil {
		return Pause{}, nil
	}
	spent, err := s.Limits.SyncsSpent(ctx, o)
	if err != nil || spent == nil {
		return Pause{}, err
	}
	return Pause{By: Quota, Reason: spent.Error()}, nil
}

// under is h where a pause of the quota counts behind those that were written.
func (h Health) under(quota Pause) Health {
	if h.Pause.By == "" {
		h.Pause = quota
	}
	return h
}
