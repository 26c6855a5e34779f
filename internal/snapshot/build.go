package snapshot

import (
	"context"
	"fmt"
	"os"

	"github.com/parquet-go/parquet-go/bloom/xxhash"

	"muster/internal/org"
	"muster/internal/roster"
)

// Builder takes what a source lists and makes the next snapshot of it. It is for
// one goroutine. Close it, whatever happened: that removes its files.
type Builder struct {
	store       *Store
	org         org.ID
	integration string
	dir         string
	rows        *sorter
	ids         *idFilter
	sizes       sizes
	counts      roster.Counts
	problems    problems
	listed      bool   // the source says which licences there are
	email       []byte // scratch, as license and fields
	license     []byte
	fields      []byte
}

// Build begins a read from its beginning.
func (s *Store) Build(o org.ID, integration string) (*Builder, error) {
	sz := defaultSizes
	if s.sizes != nil {
		sz = *s.sizes
	}
	dir, err := os.MkdirTemp(s.TempDir, "snapshot-*")
	if err != nil {
		return nil, fmt.Errorf("snapshot: make a folder for spilled runs: %w", err)
	}
	rows, err := newSorter(dir, "runs", sz)
	if err != nil {
		_ = os.RemoveAll(dir)
		return nil, err
	}
	return &Builder{store: s, org: o, integration: integration, dir: dir, rows: rows, ids: new(idFilter), sizes: sz}, nil
}

// Close removes the Builder's files, also those of a Next that it made.
func (b *Builder) Close() error {
	b.rows.close()
	if err := os.RemoveAll(b.dir); err != nil {
		return fmt.Errorf("snapshot: remove spilled runs: %w", err)
	}
	return nil
}

// Counts are what was received and skipped so far; the rest is known only after
// Finish.
func (b *Builder) Counts() roster.Counts { return b.counts }

// Problems are what was wrong so far: the first 10,000, and how many of each.
func (b *Builder) Problems() ([]roster.Problem, map[roster.Reason]int64) {
	return b.problems.List, b.problems.Counts
}

// Watch has each told of every problem, also beyond the first 10,000: of those of
// Add at once, of those that only Finish finds at its end, in the order of the
// source. Call it before the first Add.
func (b *Builder) Watch(each func(roster.Problem)) { b.problems.each = each }

// Add takes a batch and copies what it keeps of it.
func (b *Builder) Add(ctx context.Context, batch roster.Batch) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	b.listed = b.listed || batch.ListsLicenses
	for i := range batch.Problems {
		b.report(batch.Problems[i])
	}
	b.counts.Users.Received += int64(len(batch.Users))
	b.counts.Licenses.Received += int64(len(batch.Licenses))
	b.counts.Grants.Received += int64(len(batch.Grants))
	b.noteIDs(batch.Users)
	for i := range batch.Users {
		if err := b.addUser(&batch.Users[i]); err != nil {
			return err
		}
	}
	for i := range batch.Licenses {
		if err := b.addLicense(&batch.Licenses[i]); err != nil {
			return err
		}
	}
	for i := range batch.Grants {
		if err := b.addGrant(&batch.Grants[i]); err != nil {
			return err
		}
	}
	return nil
}

func (b *Builder) report(p roster.Problem) {
	b.problems.add(p)
	if p.Skips == roster.NoEntity {
		return
	}
	c := countOf(&b.counts, map[roster.Entity]Kind{
		roster.UserEntity: User, roster.LicenseEntity: License, roster.GrantEntity: Grant}[p.Skips])
	c.Received++
	c.Skipped++
}

func countOf(c *roster.Counts, k Kind) *roster.Count {
	switch k {
	case License:
		return &c.Licenses
	case User:
		return &c.Users
	}
	return &c.Grants
}

// noteIDs counts external ids. Each is a random access to memory: in a loop of
// their own the processor has several under way.
func (b *Builder) noteIDs(users []roster.User) {
	for i := range users {
		if users[i].ID != "" {
			b.fields = append(b.fields[:0], users[i].ID...)
			b.ids.add(b.fields)
		}
	}
}

func (b *Builder) addUser(u *roster.User) error {
	if u.Email == "" {
		return fmt.Errorf("snapshot: user %d has no e-mail: its source must skip it", u.Place.Index)
	}
	b.fields = appendUser(b.fields[:0], u)
	return b.add(u.Email, "", entry{place: u.Place, given: uint8(u.Status), fields: b.fields})
}

func (b *Builder) addLicense(l *roster.License) error {
	if l.Name == "" || len(l.Name) > roster.MaxLicenseName {
		return fmt.Errorf("snapshot: licence %d has a name of %d bytes: its source must skip it", l.Place.Index, len(l.Name))
	}
	f := licenseFields{unassigned: l.Unassigned}
	if l.PricePerUser != nil {
		f.price, f.hasPrice = *l.PricePerUser, true
	}
	b.fields = f.append(b.fields[:0])
	return b.add("", l.Name, entry{place: l.Place, fields: b.fields})
}

func (b *Builder) addGrant(g *roster.Grant) error {
	if g.Email == "" || g.License == "" {
		return fmt.Errorf("snapshot: user %d of licence %d has no e-mail or licence: its source must skip it", g.Place.Index, g.List)
	}
	return b.add(g.Email, g.License, entry{place: g.Place, list: g.List, given: uint8(g.Status)})
}

func (b *Builder) add(email, license string, e entry) error {
	b.email, b.license = append(b.email[:0], email...), append(b.license[:0], license...)
	e.email, e.license = b.email, b.license
	return b.rows.add(&e)
}

// idFilter tells, in a memory that does not grow, which external ids were surely
// seen at most once: two bits for each of its slots count to two. The others are
// looked at again during the merge, see merger.shared: a fifth of a million ids,
// most of ten million, which costs time and no memory. A larger one would be
// right more often and slower each time, being no longer in the processor's cache.
type idFilter [1 << 20]byte

func (f *idFilter) slot(id []byte) (i uint64, shift uint64) {
	h := xxhash.Sum64(id) >> 42
	return h >> 2, h & 3 * 2
}

func (f *idFilter) add(id []byte) {
	i, shift := f.slot(id)
	if f[i]>>shift&2 == 0 {
		f[i] += 1 << shift
	}
}

func (f *idFilter) shared(id []byte) bool {
	i, shift := f.slot(id)
	return f[i]>>shift&2 != 0
}
