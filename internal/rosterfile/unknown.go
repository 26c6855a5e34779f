package rosterfile

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/go-json-experiment/json/jsontext"

	"muster/internal/near"
	"muster/internal/roster"
)

// What is told apart of members that nobody knows; the rest is counted together.
const (
	unknownNames = 50
	unknownBytes = 100 // of a name
)

// unknown is a name that is no member, in one kind of object.
type unknown struct {
	in      *object
	name    string
	pointer string // to the first one
	at      place  // of the first one's name
	times   int64
}

// object is a kind of object with the members that it may have, and those that it
// had and may not. They are ignored; but the name may be a slip of the pen, and then
// nobody would know why the value is missing.
type object struct {
	what    string
	members []string
	met     map[string]*unknown
}

func newObject(what string, members []string) object {
	return object{what: what, members: members, met: map[string]*unknown{}}
}

// unknowns are all of a read.
type unknowns struct {
	list  []*unknown
	other unknown // those that are not told apart
}

// add counts a member; first says where it is, which is asked for once a name.
func (u *unknowns) add(in *object, name []byte, first func() (pointer string, at place)) {
	k := in.met[string(name)]
	switch {
	case k != nil:
	case len(u.list) < unknownNames && len(name) <= unknownBytes:
		k = &unknown{in: in, name: string(name)}
		k.pointer, k.at = first()
		in.met[k.name] = k
		u.list = append(u.list, k)
	default:
		if k = &u.other; k.times == 0 {
			_, k.at = first()
		}
	}
	k.times++
}

// tell lists a problem for each name, at the place where it is first.
func (u *unknowns) tell(out *output) {
	slices.SortStableFunc(u.list, func(a, b *unknown) int {
		return cmp.Or(cmp.Compare(a.at.line, b.at.line), cmp.Compare(a.at.column, b.at.column))
	})
	for _, k := range u.list {
		out.problem(k.problem(k.detail()))
	}
	if n := u.other.times; n > 0 {
		out.problem(u.other.problem(fmt.Sprintf("unknown members of other names: %d in all, ignored; the first is here", n)))
	}
}

func (k *unknown) problem(detail string) roster.Problem {
	return roster.Problem{Reason: roster.MemberUnknown, Pointer: k.pointer, Line: k.at.line, Column: k.at.column, Detail: detail}
}

func (k *unknown) detail() string {
	detail := k.in.what + " has no such member: ignored"
	if k.times > 1 {
		detail += fmt.Sprintf(", %d times", k.times)
	}
	if word, ok := near.Word(k.name, k.in.members); ok {
		detail += "; did you mean " + word + "?"
	}
	return detail
}

// under is the pointer to a member of what pointer is of.
func under(pointer, name string) string { return string(jsontext.Pointer(pointer).AppendToken(name)) }
