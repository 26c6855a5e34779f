package integration

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"muster/internal/catalog"
	"muster/internal/garbage"
	"muster/internal/job"
	"muster/internal/org"
	"muster/internal/table"
)

// ErrHub: the hub stands for Muster itself, and cannot be removed.
var ErrHub = errors.New("integration: the hub cannot be removed")

// Remover takes integrations out of their orgs, with all that hangs on them. Its
// fields are set once, before use; it is safe for concurrent use.
type Remover struct {
	Table table.Table
	Jobs  *job.Store // neither its blobs nor its starter are used
	Now   func() time.Time
	Log   *slog.Logger
}

// removed is what is left of an integration that was removed.
type removed struct {
	doc
	RemovedAt time.Time `json:"removed_at"`
}

// removedKey is a row that keeps a repeated create from making the integration
// anew under its id: its jobs, tokens and rows must never be mistaken for those
// of another life.
func removedKey(o org.ID, id ID) table.Key { return o.Key(id.String(), "REMOVED") }

// keepRemoved is longer than a create can be repeated under its key.
const keepRemoved = 48 * time.Hour

// removeRounds is how often a Remove looks again: each time but the last, the
// integration, its lease or its job moved between its look and its write.
const removeRounds = 50

// Remove takes the integration out of its org, at once and for good: nobody finds
// it any more, the job that has it is over (integration_removed), and none can
// begin. Its rows go with the next sweep (Purge), its snapshots when they are
// older than a restored table could ask for. Jobs stay as history; the number is
// never used again. ErrNotFound; ErrHub.
func (r *Remover) Remove(ctx context.Context, o org.ID, id ID) error {
	for range removeRounds {
		err := r.remove(ctx, o, id)
		var moved *table.Conflict
		if !errors.As(err, &moved) {
			return err
		}
	}
	return fmt.Errorf("remove integration %s of org %s: it moved %d times meanwhile: %w", id, o, removeRounds, table.ErrUnavailable)
}

// remove is one try. *table.Conflict: something moved since it was read.
func (r *Remover) remove(ctx context.Context, o org.ID, id ID) error {
	row, err := r.Table.Get(ctx, docKey(o, id))
	if errors.Is(err, table.ErrNotFound) {
		return fmt.Errorf("remove integration %s of org %s: %w", id, o, ErrNotFound)
	}
	if err != nil {
		return fmt.Errorf("remove integration %s of org %s: %w", id, o, err)
	}
	var d doc
	if err := row.Decode(&d); err != nil {
		return err
	}
	if d.System == catalog.Hub().ID {
		return ErrHub
	}
	evict, ended, err := r.Jobs.Evict(ctx, o, id.String())
	if errors.Is(err, table.ErrNotFound) {
		return fmt.Errorf("remove integration %s of org %s: by another, meanwhile: %w", id, o, ErrNotFound)
	}
	if err != nil {
		return fmt.Errorf("remove integration %s of org %s: %w", id, o, err)
	}
	now := r.Now().UTC()
	rows, _ := garbage.Enter(garbage.Integration, o.String()+"/"+id.String(), now)
	snapshots, _ := garbage.Enter(garbage.Blobs, o.Path("snapshots", id.String())+"/", now.Add(garbage.Keep))
	ws := append([]table.Write{
		table.Put(removedKey(o, id), removed{d, now}, table.Absent).Until(now.Add(keepRemoved)),
		table.Delete(docKey(o, id), table.Version(row.Version)),
		table.Delete(numberKey(o, d.Number), table.Any),
		rows, snapshots,
	}, evict...)
	// If we stop here: the integration is gone for everybody, and what is left of it
	// is entered as garbage; only our caller does not know (TestRemovedAndKilled).
	if err := r.Table.Write(ctx, ws...); err != nil {
		// Perhaps our own success with its answer lost: the version was drawn by us.
		if is, rerr := r.Table.Get(ctx, removedKey(o, id)); rerr != nil || is.Version != ws[0].Version {
			return fmt.Errorf("remove integration %s of org %s: %w", id, o, err)
		}
	}
	r.Log.InfoContext(ctx, "integration removed", slog.String("org", o.String()), slog.String("integration", id.String()))
	if ended != nil {
		r.Jobs.LogOutcome(ctx, *ended)
	}
	return nil
}

// Purge deletes the rows that a removed integration left, by its ref among the
// garbage. It may be called again, whatever became of it before. garbage.ErrLater
// while a job waits still, which the sweep of jobs ends: until then somebody may
// write a row of that job's.
func (r *Remover) Purge(ctx context.Context, ref string) error {
	tenant, name, _ := strings.Cut(ref, "/")
	o, err := org.ParseID(tenant)
	if err != nil {
		return err
	}
	id, err := ParseID(name)
	if err != nil {
		return err
	}
	waits, err := r.Jobs.Waits(ctx, o, id.String())
	switch {
	case err != nil:
		return err
	case waits:
		return garbage.ErrLater
	}
	// The schedules of its triggers go here, before the rows that name them.
	var ws []table.Write
	for row, err := range r.Table.List(ctx, o.Part("INTEGRATION", id.String()), table.Query{}) {
		if err != nil {
			return fmt.Errorf("purge integration %s of org %s: %w", id, o, err)
		}
		if ws = append(ws, table.Delete(row.Key, table.Any)); len(ws) == table.MaxWrites {
			if err := r.purge(ctx, ws); err != nil {
				return err
			}
			ws = ws[:0]
		}
	}
	return r.purge(ctx, ws)
}

// purge deletes some rows.
func (r *Remover) purge(ctx context.Context, ws []table.Write) error {
	// If we stop here: fewer rows that nobody reads; the next sweep goes on with
	// the rest (TestRemovedAndKilled).
	if err := r.Table.Write(ctx, ws...); err != nil {
		return fmt.Errorf("purging a removed integration: %w", err)
	}
	return nil
}
