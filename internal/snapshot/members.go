package snapshot

import (
	"context"
	"fmt"
	"strings"

	"muster/internal/roster"
)

// maxPage are the bytes that a page holds at most, about as an answer needs them: a
// function's may have 6 MB. A page has one member in any case.
const maxPage = 4 << 20

// Members reads a page of the users, with the licences that the source lists for
// them. Without Text it reads about one row group, and knows Total without
// reading. With it, it reads as much of the snapshot as it takes to fill the page
// and to know whether there is more; where Total is to be counted, all of it,
// once. q.Version is not looked at: a Reader is of one.
func (r *Reader) Members(ctx context.Context, q roster.MembersQuery) (roster.MembersPage, error) {
	if q.Size < 1 || q.Size > 1000 {
		return roster.MembersPage{}, fmt.Errorf("snapshot: a page of %d members: 1 to 1000 can be asked for", q.Size)
	}
	if r.file == nil {
		return roster.MembersPage{}, nil
	}
	w := r.file.walk()
	defer w.close()
	b := memberPage{w: w, match: newMatcher(&q), after: []byte(q.After), size: q.Size, counts: q.Total < 0 && q.Text != ""}
	// No licence has this name: the key is behind all grants of the person.
	from := Key{Email: q.After, License: "\xff"}
	if b.counts || q.After == "" {
		from = Key{}
	}
	if err := w.each(ctx, from, b.add); err != nil {
		return roster.MembersPage{}, fmt.Errorf("snapshot: list members of %s: %w", r.ref.Key, err)
	}
	b.page.Version = roster.Version{Job: r.ref.Job, Token: r.ref.Revision}
	switch {
	case q.Total >= 0:
		b.page.Total = q.Total
	case !b.counts:
		b.page.Total = r.ref.Totals.Users.with(q.Status)
	}
	return b.page, nil
}

// with is how many have the status; Unknown is any.
func (t Total) with(s roster.Status) int64 {
	switch s {
	case roster.Active:
		return t.Live
	case roster.Deleted:
		return t.Deleted
	}
	return t.Live + t.Deleted
}

// memberPage collects members until the page is full and one more is seen, and
// those behind it and before it are counted, if they are to be.
type memberPage struct {
	w      *walker
	match  matcher
	after  []byte
	size   int
	bytes  int
	counts bool
	open   bool // the last row is the member whose grants are coming
	page   roster.MembersPage
}

func (b *memberPage) add(old *oldRow) (more bool, err error) {
	switch kindOf(old.email, old.license) {
	case License:
		return true, nil
	case Grant:
		if b.open && !old.removed {
			b.grant(old)
		}
		return true, nil
	}
	b.open = false
	if ok, err := b.match.user(b.w, old); err != nil || !ok {
		return err == nil, err
	}
	if b.counts {
		b.page.Total++
	}
	if b.page.More || b.counts && string(old.email) <= string(b.after) {
		return true, nil
	}
	return b.member(old)
}

// grant is one of the last member's, or of somebody whom the source does not list.
func (b *memberPage) grant(old *oldRow) {
	m := &b.page.Members[len(b.page.Members)-1]
	if m.Email == string(old.email) {
		m.Grants = append(m.Grants, roster.Held{License: string(old.license), Status: grantStatus[old.status]})
		b.bytes += textSize(string(old.license)) + 40
	}
}

func (b *memberPage) member(old *oldRow) (more bool, err error) {
	n := len(b.page.Members)
	if n == b.size || n > 0 && b.bytes >= maxPage {
		b.page.More = true
		return b.counts, nil
	}
	m, err := b.w.member(old)
	if err != nil {
		return false, err
	}
	size := memberSize(&m)
	if n > 0 && b.bytes+size > maxPage {
		b.page.More = true
		return b.counts, nil
	}
	b.bytes += size
	b.page.Members, b.open = append(b.page.Members, m), true
	return true, nil
}

func memberSize(m *roster.Member) int {
	n := 400 + textSize(m.Email) + textSize(m.ID) + 2*(textSize(m.FirstName)+textSize(m.LastName)) + textSize(m.ExternalStatus)
	for _, role := range m.Roles {
		n += textSize(role) + 4
	}
	return n
}

// textSize is what a text takes of an answer, which is JSON in a text in JSON where
// a function gives it to its gateway: a quote is \\\".
func textSize(s string) int {
	n := len(s)
	for i := range len(s) {
		switch c := s[i]; {
		case c < ' ':
			n += len(`\\u0000`) - 1
		case c == '"', c == '\\':
			n += len(`\\\"`) - 1
		}
	}
	return n
}

// member is the whole of a user's row, on its own memory.
func (w *walker) member(old *oldRow) (m roster.Member, err error) {
	if err := w.fetchUser(old); err != nil {
		return m, err
	}
	m.Email, m.Status = string(old.email), roster.Active
	if old.status == deleted {
		m.Status = roster.Deleted
	}
	m.ID, m.FirstName, m.LastName = string(w.user.id), string(w.user.first), string(w.user.last)
	m.ExternalStatus, m.Roles = string(w.user.external), w.user.roleTexts()
	m.LastUsed = millis(w.user.lastUsed, w.user.hasLastUsed)
	m.FirstSeen, m.DeletedAt = millis(old.firstSeen, true), millis(old.deletedAt, old.deletedAt != 0)
	return m, nil
}

// matcher chooses users as a query does.
type matcher struct {
	status roster.Status
	text   string // lower case
	fields []roster.Field
}

func newMatcher(q *roster.MembersQuery) matcher {
	return matcher{status: q.Status, text: strings.ToLower(q.Text), fields: q.Fields}
}

func (m *matcher) user(w *walker, old *oldRow) (bool, error) {
	if m.status != roster.Unknown && (m.status == roster.Deleted) != (old.status == deleted) {
		return false, nil
	}
	if m.text == "" {
		return true, nil
	}
	if err := w.fetchUser(old); err != nil {
		return false, err
	}
	for _, f := range m.fields {
		if strings.Contains(strings.ToLower(fieldText(f, old, &w.user)), m.text) {
			return true, nil
		}
	}
	return false, nil
}

func fieldText(f roster.Field, old *oldRow, u *userFields) string {
	switch f {
	case roster.FieldEmail:
		return string(old.email)
	case roster.FieldFirstName:
		return string(u.first)
	case roster.FieldLastName:
		return string(u.last)
	case roster.FieldFullName:
		return strings.TrimSpace(string(u.first) + " " + string(u.last))
	case roster.FieldRole:
		return strings.Join(u.roleTexts(), ", ")
	case roster.FieldExternalStatus:
		return string(u.external)
	case roster.FieldID:
		return string(u.id)
	}
	return ""
}
