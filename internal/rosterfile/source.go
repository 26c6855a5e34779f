package rosterfile

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"

	"muster/internal/roster"
)

// Open opens the file so that reading begins at the offset, in bytes. Every call
// must open the same bytes; a store that cannot promise that returns an error, from
// here or from the reader, once they are others. It is called once for each Read,
// and once more, while the first is open, for each licence with more than about a
// thousand users. Reads are of 64 KiB: reading further ahead is the reader's affair.
type Open func(ctx context.Context, offset int64) (io.ReadCloser, error)

// New makes a source of a file. It keeps nothing between reads and may be read by
// several goroutines at once.
//
// Read yields batches of about a thousand records (at most three thousand, and a few
// MiB of text) in the file's order, in memory that does not depend on the file.
// Strings in a batch share memory with their neighbours and equal lists of roles
// share theirs with those of other batches: neither is to be changed, and what is
// kept of a string for long is better cloned.
//
// It yields no cursor and takes none: a file is read in seconds, from its beginning.
// An error comes last and means that the read is not complete, whatever came before:
// a [roster.Fault] if the file is at fault, which is sometimes known only at its end
// (no usable user in it); else what the context, open or its reader said, wrapped.
func New(open Open) roster.Source { return source{open} }

type source struct{ open Open }

var errCursor = errors.New("rosterfile: a file is read from its beginning: it takes no cursor")

func (s source) Read(ctx context.Context, cursor []byte) iter.Seq2[roster.Batch, error] {
	return func(yield func(roster.Batch, error) bool) {
		if cursor != nil {
			yield(roster.Batch{}, errCursor)
			return
		}
		r := reading{ctx: ctx, open: s.open, out: newOutput(yield), user: newUserDecoder(), grant: newGrantDecoder()}
		r.top, r.license.object = newObject("the file", topNames), newObject("a licence", licenseNames[:])
		err := r.file()
		if errors.Is(err, errStopped) {
			return
		}
		// What was found before the error is said before it: a report of a bad file
		// names its bad records too, and "user" is why there are no "users".
		r.out.unknowns.tell(r.out)
		if stopped := r.out.flush(); stopped == nil && err != nil {
			yield(roster.Batch{}, err)
		}
	}
}

// reading is one Read.
type reading struct {
	ctx     context.Context
	open    Open
	out     *output
	user    userDecoder
	grant   grantDecoder
	license license
	top     object
}

var topNames = []string{"users", "licenses"}

func (r *reading) file() error {
	s, err := r.stream(0, origin, "")
	if err != nil {
		return err
	}
	defer s.Close()
	if err := s.mark(); err != nil {
		return err
	}
	users, err := r.document(s)
	if err != nil {
		return err
	}
	if err := s.end(); err != nil {
		return err
	}
	if r.out.valid == 0 {
		f := s.fault(users, "/users", "expected at least one user with a valid e-mail address; there is none, so nothing can be synced")
		f.Problems = append(f.Problems, r.out.refused[:min(len(r.out.refused), mostNamed-1)]...)
		return f
	}
	return nil
}

// stream opens the file at an offset whose place is known. Pointers in its faults
// begin with prefix.
func (r *reading) stream(offset int64, at place, prefix string) (*stream, error) {
	f, err := r.open(r.ctx, offset)
	if err != nil {
		return nil, fmt.Errorf("open the file at byte %d: %w", offset, err)
	}
	return newStream(r.ctx, f, offset, at, prefix), nil
}

// document reads the top level and returns where its users stood.
func (r *reading) document(s *stream) (users place, err error) {
	start := s.here()
	if err := s.begin('{', "an object with the member users"); err != nil {
		return place{}, err
	}
	var seen [2]bool
	for s.peek() != '}' {
		of, name, at, err := s.name()
		if err != nil {
			return place{}, err
		}
		switch name {
		case "users":
			err = r.list(s, &seen[0], at, "/users", r.userAt)
			users = at
		case "licenses":
			err = r.licenses(s, &seen[1], at)
		default:
			r.unknown(&r.top, name, "", of)
			err = s.skip(skipDepth)
		}
		if err != nil {
			return place{}, err
		}
	}
	if err := s.close(); err != nil {
		return place{}, err
	}
	if !seen[0] {
		return place{}, s.fault(start, "", "expected a member users, an array; there is none")
	}
	return users, nil
}

// unknown notes a member of what is read token by token.
func (r *reading) unknown(in *object, name, pointer string, at place) {
	r.out.unknowns.add(in, []byte(name), func() (string, place) { return under(pointer, name), at })
}

// list reads one of the two lists that the top level has at most once.
func (r *reading) list(s *stream, seen *bool, at place, pointer string, element func(*stream, int64) error) error {
	if *seen {
		return s.fault(at, pointer, "expected this name once; it is there twice, and which of the two counts nobody can know")
	}
	*seen = true
	if err := s.begin('[', "an array"); err != nil {
		return err
	}
	for i := int64(0); s.peek() != ']'; i++ {
		if err := element(s, i); err != nil {
			return err
		}
		if err := r.out.flushIfFull(); err != nil {
			return err
		}
	}
	return s.close()
}

func (r *reading) licenses(s *stream, seen *bool, at place) error {
	if s.peek() == 'n' && !*seen { // null is "not given": the licences are left as they are
		*seen = true
		return s.skip(0)
	}
	r.out.batch.ListsLicenses = true
	return r.list(s, seen, at, "/licenses", r.licenseAt)
}

func (r *reading) userAt(s *stream, i int64) error {
	v, err := s.record("/users", i)
	if err != nil {
		return err
	}
	r.user.decode(v, r.out)
	return nil
}
