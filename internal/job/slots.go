package job

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"

	"muster/internal/lease"
	"muster/internal/org"
	"muster/internal/table"
)

// Full says that as many jobs of an org are running as may at once. It is an
// outcome, not a failure; its text is for whoever asked for the run.
type Full struct{ Limit int }

func (f *Full) Error() string {
	return fmt.Sprintf("no more syncs of the organisation may run at once: its limit is %d; try again when one of them has ended", f.Limit)
}

// slotKey is a place among the org's jobs that run, from 1.
func slotKey(o org.ID, n int) table.Key { return o.Key(fmt.Sprintf("%04d", n), "SLOT") }

type slotRow struct {
	Format int `json:"format"`
	Job    ID  `json:"job"`
}

// enter finds a place for j among the org's jobs that run, and answers the write
// that takes it, which belongs into the transaction that gives j its lease; closing
// has the one that gives it back. A place is for one job: of any number of claims
// at once, no more are let in than there are; jobs that began under another limit
// may run beside them. A run of ours (retention) takes no customer's place. *Full:
// there is none.
func (s *Store) enter(ctx context.Context, j *Job) ([]table.Write, error) {
	if s.MaxRunning <= 0 || j.Input.Kind == InputRetention {
		return nil, nil
	}
	taken := map[table.Key]table.Row{}
	for row, err := range s.Table.List(ctx, j.Org.Part("SLOT"), table.Query{}) {
		if err != nil {
			return nil, fmt.Errorf("job: how many of org %s run: %w", j.Org, err)
		}
		taken[row.Key] = row
	}
	if len(taken) >= s.MaxRunning { // more, where it was lowered meanwhile
		held := slices.Collect(maps.Values(taken))
		if err := s.freeAbandoned(ctx, j.Org, held[rand.IntN(len(held))]); err != nil {
			return nil, err
		}
		return nil, &Full{s.MaxRunning}
	}
	var free []int
	for n := 1; n <= s.MaxRunning; n++ {
		if _, is := taken[slotKey(j.Org, n)]; !is {
			free = append(free, n)
		}
	}
	j.Slot = free[rand.IntN(len(free))]
	return []table.Write{table.Put(slotKey(j.Org, j.Slot), slotRow{format, j.ID}, table.Absent)}, nil
}

// freeAbandoned frees a place whose job has ended without giving it back, as under a
// program from before there were places, which drops what it does not know of a
// job. Whoever finds its org full looks at one place: sooner or later at each.
func (s *Store) freeAbandoned(ctx context.Context, o org.ID, row table.Row) error {
	var at slotRow
	if err := row.Decode(&at); err != nil {
		return fmt.Errorf("job: place %s: %w", row.Key, err)
	}
	switch j, err := s.Get(ctx, o, at.Job); {
	case err == nil && !j.Status.Terminal():
		return nil
	case err != nil && !errors.Is(err, ErrNotFound):
		return err
	}
	// If we stop here: the place is free (TestAbandonedPlace).
	err := s.Table.Write(ctx, table.Delete(row.Key, table.Version(row.Version)))
	var moved *table.Conflict
	if err != nil && !errors.As(err, &moved) {
		return fmt.Errorf("job: freeing place %s: %w", row.Key, err)
	}
	return nil
}

// busyOrFull is what a job that found no place is told: that its integration is
// busy, if it is, since that comes first.
func (s *Store) busyOrFull(ctx context.Context, j Job, full error) error {
	seen, err := lease.Read(ctx, s.Table, LeaseKey(j.Org, j.Integration))
	switch {
	case err != nil:
		return err
	case seen.Job != "":
		return &lease.Busy{Job: seen.Job, Until: seen.ExpiresAt}
	}
	return full
}

// waitForPlace writes the job of a tick that found its integration free and its org
// full as waiting; the sweep starts it when there is a place.
func (s *Store) waitForPlace(ctx context.Context, j Job) (queued, error) {
	seen, err := lease.Read(ctx, s.Table, LeaseKey(j.Org, j.Integration))
	if errors.Is(err, table.ErrNotFound) || err == nil && seen.Job != "" {
		return moved, nil
	}
	if err != nil {
		return moved, err
	}
	return s.wait(ctx, j, seen.Unchanged())
}
