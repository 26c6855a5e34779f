package rosterfile

import "muster/internal/roster"

const (
	expectText   = "expected text"
	expectObject = "expected an object"
	expectOnce   = "expected this name once in a record; the last value was taken"
	expectEmail  = "expected an e-mail address alone, such as adam@example.com"
)

// fields are the members of a record that is somebody: a user, or a licence's. By
// number, member 0 being the e-mail address.
type fields struct {
	record
	object
	number func(name []byte) int // of a member; below 0: not one of ours
	entity roster.Entity         // what is lost with the record

	out   *output
	found []span
	email []byte
	again bool // the record was read before, and its unknown members are counted
}

// read finds the members and the address. Without a usable address the record is
// refused, and nothing else about it is worth saying.
func (f *fields) read(v record, out *output) (ok bool) {
	f.record, f.out = v, out
	if v.raw[0] != '{' {
		f.refuse(roster.NotAnObject, "", span{}, expectObject)
		return false
	}
	twice := f.scan(v.raw)
	if reason := f.address(f.found[0]); reason != "" {
		f.refuse(reason, f.members[0], f.found[0], expectEmail)
		return false
	}
	for m := 0; twice>>m != 0; m++ {
		if twice>>m&1 != 0 {
			f.drop(roster.WrongType, m, expectOnce)
		}
	}
	return true
}

// scan finds the members of an object, the last of each name, and reports which were
// there before, by bit. The object is known to be valid JSON.
func (f *fields) scan(raw []byte) (twice uint) {
	clear(f.found)
	for i := gap(raw, 1); raw[i] != '}'; i = gap(raw, i) {
		if raw[i] == ',' {
			i = gap(raw, i+1)
		}
		at := stringAt(raw, i)
		name := nameAt(raw, at)
		value := valueAt(raw, gap(raw, gap(raw, at.to)+1))
		if m := f.number(name); m < 0 {
			f.unknown(name, at.from)
		} else {
			if f.found[m].to > 0 {
				twice |= 1 << m
			}
			f.found[m] = value
		}
		i = value.to
	}
	return twice
}

// unknown notes a member that is not one of ours, its name at an offset.
func (f *fields) unknown(name []byte, at int) {
	if f.again {
		return
	}
	f.out.unknowns.add(&f.object, name, func() (string, place) {
		return under(f.pointer(""), string(name)), f.at.after(f.raw[:at])
	})
}

func (f *fields) address(at span) (reason roster.Reason) {
	b, ok := text(f.raw, at)
	if !ok {
		return roster.EmailInvalid // what is no text is no address either
	}
	f.email, reason = roster.AppendEmail(f.email[:0], b)
	return reason
}

func (f *fields) refuse(reason roster.Reason, member string, at span, detail string) {
	p := f.problem(reason, member, at, detail)
	p.Skips = f.entity
	f.out.problem(p)
}

// drop says that a member was not taken as it stood.
func (f *fields) drop(reason roster.Reason, member int, detail string) {
	f.out.problem(f.problem(reason, f.members[member], f.found[member], detail))
}

// text is a member's text, dropped where it has none.
func (f *fields) text(member int, expected string) []byte {
	b, ok := text(f.raw, f.found[member])
	if !ok {
		f.drop(roster.WrongType, member, expected)
	}
	return b
}
