package snapshot

import (
	"bytes"
	"cmp"
	"context"

	"muster/internal/roster"
)

// newBatch is some entries of the read by key, one of each key.
type newBatch struct {
	arena []byte
	rows  int
}

func (b *newBatch) reset()     { b.arena, b.rows = b.arena[:0], 0 }
func (b *newBatch) full() bool { return b.rows >= batchRows || len(b.arena) >= batchBytes }

// merger joins the sorted entries of a read with the rows of the last snapshot.
type merger struct {
	b          *Builder
	opts       Options
	at         int64 // opts.At in milliseconds
	next       *Next
	last       *file // nil: there is none
	lastFormat int
	totals     Totals
	oldest     int64 // deleted_at of the row whose retention is over first; 0: none

	duplicates, unmatched, sharedIDs problems
	twice                            [3]int64 // duplicates by kind
	later                            *later   // nil: nobody watches

	out     *conveyor[outBatch]
	batch   *outBatch
	cold    *scanner // of last: what is read only for some rows
	ids     *sorter  // of users whose external id may be another's too
	person  person
	user    userFields
	fields  []byte
	license []byte
}

// person is what the merge knows of the e-mail it stands at, from the user row.
type person struct {
	email  []byte
	listed bool // by this read
	gone   bool // its row stays and is deleted
	purged bool // its row is left out of the next snapshot
}

// moveTo starts a new person when the e-mail is another one.
func (p *person) moveTo(email []byte) {
	if !bytes.Equal(p.email, email) {
		*p = person{email: append(p.email[:0], email...)}
	}
}

// follow is the status of a grant that gives none.
func (p *person) follow() status {
	if p.gone {
		return deleted
	}
	return active
}

// readNew merges the runs and settles duplicates: of equal keys the last stays.
func (m *merger) readNew(ctx context.Context, to *conveyor[newBatch]) error {
	defer close(to.full)
	b, err := to.empty(ctx)
	if err != nil {
		return err
	}
	var prev, merged entry // prev's bytes are the last of b
	start := 0
	err = m.b.rows.merge(ctx, func(key *entry, raw []byte) error {
		switch {
		case b.rows > 0 && compareKeys(prev.email, prev.license, key.email, key.license) == 0:
			if raw, err = m.duplicate(b.arena[start:], raw, &merged); err != nil {
				return err
			}
			b.arena, b.rows = b.arena[:start], b.rows-1
		case b.full():
			if b, err = to.swap(ctx, b); err != nil {
				return err
			}
		}
		start = len(b.arena)
		b.arena = append(b.arena, raw...)
		b.rows++
		return prev.decodeKey(b.arena[start:])
	})
	if err != nil {
		return err
	}
	return to.send(ctx, b)
}

// duplicate notes that the entry before is replaced by the one behind it, and
// answers what is to take its place.
func (m *merger) duplicate(before, behind []byte, merged *entry) ([]byte, error) {
	var loser entry
	if err := loser.decode(before); err != nil {
		return nil, err
	}
	k := kindOf(loser.email, loser.license)
	m.twice[k]++
	m.duplicates.add(loser.duplicate())
	if k != License {
		return behind, nil
	}
	if err := merged.decode(behind); err != nil {
		return nil, err
	}
	var f, later licenseFields
	if err := f.decode(loser.fields); err != nil {
		return nil, err
	}
	if err := later.decode(merged.fields); err != nil {
		return nil, err
	}
	f.merge(later)
	merged.fields = f.append(nil)
	m.license = merged.append(m.license[:0])
	return m.license, nil
}

// join walks both sides by key.
func (m *merger) join(ctx context.Context, news *conveyor[newBatch], olds *conveyor[oldBatch]) (err error) {
	defer close(m.out.full)
	if m.batch, err = m.out.empty(ctx); err != nil {
		return err
	}
	if m.last != nil {
		m.cold = m.last.scan(hotColumns, numColumns)
		defer m.cold.close()
	}
	in := newSide{from: news}
	old := oldSide{from: olds}
	if err := cmp.Or(in.next(ctx), old.next(ctx)); err != nil {
		return err
	}
	for in.more || old.more {
		c := order(&in, &old)
		if c <= 0 {
			row := &old.row
			if c < 0 {
				row = nil
			}
			err = m.listed(ctx, &in.entry, row)
		} else {
			err = m.absent(ctx, &old.row)
		}
		if err == nil && c <= 0 {
			err = in.next(ctx)
		}
		if err == nil && c >= 0 {
			err = old.next(ctx)
		}
		if err != nil {
			return err
		}
	}
	return m.out.send(ctx, m.batch)
}

// order is below 0 where the read's entry comes first or alone.
func order(in *newSide, old *oldSide) int {
	switch {
	case !old.more:
		return -1
	case !in.more:
		return 1
	}
	return compareKeys(in.entry.email, in.entry.license, old.row.email, old.row.license)
}

// newSide and oldSide stand at one row of their stream.
type newSide struct {
	from  *conveyor[newBatch]
	batch *newBatch
	rest  []byte
	entry entry
	more  bool
}

func (s *newSide) next(ctx context.Context) (err error) {
	for len(s.rest) == 0 {
		if s.batch, err = s.from.next(ctx, s.batch, (*newBatch).reset); err != nil || s.batch == nil {
			s.more = false
			return err
		}
		s.rest = s.batch.arena
	}
	var raw []byte
	if raw, s.rest, err = nextEntry(s.rest); err != nil {
		return err
	}
	s.more = true
	return s.entry.decode(raw)
}

type oldSide struct {
	from  *conveyor[oldBatch]
	batch *oldBatch
	i     int
	row   oldRow
	more  bool
}

func (s *oldSide) next(ctx context.Context) (err error) {
	for s.batch == nil || s.i >= len(s.batch.rows) {
		if s.batch, err = s.from.next(ctx, s.batch, (*oldBatch).reset); err != nil || s.batch == nil {
			s.more = false
			return err
		}
		s.i = 0
	}
	s.row, s.more = s.batch.rows[s.i], true
	s.i++
	return nil
}

// write puts the row into the next snapshot.
func (m *merger) write(ctx context.Context, r *row) (err error) {
	t := m.totals.of(kindOf(r.email, r.license))
	if r.removed && (m.oldest == 0 || r.deletedAt < m.oldest) {
		m.oldest = r.deletedAt
	}
	if r.status == deleted {
		t.Deleted++
	} else {
		t.Live++
		if !r.matched && len(r.email) > 0 && len(r.license) > 0 {
			m.totals.Unmatched++
		}
	}
	if err := m.batch.add(r, &m.user); err != nil {
		return err
	}
	if m.batch.full() {
		m.batch, err = m.out.swap(ctx, m.batch)
	}
	return err
}

// oldFields fetches what the hot columns do not say of a row of the last
// snapshot.
func (m *merger) oldFields(old *oldRow) error {
	k := kindOf(old.email, old.license)
	if k == Grant {
		old.fields = nil
		return nil
	}
	if err := m.cold.move(old.position); err != nil {
		return err
	}
	var err error
	m.fields, err = m.cold.fields(m.fields[:0], k, &m.user)
	old.fields = m.fields
	return err
}

// report notes an unmatched grant.
func (m *merger) report(e *entry) {
	m.unmatched.add(e.problem(roster.LicenseUserUnmatched, e.pointer(), "no user of the list has this e-mail; the licence is kept for it"))
}
