package roster

import (
	"context"
	"errors"
	"time"
)

// ErrGone: the roster is no longer kept in the version that was asked for.
var ErrGone = errors.New("roster: this version of the roster is gone")

// Version names one committed state of a roster. The zero Version is the latest.
type Version struct {
	Job   string `json:"j"`
	Token int64  `json:"t"`
}

// Member is a user as a committed roster keeps them. Status is Active or Deleted.
type Member struct {
	User
	FirstSeen time.Time
	DeletedAt time.Time // zero while Status is Active
	Grants    []Held    // by licence name; those that are gone are left out
}

// Held is one licence of a Member. Status is never Derived.
type Held struct {
	License string
	Status  GrantStatus
}

// Field is a field of a user that a text can be looked for in.
type Field uint8

const (
	FieldEmail Field = iota
	FieldFirstName
	FieldLastName
	FieldFullName
	FieldRole
	FieldExternalStatus
	FieldID
)

// MembersQuery asks for a page of members in e-mail order.
type MembersQuery struct {
	Version Version
	After   string  // e-mail, exclusive; "" is the beginning
	Size    int     // members at most, 1 to 1,000
	Status  Status  // Active or Deleted; Unknown is either
	Text    string  // substring of one of Fields, in any case; "" is no filter
	Fields  []Field // where to look for Text; in none nothing is found
	// Total, where not negative, is what an earlier page of the same query
	// answered: it is not counted again.
	Total int64
}

// MembersPage is one page. A page ends early where it would be larger than 4 MiB.
type MembersPage struct {
	Members []Member
	Version Version // of the roster that the page is of; zero: there is none yet
	Total   int64   // members that match, on all pages
	More    bool    // there are more behind the last one
}

// Reader reads the committed roster of one system integration. It needs memory
// for a page, not for the roster. ErrGone: the version asked for was replaced
// and has been cleared away.
type Reader interface {
	Members(ctx context.Context, q MembersQuery) (MembersPage, error)
	Licenses(ctx context.Context, q LicensesQuery) (LicensesPage, error)
	// Holders may also end in ErrNoLicense.
	Holders(ctx context.Context, q HoldersQuery) (HoldersPage, error)
}
