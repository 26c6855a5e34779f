package snapshot

import "context"

// oldRow is what a merge needs of every row of the last snapshot.
type oldRow struct {
	row      // without fields: those are fetched when the row is carried over
	position // in its file
}

// hot reads the row at which a scan of the hot columns stands. The row's slices
// are valid until it moves on.
func (s *scanner) hot(into *oldRow) error {
	into.email = s.cols[colEmail].text()
	into.license = s.cols[colLicense].text()
	var err error
	if into.status, err = parseStatus(s.cols[colStatus].text()); err != nil {
		return err
	}
	into.derived = s.cols[colDerived].bool()
	into.matched = s.cols[colMatched].bool()
	into.removed = s.cols[colRemoved].bool()
	into.revision, _ = s.cols[colRevision].int()
	into.firstSeen, _ = s.cols[colFirstSeen].int()
	into.deletedAt, _ = s.cols[colDeletedAt].int()
	print, _ := s.cols[colFingerprint].int()
	into.print = uint64(print)
	return nil
}

// user reads the other fields of the user row at which a scan stands.
func (s *scanner) user(u *userFields) {
	u.id = s.cols[colID].text()
	u.first = s.cols[colFirstName].text()
	u.last = s.cols[colLastName].text()
	u.external = s.cols[colExternal].text()
	u.roles = s.cols[colRoles].texts(u.roles[:0])
	u.lastUsed, u.hasLastUsed = s.cols[colLastUsed].int()
}

func (s *scanner) license(l *licenseFields) {
	l.unassigned, _ = s.cols[colUnassigned].int()
	l.price, l.hasPrice = s.cols[colPrice].int()
}

// fields reads the other fields of the row in the form of an entry's.
func (s *scanner) fields(dst []byte, k Kind, u *userFields) (_ []byte, err error) {
	defer caught(&err)
	switch k {
	case User:
		s.user(u)
		dst = u.append(dst)
	case License:
		var l licenseFields
		s.license(&l)
		dst = l.append(dst)
	}
	return dst, nil
}

// oldBatch is some rows of the last snapshot; their slices point into arena.
type oldBatch struct {
	arena []byte
	rows  []oldRow
}

func (b *oldBatch) reset() { b.arena, b.rows = b.arena[:0], b.rows[:0] }

func (b *oldBatch) add(r oldRow) {
	n, m := len(b.arena), len(r.email)
	b.arena = append(append(b.arena, r.email...), r.license...)
	kept := b.arena[n:len(b.arena):len(b.arena)]
	r.email, r.license = kept[:m:m], kept[m:]
	b.rows = append(b.rows, r)
}

func (b *oldBatch) full() bool { return len(b.rows) >= batchRows || len(b.arena) >= batchBytes }

// readOld sends all rows of the file as batches.
func readOld(ctx context.Context, f *file, to *conveyor[oldBatch]) error {
	defer close(to.full)
	s := f.scan(0, hotColumns)
	defer s.close()
	b, err := to.empty(ctx)
	if err != nil {
		return err
	}
	for group, g := range f.pq.RowGroups() {
		for row := range g.NumRows() {
			var r oldRow
			r.position = position{group, row}
			if err := s.readHot(&r); err != nil {
				return err
			}
			b.add(r)
			if !b.full() {
				continue
			}
			if b, err = to.swap(ctx, b); err != nil {
				return err
			}
		}
	}
	return to.send(ctx, b)
}

// readHot moves to r's position and reads the row there.
func (s *scanner) readHot(r *oldRow) (err error) {
	if err := s.move(r.position); err != nil {
		return err
	}
	defer caught(&err)
	return s.hot(r)
}

// conveyor hands batches from one goroutine to the next and back again, so that
// their memory is used over and over and the faster side waits.
type conveyor[T any] struct {
	full chan *T
	free chan *T
}

func newConveyor[T any](n int) *conveyor[T] {
	c := &conveyor[T]{full: make(chan *T, n), free: make(chan *T, n)}
	for range n {
		c.free <- new(T)
	}
	return c
}

func (c *conveyor[T]) empty(ctx context.Context) (*T, error) {
	select {
	case b := <-c.free:
		return b, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (c *conveyor[T]) send(ctx context.Context, b *T) error {
	select {
	case c.full <- b:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// swap sends a full batch and answers an empty one.
func (c *conveyor[T]) swap(ctx context.Context, b *T) (*T, error) {
	if err := c.send(ctx, b); err != nil {
		return nil, err
	}
	return c.empty(ctx)
}

// next takes the batch behind b, which goes back; nil at the end.
func (c *conveyor[T]) next(ctx context.Context, b *T, reset func(*T)) (*T, error) {
	if b != nil {
		reset(b)
		c.free <- b
	}
	select {
	case b := <-c.full:
		return b, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}
