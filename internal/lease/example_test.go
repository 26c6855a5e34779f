package lease_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"muster/internal/lease"
	"muster/internal/local/bolt"
	"muster/internal/table"
)

// One process works on an integration while another is told that it does; then
// the lease is taken from it, and what it writes late is not written.
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
	k := table.Key{Part: "INTEGRATION#7", Sort: "LEASE"}
	if err := t.Write(ctx, lease.New(k)); err != nil {
		panic(err)
	}

	l, err := lease.Take(ctx, t, k, time.Now, "job-1", lease.TTL)
	fmt.Println("job-1:", err, "token", l.Token())
	_, err = lease.Take(ctx, t, k, time.Now, "job-2", lease.TTL)
	fmt.Println("job-2:", err)

	row := table.Key{Part: "P", Sort: "S"}
	fmt.Println("write:", l.Write(ctx, table.Put(row, "by job-1", table.Any)))

	seen, err := lease.Read(ctx, t, k)
	if err != nil {
		panic(err)
	}
	cancel, _ := seen.Raise("", time.Time{})
	fmt.Println("cancel:", t.Write(ctx, cancel))
	fmt.Println("late write lost:", errors.Is(l.Write(ctx, table.Put(row, "late", table.Any)), lease.ErrLost))
	// Output:
	// job-1: <nil> token 1
	// job-2: lease: busy with job job-1
	// write: <nil>
	// cancel: <nil>
	// late write lost: true
}
