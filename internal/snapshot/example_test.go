package snapshot_test

import (
	"context"
	"fmt"
	"log"
	"os"
	"path/filepath"
	"time"

	"muster/internal/local/bolt"
	"muster/internal/local/disk"
	"muster/internal/org"
	"muster/internal/roster"
	"muster/internal/snapshot"
)

// Two reads of a system become two snapshots; the second says who left.
func Example() {
	ctx := context.Background()
	dir, err := os.MkdirTemp("", "")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	rows, err := bolt.Open(filepath.Join(dir, "table"), time.Now)
	if err != nil {
		log.Fatal(err)
	}
	defer rows.Close()
	blobs, err := disk.Open(filepath.Join(dir, "blobs"), func() string { return "" }, time.Now)
	if err != nil {
		log.Fatal(err)
	}
	store := &snapshot.Store{Table: rows, Blobs: blobs, TempDir: dir}
	company := org.NewID()

	sync := func(revision int64, emails ...string) {
		last, err := store.Latest(ctx, company, integration)
		if err != nil {
			log.Fatal(err)
		}
		defer last.Close()
		b, err := store.Build(company, integration)
		if err != nil {
			log.Fatal(err)
		}
		defer b.Close()
		for _, email := range emails {
			if err := b.Add(ctx, roster.Batch{Users: []roster.User{{Email: email, Status: roster.Active}}}); err != nil {
				log.Fatal(err)
			}
		}
		next, err := b.Finish(ctx, last, snapshot.Options{Job: "job", Revision: revision, At: time.Now(), AppliedUpTo: snapshot.NoMappings})
		if err != nil {
			log.Fatal(err)
		}
		fmt.Printf("added %d, removed %d of %d\n", next.Counts.Users.Added, next.WouldRemove, next.Live)
		ref, err := next.Put(ctx)
		if err != nil {
			log.Fatal(err)
		}
		if err := rows.Write(ctx, snapshot.Pointer(company, integration, ref, last.PointerCond())); err != nil {
			log.Fatal(err)
		}
	}
	sync(1, "grace@example.com", "ada@example.com")
	sync(2, "ada@example.com", "lin@example.com")

	page, err := store.Roster(company, integration).Members(ctx, roster.MembersQuery{Size: 100})
	if err != nil {
		log.Fatal(err)
	}
	for _, m := range page.Members {
		fmt.Println(m.Email, m.Status == roster.Active)
	}
	// Output:
	// added 2, removed 0 of 0
	// added 1, removed 1 of 2
	// ada@example.com true
	// grace@example.com false
	// lin@example.com true
}
