package rosterfile_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"muster/internal/roster"
	"muster/internal/rosterfile"
)

// file is a source of these bytes.
func file[T ~string | ~[]byte](data T) roster.Source {
	return rosterfile.New(func(_ context.Context, offset int64) (io.ReadCloser, error) {
		return io.NopCloser(bytes.NewReader([]byte(data)[offset:])), nil
	})
}

// told reads a source to its end and writes down what it said, a line for each thing:
// a letter, the place, and what differs from the zero value.
func told(ctx context.Context, source roster.Source) string {
	var b strings.Builder
	lists := false
	for batch, err := range source.Read(ctx, nil) {
		for _, u := range batch.Users {
			fmt.Fprintf(&b, "user %d %d:%d %s%s\n", u.Place.Index, u.Place.Line, u.Place.Column, u.Email, userFields(u))
		}
		for _, l := range batch.Licenses {
			fmt.Fprintf(&b, "licence %d %d:%d %q %d", l.Place.Index, l.Place.Line, l.Place.Column, l.Name, l.Unassigned)
			if l.PricePerUser != nil {
				fmt.Fprintf(&b, " price=%d", *l.PricePerUser)
			}
			b.WriteByte('\n')
		}
		for _, g := range batch.Grants {
			fmt.Fprintf(&b, "grant %d/%d %d:%d %q %s %s\n", g.List, g.Place.Index, g.Place.Line, g.Place.Column, g.License, g.Email,
				[]string{"derived", "active", "inactive", "deleted"}[g.Status])
		}
		for _, p := range batch.Problems {
			fmt.Fprintf(&b, "problem %s %s %d:%d%s\n", p.Reason, p.Pointer, p.Line, p.Column,
				[]string{"", " skips user", " skips licence", " skips grant"}[p.Skips])
		}
		if batch.ListsLicenses && !lists {
			lists = true
			b.WriteString("lists licences\n")
		}
		if fault := (*roster.Fault)(nil); errors.As(err, &fault) {
			fmt.Fprintf(&b, "fault %s\n", fault.Message)
		} else if err != nil {
			fmt.Fprintf(&b, "error %v\n", err)
		}
	}
	return b.String()
}

func userFields(u roster.User) string {
	var b strings.Builder
	for _, f := range []struct{ name, value string }{{"id", u.ID}, {"first", u.FirstName}, {"last", u.LastName}, {"external", u.ExternalStatus}} {
		if f.value != "" {
			fmt.Fprintf(&b, " %s=%q", f.name, f.value)
		}
	}
	if u.Roles != nil {
		fmt.Fprintf(&b, " roles=%q", u.Roles)
	}
	if u.Status != roster.Active {
		fmt.Fprintf(&b, " %s", []string{"unknown", "", "deleted"}[u.Status])
	}
	if !u.LastUsed.IsZero() {
		fmt.Fprintf(&b, " used=%s", u.LastUsed.Format(time.RFC3339Nano))
	}
	return b.String()
}

// same compares by line, in the order in which told writes one batch.
func same(t *testing.T, got, want string) {
	t.Helper()
	if diff := cmp.Diff(strings.Split(want, "\n"), strings.Split(got, "\n")); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

// sorted puts lines in the order in which told writes one batch.
func sorted(lines string) string {
	var b strings.Builder
	for _, kind := range []string{"user", "licence", "grant", "problem", "lists"} {
		for line := range strings.Lines(lines) {
			if strings.HasPrefix(line, kind+" ") {
				b.WriteString(line)
			}
		}
	}
	return b.String()
}

// behind is where the user behind these licences stands, the licences' first line
// being the file's second.
func behind(licenses string) string {
	last := licenses[strings.LastIndexByte(licenses, '\n')+1:]
	return fmt.Sprintf("%d:%d", 2+strings.Count(licenses, "\n"), len(last)+len(`],"users":[`)+1)
}
