package connection

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"muster/internal/org"
	"muster/internal/table"
)

// Sort is an order of connections. Ties are in the order of ids.
type Sort string

const (
	ByCreated Sort = "created_at"
	ByUpdated Sort = "updated_at"
	ByName    Sort = "name" // the integration's name, without regard to case
)

// Query asks for a part of an org's connections. Its zero fields do not filter.
type Query struct {
	Environment  string // required
	ExternalXRef string
	Categories   []string  // any of these
	UpdatedFrom  time.Time // inclusive, whole seconds
	Sort         Sort      // "": by update where UpdatedFrom is given, else by creation
	Descending   bool
	Offset       int
	Limit        int // from 1
}

// ErrTooLarge: the connections of a page come to more than MaxPageBytes.
var ErrTooLarge = errors.New("connection: the page is too large")

// MaxPageBytes is how much a page may hold, well within what a Lambda function
// may answer.
const MaxPageBytes = 4 << 20

// List reads a page. A page has Limit connections unless there are no more. In
// each order, and by the customer's user in the order of creation, it reads
// Offset + Limit small rows and the connections that it answers; any other filter
// reads through the environment's rows in bounded memory. ErrTooLarge.
func (s *Store) List(ctx context.Context, o org.ID, q Query) ([]Connection, error) {
	page, err := s.list(ctx, o, q)
	if err == nil && len(page) > 0 {
		err = s.healths(ctx, o, page)
	}
	if err != nil {
		return nil, fmt.Errorf("list connections of org %s: %w", o, err)
	}
	return page, nil
}

// healths reads the health of what a page holds, and not of what it left out.
func (s *Store) healths(ctx context.Context, o org.ID, page []Connection) error {
	quota, err := s.overQuota(ctx, o)
	if err != nil {
		return err
	}
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(fetching)
	for i := range page {
		g.Go(func() error {
			h, _, err := s.readHealth(ctx, o, page[i].ID)
			page[i].Health = h.under(quota)
			return err
		})
	}
	return g.Wait()
}

func (s *Store) list(ctx context.Context, o org.ID, q Query) ([]Connection, error) {
	w, p := s.walk(o, q), &page{query: q, skip: q.Offset, rows: []Connection{}}
	for !w.done && !p.full() {
		ids, err := w.next(ctx, min(p.skip, maxBatch)+p.missing()) // an offset may be near the largest number
		if err != nil {
			return nil, err
		}
		if !w.byRow { // what is left out need not be read
			n := min(p.skip, len(ids))
			p.skip, ids = p.skip-n, ids[n:]
		}
		for len(ids) > 0 && !p.full() {
			n := min(len(ids), fetching) // at a time: a page that is too large is known before all of it is here
			if !w.byRow {
				n = min(n, p.missing())
			}
			read, err := s.fetch(ctx, o, ids[:n])
			if err == nil {
				err = p.add(read)
			}
			if err != nil {
				return nil, err
			}
			ids = ids[n:]
		}
	}
	return p.rows, nil
}

// page is a page as it fills.
type page struct {
	query Query
	skip  int // connections still to leave out
	size  int // bytes
	rows  []Connection
}

func (p *page) missing() int { return p.query.Limit - len(p.rows) }
func (p *page) full() bool   { return p.missing() == 0 }

func (p *page) add(read []found) error {
	for _, f := range read {
		switch {
		case p.full():
			return nil
		case !p.query.matches(f.Connection): // changed since its index row was read, or only now known
		case p.skip > 0:
			p.skip--
		default:
			if p.size += f.size; p.size > MaxPageBytes {
				return ErrTooLarge
			}
			p.rows = append(p.rows, f.Connection)
		}
	}
	return nil
}

// matches judges a connection itself.
func (q Query) matches(c Connection) bool {
	return c.Environment == q.Environment &&
		(q.ExternalXRef == "" || c.ExternalXRef == q.ExternalXRef) &&
		q.ofCategory(c.Categories) &&
		!c.UpdatedAt.Before(q.UpdatedFrom)
}

func (q Query) ofCategory(have []string) bool {
	return q.Categories == nil || slices.ContainsFunc(have, func(c string) bool { return slices.Contains(q.Categories, c) })
}

// walk goes through the index rows of a query in its order.
type walk struct {
	table   table.Table
	part    string
	query   table.Query // what is left of the range
	passes  func(entry) bool
	matches bool // every row passes
	byRow   bool // what passes may still not match: the connection has to be read
	done    bool
}

func (s *Store) walk(o org.ID, q Query) *walk {
	w := &walk{table: s.Table, query: table.Query{Reverse: q.Descending}}
	order, env, xref := q.Sort, envName(q.Environment), xrefHash(q.Environment, q.ExternalXRef)
	if order == "" && !q.UpdatedFrom.IsZero() {
		order = ByUpdated
	}
	switch {
	case order == ByUpdated:
		w.part = o.Part("CONNECTION", "ENV", env, "UPDATED")
		if !q.UpdatedFrom.IsZero() {
			w.query.From = sortable(q.UpdatedFrom)
		}
	case order == ByName:
		w.part = o.Part("CONNECTION", "ENV", env, "NAME")
	case xref != "":
		w.part, xref = o.Part("CONNECTION", "XREF", xref), ""
	default:
		w.part = o.Part("CONNECTION", "ENV", env)
	}
	w.byRow = order != ByUpdated && !q.UpdatedFrom.IsZero()
	w.matches = xref == "" && q.Categories == nil && !w.byRow
	w.passes = func(e entry) bool {
		return (xref == "" || e.XRef == xref) && q.ofCategory(e.Categories)
	}
	return w
}

// How many index rows are read at a time: as many as are wanted where each of
// them counts, else so many that reading goes on at a good pace.
const (
	maxBatch    = 1000
	filterBatch = 500
)

// next answers the connections of the next rows that pass, about as many as want.
func (w *walk) next(ctx context.Context, want int) (ids []ID, err error) {
	q := w.query
	if q.Limit = min(want, maxBatch); !w.matches {
		q.Limit = filterBatch
	}
	n, last := 0, ""
	for row, err := range w.table.List(ctx, w.part, q) {
		if err != nil {
			return nil, err
		}
		n, last = n+1, row.Sort
		var e entry
		if err := row.Decode(&e); err != nil {
			return nil, err
		}
		if !w.passes(e) {
			continue
		}
		id, err := idOf(row.Key)
		if err != nil {
			return nil, err
		}
		ids = append(ids, id)
	}
	w.done = n < q.Limit
	if q.Reverse {
		w.query.To = last
	} else {
		w.query.From = last + "!" // behind that row and before any other: ids are of one length
	}
	return ids, nil
}
