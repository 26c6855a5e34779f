package table_test

import (
	"context"
	"errors"
	"path/filepath"
	"testing"
	"time"

	"muster/internal/local/bolt"
	"muster/internal/table"
	"muster/internal/table/tabletest"
)

// resending is a table that sends each transaction again, as an adapter does that
// missed its answer.
type resending struct{ table.Table }

func (r resending) Write(ctx context.Context, ws ...table.Write) error {
	_ = r.Table.Write(ctx, ws...)
	return r.Table.Write(ctx, ws...)
}

func TestWriteOnce(t *testing.T) {
	tab, err := bolt.Open(filepath.Join(t.TempDir(), "table.db"), time.Now, bolt.NoSync)
	if err != nil {
		t.Fatal(err)
	}
	defer tab.Close()
	key, other := table.Key{Part: "p", Sort: "a"}, table.Key{Part: "p", Sort: "b"}
	put := func() []table.Write {
		return []table.Write{table.Put(key, 1, table.Absent), table.Put(other, 1, table.Absent)}
	}
	if err := table.WriteOnce(t.Context(), resending{tab}, put()...); err != nil {
		t.Errorf("our own success: %v", err)
	}
	var c *table.Conflict
	if err := table.WriteOnce(t.Context(), resending{tab}, put()...); !errors.As(err, &c) {
		t.Errorf("another's row: %v", err)
	}
	blind := &tabletest.Faulty{Table: tab, Hook: func(c tabletest.Call) tabletest.Fault {
		if c.Method == tabletest.Get {
			return tabletest.NotApplied(table.ErrUnavailable)
		}
		return tabletest.None()
	}}
	if err := table.WriteOnce(t.Context(), blind, put()...); errors.As(err, &c) || !errors.Is(err, table.ErrUnavailable) {
		t.Errorf("a row that cannot be read: %v", err)
	}
	missing := []table.Write{table.Put(table.Key{Part: "p", Sort: "c"}, 1, table.Version("v"))}
	if err := table.WriteOnce(t.Context(), tab, missing...); !errors.As(err, &c) {
		t.Errorf("a row that is not there: %v", err)
	}
}
