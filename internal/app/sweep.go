package app

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"

	"muster/internal/garbage"
	"muster/internal/job"
)

// Sweep is the worker of every minute: it restarts or ends jobs whose worker
// died, and deletes what is due. Its event
// says nothing.
func Sweep(a *App) func(context.Context, json.RawMessage) error {
	return func(ctx context.Context, _ json.RawMessage) error {
		swept, err := a.Jobs().Sweep(ctx)
		gone, gerr := garbage.Collect(ctx, a.Table(), a.Now(), map[garbage.Kind]garbage.Deleter{garbage.Blob: a.Blobs().Delete})
		if gone > 0 || swept != (job.Swept{Running: swept.Running}) {
			a.Log.InfoContext(ctx, "sweep", slog.Int("running", swept.Running), slog.Int("resent", swept.Resent),
				slog.Int("restarted", swept.Restarted), slog.Int("ended", swept.Ended), slog.Int("started", swept.Started),
				slog.Int("tidied", swept.Tidied), slog.Int("garbage", gone))
		}
		return errors.Join(err, gerr)
	}
}
