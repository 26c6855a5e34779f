package table_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"muster/internal/local/bolt"
	"muster/internal/table"
)

// A row is read, and replaced together with another one, if nobody was faster.
func Example() {
	ctx := context.Background()
	dir, err := os.MkdirTemp("", "muster")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)
	t, err := bolt.Open(filepath.Join(dir, "table.db"), time.Now)
	if err != nil {
		panic(err)
	}
	defer t.Close()

	type seat struct{ Taken string }
	k := table.Key{Part: "HALL#1", Sort: "SEAT#07"}
	if err := t.Write(ctx, table.Put(k, seat{}, table.Absent)); err != nil {
		panic(err)
	}

	row, err := t.Get(ctx, k)
	if err != nil {
		panic(err)
	}
	book := func(name string) error {
		return t.Write(ctx,
			table.Put(k, seat{Taken: name}, table.Version(row.Version)),
			table.Put(table.Key{Part: "GUEST#" + name, Sort: k.Sort}, k, table.Absent))
	}
	fmt.Println("Ada:", book("Ada"))
	var conflict *table.Conflict
	fmt.Println("Bob:", errors.As(book("Bob"), &conflict))

	for r, err := range t.List(ctx, "HALL#1", table.Query{Prefix: "SEAT#"}) {
		fmt.Println(r.Sort, string(r.Body), err)
	}
	// Output:
	// Ada: <nil>
	// Bob: true
	// SEAT#07 {"Taken":"Ada"} <nil>
}
