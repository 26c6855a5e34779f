package snapshot

import (
	"context"
	"fmt"
	"iter"
	"sort"
	"time"

	"muster/internal/blob"
	"muster/internal/table"
)

// Reader reads one snapshot, which never changes. It is safe for concurrent use;
// each call holds about one row group in memory, whatever the snapshot's size.
// The Reader of an integration that has no snapshot yet is empty.
type Reader struct {
	file *file // nil: empty
	obj  blob.Object
	ref  Ref
	cond table.Cond
}

func openReader(obj blob.Object) (*Reader, error) {
	info := obj.Info()
	f, err := openFile(obj, info.Size)
	if err != nil {
		return nil, err
	}
	ref := Ref{Key: info.Key, Version: info.Version, Size: info.Size}
	if err := ref.described(f.pq.Metadata().KeyValueMetadata); err != nil {
		return nil, err
	}
	return &Reader{file: f, obj: obj, ref: ref}, nil
}

// Close releases the object.
func (r *Reader) Close() error {
	if r.obj == nil {
		return nil
	}
	return r.obj.Close()
}

// Ref says which snapshot this is; zero where there is none yet.
func (r *Reader) Ref() Ref { return r.ref }

// PointerCond is the condition that the pointer is still the one that Latest
// read: for Pointer.
func (r *Reader) PointerCond() table.Cond { return r.cond }

// Key places a row in its snapshot. A licence has no e-mail, a user no licence.
type Key struct{ Email, License string }

// Row is one row of a snapshot. Zero values of optional fields are "not given".
type Row struct {
	Key
	Kind           Kind
	Status         string // active or deleted; of a grant also inactive
	Revision       int64  // the lease token of the run that last changed the row
	FirstSeen      time.Time
	DeletedAt      time.Time // zero unless Status is deleted
	Removed        bool      // deleted, and the last complete read does not list it
	ID             string
	FirstName      string
	LastName       string
	ExternalStatus string
	Roles          []string
	LastUsed       time.Time
	Unassigned     int64  // licence
	PricePerUser   *int64 // licence, in cents; nil: not given
	Matched        bool   // grant: the source lists its user
}

// Rows yields the rows whose revision is above since and whose key is behind
// after, in key order: licences by name, then people by e-mail, each before their
// grants. The zero Key is before all rows. An error comes last.
func (r *Reader) Rows(ctx context.Context, since int64, after Key) iter.Seq2[Row, error] {
	return func(yield func(Row, error) bool) {
		if r.file == nil {
			return
		}
		w := r.file.walk()
		defer w.close()
		err := w.each(ctx, after, func(old *oldRow) (bool, error) {
			if old.revision <= since {
				return true, nil
			}
			row, err := w.row(old)
			return err == nil && yield(row, nil), err
		})
		if err != nil {
			yield(Row{}, fmt.Errorf("snapshot: read %s: %w", r.ref.Key, err))
		}
	}
}

// walker goes through a file's rows and reads the whole of some of them.
type walker struct {
	f         *file
	hot, cold *scanner
	user      userFields
}

func (f *file) walk() *walker {
	return &walker{f: f, hot: f.scan(0, hotColumns), cold: f.scan(hotColumns, numColumns)}
}

func (w *walker) close() {
	w.hot.close()
	w.cold.close()
}

// each calls do with every row behind the key, until it answers false.
func (w *walker) each(ctx context.Context, after Key, do func(*oldRow) (bool, error)) error {
	groups := w.f.pq.RowGroups()
	email, license := []byte(after.Email), []byte(after.License)
	skip := after != Key{}
	for g := w.f.groupOf(email); g < len(groups); g++ {
		for i := range groups[g].NumRows() {
			if i%batchRows == 0 && ctx.Err() != nil {
				return ctx.Err()
			}
			r := oldRow{position: position{g, i}}
			if err := w.hot.readHot(&r); err != nil {
				return err
			}
			if skip = skip && compareKeys(r.email, r.license, email, license) <= 0; skip {
				continue
			}
			if more, err := do(&r); err != nil || !more {
				return err
			}
		}
	}
	return nil
}

// groupOf is the first row group that may hold the e-mail or a later one.
func (f *file) groupOf(email []byte) int {
	groups := f.pq.Metadata().RowGroups
	return sort.Search(len(groups), func(i int) bool {
		return string(groups[i].Columns[f.leaf[colEmail]].MetaData.Statistics.MaxValue) >= string(email)
	})
}

// fetchUser reads the cold columns of a user's row into w.user, where they stay
// until the next row is fetched.
func (w *walker) fetchUser(old *oldRow) (err error) {
	if err := w.cold.move(old.position); err != nil {
		return err
	}
	defer caught(&err)
	w.cold.user(&w.user)
	return nil
}

// fetchLicense is the same for a licence's row.
func (w *walker) fetchLicense(old *oldRow) (l licenseFields, err error) {
	if err := w.cold.move(old.position); err != nil {
		return l, err
	}
	defer caught(&err)
	w.cold.license(&l)
	return l, nil
}

// row is the whole of a row, on its own memory.
func (w *walker) row(old *oldRow) (r Row, err error) {
	k := kindOf(old.email, old.license)
	r = Row{Key: Key{string(old.email), string(old.license)}, Kind: k, Status: statusText[old.status],
		Revision: old.revision, FirstSeen: millis(old.firstSeen, true), DeletedAt: millis(old.deletedAt, old.deletedAt != 0),
		Removed: old.removed, Matched: old.matched}
	switch k {
	case User:
		if err := w.fetchUser(old); err != nil {
			return Row{}, err
		}
		r.ID, r.FirstName, r.LastName = string(w.user.id), string(w.user.first), string(w.user.last)
		r.ExternalStatus, r.Roles = string(w.user.external), w.user.roleTexts()
		r.LastUsed = millis(w.user.lastUsed, w.user.hasLastUsed)
	case License:
		l, err := w.fetchLicense(old)
		if err != nil {
			return Row{}, err
		}
		if r.Unassigned = l.unassigned; l.hasPrice {
			r.PricePerUser = &l.price
		}
	}
	return r, nil
}
