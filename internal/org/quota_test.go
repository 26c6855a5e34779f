package org_test

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"muster/internal/org"
)

// quota is an org with a quota of syncs, on a clock that is set.
type quota struct {
	*testing.T
	*org.Store
	table *fakeTable
	now   time.Time
	org   org.ID
}

func newQuota(t *testing.T, limit int) *quota {
	q := &quota{T: t, table: newFake(), now: time.Date(2031, 12, 31, 23, 59, 59, 0, time.UTC)}
	q.Store = org.NewStore(q.table, func() time.Time { return q.now })
	q.org = create(t, q.Store).ID
	q.set(limit)
	return q
}

func (q *quota) set(limit int) {
	q.Helper()
	if _, err := q.Set(q.Context(), q.org, org.Change{MonthlySyncs: &limit}); err != nil {
		q.Fatal(err)
	}
}

// take is TakeSync where both are told apart: let in, or refused.
func (q *quota) take(want bool) (back func(context.Context) error) {
	q.Helper()
	back, err := q.TakeSync(q.Context(), q.org)
	var spent *org.Spent
	if errors.As(err, &spent) == want || want && err != nil {
		q.Errorf("let in: %v, want %t", err, want)
	}
	return back
}

func (q *quota) spent(want bool) {
	q.Helper()
	spent, err := q.SyncsSpent(q.Context(), q.org)
	if err != nil || (spent != nil) != want {
		q.Errorf("spent: %v, %v; want %t", spent, err, want)
	}
}

func TestQuota(t *testing.T) {
	q := newQuota(t, 2)
	q.spent(false)
	q.take(true)
	back := q.take(true)
	q.spent(true)
	q.take(false)
	if err := back(t.Context()); err != nil {
		t.Fatal(err)
	}
	q.spent(false)
	q.take(true)
	for range 5 {
		q.take(false)
	}
	q.set(3) // who was refused is not counted
	q.take(true)
	q.take(false)
	q.set(1)
	q.spent(true)
	q.take(false)

	_, err := q.TakeSync(t.Context(), q.org)
	var spent *org.Spent
	if want := (org.Spent{Limit: 1, Resumes: time.Date(2032, 1, 1, 0, 0, 0, 0, time.UTC)}); !errors.As(err, &spent) || *spent != want {
		t.Errorf("%+v, want %+v", spent, want)
	}
	if got, want := spent.Error(), "the organisation has used its quota of 1 sync runs in this calendar month; the next may begin from 2032-01-01T00:00:00Z on"; got != want {
		t.Error(got)
	}
	q.now = spent.Resumes
	q.spent(false)
	q.take(true)
	q.take(false)
}

// One that is given back in the next month is taken from the month it was of.
func TestQuotaGivenBackLate(t *testing.T) {
	q := newQuota(t, 1)
	back := q.take(true)
	q.now = q.now.Add(time.Second)
	q.take(true)
	if err := back(t.Context()); err != nil {
		t.Fatal(err)
	}
	q.take(false)
}

// Without a quota nothing is counted, so that one that is set begins at none.
func TestNoQuota(t *testing.T) {
	q := newQuota(t, 0)
	for range 10 {
		q.take(true)
	}
	q.spent(false)
	if len(q.table.counters) != 1 { // the orgs' numbers
		t.Errorf("counted: %v", q.table.counters)
	}
	q.set(1)
	q.take(true)
	q.take(false)
}

// Of 64 at once exactly as many are let in as the quota has. Some of those give
// theirs back, and the same number may begin afterwards.
func TestQuotaOf64(t *testing.T) {
	const limit, given = 20, 8
	q := newQuota(t, limit)
	var in, refused atomic.Int64
	backs := make(chan func(context.Context) error, 64)
	var all sync.WaitGroup
	for range 64 {
		all.Go(func() {
			back, err := q.TakeSync(t.Context(), q.org)
			var spent *org.Spent
			switch {
			case err == nil:
				in.Add(1)
				backs <- back
			case errors.As(err, &spent):
				refused.Add(1)
			default:
				t.Error(err)
			}
		})
	}
	all.Wait()
	if in.Load() != limit || refused.Load() != 64-limit {
		t.Errorf("%d let in, %d refused", in.Load(), refused.Load())
	}
	for range given {
		all.Go(func() {
			if err := (<-backs)(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	for range given {
		q.take(true)
	}
	q.take(false)
}

// A table that does not answer lets nobody in.
func TestQuotaFailsClosed(t *testing.T) {
	q := newQuota(t, 5)
	q.table.err = errors.New("no answer")
	if back, err := q.TakeSync(t.Context(), q.org); err == nil || back != nil {
		t.Errorf("let in: %v", err)
	}
	if _, err := q.SyncsSpent(t.Context(), q.org); err == nil {
		t.Error("it is known")
	}
	if _, err := q.TakeSync(t.Context(), org.NewID()); err == nil {
		t.Error("an org that is not there was let in")
	}
}
