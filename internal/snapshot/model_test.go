package snapshot_test

import (
	"cmp"
	"maps"
	"slices"
	"time"

	"muster/internal/roster"
	"muster/internal/snapshot"
)

// model is the meaning of a roster written down as plainly as possible: maps in
// memory, no order, no files. The snapshot must agree with it after every sync.
type model struct {
	rows map[snapshot.Key]modelRow
}

type modelRow struct {
	snapshot.Row
	derived bool
}

// sync is one complete read.
func (m *model) sync(batches []roster.Batch, o snapshot.Options) (c roster.Counts, purged int64, problems map[roster.Reason]int64) {
	problems = map[roster.Reason]int64{}
	users, licenses, grants, listed := m.last(batches, &c, problems)
	next := map[snapshot.Key]modelRow{}
	ids := map[string]int64{}

	for _, u := range users {
		key := snapshot.Key{Email: u.Email}
		old, had := m.rows[key]
		row := modelRow{Row: snapshot.Row{Key: key, Kind: snapshot.User, ID: u.ID, FirstName: u.FirstName, LastName: u.LastName,
			ExternalStatus: u.ExternalStatus, Roles: u.Roles, LastUsed: u.LastUsed, Status: "active"}}
		if u.Status == roster.Deleted || u.Status == roster.Unknown && had && !old.Removed && old.Status == "deleted" {
			row.Status = "deleted"
		}
		next[key] = m.settle(row, &c.Users, o)
		if u.ID != "" {
			if ids[u.ID]++; ids[u.ID] > 1 {
				problems[roster.IDShared]++
			}
		}
	}
	for _, l := range licenses {
		key := snapshot.Key{License: l.Name}
		next[key] = m.settle(modelRow{Row: snapshot.Row{Key: key, Kind: snapshot.License, Status: "active",
			Unassigned: l.Unassigned, PricePerUser: l.PricePerUser}}, &c.Licenses, o)
	}
	gone := map[string]bool{} // users purged by this sync
	for key, old := range m.rows {
		if _, ok := next[key]; ok || old.Kind != snapshot.User {
			continue
		}
		if row, keep := m.absent(old, &c.Users, o); keep {
			next[key] = row
		} else {
			purged++
			gone[key.Email] = true
		}
	}
	follow := func(email string) string {
		if u, ok := next[snapshot.Key{Email: email}]; ok && u.Status == "deleted" {
			return "deleted"
		}
		return "active"
	}
	isListed := func(email string) bool { _, ok := users[email]; return ok }
	for _, g := range grants {
		key := snapshot.Key{Email: g.Email, License: g.License}
		row := modelRow{Row: snapshot.Row{Key: key, Kind: snapshot.Grant, Matched: isListed(g.Email)}}
		switch g.Status {
		case roster.Derived:
			row.derived, row.Status = true, follow(g.Email)
		case roster.GrantActive:
			row.Status = "active"
		case roster.GrantInactive:
			row.Status = "inactive"
		case roster.GrantDeleted:
			row.Status = "deleted"
		}
		if !row.Matched {
			problems[roster.LicenseUserUnmatched]++
		}
		next[key] = m.settle(row, &c.Grants, o)
	}
	for key, old := range m.rows {
		if _, ok := next[key]; ok || old.Kind == snapshot.User {
			continue
		}
		if !listed && !old.Removed {
			if gone[key.Email] {
				purged++
				continue
			}
			row := old
			if old.Kind == snapshot.Grant {
				row.Matched = isListed(key.Email)
				if old.derived {
					row.Status = follow(key.Email)
				}
			}
			next[key] = m.settle(row, &roster.Count{}, o)
			continue
		}
		count := &c.Grants
		if old.Kind == snapshot.License {
			count = &c.Licenses
		}
		row, keep := m.absent(old, count, o)
		if old.Status == "deleted" && gone[key.Email] {
			keep = false
		}
		if !keep {
			purged++
			continue
		}
		next[key] = row
	}
	m.rows = next
	return c, purged, problems
}

// last settles duplicates.
func (m *model) last(batches []roster.Batch, c *roster.Counts, problems map[roster.Reason]int64) (
	users map[string]roster.User, licenses map[string]roster.License, grants map[snapshot.Key]roster.Grant, listed bool,
) {
	users, licenses, grants = map[string]roster.User{}, map[string]roster.License{}, map[snapshot.Key]roster.Grant{}
	for _, b := range batches {
		listed = listed || b.ListsLicenses
		for _, p := range b.Problems {
			problems[p.Reason]++
			if n := map[roster.Entity]*roster.Count{roster.UserEntity: &c.Users, roster.LicenseEntity: &c.Licenses, roster.GrantEntity: &c.Grants}[p.Skips]; n != nil {
				n.Received++
				n.Skipped++
			}
		}
		for _, u := range b.Users {
			c.Users.Received++
			if _, twice := users[u.Email]; twice {
				c.Users.Duplicates++
				problems[roster.EmailDuplicate]++
			}
			users[u.Email] = u
		}
		for _, l := range b.Licenses {
			c.Licenses.Received++
			if old, twice := licenses[l.Name]; twice {
				c.Licenses.Duplicates++
				problems[roster.LicenseDuplicate]++
				l.Unassigned = cmp.Or(l.Unassigned, old.Unassigned)
				l.PricePerUser = cmp.Or(l.PricePerUser, old.PricePerUser)
			}
			licenses[l.Name] = l
		}
		for _, g := range b.Grants {
			c.Grants.Received++
			key := snapshot.Key{Email: g.Email, License: g.License}
			if _, twice := grants[key]; twice {
				c.Grants.Duplicates++
				problems[roster.EmailDuplicate]++
			}
			grants[key] = g
		}
	}
	c.Users.Valid, c.Licenses.Valid, c.Grants.Valid = int64(len(users)), int64(len(licenses)), int64(len(grants))
	return users, licenses, grants, listed
}

// settle compares a row with what was there.
func (m *model) settle(row modelRow, c *roster.Count, o snapshot.Options) modelRow {
	old, had := m.rows[row.Key]
	same := row
	same.Revision, same.FirstSeen, same.DeletedAt = old.Revision, old.FirstSeen, old.DeletedAt
	switch {
	case had && equalRows(same, old):
		c.Unchanged++
		return old
	case had:
		c.Changed++
		row.FirstSeen = old.FirstSeen
	default:
		c.Added++
		row.FirstSeen = o.At
	}
	row.Revision, row.DeletedAt = o.Revision, time.Time{}
	if row.Status == "deleted" {
		row.DeletedAt = o.At
		if had && old.Status == "deleted" {
			row.DeletedAt = old.DeletedAt
		}
	}
	return row
}

func equalRows(a, b modelRow) bool {
	price := func(p *int64) int64 {
		if p == nil {
			return -1
		}
		return *p
	}
	roles := slices.Equal(a.Roles, b.Roles) && price(a.PricePerUser) == price(b.PricePerUser)
	return roles && a.derived == b.derived && a.Status == b.Status && a.Removed == b.Removed && a.Matched == b.Matched &&
		a.ID == b.ID && a.FirstName == b.FirstName && a.LastName == b.LastName && a.ExternalStatus == b.ExternalStatus &&
		a.LastUsed.Equal(b.LastUsed) && a.Unassigned == b.Unassigned
}

// absent is a row that a complete read does not list.
func (m *model) absent(old modelRow, c *roster.Count, o snapshot.Options) (modelRow, bool) {
	if old.Status == "deleted" {
		over := !old.DeletedAt.Add(o.Retention).After(o.At) && old.Revision <= o.AppliedUpTo
		if !old.Removed {
			old.Removed, old.Revision = true, o.Revision
		}
		return old, !over
	}
	c.Removed++
	old.Status, old.Removed, old.DeletedAt, old.Revision = "deleted", true, o.At, o.Revision
	return old, true
}

// sorted are the rows as the snapshot must yield them.
func (m *model) sorted() []snapshot.Row {
	var rows []snapshot.Row
	for _, k := range slices.SortedFunc(maps.Keys(m.rows), compareKeys) {
		rows = append(rows, m.rows[k].Row)
	}
	return rows
}

func compareKeys(a, b snapshot.Key) int {
	return cmp.Or(cmp.Compare(a.Email, b.Email), cmp.Compare(a.License, b.License))
}
