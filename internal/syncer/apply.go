package syncer

import (
	"context"
	"errors"
	"fmt"
	"iter"

	"muster/internal/job"
	"muster/internal/lease"
	"muster/internal/org"
	"muster/internal/snapshot"
	"muster/internal/table"
)

// Target is where a committed roster goes: people of our own directory, or
// another system over HTTP.
type Target interface {
	// Mapping is the stable id of the mapping that it serves; its mark has that name.
	Mapping() string
	// Apply sends the rows that the target does not have yet, in key order. It says
	// through p how far it got, and writes through p, so that a worker whose lease
	// was lost changes nothing. An error ends the job as apply_incomplete; the next
	// run goes on behind the last key that p was told.
	Apply(ctx context.Context, p *Pass, rows iter.Seq2[snapshot.Row, error]) error
}

// mark says how far a target is: it equals the snapshot up to revision Applied;
// the apply of revision Of has got as far as Key.
type mark struct {
	Format  int          `json:"format"`
	Applied int64        `json:"applied"`
	Of      int64        `json:"of"`
	Key     snapshot.Key `json:"key,omitzero"`
}

const markFormat = 1

func markKey(o org.ID, integration, mapping string) table.Key {
	return o.Key("APPLIED#"+mapping, "INTEGRATION", integration)
}

// Pass is one apply's way to write, under the lease of its job.
type Pass struct {
	run   *job.Run
	table table.Table
	key   table.Key
	mark  mark
	cond  table.Cond
}

// Held answers lease.ErrLost unless the job's lease is ours now: to be asked
// before each call to a system outside, which no transaction can fence.
func (p *Pass) Held(ctx context.Context) error { return p.run.Held(ctx) }

// Done says that the target has everything up to and including the row of key,
// together with ws, in one transaction under the lease. 98 writes at most.
func (p *Pass) Done(ctx context.Context, key snapshot.Key, ws ...table.Write) error {
	return p.move(ctx, mark{markFormat, p.mark.Applied, p.mark.Of, key}, ws)
}

func (p *Pass) move(ctx context.Context, to mark, ws []table.Write) error {
	w := table.Put(p.key, to, p.cond)
	// If we stop here: the target has what the mark says, or more; what it has more
	// is sent again (TestI4_KilledAtEveryWrite).
	err := p.run.Write(ctx, append(ws[:len(ws):len(ws)], w)...)
	if err != nil && !p.wrote(ctx, err, w) {
		return err
	}
	p.mark, p.cond = to, table.Version(w.Version)
	return nil
}

// wrote reports whether a write that failed was done all the same, its answer
// lost: then the mark has the version that only this write could give it.
func (p *Pass) wrote(ctx context.Context, err error, w table.Write) bool {
	if errors.Is(err, lease.ErrLost) {
		return false
	}
	row, err := p.table.Get(ctx, p.key)
	return err == nil && row.Version == w.Version
}

// mark reads a target's mark, and what holds of its row as long as it is that.
func (s *Syncer) mark(ctx context.Context, j job.Job, t Target) (m mark, cond table.Cond, err error) {
	row, err := s.Table.Get(ctx, markKey(j.Org, j.Integration, t.Mapping()))
	if errors.Is(err, table.ErrNotFound) {
		return m, table.Absent, nil
	}
	if err == nil {
		err = row.Decode(&m)
	}
	if err != nil {
		return m, cond, fmt.Errorf("syncer: mark of mapping %s: %w", t.Mapping(), err)
	}
	return m, table.Version(row.Version), nil
}

// apply brings every target up to the latest snapshot.
func (w *worker) apply(ctx context.Context, targets []Target) error {
	j := w.run.Job()
	last, err := w.Snapshots.Latest(ctx, j.Org, j.Integration)
	if err != nil {
		return err
	}
	defer last.Close()
	for _, t := range targets {
		if err := w.applyTo(ctx, t, last); err != nil {
			return fmt.Errorf("syncer: mapping %s: %w", t.Mapping(), err)
		}
	}
	return nil
}

func (w *worker) applyTo(ctx context.Context, t Target, last *snapshot.Reader) error {
	j := w.run.Job()
	m, cond, err := w.mark(ctx, j, t)
	if err != nil {
		return err
	}
	p := &Pass{run: w.run, table: w.Table, key: markKey(j.Org, j.Integration, t.Mapping()), mark: m, cond: cond}
	revision := last.Ref().Revision
	if p.mark.Applied >= revision {
		return nil
	}
	if p.mark.Of != revision { // what was begun is of another snapshot: from the first key
		p.mark.Of, p.mark.Key = revision, snapshot.Key{}
	}
	if err := t.Apply(ctx, p, last.Rows(ctx, p.mark.Applied, p.mark.Key)); err != nil {
		return err
	}
	return p.move(ctx, mark{Format: markFormat, Applied: revision, Of: revision}, nil)
}

// appliedUpTo is the revision that every target has: rows removed up to it may
// be purged.
func (s *Syncer) appliedUpTo(ctx context.Context, j job.Job, targets []Target) (int64, error) {
	least := int64(snapshot.NoMappings)
	for _, t := range targets {
		m, _, err := s.mark(ctx, j, t)
		if err != nil {
			return 0, err
		}
		least = min(least, m.Applied)
	}
	return least, nil
}
