package rosterfile

import (
	"bytes"

	"muster/internal/roster"
)

// holdGrants is how many users of a licence are held back until its end, when its
// name is known. The users of a larger one are read again from where they began.
const holdGrants = 1024

const (
	licenseName = iota
	licenseUnassigned
	licensePrice
	licenseUsers
	licenseMembers
)

var licenseNames = [licenseMembers]string{"name", "unassignedAmount", "pricePerUser", "users"}

const (
	expectName   = "expected the licence's name, as text of at most 1024 bytes" // roster.MaxLicenseName
	expectNamed  = "expected a licence with a name around it"
	expectNumber = "expected a whole number from 0 to 9223372036854775807"
	expectCents  = "expected whole cents, from 0 to 9223372036854775807, such as 15000 for 150.00"
	expectUsers  = "expected an array of the licence's users"
)

// license is one whose end has not come: its members so far, the last of each name.
type license struct {
	record // raw is not used
	object
	out      *output
	members  [licenseMembers]record // copies; of users the place only
	seen     uint                   // by bit
	twice    uint                   // of those seen
	problems []roster.Problem
	held     held
}

// held is the users of a licence, as far as they lie in the batch.
type held struct {
	from   mark
	offset int64 // in the file
	count  int64
	wrong  bool // it was no array
}

// begin keeps the buffers of the last licence.
func (l *license) begin(at place, index int64, out *output) {
	l.record, l.out = record{at: at, list: "/licenses", index: index}, out
	l.seen, l.twice, l.problems, l.held = 0, 0, l.problems[:0], held{from: out.mark()}
	for m := range l.members {
		l.members[m].raw = l.members[m].raw[:0]
	}
}

// find is the number of a member whose value stands at a place.
func (l *license) find(name string, at place) int {
	for m, n := range licenseNames {
		if n != name {
			continue
		}
		l.twice |= l.seen & (1 << m)
		l.seen |= 1 << m
		l.members[m].at = at
		return m
	}
	return -1
}

func (l *license) problem(reason roster.Reason, member int, at place, detail string) {
	l.problems = append(l.problems, roster.Problem{Reason: reason, Pointer: l.pointer(licenseNames[member]),
		Line: at.line, Column: at.column, Detail: detail})
}

func (l *license) drop(reason roster.Reason, member int, detail string) {
	l.problem(reason, member, l.members[member].at, detail)
}

// text is a member's text without the white space around it; ok as for text.
func (l *license) text(member int) (_ []byte, ok bool) {
	raw := l.members[member].raw
	if len(raw) == 0 {
		return nil, true
	}
	b, ok := text(raw, valueAt(raw, 0))
	return bytes.TrimSpace(b), ok
}

// end adds the licence to the batch and returns its name, "" if it has none that
// can be kept with each of its users.
func (l *license) end() string {
	b, _ := l.text(licenseName)
	if len(b) == 0 || len(b) > roster.MaxLicenseName {
		l.nameless()
		return ""
	}
	name := l.out.string(b)
	for m := range l.members {
		if l.twice>>m&1 != 0 {
			l.drop(roster.WrongType, m, expectOnce)
		}
	}
	unassigned, _ := l.whole(licenseUnassigned, roster.AmountInvalid)
	lic := roster.License{Place: l.place(), Name: name, Unassigned: unassigned}
	if price, ok := l.whole(licensePrice, roster.PriceInvalid); ok {
		lic.PricePerUser = &price
	}
	if l.held.wrong {
		l.drop(roster.WrongType, licenseUsers, expectUsers)
	}
	l.out.batch.Licenses = append(l.out.batch.Licenses, lic)
	for _, p := range l.problems {
		l.out.problem(p)
	}
	return name
}

func (l *license) nameless() {
	at := l.at
	if l.seen&(1<<licenseName) != 0 {
		at = l.members[licenseName].at
	}
	l.problems = l.problems[:0]
	l.problem(roster.LicenseNameMissing, licenseName, at, expectName)
	l.problems[0].Skips = roster.LicenseEntity
	l.out.problem(l.problems[0])
}

// whole is a member's whole number; ok is false where it has none, for which a
// problem is listed if something else stands there.
func (l *license) whole(member int, reason roster.Reason) (n int64, ok bool) {
	expect := expectNumber
	if member == licensePrice {
		expect = expectCents
	}
	b, isText := l.text(member)
	switch {
	case !isText || string(b) == "true" || string(b) == "false":
		l.drop(roster.WrongType, member, expect)
		return 0, false
	case len(b) == 0:
		return 0, false
	}
	if n, ok = wholeNumber(b); !ok {
		l.drop(reason, member, expect)
	}
	return n, ok
}

// settle gives the grants in the batch from an index on their licence's name, or
// refuses them where it has none: no record is lost without a word.
func (l *license) settle(from int, name string) {
	grants := l.out.batch.Grants
	for i := from; i < len(grants); i++ {
		g := &grants[i]
		if g.License = name; name != "" {
			continue
		}
		v := record{at: place{g.Place.Line, g.Place.Column}, list: l.pointer("users"), index: g.Place.Index}
		l.out.problem(roster.Problem{Reason: roster.LicenseNameMissing, Pointer: v.pointer(""),
			Line: v.at.line, Column: v.at.column, Detail: expectNamed, Skips: roster.GrantEntity})
	}
	if name == "" {
		l.out.batch.Grants = grants[:from]
	}
}

// licenseAt reads one licence, all members first: the name may come after the users,
// and a second name or a second list of users takes the place of the first.
func (r *reading) licenseAt(s *stream, i int64) error {
	if s.peek() != '{' {
		v, err := s.record("/licenses", i)
		if err != nil {
			return err
		}
		r.out.problem(roster.Problem{Reason: roster.NotAnObject, Pointer: v.pointer(""), Line: v.at.line,
			Column: v.at.column, Detail: expectObject, Skips: roster.LicenseEntity})
		return nil
	}
	l := &r.license
	l.begin(s.here(), i, r.out)
	if err := s.close(); err != nil {
		return err
	}
	for s.peek() != '}' {
		if err := r.licenseMember(s); err != nil {
			return err
		}
	}
	if err := s.close(); err != nil {
		return err
	}
	name := l.end()
	if l.held.count > holdGrants {
		return r.grants(name)
	}
	l.settle(l.held.from.grants, name)
	return nil
}

func (r *reading) licenseMember(s *stream) error {
	l := &r.license
	of, name, at, err := s.name()
	if err != nil {
		return err
	}
	switch m := l.find(name, at); m {
	case -1:
		r.unknown(&l.object, name, l.pointer(""), of)
		return s.skip(skipDepth)
	case licenseUsers:
		return r.hold(s)
	default:
		v, err := s.record("", 0)
		l.members[m].raw = append(l.members[m].raw[:0], v.raw...)
		return err
	}
}

// hold reads a licence's users into the batch, or only to their end where they are
// too many.
func (r *reading) hold(s *stream) error {
	l := &r.license
	r.out.undo(l.held.from)
	l.held = held{from: l.held.from, offset: s.base + s.offset()}
	if k := s.peek(); k != '[' {
		l.held.wrong = k != 'n'
		return s.skip(skipDepth)
	}
	return s.array(l.pointer("users"), func(v record) error {
		switch l.held.count++; {
		case l.held.count <= holdGrants:
			r.grant.decode(v, l.index, r.out)
		case l.held.count == holdGrants+1:
			r.out.undo(l.held.from)
		}
		return nil
	})
}

// grants reads the users of a licence again, now that its name is known.
func (r *reading) grants(name string) error {
	l := &r.license
	list := l.pointer("users")
	s, err := r.stream(l.held.offset, l.members[licenseUsers].at, list)
	if err != nil {
		return err
	}
	defer s.Close()
	return s.array(list, func(v record) error {
		from := len(r.out.batch.Grants)
		r.grant.again = v.index < holdGrants
		r.grant.decode(v, l.index, r.out)
		r.grant.again = false
		l.settle(from, name)
		return r.out.flushIfFull()
	})
}
