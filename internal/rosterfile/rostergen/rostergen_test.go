package rostergen_test

import (
	"bytes"
	"context"
	"io"
	"slices"
	"testing"

	"muster/internal/roster"
	"muster/internal/rosterfile"
	"muster/internal/rosterfile/rostergen"
)

func write(t *testing.T, n int, o rostergen.Options) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := rostergen.Write(&b, n, o); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// read is the users without their places, and the number of grants.
func read(t *testing.T, file []byte) (users []roster.User, grants int) {
	t.Helper()
	source := rosterfile.New(func(_ context.Context, offset int64) (io.ReadCloser, error) {
		return io.NopCloser(bytes.NewReader(file[offset:])), nil
	})
	for batch, err := range source.Read(t.Context(), nil) {
		if err != nil || len(batch.Problems) > 0 {
			t.Fatal(err, batch.Problems)
		}
		for _, u := range batch.Users {
			u.Place = roster.Place{}
			users = append(users, u)
		}
		grants += len(batch.Grants)
	}
	return users, grants
}

func byEmail(a, b roster.User) int { return bytes.Compare([]byte(a.Email), []byte(b.Email)) }

func TestWrite(t *testing.T) {
	const n = 3_000
	plain := write(t, n, rostergen.Options{Seed: 7})
	if !bytes.Equal(plain, write(t, n, rostergen.Options{Seed: 7})) {
		t.Error("equal options made unequal files")
	}
	if each := len(plain) / n; each < 180 || each > 220 {
		t.Errorf("a user takes %d bytes", each)
	}
	users, _ := read(t, plain)
	if len(users) != n || !slices.IsSortedFunc(users, byEmail) {
		t.Errorf("%d users, or not in order", len(users))
	}
}

func TestShuffled(t *testing.T) {
	const n = 3_000
	want, _ := read(t, write(t, n, rostergen.Options{Seed: 7}))
	got, _ := read(t, write(t, n, rostergen.Options{Seed: 7, Shuffled: true}))
	if slices.IsSortedFunc(got, byEmail) {
		t.Error("in order")
	}
	slices.SortFunc(got, byEmail)
	if differing(got, want) != 0 {
		t.Error("other users")
	}
}

func TestChanged(t *testing.T) {
	const n = 3_000
	before, _ := read(t, write(t, n, rostergen.Options{Seed: 7}))
	for _, changed := range []int{1, 7, 1_700, n} {
		after, _ := read(t, write(t, n, rostergen.Options{Seed: 7, Changed: changed}))
		if got := differing(before, after); got != changed {
			t.Errorf("%d users changed, want %d", got, changed)
		}
	}
}

func TestLicenses(t *testing.T) {
	if _, grants := read(t, write(t, 3_001, rostergen.Options{Licenses: 3})); grants != 3_001 {
		t.Errorf("%d grants", grants)
	}
}

func differing(a, b []roster.User) (n int) {
	for i := range a {
		if a[i].Email != b[i].Email || a[i].LastName != b[i].LastName || !a[i].LastUsed.Equal(b[i].LastUsed) || !slices.Equal(a[i].Roles, b[i].Roles) {
			n++
		}
	}
	return n
}

func Example() {
	if err := rostergen.Write(io.Discard, 1_000_000, rostergen.Options{Seed: 1, Shuffled: true}); err != nil {
		panic(err)
	}
}
