package roster

import "errors"

// ErrNoLicense: the roster has no licence of that name, or none any more.
var ErrNoLicense = errors.New("roster: no such licence")

// LicensesQuery asks for a page of licences in the order of their names.
type LicensesQuery struct {
	Version Version
	Skip    int64 // licences before the page
	Size    int   // licences at most, 1 to 10,000
}

// LicensesPage is one page. A page ends early where it would be larger than 4 MiB.
type LicensesPage struct {
	Licenses []LicenseUse
	Version  Version // of the roster that the page is of; zero: there is none yet
	Total    int64   // licences on all pages
	More     bool    // there are more behind the last one
}

// LicenseUse is a licence, without a Place, and how many hold it, by the status
// that it has for them. Holders who are no members count as well.
type LicenseUse struct {
	License
	Active, Inactive, Deleted int64
}

// HoldersQuery asks for a page of those who hold a licence, in e-mail order.
type HoldersQuery struct {
	Version Version
	License string
	After   string // e-mail, exclusive; "" is the beginning
	Size    int    // holders at most, 1 to 1,000
	// Total, where not negative, is what an earlier page of the same query
	// answered: it is not counted again.
	Total int64
}

// HoldersPage is one page.
type HoldersPage struct {
	Holders []Holder
	Version Version
	Total   int64 // holders on all pages
	More    bool  // there are more behind the last one
}

// Holder is one who holds a licence. Status is never Derived.
type Holder struct {
	Email  string
	Status GrantStatus
	Member bool // the source lists a user of this e-mail
}
