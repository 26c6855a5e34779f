package snapshot

import (
	"context"
	"fmt"
	"strings"
)

// Standing chooses users by status.
type Standing uint8

const (
	OnlyActive Standing = iota
	OnlyDeleted
	Everyone
)

// Field is a field of a user that a text is looked for in.
type Field uint8

const (
	FieldEmail Field = iota
	FieldFirstName
	FieldLastName
	FieldFullName // first and last name with a space between
	FieldRole     // the roles joined by ", "
	FieldExternalStatus
	FieldExternalID
)

// DefaultFields are searched where a Filter names none.
var DefaultFields = []Field{FieldEmail, FieldFirstName, FieldLastName}

// Filter chooses users. The zero Filter is all active ones.
type Filter struct {
	Standing Standing
	Text     string  // a part of one of the fields, upper and lower case alike; "" is any
	Fields   []Field // where Text is looked for; none: DefaultFields
}

// MaxPage are the bytes that a page of users holds at most, about as JSON would
// need them; a page has one user in any case.
const MaxPage = 4 << 20

// Page asks for a part of the list.
type Page struct {
	Filter
	After string // the e-mail behind which to begin; "" is the beginning
	Size  int    // users at most: 1..1000
}

// UserRow is a user with the licences that the source lists for them, by name.
type UserRow struct {
	Row
	Licenses []UserLicense
}

// UserLicense is one licence of a user. Status is active, inactive or deleted.
type UserLicense struct{ Name, Status string }

// UserPage is part of a list in the order of its e-mails. NextAfter is the After
// of the next part, "" at the end.
type UserPage struct {
	Users     []UserRow
	NextAfter string
}

// Users reads a page. Without Text it reads about one row group; with it, as much
// of the snapshot as it takes to fill the page and to know whether there is more.
// A page of more than MaxPage bytes ends early. Licences that a complete read no
// longer lists are left out.
func (r *Reader) Users(ctx context.Context, p Page) (UserPage, error) {
	if p.Size < 1 || p.Size > 1000 {
		return UserPage{}, fmt.Errorf("snapshot: a page of %d users: 1 to 1000 can be asked for", p.Size)
	}
	if r.file == nil {
		return UserPage{}, nil
	}
	w := r.file.walk()
	defer w.close()
	b := pageBuilder{w: w, match: p.matcher(), size: p.Size}
	if err := w.each(ctx, p.start(), b.add); err != nil {
		return UserPage{}, fmt.Errorf("snapshot: list users of %s: %w", r.ref.Key, err)
	}
	return b.page, nil
}

// start is the last key before what the page may hold: licences have no e-mail,
// and no licence has this name, so it is behind all of a person's grants.
func (p *Page) start() Key { return Key{Email: p.After, License: "\xff"} }

// pageBuilder collects users until a page is full and one more is seen.
type pageBuilder struct {
	w     *walker
	match matcher
	size  int
	bytes int
	open  bool // the last row is the user whose grants are coming
	page  UserPage
}

func (b *pageBuilder) add(old *oldRow) (more bool, err error) {
	switch kindOf(old.email, old.license) {
	case licenseKind:
		return true, nil
	case grantKind:
		if n := len(b.page.Users); b.open && !old.removed && b.page.Users[n-1].Email == string(old.email) {
			l := UserLicense{string(old.license), statusText[old.status]}
			b.page.Users[n-1].Licenses = append(b.page.Users[n-1].Licenses, l)
			b.bytes += len(l.Name) + 40
		}
		return true, nil
	}
	b.open = false
	if ok, err := b.match.user(b.w, old); err != nil || !ok {
		return err == nil, err
	}
	n := len(b.page.Users)
	if n > 0 && (n == b.size || b.bytes >= MaxPage) {
		b.page.NextAfter = b.page.Users[n-1].Email
		return false, nil
	}
	row, err := b.w.row(old)
	if err != nil {
		return false, err
	}
	if size := rowSize(&row); n > 0 && b.bytes+size > MaxPage {
		b.page.NextAfter = b.page.Users[n-1].Email
		return false, nil
	} else {
		b.bytes += size
	}
	b.page.Users, b.open = append(b.page.Users, UserRow{Row: row}), true
	return true, nil
}

func rowSize(r *Row) int {
	n := 400 + len(r.Email) + len(r.ID) + 2*(len(r.FirstName)+len(r.LastName)) + len(r.ExternalStatus)
	for _, role := range r.Roles {
		n += len(role) + 4
	}
	return n
}

// Total counts the users that the filter chooses. Without Text that is known
// without reading; with it the snapshot is read through.
func (r *Reader) Total(ctx context.Context, f Filter) (int64, error) {
	t := r.ref.Totals.Users
	switch {
	case r.file == nil:
		return 0, nil
	case f.Text == "" && f.Standing == OnlyActive:
		return t.Live, nil
	case f.Text == "" && f.Standing == OnlyDeleted:
		return t.Deleted, nil
	case f.Text == "":
		return t.Live + t.Deleted, nil
	}
	w := r.file.walk()
	defer w.close()
	match, n := f.matcher(), int64(0)
	err := w.each(ctx, Key{}, func(old *oldRow) (bool, error) {
		if kindOf(old.email, old.license) != userKind {
			return true, nil
		}
		ok, err := match.user(w, old)
		if ok {
			n++
		}
		return true, err
	})
	if err != nil {
		return 0, fmt.Errorf("snapshot: count users of %s: %w", r.ref.Key, err)
	}
	return n, nil
}

// matcher is a Filter made ready.
type matcher struct {
	standing Standing
	text     string // lower case
	fields   []Field
}

func (f *Filter) matcher() matcher {
	m := matcher{standing: f.Standing, text: strings.ToLower(f.Text), fields: f.Fields}
	if len(m.fields) == 0 {
		m.fields = DefaultFields
	}
	return m
}

func (m *matcher) user(w *walker, old *oldRow) (ok bool, err error) {
	if m.standing == OnlyActive && old.status == deleted || m.standing == OnlyDeleted && old.status != deleted {
		return false, nil
	}
	if m.text == "" {
		return true, nil
	}
	if err := w.fetch(old); err != nil {
		return false, err
	}
	defer caught(&err)
	w.cold.user(&w.user)
	for _, f := range m.fields {
		if strings.Contains(strings.ToLower(fieldText(f, old, &w.user)), m.text) {
			return true, nil
		}
	}
	return false, nil
}

func fieldText(f Field, old *oldRow, u *userFields) string {
	switch f {
	case FieldEmail:
		return string(old.email)
	case FieldFirstName:
		return string(u.first)
	case FieldLastName:
		return string(u.last)
	case FieldFullName:
		return strings.TrimSpace(string(u.first) + " " + string(u.last))
	case FieldRole:
		roles := make([]string, len(u.roles))
		for i, r := range u.roles {
			roles[i] = string(r)
		}
		return strings.Join(roles, ", ")
	case FieldExternalStatus:
		return string(u.external)
	case FieldExternalID:
		return string(u.id)
	}
	return ""
}
