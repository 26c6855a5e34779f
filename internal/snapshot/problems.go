package snapshot

import (
	"cmp"
	"context"
	"encoding/binary"
	"slices"
	"strconv"
	"strings"
	"sync"
	"unicode/utf8"

	"muster/internal/roster"
)

const maxText = 200 // bytes of a problem's pointer and detail

// problems are the first roster.MaxProblems of a read, and the counts of all. What they
// skipped is counted and not kept.
type problems struct {
	List   []roster.Problem        `json:"list"`
	Counts map[roster.Reason]int64 `json:"counts"`

	each func(roster.Problem) // told of all of them; nil: nobody
}

func (p *problems) add(pr roster.Problem) {
	if p.Counts == nil {
		p.Counts = make(map[roster.Reason]int64)
	}
	p.Counts[pr.Reason]++
	keep := len(p.List) < roster.MaxProblems
	if !keep && p.each == nil {
		return
	}
	pr.Pointer, pr.Detail, pr.Skips = cut(pr.Pointer), cut(pr.Detail), roster.NoEntity
	if keep {
		p.List = append(p.List, pr)
	}
	if p.each != nil {
		p.each(pr)
	}
}

// append takes over what another stage found.
func (p *problems) append(q problems) {
	for reason, n := range q.Counts {
		if p.Counts == nil {
			p.Counts = make(map[roster.Reason]int64)
		}
		p.Counts[reason] += n
	}
	room := min(roster.MaxProblems-len(p.List), len(q.List))
	p.List = append(p.List, q.List[:room]...)
}

// ignoredLast puts behind all else what costs nothing and may be said of every file of
// its author: the first ten are all that most people see.
func (p *problems) ignoredLast() {
	slices.SortStableFunc(p.List, func(a, b roster.Problem) int {
		return cmp.Compare(ignored(a), ignored(b))
	})
}

func ignored(p roster.Problem) int {
	if p.Reason == roster.MemberUnknown {
		return 1
	}
	return 0
}

// later keeps what only the merge finds until all of it is found: its stages meet
// problems at the same time and by key, and who reads them wants them as they
// stand in the source. Its memory does not depend on how many there are.
type later struct {
	mu     sync.Mutex
	sorter *sorter
	err    error // of the first add that failed
}

func newLater(dir string, sz sizes) (*later, error) {
	s, err := newSorter(dir, "problems", sz)
	return &later{sorter: s}, err
}

func (l *later) add(p roster.Problem) {
	at := binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint64(nil, uint64(p.Line)), uint64(p.Column))
	e := entry{email: at, license: []byte(p.Reason), place: roster.Place{Line: p.Line, Column: p.Column}}
	e.fields = appendString(appendString(nil, p.Pointer), p.Detail)
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.err == nil {
		l.err = l.sorter.add(&e)
	}
}

// tell gives all that was added, by place.
func (l *later) tell(ctx context.Context, each func(roster.Problem)) error {
	if l.err != nil {
		return l.err
	}
	return l.sorter.merge(ctx, func(_ *entry, raw []byte) error {
		var e entry
		if err := e.decode(raw); err != nil {
			return err
		}
		r := fieldReader{b: e.fields}
		p := roster.Problem{Reason: roster.Reason(e.license), Pointer: string(r.bytes()), Line: e.place.Line, Column: e.place.Column, Detail: string(r.bytes())}
		if r.err == nil {
			each(p)
		}
		return r.err
	})
}

// cut copies at most maxText bytes of s, never half a character. A copy, since a
// source may have cut s out of something large.
func cut(s string) string {
	if len(s) > maxText {
		n := maxText
		for n > 0 && !utf8.RuneStart(s[n]) {
			n--
		}
		s = s[:n]
	}
	return strings.Clone(s)
}

func (e *entry) problem(reason roster.Reason, pointer, detail string) roster.Problem {
	return roster.Problem{Reason: reason, Pointer: pointer, Line: e.place.Line, Column: e.place.Column, Detail: detail}
}

// pointer is the place of the entry's identity in the document of its source.
func (e *entry) pointer() string {
	index := strconv.FormatInt(e.place.Index, 10)
	switch kindOf(e.email, e.license) {
	case License:
		return "/licenses/" + index + "/name"
	case User:
		return "/users/" + index + "/email"
	}
	return "/licenses/" + strconv.FormatInt(e.list, 10) + "/users/" + index + "/email"
}

// duplicate is the problem of an entry that a later one of its key replaces.
func (e *entry) duplicate() roster.Problem {
	switch kindOf(e.email, e.license) {
	case License:
		return e.problem(roster.LicenseDuplicate, e.pointer(), "a later licence has the same name; they are merged, and what the later one gives counts")
	case User:
		return e.problem(roster.EmailDuplicate, e.pointer(), "a later user has the same e-mail; the last one counts")
	}
	return e.problem(roster.EmailDuplicate, e.pointer(), "the licence lists the same e-mail again; the last one counts")
}
