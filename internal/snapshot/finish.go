package snapshot

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"time"

	"golang.org/x/sync/errgroup"

	"muster/internal/blob"
	"muster/internal/roster"
)

// defaultRetention is how long a person who is no longer listed stays, deleted.
const defaultRetention = 90 * 24 * time.Hour

// Options of Finish.
type Options struct {
	Job       string        // names the snapshot, with Revision
	Revision  int64         // the lease token of this run: above that of every earlier run
	At        time.Time     // when the read was complete: what first_seen_at and deleted_at become
	Retention time.Duration // 0: 90 days
	// AppliedUpTo is the lowest revision that all mappings have applied: what was
	// deleted later is not yet purged. All is purged where no mapping waits: pass
	// NoMappings.
	AppliedUpTo int64
	// PurgeOnly: nothing was read, and nothing is concluded from that. Every row
	// stays as it is, but those whose retention is over.
	PurgeOnly bool
	// CountOnly: nothing is to be kept. Next says what it would say, and has no file.
	CountOnly bool
}

// NoMappings is the AppliedUpTo of an integration without targets.
const NoMappings = math.MaxInt64

// Next is a snapshot that was merged and is not yet kept anywhere but in a
// temporary file. The caller judges it, enters its blob as garbage, calls Put,
// and commits its Pointer.
type Next struct {
	Counts roster.Counts
	// Live are the users that were active in the last snapshot, and WouldRemove
	// those of them that this read does not list at all: the removal guard compares
	// them. Who is listed as deleted is no removal but a change.
	Live, WouldRemove int64
	// Purged are the rows whose retention was over, of all kinds.
	Purged int64
	// PurgeDue is when the retention of the next row is over; zero where no row
	// waits for it.
	PurgeDue time.Time
	// Changed is false where the last snapshot says all there is to say: there is
	// nothing to put, and the pointer stays.
	Changed bool
	// Problems are the first 10,000, and ProblemCounts all of them.
	Problems      []roster.Problem
	ProblemCounts map[roster.Reason]int64

	ref   Ref
	path  string
	blobs blob.Store
}

// Key is where Put will put the snapshot: enter it as garbage before.
func (n *Next) Key() string { return n.ref.Key }

// Put stores the snapshot; the Ref is what Pointer wants. Putting it again is
// harmless.
func (n *Next) Put(ctx context.Context) (Ref, error) {
	if n.path == "" {
		return Ref{}, errors.New("snapshot: nothing changed, or it was only counted, so there is nothing to put")
	}
	f, err := os.Open(n.path)
	if err != nil {
		return Ref{}, fmt.Errorf("snapshot: read the merged file: %w", err)
	}
	defer func() { _ = f.Close() }()
	// If we stop here: the blob may lie there and nothing names it but the caller's
	// garbage row, which the sweep acts on; the pointer still names the last one.
	info, err := putOnce(ctx, n.blobs, n.ref.Key, "application/vnd.apache.parquet", n.ref.Size, f)
	if err != nil {
		return Ref{}, fmt.Errorf("snapshot: put %s: %w", n.ref.Key, err)
	}
	n.ref.Version, n.ref.Size = info.Version, info.Size
	return n.ref, nil
}

// Finish merges all that was added with the last snapshot (nil or an empty Reader
// where there is none) into the next one. The read must be complete: what was
// not added counts as gone.
//
//   - Of several entries of one user or grant the last one counts; licences of one
//     name are merged.
//   - A user that last had and the read has not becomes deleted, as of At, and is
//     purged when Retention is over and its revision was applied. The same goes for
//     licences and grants where the source lists licences; where it does not, they
//     stay as they are, but a purged user's grants go with them.
//   - A status that is none keeps the last one that the source gave, but of who was
//     left out meanwhile; else active.
//   - A grant whose status was not given follows its user's row: deleted where that
//     is deleted, else active, also for grants that stay from an earlier read. It
//     is matched where the read lists its user, deleted or not.
//   - deleted_at is when a row became deleted, whichever way, and goes when it
//     comes back. first_seen_at stays for good.
//
// A row that says the same as before keeps its revision. Finish may be called
// once.
func (b *Builder) Finish(ctx context.Context, last *Reader, opts Options) (*Next, error) {
	if opts.Retention <= 0 {
		opts.Retention = defaultRetention
	}
	m := &merger{b: b, opts: opts, at: opts.At.UnixMilli()}
	m.next = &Next{Counts: b.counts, blobs: b.store.Blobs}
	if last != nil && last.file != nil {
		m.last, m.lastFormat = last.file, last.ref.Format
		m.next.Live = last.ref.Totals.Users.Live
	}
	if err := m.run(ctx); err != nil {
		return nil, fmt.Errorf("snapshot: merge for integration %s: %w", b.integration, err)
	}
	return m.next, nil
}

// run is the merge: three goroutines that read runs, read the last snapshot and
// write the file, with join between them.
func (m *merger) run(ctx context.Context) (err error) {
	if m.ids, err = newSorter(m.b.dir, "ids", m.b.sizes); err != nil {
		return err
	}
	defer m.ids.close()
	if m.b.problems.each != nil {
		if m.later, err = newLater(m.b.dir, m.b.sizes); err != nil {
			return err
		}
		defer m.later.sorter.close()
		m.duplicates.each, m.unmatched.each, m.sharedIDs.each = m.later.add, m.later.add, m.later.add
	}
	f, w, err := m.create()
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }()

	m.out = newConveyor[outBatch](3)
	news, olds := newConveyor[newBatch](3), newConveyor[oldBatch](3)
	g, gctx := errgroup.WithContext(ctx)
	g.Go(func() error { return m.readNew(gctx, news) })
	g.Go(func() error {
		if m.last == nil {
			close(olds.full)
			return nil
		}
		return readOld(gctx, m.last, olds)
	})
	g.Go(func() error { return writeBatches(gctx, m.out, w) })
	g.Go(func() error { return m.join(gctx, news, olds) })
	if err := g.Wait(); err != nil {
		return err
	}
	if err := m.shared(ctx); err != nil {
		return err
	}
	if m.later != nil {
		if err := m.later.tell(ctx, m.b.problems.each); err != nil {
			return err
		}
	}
	return m.conclude(f, w)
}

// create makes the file that the next snapshot is written to; none of either where
// it is only counted.
func (m *merger) create() (*os.File, *fileWriter, error) {
	if m.opts.CountOnly {
		return nil, nil, nil
	}
	f, err := os.CreateTemp(m.b.dir, "next-*.parquet")
	if err != nil {
		return nil, nil, fmt.Errorf("make the file: %w", err)
	}
	return f, newFileWriter(f, m.b.sizes.groupRows), nil
}

func writeBatches(ctx context.Context, from *conveyor[outBatch], w *fileWriter) error {
	var b *outBatch
	for {
		var err error
		if b, err = from.next(ctx, b, (*outBatch).reset); b == nil || err != nil {
			return err
		}
		if err := w.write(b); err != nil {
			return err
		}
	}
}

// conclude closes the file, or drops it where nothing changed, and adds up what
// the stages found, always in the same order.
func (m *merger) conclude(f *os.File, w *fileWriter) error {
	n, b := m.next, m.b
	all := b.problems
	all.append(m.duplicates)
	all.append(m.unmatched)
	all.append(m.sharedIDs)
	all.ignoredLast()
	n.Problems, n.ProblemCounts = all.List, all.Counts
	for _, k := range [...]Kind{License, User, Grant} {
		c := countOf(&n.Counts, k)
		c.Duplicates = m.twice[k]
		c.Valid = c.Received - c.Skipped - c.Duplicates
	}
	n.WouldRemove = n.Counts.Users.Removed
	if m.oldest != 0 {
		n.PurgeDue = time.UnixMilli(m.oldest).UTC().Add(m.opts.Retention)
	}
	switch {
	case w == nil:
		return nil
	case !n.Changed:
		return os.Remove(f.Name())
	}
	n.path = f.Name()
	n.ref = Ref{Format: formatVersion, Job: m.opts.Job, Revision: m.opts.Revision, CommittedAt: m.opts.At.UTC(), Totals: m.totals}
	if m.opts.Job != "" {
		n.ref.Key = BlobKey(b.org, b.integration, m.opts.Job, m.opts.Revision)
	}
	if err := w.close(&n.ref); err != nil {
		return err
	}
	size, err := f.Seek(0, io.SeekEnd)
	n.ref.Size = size
	return err
}
