package dataplane

import (
	"context"
	"errors"
	"time"

	"muster/internal/org"
	"muster/internal/roster"
	"muster/internal/snapshot"
)

// rosters reads the committed rosters of all orgs.
type rosters struct{ snapshots *snapshot.Store }

func (r rosters) Roster(o org.ID, integration string) roster.Reader {
	return reader{r.snapshots, o, integration}
}

type reader struct {
	snapshots   *snapshot.Store
	org         org.ID
	integration string
}

var _ roster.Reader = reader{}

// Members reads a page out of the snapshot that the query is pinned to.
func (r reader) Members(ctx context.Context, q roster.MembersQuery) (page roster.MembersPage, err error) {
	s, err := r.open(ctx, q.Version)
	if err != nil {
		return page, err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	ref := s.Ref()
	if ref.IsZero() {
		return page, nil
	}
	filter := snapshot.Filter{Standing: standings[q.Status], Text: q.Text}
	for _, f := range q.Fields {
		filter.Fields = append(filter.Fields, fields[f])
	}
	page.Version = roster.Version{Job: ref.Job, Token: ref.Revision}
	if page.Total = q.Total; page.Total < 0 {
		if page.Total, err = s.Total(ctx, filter); err != nil {
			return page, err
		}
	}
	users, err := s.Users(ctx, snapshot.Page{Filter: filter, After: q.After, Size: q.Size})
	if err != nil {
		return page, err
	}
	page.More = users.NextAfter != ""
	for _, u := range users.Users {
		page.Members = append(page.Members, member(u))
	}
	return page, nil
}

func (r reader) open(ctx context.Context, v roster.Version) (*snapshot.Reader, error) {
	if v == (roster.Version{}) {
		return r.snapshots.Latest(ctx, r.org, r.integration)
	}
	s, err := r.snapshots.Open(ctx, r.org, r.integration, v.Job, v.Token)
	if errors.Is(err, snapshot.ErrGone) {
		return nil, roster.ErrGone
	}
	return s, err
}

var standings = map[roster.Status]snapshot.Standing{
	roster.Active: snapshot.OnlyActive, roster.Deleted: snapshot.OnlyDeleted,
}

var fields = map[roster.Field]snapshot.Field{
	roster.FieldEmail: snapshot.FieldEmail, roster.FieldFirstName: snapshot.FieldFirstName, roster.FieldLastName: snapshot.FieldLastName,
	roster.FieldFullName: snapshot.FieldFullName, roster.FieldRole: snapshot.FieldRole,
	roster.FieldExternalStatus: snapshot.FieldExternalStatus, roster.FieldID: snapshot.FieldExternalID,
}

var statuses = map[string]roster.Status{"active": roster.Active, "deleted": roster.Deleted}

var grantStatuses = map[string]roster.GrantStatus{
	"active": roster.GrantActive, "inactive": roster.GrantInactive, "deleted": roster.GrantDeleted,
}

func member(u snapshot.UserRow) roster.Member {
	m := roster.Member{
		User: roster.User{
			Email: u.Email, ID: u.ID, FirstName: u.FirstName, LastName: u.LastName, Status: statuses[u.Status],
			ExternalStatus: u.ExternalStatus, Roles: u.Roles, LastUsed: u.LastUsed,
		},
		FirstSeen: u.FirstSeen, DeletedAt: time.Time{},
	}
	if m.Status == roster.Deleted {
		m.DeletedAt = u.DeletedAt
	}
	for _, l := range u.Licenses {
		m.Grants = append(m.Grants, roster.Held{License: l.Name, Status: grantStatuses[l.Status]})
	}
	return m
}
