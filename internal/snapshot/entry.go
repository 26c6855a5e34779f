package snapshot

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"time"

	"github.com/parquet-go/parquet-go/bloom/xxhash"

	"muster/internal/roster"
)

// formatVersion is the version of snapshots, checkpoints and fingerprints that
// this program writes. It reads snapshots of every version: see fingerprint.
const formatVersion = 1

// status is the stored form of a row's standing; its text is in the file.
type status uint8

const (
	active status = iota
	inactive
	deleted
)

var statusText = [...]string{active: "active", inactive: "inactive", deleted: "deleted"}

func parseStatus(b []byte) (status, error) {
	for s, t := range statusText {
		if string(b) == t {
			return status(s), nil
		}
	}
	return 0, fmt.Errorf("%w: a row has the status %q", ErrCorrupt, b)
}

// entry is one record of a source in the compact form in which it is sorted,
// spilled and merged. Its slices belong to whoever decoded it.
//
// The key is (email, license), compared as bytes: a licence has no e-mail and a
// user no licence, so licences come first, by name, and a person's grants come
// right behind the person.
type entry struct {
	email, license []byte
	place          roster.Place
	list           int64  // of a grant: the licence's index
	given          uint8  // roster.Status or roster.GrantStatus
	fields         []byte // everything else, see appendUser and appendLicense
}

// Kind is what a row is about.
type Kind uint8

const (
	License Kind = iota
	User
	Grant
)

func (k Kind) String() string { return kindText[k] }

var kindText = [...]string{License: "license", User: "user", Grant: "grant"}

func kindOf(email, license []byte) Kind {
	switch {
	case len(email) == 0:
		return License
	case len(license) == 0:
		return User
	}
	return Grant
}

func compareKeys(aEmail, aLicense, bEmail, bLicense []byte) int {
	if c := bytes.Compare(aEmail, bEmail); c != 0 {
		return c
	}
	return bytes.Compare(aLicense, bLicense)
}

// entryHead is at least what an entry takes beside its key and fields.
const entryHead = 4 + 6*binary.MaxVarintLen64 + 1

// append writes the entry behind dst, led by its length.
func (e *entry) append(dst []byte) []byte {
	start := len(dst)
	dst = append(dst, 0, 0, 0, 0)
	dst = appendBytes(dst, e.email)
	dst = appendBytes(dst, e.license)
	dst = binary.AppendUvarint(dst, uint64(e.place.Index))
	dst = binary.AppendUvarint(dst, uint64(e.place.Line))
	dst = binary.AppendUvarint(dst, uint64(e.place.Column))
	dst = binary.AppendUvarint(dst, uint64(e.list))
	dst = append(dst, e.given)
	dst = append(dst, e.fields...)
	binary.LittleEndian.PutUint32(dst[start:], uint32(len(dst)-start-4))
	return dst
}

// nextEntry cuts the first entry off b.
func nextEntry(b []byte) (raw, rest []byte, err error) {
	if len(b) < 4 {
		return nil, nil, fmt.Errorf("%w: a spilled record is cut short", ErrCorrupt)
	}
	n := int(binary.LittleEndian.Uint32(b))
	if n > len(b)-4 {
		return nil, nil, fmt.Errorf("%w: a spilled record is cut short", ErrCorrupt)
	}
	return b[:4+n], b[4+n:], nil
}

// decode reads what append wrote; the entry shares raw's bytes.
func (e *entry) decode(raw []byte) error {
	r := fieldReader{b: raw[4:]}
	e.email = r.bytes()
	e.license = r.bytes()
	e.place = roster.Place{Index: int64(r.uvarint()), Line: int64(r.uvarint()), Column: int64(r.uvarint())}
	e.list = int64(r.uvarint())
	e.given = r.byte()
	e.fields = r.b
	return r.err
}

// decodeKey reads the key alone: all that a merge needs.
func (e *entry) decodeKey(raw []byte) error {
	r := fieldReader{b: raw[4:]}
	e.email = r.bytes()
	e.license = r.bytes()
	return r.err
}

// userFields are the fields of a user row apart from its key and its standing.
type userFields struct {
	id, first, last, external []byte
	roles                     [][]byte
	lastUsed                  int64
	hasLastUsed               bool
}

func appendUser(dst []byte, u *roster.User) []byte {
	dst = appendString(dst, u.ID)
	dst = appendString(dst, u.FirstName)
	dst = appendString(dst, u.LastName)
	dst = appendString(dst, u.ExternalStatus)
	dst = appendOptional(dst, u.LastUsed.UnixMilli(), !u.LastUsed.IsZero())
	dst = binary.AppendUvarint(dst, uint64(len(u.Roles)))
	for _, r := range u.Roles {
		dst = appendString(dst, r)
	}
	return dst
}

func (u *userFields) append(dst []byte) []byte {
	dst = appendBytes(dst, u.id)
	dst = appendBytes(dst, u.first)
	dst = appendBytes(dst, u.last)
	dst = appendBytes(dst, u.external)
	dst = appendOptional(dst, u.lastUsed, u.hasLastUsed)
	dst = binary.AppendUvarint(dst, uint64(len(u.roles)))
	for _, r := range u.roles {
		dst = appendBytes(dst, r)
	}
	return dst
}

func (u *userFields) decode(fields []byte) error {
	r := fieldReader{b: fields}
	u.id, u.first, u.last, u.external = r.bytes(), r.bytes(), r.bytes(), r.bytes()
	u.lastUsed, u.hasLastUsed = r.optional()
	u.roles = u.roles[:0]
	for n := r.uvarint(); n > 0 && r.err == nil; n-- {
		u.roles = append(u.roles, r.bytes())
	}
	return r.err
}

// roleTexts are the roles on memory of their own; nil where there are none.
func (u *userFields) roleTexts() (roles []string) {
	for _, r := range u.roles {
		roles = append(roles, string(r))
	}
	return roles
}

// licenseFields are the fields of a licence row apart from its name.
type licenseFields struct {
	unassigned int64
	price      int64
	hasPrice   bool
}

func (l *licenseFields) append(dst []byte) []byte {
	dst = appendOptional(dst, l.unassigned, true)
	return appendOptional(dst, l.price, l.hasPrice)
}

func (l *licenseFields) decode(fields []byte) error {
	r := fieldReader{b: fields}
	l.unassigned, _ = r.optional()
	l.price, l.hasPrice = r.optional()
	return r.err
}

// merge lays what a later entry of the same licence gives over l. An amount of 0
// is what a source that gives none says: it does not win over an earlier one.
func (l *licenseFields) merge(later licenseFields) {
	if later.unassigned != 0 {
		l.unassigned = later.unassigned
	}
	if later.hasPrice {
		l.price, l.hasPrice = later.price, true
	}
}

// standing is what a row says besides its fields and goes into its fingerprint.
type standing struct {
	status  status
	derived bool // a grant whose status was not given and follows its user
	matched bool // a grant whose person the source lists
	removed bool // deleted, and the last complete read does not list it
}

func (s standing) byte() byte {
	b := byte(s.status)
	for i, on := range [...]bool{s.derived, s.matched, s.removed} {
		if on {
			b |= 4 << i
		}
	}
	return b
}

// fingerprint is equal for two states of a row that say the same in the fields
// of the given format version. Fields are only ever added behind the others, so a
// later version computes an earlier one's fingerprint by leaving its own out:
// that is why a release that adds a column changes nobody.
func fingerprint(fields []byte, s standing, version int) uint64 {
	_ = version // 1 is the only one so far
	h := xxhash.Sum64(fields)
	return xxhash.Sum64Uint64(h ^ uint64(s.byte())*0x9e3779b97f4a7c15)
}

func appendBytes(dst, b []byte) []byte {
	dst = binary.AppendUvarint(dst, uint64(len(b)))
	return append(dst, b...)
}

func appendString(dst []byte, s string) []byte {
	dst = binary.AppendUvarint(dst, uint64(len(s)))
	return append(dst, s...)
}

func appendOptional(dst []byte, v int64, given bool) []byte {
	if !given {
		return append(dst, 0)
	}
	return binary.AppendVarint(append(dst, 1), v)
}

// fieldReader reads what the append functions wrote. After a fault it answers
// zeros and keeps the error.
type fieldReader struct {
	b   []byte
	err error
}

func (r *fieldReader) fail() {
	r.b, r.err = nil, fmt.Errorf("%w: a record's fields are cut short", ErrCorrupt)
}

func (r *fieldReader) uvarint() uint64 {
	v, n := binary.Uvarint(r.b)
	if n <= 0 {
		r.fail()
		return 0
	}
	r.b = r.b[n:]
	return v
}

func (r *fieldReader) bytes() []byte {
	n := r.uvarint()
	if n > uint64(len(r.b)) {
		r.fail()
		return nil
	}
	b := r.b[:n:n]
	r.b = r.b[n:]
	return b
}

func (r *fieldReader) byte() byte {
	if len(r.b) == 0 {
		r.fail()
		return 0
	}
	v := r.b[0]
	r.b = r.b[1:]
	return v
}

func (r *fieldReader) optional() (int64, bool) {
	if r.byte() == 0 {
		return 0, false
	}
	v, n := binary.Varint(r.b)
	if n <= 0 {
		r.fail()
		return 0, false
	}
	r.b = r.b[n:]
	return v, true
}

// millis is a time as it is stored; the zero time is none.
func millis(ms int64, given bool) time.Time {
	if !given {
		return time.Time{}
	}
	return time.UnixMilli(ms).UTC()
}
