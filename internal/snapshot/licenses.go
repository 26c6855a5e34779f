package snapshot

import (
	"bytes"
	"context"
	"fmt"

	"muster/internal/roster"
)

// maxLicenses are the licences that one page holds at most.
const maxLicenses = 10_000

// Licenses reads a page of the licences that are listed, and counts who holds
// them: it reads the snapshot through once, and remembers the page alone. A page
// of more than maxPage bytes ends early.
func (r *Reader) Licenses(ctx context.Context, q roster.LicensesQuery) (page roster.LicensesPage, err error) {
	if q.Size < 1 || q.Size > maxLicenses || q.Skip < 0 {
		return page, fmt.Errorf("snapshot: a page of %d licences behind %d: 1 to %d can be asked for", q.Size, q.Skip, maxLicenses)
	}
	if r.file == nil {
		return page, nil
	}
	w := r.file.walk()
	defer w.close()
	c := counter{w: w, skip: q.Skip, size: q.Size, at: map[string]int{}}
	if err := w.each(ctx, Key{}, c.add); err != nil {
		return page, fmt.Errorf("snapshot: list licences of %s: %w", r.ref.Key, err)
	}
	c.page.Version = roster.Version{Job: r.ref.Job, Token: r.ref.Revision}
	c.page.Total = r.ref.Totals.Licenses.Live
	return c.page, nil
}

// counter collects licences, which come first, and then counts their grants.
type counter struct {
	w     *walker
	skip  int64
	size  int
	bytes int
	at    map[string]int // where in the page a licence stands
	page  roster.LicensesPage
}

func (c *counter) add(old *oldRow) (more bool, err error) {
	switch kindOf(old.email, old.license) {
	case License:
		return true, c.license(old)
	case Grant:
		if i, ok := c.at[string(old.license)]; ok && !old.removed {
			count(&c.page.Licenses[i], old.status)
		}
	}
	return len(c.at) > 0, nil
}

func (c *counter) license(old *oldRow) error {
	switch {
	case old.status == deleted || c.page.More:
		return nil
	case c.skip > 0:
		c.skip--
		return nil
	case len(c.at) == c.size || c.bytes >= maxPage:
		c.page.More = true
		return nil
	}
	row, err := c.w.row(old)
	if err != nil {
		return err
	}
	c.bytes += textSize(row.License) + 400
	c.at[row.License] = len(c.page.Licenses)
	c.page.Licenses = append(c.page.Licenses, roster.LicenseUse{
		License: roster.License{Name: row.License, Unassigned: row.Unassigned, PricePerUser: row.PricePerUser},
	})
	return nil
}

// count adds one who holds the licence, by what it is to them.
func count(u *roster.LicenseUse, s status) {
	switch s {
	case active:
		u.Active++
	case inactive:
		u.Inactive++
	case deleted:
		u.Deleted++
	}
}

// Holders reads a page of those whom the source lists with a licence.
// roster.ErrNoLicense. Where Total is to be counted it reads the snapshot through, else
// as much as it takes to fill the page and to know whether there is more.
func (r *Reader) Holders(ctx context.Context, q roster.HoldersQuery) (page roster.HoldersPage, err error) {
	if q.Size < 1 || q.Size > 1000 {
		return page, fmt.Errorf("snapshot: a page of %d holders: 1 to 1000 can be asked for", q.Size)
	}
	if r.file == nil {
		return page, roster.ErrNoLicense
	}
	w := r.file.walk()
	defer w.close()
	h := holders{q: q, license: []byte(q.License)}
	after := Key{Email: q.After, License: "\xff"}
	if q.Total < 0 {
		after = Key{}
	}
	if err := w.each(ctx, after, h.add); err != nil {
		return page, fmt.Errorf("snapshot: list holders of a licence of %s: %w", r.ref.Key, err)
	}
	if q.Total < 0 && !h.found {
		return page, roster.ErrNoLicense
	}
	h.page.Version = roster.Version{Job: r.ref.Job, Token: r.ref.Revision}
	h.page.Total = max(q.Total, h.counted)
	return h.page, nil
}

// holders collects the grants of one licence.
type holders struct {
	q       roster.HoldersQuery
	license []byte
	found   bool // the licence's own row
	counted int64
	page    roster.HoldersPage
}

func (h *holders) add(old *oldRow) (more bool, err error) {
	k := kindOf(old.email, old.license)
	if k == User || !bytes.Equal(old.license, h.license) {
		return true, nil
	}
	if k == License {
		h.found = old.status != deleted
		return h.found, nil
	}
	if old.removed {
		return true, nil
	}
	h.counted++
	switch {
	case string(old.email) <= h.q.After:
	case len(h.page.Holders) == h.q.Size:
		h.page.More = true
		return h.q.Total < 0, nil
	default:
		h.page.Holders = append(h.page.Holders, roster.Holder{Email: string(old.email), Status: grantStatus[old.status], Member: old.matched})
	}
	return true, nil
}

var grantStatus = [...]roster.GrantStatus{active: roster.GrantActive, inactive: roster.GrantInactive, deleted: roster.GrantDeleted}
