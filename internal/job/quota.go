package job

import (
	"context"
	"errors"
	"fmt"
	"log/slog"

	"muster/internal/lease"
	"muster/internal/org"
	"muster/internal/table"
)

// Quota says whether one more run of an org may begin, and counts it. *org.Store
// is one, and says what its count is worth.
//
// A run counts once, when it is let in: claimed, or written as waiting. Restarts
// and continuations are the same run. What does not count: what was refused, busy
// or aborted; the tick that was delivered before; a run of ours (retention); and
// one that takes the place of an earlier try of the same request, which counted.
type Quota interface {
	TakeSync(ctx context.Context, o org.ID) (back func(context.Context) error, err error)
}

// take counts a run that is about to be made. back is for one that was not, and
// not for one of which that is not known.
func (s *Store) take(ctx context.Context, o org.ID, in Input) (back func(context.Context), err error) {
	if s.Quota == nil || in.Kind == InputRetention || in.Follows != "" {
		return func(context.Context) {}, nil
	}
	give, err := s.Quota.TakeSync(ctx, o)
	if err != nil {
		return nil, err
	}
	return func(ctx context.Context) {
		if err := give(context.WithoutCancel(ctx)); err != nil {
			s.Log.WarnContext(ctx, "a sync that did not begin counts against the quota", slog.String("org", o.String()), slog.Any("error", err))
		}
	}, nil
}

// nothingMade reports whether a claim that ended with err is known to have made no
// job.
func nothingMade(err error) bool {
	var busy *lease.Busy
	var full *Full
	var taken *table.Conflict
	return errors.As(err, &busy) || errors.As(err, &full) || errors.As(err, &taken) || errors.Is(err, table.ErrNotFound)
}

// refuse writes the job of a tick that the quota does not let in as failed, so that
// whoever looks for it finds why it did not run; unless the tick was delivered
// before, or its integration is gone: the check of the lease, which goes with that,
// keeps a row from being written of one that was swept away.
func (s *Store) refuse(ctx context.Context, j Job, spent *org.Spent) error {
	j.end(Failed, QuotaSpent, spent.Error(), s.Now())
	// Each round but the last finds that the lease moved since it was read.
	for range claimRounds {
		seen, err := lease.Read(ctx, s.Table, LeaseKey(j.Org, j.Integration))
		if errors.Is(err, table.ErrNotFound) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("job: recording refused tick %s: %w", j.ID, err)
		}
		// If we stop here: the job is terminal and nothing else knows of it, or there is
		// none, and the tick's next delivery writes it (TestQuotaRefusesATick).
		err = s.Table.Write(ctx, append(stillborn(j), seen.Unchanged())...)
		var c *table.Conflict
		switch {
		case errors.As(err, &c) && c.Key == seen.Key:
			continue
		case errors.As(err, &c):
			return nil // delivered before
		case err != nil:
			return fmt.Errorf("job: recording refused tick %s: %w", j.ID, err)
		}
		s.LogOutcome(ctx, j)
		return nil
	}
	return fmt.Errorf("job: recording refused tick %s: integration %s moved %d times meanwhile: %w", j.ID, j.Integration, claimRounds, table.ErrUnavailable)
}
