package snapshot_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"muster/internal/blob"
	"muster/internal/blob/blobtest"
	"muster/internal/org"
	"muster/internal/roster"
	"muster/internal/snapshot"
	"muster/internal/table"
)

func TestNoSnapshotYetIsEmpty(t *testing.T) {
	e := newEnv(t)
	r := e.latest(t)
	if !r.Ref().IsZero() || len(rowsOf(t, r, 0, snapshot.Key{})) > 0 {
		t.Errorf("ref %+v", r.Ref())
	}
	for _, text := range []string{"", "a"} {
		page, err := e.Roster(e.org, integration).Members(t.Context(), roster.MembersQuery{Size: 1000, Text: text, Total: -1})
		if d := cmp.Diff(roster.MembersPage{}, page); err != nil || d != "" {
			t.Errorf("text %q: error %v, page %s", text, err, d)
		}
	}
}

func TestUnchangedReadKeepsNoFile(t *testing.T) {
	e := newEnv(t)
	first, _ := e.sync(t, 1, roster.Batch{Users: []roster.User{user("a@x.se")}})
	second, r := e.sync(t, 2, roster.Batch{Users: []roster.User{user("a@x.se")}})
	if !first.Changed || second.Changed || r.Ref().Revision != 1 {
		t.Errorf("changed %v then %v, pointer at revision %d", first.Changed, second.Changed, r.Ref().Revision)
	}
	if _, err := second.Put(t.Context()); err == nil {
		t.Error("a read that changed nothing was put")
	}
}

// The last of two entries counts, and the problem shows the one that lost.
func TestDuplicatesPointAtTheLoser(t *testing.T) {
	e := newEnv(t)
	a1, a2, b := user("a@x.se"), user("a@x.se"), user("b@x.se")
	a1.Place = roster.Place{Index: 3, Line: 7, Column: 11}
	a1.ID, a2.ID, b.ID = "old", "7", "7"
	a2.Place.Index, b.Place.Index = 4, 5
	next, r := e.sync(t, 1, roster.Batch{ListsLicenses: true, Users: []roster.User{a1, a2, b},
		Problems: []roster.Problem{{Reason: roster.MemberUnknown, Pointer: "/x"}, {Reason: roster.MemberUnknown, Pointer: "/y"}, {Reason: roster.WrongType}},
		Licenses: []roster.License{{Name: "Pro", Unassigned: 2, PricePerUser: new(int64(5))}, {Name: "Pro", Unassigned: 3, Place: roster.Place{Index: 1}}},
		Grants:   []roster.Grant{{License: "Pro", Email: "z@x.se", List: 1, Place: roster.Place{Index: 2, Line: 9, Column: 1}}}})
	var got []string
	for _, p := range next.Problems {
		got = append(got, fmt.Sprintf("%s %s %d:%d", p.Reason, p.Pointer, p.Line, p.Column))
	}
	want := []string{"wrong_type  0:0", "license_duplicate /licenses/0/name 0:0", "email_duplicate /users/3/email 7:11",
		"license_user_unmatched /licenses/1/users/2/email 9:1", "id_shared /users/5/id 0:0",
		"member_unknown /x 0:0", "member_unknown /y 0:0"} // what costs nothing is said last
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("problems (-want +got)\n%s", d)
	}
	rows := rowsOf(t, r, 0, snapshot.Key{})
	if rows[0].Unassigned != 3 || *rows[0].PricePerUser != 5 || rows[1].ID != "7" {
		t.Errorf("rows %+v", rows)
	}
	if want := (snapshot.Totals{Users: snapshot.Total{Live: 2}, Licenses: snapshot.Total{Live: 1}, Grants: snapshot.Total{Live: 1}, Unmatched: 1}); r.Ref().Totals != want {
		t.Errorf("totals %+v", r.Ref().Totals)
	}
}

func TestProblemsAreBounded(t *testing.T) {
	e := newEnv(t)
	b := e.build(t)
	for range 12 {
		batch := roster.Batch{}
		for range 1000 {
			batch.Problems = append(batch.Problems, roster.Problem{Reason: roster.WrongType, Detail: strings.Repeat("å", 150)})
		}
		add(t, b, batch)
	}
	next, err := b.Finish(t.Context(), nil, options(1))
	if err != nil {
		t.Fatal(err)
	}
	if len(next.Problems) != 10_000 || next.ProblemCounts[roster.WrongType] != 12_000 {
		t.Errorf("%d problems, counts %v", len(next.Problems), next.ProblemCounts)
	}
	if d := next.Problems[0].Detail; len(d) != 200 || !utf8.ValidString(d) {
		t.Errorf("a detail of %d bytes", len(d))
	}
}

func TestRemovalsAgainstLive(t *testing.T) {
	e := newEnv(t)
	gone := user("gone@x.se")
	gone.Status = roster.Deleted
	e.sync(t, 1, roster.Batch{Users: []roster.User{user("a@x.se"), user("b@x.se"), gone}})
	b := user("b@x.se")
	b.Status = roster.Deleted
	next, _ := e.sync(t, 2, roster.Batch{Users: []roster.User{b}})
	if next.Live != 2 || next.WouldRemove != 1 || next.Counts.Users.Changed != 1 {
		t.Errorf("live %d, would remove %d, counts %+v", next.Live, next.WouldRemove, next.Counts.Users)
	}
}

// Who was deleted and is then left out is left out like anybody: not shown as a
// holder, not brought back by a read without licences, and gone in their time.
func TestDeletedAndThenLeftOut(t *testing.T) {
	e := newEnv(t)
	gone := user("d@x.se")
	gone.Status = roster.Deleted
	pro := roster.Batch{ListsLicenses: true, Licenses: []roster.License{{Name: "Pro"}}}
	held := pro
	held.Grants = []roster.Grant{{License: "Pro", Email: "d@x.se"}}
	e.sync(t, 1, roster.Batch{Users: []roster.User{user("a@x.se"), gone}}, held)
	_, r := e.sync(t, 2, roster.Batch{Users: []roster.User{user("a@x.se"), gone}}, pro)
	if page, err := r.Holders(t.Context(), roster.HoldersQuery{License: "Pro", Size: 10, Total: -1}); err != nil || page.Total != 0 {
		t.Errorf("holders %+v, %v", page.Holders, err)
	}
	_, r = e.sync(t, 3, roster.Batch{Users: []roster.User{user("a@x.se"), user("d@x.se")}})
	page, err := r.Members(t.Context(), roster.MembersQuery{Size: 10, Total: -1, Status: roster.Active})
	if err != nil || len(page.Members) != 2 || page.Members[1].Grants != nil {
		t.Errorf("members %+v, %v", page.Members, err)
	}

	e.sync(t, 4, roster.Batch{Users: []roster.User{user("a@x.se"), gone}})
	next, _ := e.sync(t, 5, roster.Batch{Users: []roster.User{user("a@x.se")}})
	if next.Counts.Users.Removed != 0 || next.WouldRemove != 0 {
		t.Errorf("who was deleted already is removed: %+v", next.Counts.Users)
	}
	over := options(6)
	over.PurgeOnly, over.At = true, next.PurgeDue.Add(10*24*time.Hour)
	_, r = e.commit(t, e.build(t), over)
	if rows := rowsOf(t, r, 0, snapshot.Key{Email: "b"}); len(rows) > 0 {
		t.Errorf("rows %+v", rows)
	}
}

func TestPageEndsAtItsBytes(t *testing.T) {
	e := newEnv(t)
	var users []roster.User
	for i := range 30 {
		users = append(users, user(fmt.Sprintf("u%02d@x.se", i)))
	}
	for revision, c := range []struct {
		text string
		want int
	}{{"x", 8}, {`"`, 2}, {"\x01", 1}} { // of a quote and of a control character an answer is larger
		for i := range users {
			users[i].ExternalStatus = strings.Repeat(c.text, 500<<10)
		}
		_, r := e.sync(t, int64(revision+1), roster.Batch{Users: users})
		page, err := r.Members(t.Context(), roster.MembersQuery{Size: 1000, Text: "u", Fields: []roster.Field{roster.FieldEmail}, Total: -1})
		if err != nil || len(page.Members) != c.want || !page.More || page.Total != 30 {
			t.Errorf("%q: %d members of %d, more %v, error %v", c.text, len(page.Members), page.Total, page.More, err)
		}
	}
}

// A read cut by checkpoints at every batch comes to the same bytes as one that
// was not.
func TestResumeEqualsUninterrupted(t *testing.T) {
	w := world{rand.New(rand.NewPCG(7, 7))}
	e := newEnv(t)
	e.Shrink()
	batches := append(w.read(true), w.read(true)...)
	whole, r1 := e.commit(t, e.build(t, batches...), options(1))

	e2 := &env{e.Store, org.NewID(), e.tmp}
	b := e2.build(t)
	for i, batch := range batches {
		add(t, b, batch)
		st, err := b.Save(t.Context(), e2.org.Path("staging", "job-1", fmt.Sprint(i)))
		if err != nil {
			t.Fatal(err)
		}
		if err := b.Close(); err != nil {
			t.Fatal(err)
		}
		if b, err = e2.Resume(t.Context(), e2.org, integration, st); err != nil {
			t.Fatal(err)
		}
	}
	parts, r2 := e2.commit(t, b, options(1))
	if d := cmp.Diff(whole.Problems, parts.Problems); d != "" || whole.Counts != parts.Counts {
		t.Errorf("counts %+v and %+v, problems\n%s", whole.Counts, parts.Counts, d)
	}
	if !bytes.Equal(content(t, e, r1), content(t, e2, r2)) {
		t.Error("the files differ")
	}
}

func content(t *testing.T, e *env, r *snapshot.Reader) []byte {
	t.Helper()
	obj, err := e.Blobs.Open(t.Context(), r.Ref().Key, r.Ref().Version)
	if err != nil {
		t.Fatal(err)
	}
	from := blob.NewReader(obj)
	defer func() { _ = from.Close() }()
	b, err := io.ReadAll(from)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestResumeRefuses(t *testing.T) {
	e := newEnv(t)
	b := e.build(t, roster.Batch{Users: []roster.User{user("a@x.se")}})
	st, err := b.Save(t.Context(), e.org.Path("staging", "job-1", "1"))
	if err != nil {
		t.Fatal(err)
	}
	other := st
	other.Format++
	if _, err := e.Resume(t.Context(), e.org, integration, other); !errors.Is(err, snapshot.ErrFormat) {
		t.Errorf("another format: %v", err)
	}
	if _, err := e.Resume(t.Context(), org.NewID(), integration, st); err == nil {
		t.Error("another org's checkpoint was read")
	}
	other = st
	other.Runs = append([]snapshot.SavedRun{}, st.Runs...)
	other.Runs[0].Size++
	if _, err := e.Resume(t.Context(), e.org, integration, other); !errors.Is(err, snapshot.ErrCorrupt) {
		t.Errorf("a run of another size: %v", err)
	}
}

func TestDamageIsNamed(t *testing.T) {
	e := newEnv(t)
	_, r := e.sync(t, 1, roster.Batch{Users: []roster.User{user("a@x.se"), user("b@x.se")}})
	whole := content(t, e, r)
	for name, damage := range map[string]func([]byte) []byte{
		"cut short": func(b []byte) []byte { return b[:len(b)/2] },
		"empty":     func([]byte) []byte { return nil },
		"a page":    func(b []byte) []byte { b[60] ^= 0xff; return b },
		"zeros":     func(b []byte) []byte { clear(b[4 : len(b)/3]); return b },
	} {
		t.Run(name, func(t *testing.T) {
			job := "damaged-" + strings.ReplaceAll(name, " ", "-")
			key := snapshot.BlobKey(e.org, integration, job, 1)
			if _, err := e.Blobs.Put(t.Context(), key, "", bytes.NewReader(damage(bytes.Clone(whole)))); err != nil {
				t.Fatal(err)
			}
			q := roster.MembersQuery{Version: roster.Version{Job: job, Token: 1}, Size: 10}
			if _, err := e.Roster(e.org, integration).Members(t.Context(), q); !errors.Is(err, snapshot.ErrCorrupt) {
				t.Errorf("list: error %v", err)
			}
			o := org.NewID()
			if err := e.Table.Write(t.Context(), snapshot.Pointer(o, integration, snapshot.Ref{Key: key}, table.Absent)); err != nil {
				t.Fatal(err)
			}
			bad, err := e.Latest(t.Context(), o, integration)
			if err == nil {
				defer func() { _ = bad.Close() }()
				_, err = e.build(t).Finish(t.Context(), bad, options(2))
			}
			if !errors.Is(err, snapshot.ErrCorrupt) {
				t.Errorf("merge: error %v", err)
			}
		})
	}
}

func TestDamagedSpillIsNamed(t *testing.T) {
	e := newEnv(t)
	b := e.build(t, roster.Batch{Users: []roster.User{user("a@x.se")}})
	if _, err := b.Save(t.Context(), e.org.Path("staging", "j", "1")); err != nil { // spills
		t.Fatal(err)
	}
	runs, err := filepath.Glob(filepath.Join(e.tmp, "*", "runs-*"))
	if err != nil || len(runs) != 1 {
		t.Fatal(runs, err)
	}
	if err := os.Truncate(runs[0], 12); err != nil {
		t.Fatal(err)
	}
	if _, err := b.Finish(t.Context(), nil, options(1)); !errors.Is(err, snapshot.ErrCorrupt) {
		t.Errorf("error %v", err)
	}
}

// A snapshot of another format is compared by its fields: a release changes nobody.
func TestAnotherFormatChangesNobody(t *testing.T) {
	e := newEnv(t)
	w := world{rand.New(rand.NewPCG(3, 3))}
	batches := w.read(true)
	_, r := e.sync(t, 1, batches...)
	ref := r.Ref()
	ref.Format = 0
	if err := e.Table.Write(t.Context(), snapshot.Pointer(e.org, integration, ref, r.PointerCond())); err != nil {
		t.Fatal(err)
	}
	if next, _ := e.sync(t, 2, batches...); next.Changed {
		t.Errorf("counts %+v", next.Counts)
	}
	next, _ := e.sync(t, 3, append(batches, roster.Batch{Users: []roster.User{user("new@x.se")}})...)
	if next.Counts.Users.Changed+next.Counts.Users.Removed > 0 || next.Counts.Users.Added != 1 {
		t.Errorf("counts %+v", next.Counts)
	}
}

// A list goes on with the version that it began with, until that is cleared away.
func TestPinnedVersion(t *testing.T) {
	e := newEnv(t)
	_, first := e.sync(t, 1, roster.Batch{Users: []roster.User{user("a@x.se")}})
	e.sync(t, 2, roster.Batch{Users: []roster.User{user("b@x.se")}})
	read := func(o org.ID, v roster.Version) (got string, err error) {
		page, err := e.Roster(o, integration).Members(t.Context(), roster.MembersQuery{Version: v, Size: 10, Total: -1})
		got = fmt.Sprint(page.Version, " ", page.Total)
		for _, m := range page.Members {
			got += " " + m.Email
		}
		return got, err
	}
	v1 := roster.Version{Job: "job-1", Token: 1}
	for v, want := range map[roster.Version]string{{}: "{job-2 2} 2 a@x.se b@x.se", v1: "{job-1 1} 1 a@x.se"} {
		if got, err := read(e.org, v); err != nil || got != want {
			t.Errorf("version %+v: %s, %v", v, got, err)
		}
	}
	gone := func(name string, o org.ID, v roster.Version) {
		t.Helper()
		if got, err := read(o, v); !errors.Is(err, roster.ErrGone) {
			t.Errorf("%s: %v, %v", name, got, err)
		}
	}
	gone("another token", e.org, roster.Version{Job: "job-1", Token: 9})
	gone("another org", org.NewID(), v1)
	gone("a path", e.org, roster.Version{Job: "../x", Token: 1})
	if err := e.Blobs.Delete(t.Context(), first.Ref().Key); err != nil {
		t.Fatal(err)
	}
	gone("cleared away", e.org, v1)
}

// A file says of itself what the row says that names it: a pinned list, and
// whoever else reads the file, have nothing more.
func TestFileDescribesItself(t *testing.T) {
	e := newEnv(t)
	_, r := e.sync(t, 1, roster.Batch{Users: []roster.User{user("a@x.se")}})
	totals, err := json.Marshal(r.Ref().Totals)
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{"muster.format": "1", "muster.job": "job-1", "muster.revision": "1",
		"muster.committed_at": "2026-03-02T12:00:00Z", "muster.totals": string(totals)}
	got := map[string]string{}
	for _, kv := range parquetFile(t, e, r).Metadata().KeyValueMetadata {
		got[kv.Key] = kv.Value
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("metadata (-want +got)\n%s", d)
	}
}

// A Put whose answer was lost is sent again.
func TestPutAgain(t *testing.T) {
	e := newEnv(t)
	b := e.build(t, roster.Batch{Users: []roster.User{user("a@x.se")}})
	next, err := b.Finish(t.Context(), e.latest(t), options(1))
	if err != nil {
		t.Fatal(err)
	}
	first, err := next.Put(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	second, err := next.Put(t.Context())
	if d := cmp.Diff(first, second); err != nil || d != "" {
		t.Errorf("error %v, (-first +second)\n%s", err, d)
	}
}

// Sixteen times the users hold at most 1.3 times the memory and 2 MB. What the
// collector has not yet fetched is left out here; BenchmarkSync reports the
// process's peak.
func TestMemoryDoesNotDependOnTheInput(t *testing.T) {
	const users = 25_000
	synctest.Test(t, func(t *testing.T) {
		e := newEnv(t)
		e.Scale()
		blobs, before, rev := e.Blobs, blobtest.Live(), int64(0)
		run := func(n int) uint64 {
			g := blobtest.NewGauge()
			e.Blobs = g.Store(blobs)
			rev++
			b, added, next := e.build(t), 0, 0
			for batch := range generate(n, true, fmt.Sprint(rev)) {
				add(t, b, batch)
				if added += len(batch.Users); added >= next {
					next += n / blobtest.Places
					g.Measure()
				}
			}
			e.commit(t, b, options(rev))
			if g.Passed < blobtest.Places {
				t.Errorf("only %d places were passed", g.Passed)
			}
			return g.Most - min(g.Most, before)
		}
		few := max(run(users), run(users)) // the first has no snapshot to merge with
		many := run(16 * users)
		t.Logf("%d KB and %d KB", few>>10, many>>10)
		if many > few+few*3/10+2<<20 {
			t.Errorf("%d users hold %d KB, %d hold %d KB", users, few>>10, 16*users, many>>10)
		}
	})
}

// However large its users are, a merge holds a bounded part of them at once: in one
// process and in the next.
func TestMemoryDoesNotDependOnTheUsers(t *testing.T) {
	e := newEnv(t)
	e.Split()
	large := strings.Repeat("x", 1<<20)
	b := e.build(t)
	for i := range 100 {
		u := user(fmt.Sprintf("%d@x.se", i*37%100))
		u.FirstName = large
		add(t, b, roster.Batch{Users: []roster.User{u}})
	}
	st, err := b.Save(t.Context(), e.org.Path("staging", "job-1", "1"))
	if err != nil {
		t.Fatal(err)
	}
	resumed, err := e.Resume(t.Context(), e.org, integration, st)
	if err != nil {
		t.Fatal(err)
	}
	for name, b := range map[string]*snapshot.Builder{"at once": b, "resumed": resumed} {
		most := live(func() {
			o := options(1)
			o.CountOnly = true
			if next, err := b.Finish(t.Context(), nil, o); err != nil || next.Counts.Users.Added != 100 {
				t.Error(name, next, err)
			}
		})
		if t.Logf("%s: %d MB", name, most>>20); most > 60<<20 {
			t.Errorf("%s: a merge of 100 users of 1 MB holds %d MB", name, most>>20)
		}
		if err := b.Close(); err != nil {
			t.Error(err)
		}
	}
}
