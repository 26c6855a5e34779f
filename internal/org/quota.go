package org

import (
	"context"
	"errors"
	"fmt"
	"time"

	"muster/internal/table"
)

// Spent says that an org has begun as many sync runs in this month as it may. It
// is an outcome, not a failure; its text is for whoever asked for the run.
type Spent struct {
	Limit   int
	Resumes time.Time // the beginning of the next month, UTC
}

func (e *Spent) Error() string {
	return fmt.Sprintf("the organisation has used its quota of %d sync runs in this calendar month; the next may begin from %s on", e.Limit, e.Resumes.Format(time.RFC3339))
}

// keepCount is how long a month's counter outlives its month: more than clocks
// differ.
const keepCount = 7 * 24 * time.Hour

// TakeSync counts a sync run that is about to begin. *Spent: it may not, and is not
// counted. back takes it from the count again, for a run that came to nothing.
//
// An org without a quota is not counted. Of any number at once no more are let in
// than the quota has, because each is counted before it is let in. The price: a
// process that stops between its TakeSync and its run, or whose back does not
// arrive, costs the org one run of the month; and one may be refused beside another
// that is about to give its run back. Only a back whose answer was lost, so that it
// was sent twice, makes a month longer, by one run.
func (s *Store) TakeSync(ctx context.Context, id ID) (back func(context.Context) error, err error) {
	m, err := s.month(ctx, id)
	if err != nil {
		return nil, err
	}
	if m.limit == 0 {
		return func(context.Context) error { return nil }, nil
	}
	// If we stop here: a run is counted that never was (TestQuotaKilledAtEveryWrite).
	used, err := m.add(ctx, 1)
	if err != nil {
		return nil, err
	}
	back = func(ctx context.Context) error {
		_, err := m.add(ctx, -1)
		return err
	}
	if used <= int64(m.limit) {
		return back, nil
	}
	return nil, errors.Join(m.spent(), back(ctx))
}

// SyncsSpent is what TakeSync would refuse a run with now; nil: it would not. It
// costs a write where the org has a quota: a counter is read no other way.
func (s *Store) SyncsSpent(ctx context.Context, id ID) (*Spent, error) {
	m, err := s.month(ctx, id)
	if err != nil || m.limit == 0 {
		return nil, err
	}
	if used, err := m.add(ctx, 0); err != nil || used < int64(m.limit) {
		return nil, err
	}
	return m.spent(), nil
}

// month is an org's quota in the calendar month of now.
type month struct {
	*Store
	org   ID
	limit int
	key   table.Key
	ends  time.Time
}

func (s *Store) month(ctx context.Context, id ID) (month, error) {
	o, err := s.Get(ctx, id)
	if err != nil {
		return month{}, fmt.Errorf("quota of syncs: %w", err)
	}
	now := s.now().UTC()
	return month{
		Store: s, org: id, limit: o.Settings.MonthlySyncs,
		key:  id.Key("SYNCS#"+now.Format("2006-01"), "LIMIT"),
		ends: time.Date(now.Year(), now.Month()+1, 1, 0, 0, 0, 0, time.UTC),
	}, nil
}

func (m month) add(ctx context.Context, n int64) (int64, error) {
	used, err := m.table.Add(ctx, m.key, n, m.ends.Add(keepCount))
	if err != nil {
		return 0, fmt.Errorf("quota of syncs of org %s: %w", m.org, err)
	}
	return used, nil
}

func (m month) spent() *Spent { return &Spent{Limit: m.limit, Resumes: m.ends} }
