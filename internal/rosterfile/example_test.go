package rosterfile_test

import (
	"context"
	"fmt"
	"io"
	"strings"

	"muster/internal/rosterfile"
)

func Example() {
	const upload = `{
  "users": [
    {"email": "Adam@Example.com", "roles": ["Admin"]},
    {"email": "tony@example.com", "lastUsedDate": "2021-02-30"},
    {"firstName": "Nobody"}
  ],
  "licenses": [{"users": [{"email": "adam@example.com"}], "name": "Pro"}]
}`
	source := rosterfile.New(func(_ context.Context, offset int64) (io.ReadCloser, error) {
		return io.NopCloser(strings.NewReader(upload[offset:])), nil
	})
	for batch, err := range source.Read(context.Background(), nil) {
		if err != nil {
			fmt.Println(err)
			return
		}
		for _, u := range batch.Users {
			fmt.Println(u.Email, u.Roles)
		}
		for _, g := range batch.Grants {
			fmt.Println(g.License, g.Email)
		}
		for _, p := range batch.Problems {
			fmt.Printf("line %d, column %d: %s\n", p.Line, p.Column, p.Reason)
		}
	}
	// Output:
	// adam@example.com [Admin]
	// tony@example.com []
	// Pro adam@example.com
	// line 4, column 51: date_invalid
	// line 5, column 5: email_missing
}
