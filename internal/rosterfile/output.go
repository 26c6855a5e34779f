package rosterfile

import (
	"errors"
	"strings"

	"muster/internal/roster"
)

const (
	batchRecords = 1024     // at which a batch is full
	batchBytes   = 1 << 20  // or, of text and roles, this
	chunk        = 64 << 10 // of text that is allocated at once
	internCount  = 1024     // values of one kind that are kept once
	internBytes  = 256      // and no longer than this
	mostNamed    = 10       // problems that a Fault names, or one list in one record
)

// errStopped: the reader of the source wants no more.
var errStopped = errors.New("stopped")

// output gathers batches. Rows are reused from batch to batch, strings never are.
type output struct {
	yield func(roster.Batch, error) bool
	batch roster.Batch
	bytes int // of text and roles in the batch, about

	text    strings.Builder     // grows never: a full one is left to its strings
	strings map[string]string   // by themselves
	roles   map[string][]string // by their JSON
	valid   int64               // users so far
	refused []roster.Problem    // the first that cost a user

	unknowns unknowns
}

func newOutput(yield func(roster.Batch, error) bool) *output {
	return &output{yield: yield, strings: map[string]string{}, roles: map[string][]string{}}
}

func (o *output) problem(p roster.Problem) {
	o.batch.Problems = append(o.batch.Problems, p)
	if p.Skips == roster.UserEntity && len(o.refused) < mostNamed {
		o.refused = append(o.refused, p)
	}
}

func (o *output) flushIfFull() error {
	b := &o.batch
	if len(b.Users)+len(b.Licenses)+len(b.Grants)+len(b.Problems) < batchRecords && o.bytes < batchBytes {
		return nil
	}
	return o.flush()
}

func (o *output) flush() error {
	b := &o.batch
	if len(b.Users)+len(b.Licenses)+len(b.Grants)+len(b.Problems) == 0 && !b.ListsLicenses {
		return nil
	}
	if !o.yield(*b, nil) {
		return errStopped
	}
	o.bytes = 0
	b.Users, b.Licenses, b.Grants, b.Problems = b.Users[:0], b.Licenses[:0], b.Grants[:0], b.Problems[:0]
	return nil
}

// string copies text into memory that the strings of a batch share.
func (o *output) string(b []byte) string {
	if len(b) == 0 {
		return ""
	}
	o.bytes += len(b)
	if o.text.Cap()-o.text.Len() < len(b) {
		o.text.Reset()
		o.text.Grow(max(chunk, len(b)))
	}
	n := o.text.Len()
	o.text.Write(b)
	return o.text.String()[n:]
}

// common is string for what many records say alike.
func (o *output) common(b []byte) string {
	if s, ok := o.strings[string(b)]; ok {
		return s
	}
	if len(o.strings) == internCount || len(b) > internBytes {
		return o.string(b)
	}
	s := string(b)
	o.strings[s] = s
	return s
}

// keepRoles makes the next user with the same JSON have the same list.
func (o *output) keepRoles(json []byte, roles []string) {
	o.bytes += 16 * len(roles)
	if len(o.roles) < internCount && len(json) <= internBytes {
		o.roles[string(json)] = roles
	}
}

// mark is an end of the batch that undo goes back to.
type mark struct{ grants, problems int }

func (o *output) mark() mark { return mark{len(o.batch.Grants), len(o.batch.Problems)} }

func (o *output) undo(m mark) {
	o.batch.Grants, o.batch.Problems = o.batch.Grants[:m.grants], o.batch.Problems[:m.problems]
}
