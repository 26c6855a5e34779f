package app

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"strings"

	"muster/internal/garbage"
	"muster/internal/job"
	"muster/internal/lease"
	"muster/internal/org"
	"muster/internal/table"
)

// Sweep is the worker of every minute: it restarts or ends jobs whose worker
// died, and deletes what is due. Its event says nothing.
func Sweep(a *App) func(context.Context, json.RawMessage) error {
	return func(ctx context.Context, _ json.RawMessage) error {
		swept, err := a.Runs().Sweep(ctx)
		gone, gerr := garbage.Collect(ctx, a.Table(), a.Now(), map[garbage.Kind]garbage.Deleter{
			garbage.Blob: a.Blobs().Delete, garbage.Blobs: a.deleteUnder,
			garbage.Secret: a.Keeper().Collect, garbage.Retired: a.purge, garbage.Integration: a.Remover().Purge,
		})
		if gone > 0 || swept != (job.Swept{Running: swept.Running}) {
			a.Log.InfoContext(ctx, "sweep", slog.Int("running", swept.Running), slog.Int("resent", swept.Resent),
				slog.Int("restarted", swept.Restarted), slog.Int("ended", swept.Ended), slog.Int("started", swept.Started),
				slog.Int("tidied", swept.Tidied), slog.Int("garbage", gone))
		}
		return errors.Join(err, gerr)
	}
}

// deleteUnder deletes every object under a prefix.
func (a *App) deleteUnder(ctx context.Context, prefix string) error {
	for info, err := range a.Blobs().List(ctx, prefix) {
		if err == nil {
			err = a.Blobs().Delete(ctx, info.Key)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// purge starts the job that lets rows go whose retention is over, and enters the
// next day for the case that it does not come to that: its commit takes that back.
func (a *App) purge(ctx context.Context, ref string) error {
	id, integration, _ := strings.Cut(ref, "/")
	o, err := org.ParseID(id)
	if err != nil {
		return err
	}
	// If we stop here: the job runs or is parked, and its row stays; the next sweep
	// finds the integration busy, or starts a job that finds nothing to do.
	run, err := a.Runs().Claim(ctx, o, integration, job.ID{}, job.Input{Kind: job.InputRetention})
	var busy *lease.Busy
	switch {
	case errors.As(err, &busy):
		return garbage.ErrLater
	case errors.Is(err, table.ErrNotFound):
		return nil // the integration is gone, and its roster with it
	case err != nil:
		return err
	}
	again, _ := garbage.Enter(garbage.Retired, ref, garbage.NextDay(run.Job().InsertedAt))
	// If we stop here: the job has no worker until its lease has run out; the row of
	// today stays, as above.
	if err := a.Table().Write(ctx, again); err != nil {
		return err
	}
	return run.Park(ctx, nil, job.Report{})
}
