package roster

import (
	"context"
	"fmt"
	"iter"
	"time"
)

// Status is a user's standing in the system.
type Status uint8

const (
	// Unknown: the source gave a status that is no status. The last known one
	// stays; without one it is Active.
	Unknown Status = iota
	Active
	Deleted
)

// GrantStatus is the standing of one user's licence.
type GrantStatus uint8

const (
	Derived       GrantStatus = iota // not given: follows the user (deleted → deleted, else active)
	GrantActive                      // "active"
	GrantInactive                    // "inactive"
	GrantDeleted                     // "deleted"
)

// Place says where in its source a record stood. The zero Place is unknown.
type Place struct {
	Index  int64 // of the record in its list, from 0
	Line   int64 // from 1
	Column int64 // in bytes, from 1
}

// User is one person as a source lists them. Email is the identity: trimmed,
// lower case, never empty. Every other field's zero value is "not given".
type User struct {
	Place          Place
	Email          string
	ID             string // the system's own id
	FirstName      string
	LastName       string
	Status         Status
	ExternalStatus string
	Roles          []string
	LastUsed       time.Time // UTC, milliseconds
}

// MaxLicenseName is the longest name of a licence, in bytes. It is kept with each of
// those who hold the licence, so a long one would make much of a small file.
const MaxLicenseName = 1024

// License is one kind of licence. Name is the identity, never empty, and no longer
// than MaxLicenseName.
type License struct {
	Place        Place
	Name         string
	Unassigned   int64
	PricePerUser *int64 // in cents of the org's display currency; nil: not given
}

// Grant is one licence held by one user, who need not be among the users.
type Grant struct {
	Place   Place // Index counts within the licence's own list; see License
	List    int64 // index of the licence in its list
	License string
	Email   string // as User.Email
	Status  GrantStatus
}

// Reason is why a record or a field was not taken as it stood. The set is
// closed; it is the contract of a job's problem_counts.
type Reason string

const (
	EmailMissing         Reason = "email_missing"
	EmailInvalid         Reason = "email_invalid"
	NotAnObject          Reason = "not_an_object"
	EmailDuplicate       Reason = "email_duplicate"
	IDShared             Reason = "id_shared"
	StatusUnknown        Reason = "status_unknown"
	WrongType            Reason = "wrong_type"
	DateInvalid          Reason = "date_invalid"
	PriceInvalid         Reason = "price_invalid"
	AmountInvalid        Reason = "amount_invalid"
	LicenseNameMissing   Reason = "license_name_missing"
	LicenseDuplicate     Reason = "license_duplicate"
	LicenseUserUnmatched Reason = "license_user_unmatched"
	MemberUnknown        Reason = "member_unknown" // one for each name, however often it is there: it costs nothing
	FileInvalid          Reason = "file_invalid"   // what ended the read: the file as a whole is at fault
)

// Entity is what a record is counted as.
type Entity uint8

const (
	NoEntity Entity = iota // the problem skips no record: a field was dropped, or something is only worth saying
	UserEntity
	LicenseEntity
	GrantEntity
)

// MaxProblems is how many problems of a read are kept; the others are only counted.
const MaxProblems = 10_000

// Problem is one thing that was wrong, said so that its author finds it. Detail
// never holds the refused value: that may be a secret.
type Problem struct {
	Reason  Reason `json:"reason"`
	Pointer string `json:"pointer"` // RFC 6901, into the file or the page
	Line    int64  `json:"line,omitempty"`
	Column  int64  `json:"column,omitempty"` // in bytes, from 1
	Detail  string `json:"detail"`           // what was expected
	Skips   Entity `json:"-"`                // the kind of record that it cost, if it cost one
}

// Count says what became of the records of one kind. Received = Valid + Skipped +
// Duplicates, and Valid = Added + Changed + Unchanged; Removed were live before
// and are no longer listed. Who comes back after a removal is Changed.
type Count struct {
	Received   int64 `json:"received" example:"120"`
	Valid      int64 `json:"valid" example:"117"`
	Skipped    int64 `json:"skipped" example:"2"`
	Duplicates int64 `json:"duplicates" example:"1"`
	Added      int64 `json:"added" example:"5"`
	Changed    int64 `json:"changed" example:"12"`
	Removed    int64 `json:"removed" example:"3"`
	Unchanged  int64 `json:"unchanged" example:"100"`
}

// Counts are the counts of a whole read, by kind.
type Counts struct {
	Users    Count `json:"users"`
	Licenses Count `json:"licenses"`
	Grants   Count `json:"grants"`
}

// Batch is some of what a source holds, in the source's order. Its slices are
// the reader's to keep until the next batch is asked for, and no longer.
type Batch struct {
	Users    []User
	Licenses []License
	Grants   []Grant
	Problems []Problem
	// ListsLicenses is true in any batch of a source that says which licences
	// there are, even if none: only then are missing ones removed.
	ListsLicenses bool
	// Cursor, where not nil, makes a later Read go on behind this batch.
	Cursor []byte
}

// Source yields everything a system lists. cursor nil is the beginning; another
// is the Cursor of a batch of an earlier Read of the same source.
type Source interface {
	Read(ctx context.Context, cursor []byte) iter.Seq2[Batch, error]
}

// Fault is the error of a source whose input as a whole is at fault, so that
// trying again is useless until its author mends it. Its text is for them.
type Fault struct {
	Problems []Problem // what is wrong, the first ten; may be empty
	Message  string
}

func (f *Fault) Error() string { return f.Message }

// Faultf makes a Fault.
func Faultf(format string, args ...any) *Fault { return &Fault{Message: fmt.Sprintf(format, args...)} }
