package org_test

import (
	"context"
	"fmt"
	"iter"
	"slices"
	"strings"
	"sync"
	"time"

	"muster/internal/table"
)

// fakeTable is a table in memory that can lose the answer of a write (and sends
// it again, as the SDK would), and that counts what it is asked.
type fakeTable struct {
	mu       sync.Mutex
	rows     map[table.Key]table.Row
	counters map[table.Key]int64
	gets     int
	err      error // every call fails, unapplied
	lostOnce bool  // the next Write is applied, its answer lost, and it is sent again
}

func newFake() *fakeTable {
	return &fakeTable{rows: map[table.Key]table.Row{}, counters: map[table.Key]int64{}}
}

func (f *fakeTable) Get(_ context.Context, k table.Key) (table.Row, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.gets++
	if f.err != nil {
		return table.Row{}, f.err
	}
	row, ok := f.rows[k]
	if !ok {
		return table.Row{}, fmt.Errorf("get %s: %w", k, table.ErrNotFound)
	}
	return row, nil
}

func (f *fakeTable) List(_ context.Context, part string, q table.Query) iter.Seq2[table.Row, error] {
	return func(yield func(table.Row, error) bool) {
		f.mu.Lock()
		if f.err != nil {
			f.mu.Unlock()
			yield(table.Row{}, f.err)
			return
		}
		var rows []table.Row
		for k, row := range f.rows {
			if k.Part == part && strings.HasPrefix(k.Sort, q.Prefix) {
				rows = append(rows, row)
			}
		}
		f.mu.Unlock()
		slices.SortFunc(rows, func(a, b table.Row) int { return strings.Compare(a.Sort, b.Sort) })
		for _, row := range rows {
			if !yield(row, nil) {
				return
			}
		}
	}
}

func (f *fakeTable) Write(_ context.Context, ws ...table.Write) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.err != nil {
		return f.err
	}
	err := f.apply(ws)
	if err == nil && f.lostOnce {
		f.lostOnce = false
		return f.apply(ws)
	}
	return err
}

func (f *fakeTable) apply(ws []table.Write) error {
	if err := table.Validate(ws); err != nil {
		return err
	}
	for i, w := range ws {
		row, there := f.rows[w.Key]
		if w.Cond.Kind == table.KindAbsent && there || w.Cond.Kind == table.KindVersion && row.Version != w.Cond.Version {
			return &table.Conflict{Index: i, Key: w.Key}
		}
	}
	for _, w := range ws {
		switch w.Op {
		case table.OpPut:
			f.rows[w.Key] = table.Row{Key: w.Key, Version: w.Version, Expires: w.Expires, Body: w.Body}
		case table.OpDelete:
			delete(f.rows, w.Key)
		}
	}
	return nil
}

func (f *fakeTable) Add(_ context.Context, k table.Key, n int64, _ time.Time) (int64, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.err != nil {
		return 0, f.err
	}
	f.counters[k] += n
	return f.counters[k], nil
}
