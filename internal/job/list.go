package job

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"golang.org/x/sync/errgroup"

	"muster/internal/org"
	"muster/internal/table"
)

// MaxWalk is how many jobs a List looks at, at most, for those of a status.
const MaxWalk = 2000

// Query asks for a page of an org's jobs, newest first. The zero ID is no bound.
type Query struct {
	Integration string // only its jobs; "": of all
	Status      Status // only those; "": of any
	After       ID     // exclusive: older ones
	Before      ID     // exclusive: newer ones
	Limit       int    // jobs at most, from 1
	Backward    bool   // the oldest Limit of the range instead of its newest
}

// Page is a part of an org's jobs, newest first. From and To are the newest and
// the oldest job that were looked at, where the next pages begin; they are zero
// where there was none. More says that there may be others beyond it, in the
// direction that the page goes: a page of a status ends early, perhaps with
// nothing in it, when it has looked at MaxWalk jobs.
type Page struct {
	Jobs     []Job
	From, To ID
	More     bool
}

// List reads a page of jobs. It reads an integration's without meeting others'.
func (s *Store) List(ctx context.Context, o org.ID, q Query) (Page, error) {
	w := walk{store: s, org: o, q: q}
	if err := w.run(ctx); err != nil {
		return Page{}, fmt.Errorf("job: listing jobs of org %s: %w", o, err)
	}
	p := Page{Jobs: w.found, From: w.first, To: w.last, More: w.more}
	if q.Backward {
		slices.Reverse(p.Jobs)
		p.From, p.To = w.last, w.first
	}
	return p, nil
}

// walk is one List, in the direction in which it goes.
type walk struct {
	store       *Store
	org         org.ID
	q           Query
	found       []Job
	first, last ID // looked at
	seen        int
	more        bool
}

// atOnce is how many jobs are read at a time where their rows are met by an index.
const atOnce = 16

func (w *walk) run(ctx context.Context) error {
	part, prefix := w.org.Part("JOB"), ""
	if w.q.Integration != "" {
		part, prefix = w.org.Part("INTEGRATION", w.q.Integration), indexPrefix
	}
	var rows []table.Row
	rq, n := w.rows(prefix), 0
	for row, err := range w.store.Table.List(ctx, part, rq) {
		if err != nil {
			return err
		}
		n++
		if rows = append(rows, row); prefix != "" && len(rows) < atOnce {
			continue
		}
		if done, err := w.take(ctx, prefix, rows); done || err != nil {
			return err
		}
		rows = rows[:0]
	}
	done, err := w.take(ctx, prefix, rows)
	w.more = done || n == rq.Limit // of which some had expired
	return err
}

// rows is the range of rows to go over. Ids are of one length: "!" is behind one
// and before any other.
func (w *walk) rows(prefix string) table.Query {
	rq := table.Query{Prefix: prefix, Reverse: !w.q.Backward, Limit: MaxWalk + 1}
	if w.q.Status == "" {
		rq.Limit = w.q.Limit + 1
	}
	if w.q.After != (ID{}) {
		rq.To = prefix + w.q.After.String()
	}
	if w.q.Before != (ID{}) {
		rq.From = prefix + w.q.Before.String() + "!"
	}
	return rq
}

// take looks at the jobs of rows, and reports whether the page is complete.
func (w *walk) take(ctx context.Context, prefix string, rows []table.Row) (done bool, err error) {
	jobs := make([]*Job, len(rows)) // nil: its row expired before its index row did
	var g errgroup.Group
	for i, row := range rows {
		g.Go(func() (err error) {
			jobs[i], err = w.read(ctx, prefix, row)
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return false, err
	}
	for i, j := range jobs {
		is := j != nil && (w.q.Status == "" || j.Status == w.q.Status)
		if is && len(w.found) == w.q.Limit || w.seen == MaxWalk {
			w.more = true
			return true, nil
		}
		id, err := ParseID(strings.TrimPrefix(rows[i].Sort, prefix))
		if err != nil {
			return false, err
		}
		if w.seen++; w.seen == 1 {
			w.first = id
		}
		if w.last = id; is {
			w.found = append(w.found, *j)
		}
	}
	return false, nil
}

// read is the job of a row: its own, or one that names it.
func (w *walk) read(ctx context.Context, prefix string, row table.Row) (*Job, error) {
	if prefix == "" {
		j := new(Job)
		return j, row.Decode(j)
	}
	id, err := ParseID(strings.TrimPrefix(row.Sort, prefix))
	if err != nil {
		return nil, err
	}
	j, err := w.store.Get(ctx, w.org, id)
	if errors.Is(err, ErrNotFound) {
		return nil, nil
	}
	return &j, err
}
