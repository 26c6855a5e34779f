package dataplane

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"muster/internal/app"
	"muster/internal/blob"
	"muster/internal/integration"
	"muster/internal/job"
	"muster/internal/lease"
	"muster/internal/org"
	"muster/internal/roster"
	"muster/internal/rosterfile"
	"muster/internal/syncer"
	"muster/internal/upload"
)

// integrations says what a sync must know of its integration.
type integrations struct{ a *app.App }

var _ syncer.Integrations = integrations{}

func (i integrations) SyncSettings(ctx context.Context, o org.ID, id string) (syncer.Settings, error) {
	iid, err := integration.ParseID(id)
	if err != nil {
		return syncer.Settings{}, err
	}
	in, err := i.a.Integrations().Get(ctx, o, iid)
	if errors.Is(err, integration.ErrNotFound) {
		err = fmt.Errorf("%w, and so is its lease: %w", err, lease.ErrLost)
	}
	if err != nil {
		return syncer.Settings{}, fmt.Errorf("settings of integration %s: %w", id, err)
	}
	tenant, err := i.a.Orgs().Get(ctx, o)
	if err != nil {
		return syncer.Settings{}, fmt.Errorf("settings of org %s: %w", o, err)
	}
	return syncer.Settings{
		Guard:     syncer.Guard{MaxPercent: in.RemovalGuard.MaxPercent, MaxCount: in.RemovalGuard.MaxCount},
		Retention: time.Duration(tenant.Settings.RetentionDays) * 24 * time.Hour,
	}, nil
}

func (i integrations) CurrentTrigger(ctx context.Context, o org.ID, id, trigger string, revision int64) (bool, error) {
	iid, err := integration.ParseID(id)
	if err != nil {
		return false, err
	}
	t, err := i.a.Integrations().Trigger(ctx, o, iid, trigger)
	if errors.Is(err, integration.ErrNotFound) {
		return false, nil
	}
	return err == nil && t.Due(revision), err
}

func (i integrations) Source(ctx context.Context, j job.Job) (roster.Source, error) {
	if j.Input.Kind != job.InputFile {
		return nil, syncer.ErrNoSource
	}
	uploads := i.a.Uploads()
	f, err := uploads.Get(ctx, j.Org, j.Input.FileID)
	if errors.Is(err, upload.ErrNotFound) {
		return nil, fmt.Errorf("file %d: %w", j.Input.FileID, blob.ErrNotFound)
	}
	if err != nil {
		return nil, err
	}
	return rosterfile.New(func(ctx context.Context, offset int64) (io.ReadCloser, error) {
		obj, err := uploads.Open(ctx, f)
		if err != nil {
			return nil, err
		}
		return blob.NewReader(tail{obj, offset}), nil
	}), nil
}

func (integrations) Targets(context.Context, job.Job) ([]syncer.Target, error) { return nil, nil }

// tail is an object from an offset on.
type tail struct {
	blob.Object
	offset int64
}

func (t tail) ReadAt(p []byte, off int64) (int, error) { return t.Object.ReadAt(p, off+t.offset) }

func (t tail) Info() blob.Info {
	info := t.Object.Info()
	info.Size -= t.offset
	return info
}
