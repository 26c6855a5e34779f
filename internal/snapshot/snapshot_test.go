package snapshot_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"muster/internal/local/bolt"
	"muster/internal/local/disk"
	"muster/internal/org"
	"muster/internal/roster"
	"muster/internal/snapshot"
)

const integration = "0192f0c1-0000-7000-8000-000000000001"

var day0 = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

type env struct {
	*snapshot.Store
	org org.ID
	tmp string
}

func newEnv(tb testing.TB) *env {
	tb.Helper()
	dir := tb.TempDir()
	now := time.Now
	rows, err := bolt.Open(filepath.Join(dir, "table"), now)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = rows.Close() })
	blobs, err := disk.Open(filepath.Join(dir, "blobs"), func() string { return "http://localhost" }, now)
	if err != nil {
		tb.Fatal(err)
	}
	tmp := filepath.Join(dir, "tmp")
	if err := os.Mkdir(tmp, 0o700); err != nil {
		tb.Fatal(err)
	}
	return &env{&snapshot.Store{Table: rows, Blobs: blobs, TempDir: tmp}, org.NewID(), tmp}
}

func (e *env) latest(tb testing.TB) *snapshot.Reader {
	tb.Helper()
	r, err := e.Latest(tb.Context(), e.org, integration)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = r.Close() })
	return r
}

// build adds the batches.
func (e *env) build(tb testing.TB, batches ...roster.Batch) *snapshot.Builder {
	tb.Helper()
	b, err := e.Build(e.org, integration)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = b.Close() })
	add(tb, b, batches...)
	return b
}

func add(tb testing.TB, b *snapshot.Builder, batches ...roster.Batch) {
	tb.Helper()
	for _, batch := range batches {
		if err := b.Add(tb.Context(), batch); err != nil {
			tb.Fatal(err)
		}
	}
}

// commit finishes, puts and moves the pointer, as the syncer does.
func (e *env) commit(tb testing.TB, b *snapshot.Builder, o snapshot.Options) (*snapshot.Next, *snapshot.Reader) {
	tb.Helper()
	last := e.latest(tb)
	next, err := b.Finish(tb.Context(), last, o)
	if err != nil {
		tb.Fatal(err)
	}
	defer func() {
		if err := b.Close(); err != nil {
			tb.Error(err)
		}
	}()
	if !next.Changed {
		return next, last
	}
	ref, err := next.Put(tb.Context())
	if err != nil {
		tb.Fatal(err)
	}
	if err := e.Table.Write(tb.Context(), snapshot.Pointer(e.org, integration, ref, last.PointerCond())); err != nil {
		tb.Fatal(err)
	}
	return next, e.latest(tb)
}

func (e *env) sync(tb testing.TB, revision int64, batches ...roster.Batch) (*snapshot.Next, *snapshot.Reader) {
	tb.Helper()
	return e.commit(tb, e.build(tb, batches...), options(revision))
}

func options(revision int64) snapshot.Options {
	return snapshot.Options{Job: fmt.Sprintf("job-%d", revision), Revision: revision,
		At: day0.Add(time.Duration(revision) * 24 * time.Hour), AppliedUpTo: snapshot.NoMappings}
}

func rowsOf(tb testing.TB, r *snapshot.Reader, since int64, after snapshot.Key) []snapshot.Row {
	tb.Helper()
	var rows []snapshot.Row
	for row, err := range r.Rows(tb.Context(), since, after) {
		if err != nil {
			tb.Fatal(err)
		}
		rows = append(rows, row)
	}
	return rows
}

func user(email string) roster.User {
	return roster.User{Email: email, Status: roster.Active}
}

// world makes random reads of one changing system.
type world struct{ *rand.Rand }

func (w world) email() string { return fmt.Sprintf("p%03d@example.com", w.IntN(150)) }

func (w world) user() roster.User {
	u := roster.User{Email: w.email(), Status: roster.Status(w.IntN(8))}
	if u.Status > roster.Deleted {
		u.Status = roster.Active
	}
	if w.IntN(2) == 0 {
		u.ID = fmt.Sprint(w.IntN(400))
	}
	u.FirstName = []string{"", "Ada", "Åsa", "Grace"}[w.IntN(4)]
	u.ExternalStatus = []string{"", "on leave"}[w.IntN(2)]
	for range w.IntN(3) {
		u.Roles = append(u.Roles, []string{"admin", "", "viewer"}[w.IntN(3)])
	}
	if w.IntN(3) == 0 {
		u.LastUsed = time.UnixMilli(w.Int64N(1 << 41)).UTC()
	}
	return u
}

func (w world) read(licenses bool) []roster.Batch {
	var batches []roster.Batch
	for range 1 + w.IntN(6) {
		var b roster.Batch
		for range w.IntN(40) {
			b.Users = append(b.Users, w.user())
		}
		if w.IntN(3) == 0 {
			b.Problems = append(b.Problems, roster.Problem{Reason: roster.EmailMissing, Skips: roster.UserEntity},
				roster.Problem{Reason: roster.DateInvalid})
		}
		if licenses {
			w.licenses(&b)
		}
		batches = append(batches, b)
	}
	return batches
}

func (w world) licenses(b *roster.Batch) {
	b.ListsLicenses = true
	for range w.IntN(4) {
		l := roster.License{Name: []string{"Pro", "Basic", "Ünïcode", "Z"}[w.IntN(4)], Unassigned: w.Int64N(3)}
		if w.IntN(2) == 0 {
			l.PricePerUser = new(w.Int64N(3))
		}
		b.Licenses = append(b.Licenses, l)
		for range w.IntN(20) {
			b.Grants = append(b.Grants, roster.Grant{License: l.Name, Email: w.email(), Status: roster.GrantStatus(w.IntN(4))})
		}
	}
}

// Every sync of a random history agrees with the model: counts, problems, rows.
func TestAgreesWithTheModel(t *testing.T) {
	for seed := range uint64(8) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			w := world{rand.New(rand.NewPCG(seed, 1))}
			e := newEnv(t)
			if seed%4 != 0 {
				e.Shrink()
			}
			m := &model{}
			for rev := int64(1); rev <= 12; rev++ {
				batches := w.read(w.IntN(3) > 0)
				if w.IntN(5) == 0 {
					batches = nil // the empty read that the removal guard is for
				}
				o := options(rev)
				o.Retention = 3 * 24 * time.Hour
				o.AppliedUpTo = rev - w.Int64N(6)
				live := active(m.sorted())
				counts, purged, problems := m.sync(batches, o)
				next, r := e.commit(t, e.build(t, batches...), o)

				got := struct {
					Counts       roster.Counts
					Purged, Live int64
					Problems     map[roster.Reason]int64
				}{next.Counts, next.Purged, next.Live, next.ProblemCounts}
				if got.Problems == nil {
					got.Problems = problems
				}
				want := got
				want.Counts, want.Purged, want.Live, want.Problems = counts, purged, live, problems
				if d := cmp.Diff(want, got); d != "" {
					t.Fatalf("sync %d: (-model +snapshot)\n%s", rev, d)
				}
				rows := rowsOf(t, r, 0, snapshot.Key{})
				if d := cmp.Diff(m.sorted(), rows); d != "" {
					t.Fatalf("sync %d: (-model +snapshot)\n%s", rev, d)
				}
				checkReads(t, w, r, rows)
			}
			if left, _ := os.ReadDir(e.tmp); len(left) > 0 {
				t.Errorf("temporary files are left: %v", left)
			}
		})
	}
}

func active(rows []snapshot.Row) (n int64) {
	for _, r := range rows {
		if r.Kind == snapshot.User && r.Status == "active" {
			n++
		}
	}
	return n
}

// checkReads compares pages, totals and partial reads with the whole.
func checkReads(t *testing.T, w world, r *snapshot.Reader, rows []snapshot.Row) {
	t.Helper()
	for _, text := range []string{"", []string{"P1", "åsa", "ADA", "admin", "viewer, ", "leave", "7"}[w.IntN(7)]} {
		q := roster.MembersQuery{Status: roster.Status(w.IntN(3)), Text: text, Size: 1 + w.IntN(30), Fields: everyField[w.IntN(7):][:1]}
		if w.IntN(2) == 0 {
			q.Fields = everyField[:1+w.IntN(7)]
		}
		checkMembers(t, w, r, rows, q)
	}
	if len(rows) == 0 {
		return
	}
	after, since := rows[w.IntN(len(rows))].Key, w.Int64N(12)
	part := slices.DeleteFunc(slices.Clone(rows), func(r snapshot.Row) bool { return compareKeys(r.Key, after) <= 0 || r.Revision <= since })
	if d := cmp.Diff(part, rowsOf(t, r, since, after), cmpopts.EquateEmpty()); d != "" {
		t.Fatalf("rows since %d behind %v (-want +got)\n%s", since, after, d)
	}
}

// checkMembers reads a list page by page; some pages are asked to count again.
func checkMembers(t *testing.T, w world, r *snapshot.Reader, rows []snapshot.Row, q roster.MembersQuery) {
	t.Helper()
	want := members(rows, q)
	var got []roster.Member
	q.Total = -1
	for more := true; more; {
		p, err := r.Members(t.Context(), q)
		if err != nil {
			t.Fatal(err)
		}
		if len(p.Members) > q.Size || len(p.Members) == 0 && p.More {
			t.Fatalf("a page of %d has %d members, more %v", q.Size, len(p.Members), p.More)
		}
		if p.Total != int64(len(want)) {
			t.Fatalf("%+v: total %d, want %d", q, p.Total, len(want))
		}
		got = append(got, p.Members...)
		if more = p.More; more {
			q.After, q.Total = got[len(got)-1].Email, p.Total
			if w.IntN(3) == 0 {
				q.Total = -1
			}
		}
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Fatalf("%+v (-want +got)\n%s", q, d)
	}
}

// members are what the query must find in the rows.
func members(rows []snapshot.Row, q roster.MembersQuery) (found []roster.Member) {
	for _, row := range rows {
		switch {
		case row.Kind == snapshot.User && matches(q, row):
			found = append(found, roster.Member{
				User: roster.User{Email: row.Email, ID: row.ID, FirstName: row.FirstName, LastName: row.LastName, Status: statusOf(row),
					ExternalStatus: row.ExternalStatus, Roles: row.Roles, LastUsed: row.LastUsed},
				FirstSeen: row.FirstSeen, DeletedAt: row.DeletedAt,
			})
		case row.Kind == snapshot.Grant && !row.Removed && len(found) > 0 && found[len(found)-1].Email == row.Email:
			m := &found[len(found)-1]
			status := map[string]roster.GrantStatus{"active": roster.GrantActive, "inactive": roster.GrantInactive, "deleted": roster.GrantDeleted}
			m.Grants = append(m.Grants, roster.Held{License: row.License, Status: status[row.Status]})
		}
	}
	return found
}

func statusOf(r snapshot.Row) roster.Status {
	if r.Status == "deleted" {
		return roster.Deleted
	}
	return roster.Active
}

var everyField = []roster.Field{roster.FieldEmail, roster.FieldFirstName, roster.FieldLastName, roster.FieldFullName,
	roster.FieldRole, roster.FieldExternalStatus, roster.FieldID}

func matches(q roster.MembersQuery, r snapshot.Row) bool {
	if q.Status != roster.Unknown && q.Status != statusOf(r) {
		return false
	}
	texts := map[roster.Field]string{roster.FieldEmail: r.Email, roster.FieldFirstName: r.FirstName, roster.FieldLastName: r.LastName,
		roster.FieldFullName: strings.TrimSpace(r.FirstName + " " + r.LastName), roster.FieldRole: strings.Join(r.Roles, ", "),
		roster.FieldExternalStatus: r.ExternalStatus, roster.FieldID: r.ID}
	return q.Text == "" || slices.ContainsFunc(q.Fields, func(f roster.Field) bool {
		return strings.Contains(strings.ToLower(texts[f]), strings.ToLower(q.Text))
	})
}
