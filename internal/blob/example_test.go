package blob_test

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"strings"
	"time"

	"muster/internal/blob"
	"muster/internal/local/disk"
)

// An object is put once, and read as the version that its row names.
func Example() {
	ctx := context.Background()
	dir, _ := os.MkdirTemp("", "muster-")
	defer os.RemoveAll(dir)
	var store blob.Store
	store, err := disk.Open(dir, func() string { return "http://127.0.0.1:3000" }, time.Now)
	if err != nil {
		fmt.Println(err)
		return
	}

	info, err := store.Put(ctx, "uploads/plan.csv", "text/csv", strings.NewReader("name\nAda\nGrace\n"))
	fmt.Println(info.Size, err)
	_, err = store.Put(ctx, "uploads/plan.csv", "text/csv", strings.NewReader("name\n"))
	fmt.Println(err)

	obj, err := store.Open(ctx, info.Key, info.Version)
	if err != nil {
		fmt.Println(err)
		return
	}
	r := blob.NewReader(obj)
	defer r.Close()
	for lines := bufio.NewScanner(r); lines.Scan(); {
		fmt.Println(lines.Text())
	}
	// Output:
	// 15 <nil>
	// blob: key is taken: uploads/plan.csv
	// name
	// Ada
	// Grace
}
