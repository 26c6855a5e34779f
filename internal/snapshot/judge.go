package snapshot

import (
	"bytes"
	"context"
	"strconv"

	"muster/internal/roster"
)

// listed decides what becomes of an entry of the read, beside its row in the last
// snapshot, if it has one there.
func (m *merger) listed(ctx context.Context, e *entry, old *oldRow) error {
	r := row{email: e.email, license: e.license, fields: e.fields}
	k := kindOf(e.email, e.license)
	switch k {
	case User:
		if err := m.listedUser(e, old, &r); err != nil {
			return err
		}
	case Grant:
		m.listedGrant(e, &r)
	}
	r.print = fingerprint(r.fields, r.standing, formatVersion)
	c := countOf(&m.next.Counts, k)
	if old == nil {
		c.Added++
		return m.changed(ctx, &r, nil)
	}
	same, err := m.same(&r, old)
	if err != nil {
		return err
	}
	if !same {
		c.Changed++
		return m.changed(ctx, &r, old)
	}
	c.Unchanged++
	r.revision, r.firstSeen, r.deletedAt = old.revision, old.firstSeen, old.deletedAt
	return m.write(ctx, &r)
}

func (m *merger) listedUser(e *entry, old *oldRow, r *row) error {
	switch roster.Status(e.given) {
	case roster.Deleted:
		r.status = deleted
	case roster.Unknown:
		if old != nil && !old.removed {
			r.status = old.status
		}
	}
	m.person.moveTo(e.email)
	m.person.listed, m.person.gone = true, r.status == deleted

	if id := (&fieldReader{b: e.fields}).bytes(); len(id) > 0 && m.b.ids.shared(id) {
		return m.ids.add(&entry{email: id, license: e.email, place: e.place})
	}
	return nil
}

func (m *merger) listedGrant(e *entry, r *row) {
	m.person.moveTo(e.email)
	r.matched = m.person.listed
	switch roster.GrantStatus(e.given) {
	case roster.Derived:
		r.derived, r.status = true, m.person.follow()
	case roster.GrantInactive:
		r.status = inactive
	case roster.GrantDeleted:
		r.status = deleted
	}
	if !r.matched {
		m.report(e)
	}
}

// same reports whether r says what old says, in the fields that both formats have.
func (m *merger) same(r *row, old *oldRow) (bool, error) {
	if m.lastFormat == formatVersion {
		return r.print == old.print, nil
	}
	if err := m.oldFields(old); err != nil {
		return false, err
	}
	common := min(m.lastFormat, formatVersion)
	return fingerprint(r.fields, r.standing, common) == fingerprint(old.fields, old.standing, common), nil
}

// changed writes a row that this run added or changed.
func (m *merger) changed(ctx context.Context, r *row, old *oldRow) error {
	m.next.Changed = true
	r.revision, r.firstSeen, r.deletedAt = m.opts.Revision, m.at, 0
	if old != nil {
		r.firstSeen = old.firstSeen
	}
	if r.status == deleted {
		r.deletedAt = m.at
		if old != nil && old.deletedAt != 0 {
			r.deletedAt = old.deletedAt
		}
	}
	return m.write(ctx, r)
}

// absent decides what becomes of a row of the last snapshot that the read does
// not have.
func (m *merger) absent(ctx context.Context, old *oldRow) error {
	k := kindOf(old.email, old.license)
	if k != License {
		m.person.moveTo(old.email)
	}
	if m.opts.PurgeOnly && !(old.removed && m.expired(old)) && !(k == Grant && m.person.purged) {
		return m.keep(ctx, old)
	}
	if k != User && !m.b.listed && !old.removed {
		return m.carried(ctx, old, k)
	}
	if old.status != deleted {
		countOf(&m.next.Counts, k).Removed++
		m.stays(k)
		old.status, old.removed = deleted, true
		return m.moved(ctx, old)
	}
	if m.expired(old) || k == Grant && m.person.purged {
		m.person.purged = m.person.purged || k == User
		return m.purge()
	}
	m.stays(k)
	if !old.removed {
		// The source had it as deleted, and now not at all: it is no longer shown as
		// what the source lists, nor carried over as that, and it goes in its time.
		old.removed = true
		return m.moved(ctx, old)
	}
	return m.keep(ctx, old)
}

// stays notes a user's row that is kept without being listed: deleted.
func (m *merger) stays(k Kind) {
	if k == User {
		m.person.gone = true
	}
}

// carried is a licence or grant from a read that listed licences, where this one
// does not: it stays, but a grant without a status of its own follows its user.
func (m *merger) carried(ctx context.Context, old *oldRow, k Kind) error {
	if k == License {
		return m.keep(ctx, old)
	}
	if m.person.purged {
		return m.purge()
	}
	before := old.standing
	old.matched = m.person.listed
	if old.derived {
		old.status = m.person.follow()
	}
	if old.standing == before {
		return m.keep(ctx, old)
	}
	return m.moved(ctx, old)
}

// expired: retention is over, and every mapping has applied the deletion.
func (m *merger) expired(old *oldRow) bool {
	return old.deletedAt+m.opts.Retention.Milliseconds() <= m.at && old.revision <= m.opts.AppliedUpTo
}

func (m *merger) purge() error {
	m.next.Purged++
	m.next.Changed = true
	return nil
}

// keep writes a row of the last snapshot as it was.
func (m *merger) keep(ctx context.Context, old *oldRow) error {
	if err := m.oldFields(old); err != nil {
		return err
	}
	if m.lastFormat != formatVersion {
		old.print = fingerprint(old.fields, old.standing, formatVersion)
	}
	return m.write(ctx, &old.row)
}

// moved writes a row of the last snapshot whose standing this run changed.
func (m *merger) moved(ctx context.Context, old *oldRow) error {
	if err := m.oldFields(old); err != nil {
		return err
	}
	r := old.row
	r.print = fingerprint(r.fields, r.standing, formatVersion)
	return m.changed(ctx, &r, old)
}

// shared reports users with another's external id: all but the first by e-mail.
func (m *merger) shared(ctx context.Context) error {
	var id, email []byte
	return m.ids.merge(ctx, func(key *entry, raw []byte) error {
		if bytes.Equal(id, key.email) && !bytes.Equal(email, key.license) {
			var e entry
			if err := e.decode(raw); err != nil {
				return err
			}
			m.sharedIDs.add(e.problem(roster.IDShared, "/users/"+strconv.FormatInt(e.place.Index, 10)+"/id",
				"another user has the same id; both are kept"))
		}
		id, email = append(id[:0], key.email...), append(email[:0], key.license...)
		return nil
	})
}
