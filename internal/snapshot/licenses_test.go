package snapshot_test

import (
	"errors"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"muster/internal/roster"
	"muster/internal/snapshot"
)

// licensed is a roster in which every kind of holder is there: one whom the
// source lists and one whom it does not, each status, and a licence and a grant
// that a later read no longer lists.
func licensed(t *testing.T) *snapshot.Reader {
	t.Helper()
	e := newEnv(t)
	grant := func(license, email string, s roster.GrantStatus) roster.Grant {
		return roster.Grant{License: license, Email: email, Status: s}
	}
	people := []roster.User{user("a@x.se"), user("b@x.se"), user("c@x.se"), user("d@x.se")}
	people[3].Status = roster.Deleted
	e.sync(t, 1, roster.Batch{ListsLicenses: true, Users: people,
		Licenses: []roster.License{{Name: "Basic"}, {Name: "Old"}, {Name: "Pro", Unassigned: 7, PricePerUser: new(int64(500))}},
		Grants:   []roster.Grant{grant("Pro", "a@x.se", 0), grant("Pro", "b@x.se", 0), grant("Old", "c@x.se", 0)}})
	_, r := e.sync(t, 2, roster.Batch{ListsLicenses: true, Users: people,
		Licenses: []roster.License{{Name: "Basic"}, {Name: "Pro", Unassigned: 7, PricePerUser: new(int64(500))}, {Name: "Zen"}},
		Grants: []roster.Grant{grant("Pro", "a@x.se", 0), grant("Pro", "c@x.se", roster.GrantInactive), grant("Basic", "c@x.se", 0),
			grant("Pro", "d@x.se", 0), grant("Pro", "stranger@x.se", roster.GrantActive)}})
	return r
}

func TestLicenses(t *testing.T) {
	r := licensed(t)
	version := roster.Version{Job: "job-2", Token: 2}
	all := []roster.LicenseUse{
		{License: roster.License{Name: "Basic"}, Active: 1},
		{License: roster.License{Name: "Pro", Unassigned: 7, PricePerUser: new(int64(500))}, Active: 2, Inactive: 1, Deleted: 1},
		{License: roster.License{Name: "Zen"}},
	}
	for q, want := range map[roster.LicensesQuery]roster.LicensesPage{
		{Size: 3}:          {Licenses: all, Version: version, Total: 3},
		{Size: 2}:          {Licenses: all[:2], Version: version, Total: 3, More: true},
		{Size: 2, Skip: 2}: {Licenses: all[2:], Version: version, Total: 3},
		{Size: 2, Skip: 9}: {Version: version, Total: 3},
	} {
		page, err := r.Licenses(t.Context(), q)
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(want, page); d != "" {
			t.Errorf("%+v (-want +got)\n%s", q, d)
		}
	}
	if _, err := r.Licenses(t.Context(), roster.LicensesQuery{Size: 10_001}); err == nil {
		t.Error("a page of any size is read")
	}
	if page, err := newEnv(t).latest(t).Licenses(t.Context(), roster.LicensesQuery{Size: 1}); err != nil || page.Licenses != nil {
		t.Errorf("without a snapshot: %+v, %v", page, err)
	}
}

func TestHolders(t *testing.T) {
	r := licensed(t)
	pro := []roster.Holder{
		{Email: "a@x.se", Status: roster.GrantActive, Member: true},
		{Email: "c@x.se", Status: roster.GrantInactive, Member: true},
		{Email: "d@x.se", Status: roster.GrantDeleted, Member: true},
		{Email: "stranger@x.se", Status: roster.GrantActive},
	}
	for size := 1; size <= 5; size++ {
		q, pages, got := roster.HoldersQuery{License: "Pro", Size: size, Total: -1}, 0, []roster.Holder(nil)
		for more := true; more; pages++ {
			page, err := r.Holders(t.Context(), q)
			if err != nil || page.Total != 4 || page.Version != (roster.Version{Job: "job-2", Token: 2}) {
				t.Fatal(page, err)
			}
			got, more = append(got, page.Holders...), page.More
			q.After, q.Total = got[len(got)-1].Email, page.Total
		}
		if d := cmp.Diff(pro, got); d != "" || pages != (3+size)/size {
			t.Errorf("%d pages of %d (-want +got)\n%s", pages, size, d)
		}
	}
	if page, err := r.Holders(t.Context(), roster.HoldersQuery{License: "Zen", Size: 1, Total: -1}); err != nil || page.Total != 0 || page.More {
		t.Errorf("a licence that nobody holds: %+v, %v", page, err)
	}
	for _, none := range []string{"Old", "pro", "", "No such"} {
		if page, err := r.Holders(t.Context(), roster.HoldersQuery{License: none, Size: 1, Total: -1}); !errors.Is(err, roster.ErrNoLicense) {
			t.Errorf("%q: %+v, %v", none, page, err)
		}
	}
	if _, err := newEnv(t).latest(t).Holders(t.Context(), roster.HoldersQuery{License: "Pro", Size: 1, Total: -1}); !errors.Is(err, roster.ErrNoLicense) {
		t.Error(err)
	}
}

func BenchmarkLicenses(b *testing.B) {
	const people = 300_000
	e := newEnv(b)
	build := e.build(b)
	for i := range people / 1000 {
		batch := roster.Batch{ListsLicenses: true}
		if i == 0 {
			batch.Licenses = []roster.License{{Name: "Basic"}, {Name: "Pro"}}
		}
		for j := range 1000 {
			email := fmt.Sprintf("user%07d@example.com", i*1000+j)
			batch.Users = append(batch.Users, user(email))
			batch.Grants = append(batch.Grants, roster.Grant{License: []string{"Basic", "Pro"}[j%2], Email: email})
		}
		add(b, build, batch)
	}
	_, r := e.commit(b, build, options(1))
	for b.Loop() {
		page, err := r.Licenses(b.Context(), roster.LicensesQuery{Size: 10})
		if err != nil || page.Licenses[1].Active != people/2 {
			b.Fatal(page, err)
		}
	}
	b.ReportMetric(people*float64(b.N)/b.Elapsed().Seconds(), "users/s")
}
