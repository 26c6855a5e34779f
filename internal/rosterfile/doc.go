// Package rosterfile reads a roster from an uploaded JSON file: a document with
// users and, perhaps, licences and who holds them.
//
//	New(open).Read(ctx, nil)
//	   │ open(ctx, 0)
//	   ▼
//	 input ──► jsontext ──► record ──► User, Grant ──► output ──► Batch … end | error
//	 counts     checks      one user,   fields, each    gathers
//	 lines,     the JSON    its bytes   with its place  about a
//	 sets a                 and place                   thousand
//	 bound
//
//	 a licence with more users than one batch holds: to its end first (its name may
//	 come last), then open(ctx, offset of its users) and read them again
//
// # What a valid file is
//
// One JSON object in UTF-8, with or without a byte-order mark, followed by white
// space only, nested at most 10,000 deep, that has an array "users" once with at
// least one usable user, and "licenses" at most once, an array or null. No single
// value that is read whole (a user, a licence's user, a licence's other members, a
// string anywhere) may be larger than 1 MiB, the white space before it included.
// All else is a [roster.Fault] with line and column, and its author mends it.
// A "licenses" that is neither array nor null is a fault too, though a bad value
// elsewhere costs only its field: dropping it would report success and leave every
// licence of yesterday standing.
//
// # What is taken from it
//
// The file is a full snapshot: a user who is skipped is a user removed. So only one
// without a usable e-mail address ([roster.AppendEmail]) is skipped. All other values are
// taken generously, and where that fails the field is dropped and a problem listed:
//
//   - null and "" are "not given". Names are matched exactly, after JSON's escapes. A
//     name twice in one record: the last counts, and a wrong_type problem says so.
//   - An unknown member is ignored, as the contract has it. But it may be a slip of the
//     pen: behind all else of the read a member_unknown problem says for each of the
//     first 50 names of up to 100 bytes, by kind of object, where it is first, how often
//     it is there, and which name was meant if one is near; one more counts the others.
//   - A number or boolean where text belongs is taken as it is written: 1e3 is "1e3".
//   - Text is kept as it stands. Only e-mails, enums, dates and licence names are
//     trimmed; a licence is its name, in exactly that case.
//   - status and licenseStatus in any case. Bad ones: Unknown and Derived.
//   - roles: an array; a lone text is one role; an empty or null member is none.
//   - lastUsedDate: YYYY-MM-DD or an RFC 3339 timestamp, kept in UTC, cut to whole
//     milliseconds. 0001-01-01, which some systems write for "never", is "not given".
//   - pricePerUser and unassignedAmount: whole numbers from 0 to 2^63-1 however
//     written (15000, 15000.0, 1.5e4), also as text: exporters quote numbers, and
//     digits cannot be misread.
//   - A licence without a name, or with one of more than [roster.MaxLicenseName]
//     bytes, is skipped, and so is each of its users, each with a problem: no record
//     is lost silently.
//   - A list of roles says at most ten problems.
//
// # Left to others
//
// What needs a look at more than one record is package snapshot's: one e-mail or
// one licence twice, an id under two e-mails, a licence's user who is no user.
// Whether the upload may be read at all is package upload's.
package rosterfile
