package e2e

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"muster/internal/app"
	"muster/internal/job"
	"muster/internal/lease"
	"muster/internal/local"
	"muster/internal/local/bolt"
	"muster/internal/org"
	"muster/internal/rosterfile/rostergen"
	"muster/internal/table"
)

// howMany users a large file has: what CI holds Muster to, or what a laptop is
// quickly done with.
func howMany() int {
	if os.Getenv("CI") == "true" {
		return 1_000_000
	}
	return 300_000
}

// large is a local Muster with an app account whose small roster is committed,
// and a large file that is not yet synced.
type large struct {
	site
	data        string
	org         string
	admin       string
	integration string
	app         int32
	few         int64 // the small file
	file        int64 // the large one
	users       int
	byWorker    bool // its request hands it over
}

const smallRoster = 3

// syncTime is what the large sync may take on a machine that does much else.
const syncTime = 2 * time.Minute

func newLarge(t *testing.T) large {
	t.Helper()
	s := localSite(t)
	l := large{site: s, data: s.flags[1], users: howMany()}
	l.org, l.admin = l.newOrg(t, "Acme", "acme.example")
	run := l.serve(t)
	c := l.caller(run)
	l.integration, l.app = c.account(t)
	few := crowd(smallRoster)
	l.few = c.upload(t, bytes.NewReader(few), int64(len(few)))
	c.must(t, "PUT", "/v1.0/services/sync/custom", map[string]any{"idFile": l.few, "idAppAccount": l.app}, nil)
	var many bytes.Buffer
	if err := rostergen.Write(&many, l.users, rostergen.Options{Seed: 1, Shuffled: true}); err != nil {
		t.Fatal(err)
	}
	l.file = c.upload(t, &many, int64(many.Len()))
	run.kill()
	return l
}

// copy is the same in a folder of its own.
func (l large) copy(t *testing.T) large {
	t.Helper()
	data := filepath.Join(t.TempDir(), "data")
	if err := os.CopyFS(data, os.DirFS(l.data)); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(filepath.Join(data, "vault.key"), 0o600); err != nil { // a copy is for all to read, and refused
		t.Fatal(err)
	}
	l.data, l.flags = data, []string{"--data", data}
	return l
}

// toWorker makes the large file too large for its request.
func (l large) toWorker() large {
	l.site, l.byWorker = l.with("MUSTER_IN_REQUEST_BYTES=1000"), true
	return l
}

func (l large) caller(s server) caller { return caller{s.base, l.admin} }

func (l large) order() map[string]any {
	return map[string]any{"idFile": l.file, "idAppAccount": l.app}
}

// total is how many users the app account has, deleted ones too.
func (l large) total(t *testing.T, s server) int {
	t.Helper()
	total := 0
	for _, status := range []string{"active", "deleted"} {
		var page struct{ Total int }
		l.caller(s).must(t, "GET", fmt.Sprintf("/v1.0/apps/%d/users?size=1&status=%s", l.app, status), nil, &page)
		total += page.Total
	}
	return total
}

// begin asks for the large sync; its answer, if it ever comes, comes on the channel.
func (l large) begin(s server) <-chan answered {
	done := make(chan answered, 1)
	go func() {
		status, _, body, err := l.caller(s).try("PUT", "/v1.0/services/sync/custom", l.order())
		done <- answered{status, string(body), err}
	}()
	return done
}

type answered struct {
	status int
	body   string
	err    error
}

// moment is a state of a sync, as the files of its server show it.
type moment struct {
	name        string
	here        func(data string) bool
	orCommitted bool // it is over with the commit, which comes a moment later
}

var moments = []moment{
	{name: "while it reads", here: func(data string) bool { return size(data, "tmp", "runs-") > 1<<20 }},
	{name: "late in its read", here: func(data string) bool { return size(data, "tmp", "runs-") > int64(howMany())*30 }},
	{name: "while it merges", here: func(data string) bool { return size(data, "tmp", "next-") > 1<<20 }},
	{name: "while it puts the snapshot", here: func(data string) bool { return size(data, "blobs/tmp", "put-") > 1<<16 }},
	{name: "when the snapshot lies there", here: func(data string) bool { return count(data, "blobs/objects/snapshots") > 1 }, orCommitted: true},
}

// size is of the largest file whose name begins with prefix, below a folder.
func size(data, folder, prefix string) (largest int64) {
	walk(filepath.Join(data, folder), func(path string, info fs.FileInfo) {
		if strings.HasPrefix(filepath.Base(path), prefix) {
			largest = max(largest, info.Size())
		}
	})
	return largest
}

func count(data, folder string) (n int) {
	walk(filepath.Join(data, folder), func(string, fs.FileInfo) { n++ })
	return n
}

// walk visits files of a folder that changes meanwhile.
func walk(folder string, visit func(string, fs.FileInfo)) {
	_ = filepath.WalkDir(folder, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return nil // gone meanwhile
		}
		if info, err := d.Info(); err == nil {
			visit(path, info)
		}
		return nil
	})
}

// await waits for a moment of the sync whose answer comes on done, and reports
// whether it was seen. A busy machine may look too late for a short one; an answer
// that is none of success ends the test.
func (l large) await(t *testing.T, m moment, done <-chan answered) bool {
	t.Helper()
	deadline := time.Now().Add(syncTime)
	for !m.here(l.data) {
		select {
		case a := <-done:
			if a.status != http.StatusOK {
				t.Fatalf("answered %d before it was seen %s: %s %v", a.status, m.name, a.body, a.err)
			}
			return false
		case <-time.After(time.Millisecond): // between two looks at its files
		}
		if time.Now().After(deadline) {
			t.Fatalf("the sync is not seen %s", m.name)
		}
	}
	return true
}

// TestKilled kills the server in the middle of a large sync, as kill -9 does, at
// one moment after the other, and starts it again over the same data.
func TestKilled(t *testing.T) {
	t.Parallel() // with TestInRealTime, which waits most of its time
	prepared := newLarge(t)
	for _, m := range moments {
		t.Run(m.name, func(t *testing.T) {
			l := prepared.killed(t, m)
			s := l.serve(t)
			if m.orCommitted && l.total(t, s) == l.users+smallRoster {
				t.Log("the kill came after the commit")
				l.free(t, s)
				return
			}
			job := l.stillBusy(t, s)
			s.kill()
			l.expireLease(t)
			s = l.serve(t)
			l.ended(t, s, job, 1, time.Now().Add(syncTime))
			s.kill()
			l.tidy(t)
		})
	}
}

// killed is a copy whose server was killed at a moment of its sync. Where the sync
// was over before, it is another copy's turn.
func (l large) killed(t *testing.T, m moment) large {
	t.Helper()
	for range 10 {
		one := l.copy(t)
		s := one.serve(t)
		done := one.begin(s)
		seen := one.await(t, m, done)
		s.kill()
		if !seen {
			t.Logf("the sync was not seen %s", m.name)
		} else if a := <-done; a.err == nil {
			t.Logf("answered %d before it was killed %s", a.status, m.name)
		} else {
			return one
		}
		if err := os.RemoveAll(one.data); err != nil {
			t.Fatal(err)
		}
	}
	t.Fatalf("no server could be killed %s", m.name)
	return large{}
}

// stillBusy is what the survivor of a crash serves within the lease: the old
// roster, and to another sync that the integration is busy. It answers the job.
func (l large) stillBusy(t *testing.T, s server) string {
	t.Helper()
	if n := l.total(t, s); n != smallRoster {
		t.Errorf("%d users are served, want the %d of the last commit", n, smallRoster)
	}
	var refused refusal
	status, _ := l.caller(s).call(t, "PUT", "/v1.0/services/sync/custom", l.order(), &refused)
	if status != http.StatusConflict || refused.Kind != "busy" || refused.Job.ID == "" {
		t.Fatalf("another sync was answered %d %+v, want that the killed one still has the integration", status, refused)
	}
	return refused.Job.ID
}

// report is what is said of a job.
type report struct {
	Status, Reason string
	Restarts       int
	EndedAt        time.Time `json:"ended_at"`
	Counts         struct {
		Users struct{ Received, Valid, Added, Removed, Unchanged int }
	}
}

// over waits for the job to be over, by then.
func (l large) over(t *testing.T, s server, job string, by time.Time) report {
	t.Helper()
	var answer struct{ Data report }
	for {
		l.caller(s).must(t, "GET", "/v1/org/jobs/"+job, nil, &answer)
		d := answer.Data
		switch waits := d.Status == "pending" || d.Status == "processing"; {
		case !waits && !d.EndedAt.After(by):
			return d
		case !waits || time.Now().After(by):
			t.Fatalf("job %s is not over in time: %+v", job, d)
		}
		time.Sleep(50 * time.Millisecond) // between two looks
	}
}

// ended waits for the job to be completed, by then, and checks all that can be
// seen of it.
func (l large) ended(t *testing.T, s server, job string, restarts int, by time.Time) {
	t.Helper()
	d := l.over(t, s, job, by)
	if u := d.Counts.Users; d.Status != "completed" || d.Restarts != restarts ||
		u.Received != l.users || u.Valid != l.users || u.Added != l.users || u.Removed != smallRoster || u.Unchanged != 0 {
		t.Errorf("job %s: %+v, want it completed after %d restarts with %d users added and %d removed", job, d, restarts, l.users, smallRoster)
	}
	if n := l.total(t, s); n != l.users+smallRoster {
		t.Errorf("%d users, want %d", n, l.users+smallRoster)
	}
	left := func() int { return count(l.data, "tmp") + count(l.data, "blobs/tmp") }
	for deadline := time.Now().Add(time.Minute); left() > 0; {
		if time.Now().After(deadline) {
			t.Fatalf("%d temporary files are left", left())
		}
		time.Sleep(10 * time.Millisecond) // the worker removes them after its commit
	}
	l.free(t, s)
}

// free: the integration takes another sync, which the removal guard stops: in its
// request or, where the machine is too busy for that, in a worker.
func (l large) free(t *testing.T, s server) {
	t.Helper()
	var answer struct {
		Kind  string
		JobID string `json:"job_id"`
	}
	order := map[string]any{"idFile": l.few, "idAppAccount": l.app}
	status, _ := l.caller(s).call(t, "PUT", "/v1.0/services/sync/custom", order, &answer)
	if status == http.StatusOK {
		answer.Kind = l.over(t, s, answer.JobID, time.Now().Add(syncTime)).Reason
	}
	if answer.Kind != "too_many_removals" {
		t.Errorf("another sync was answered %d and ended as %q, want that the removal guard stopped it", status, answer.Kind)
	}
}

// expireLease is a minute that goes by: the lease's end moves into the past.
func (l large) expireLease(t *testing.T) {
	t.Helper()
	tab, err := bolt.Open(filepath.Join(l.data, "table.db"), time.Now)
	if err != nil {
		t.Fatal(err)
	}
	o, err := org.ParseID(l.org)
	if err != nil {
		t.Fatal(err)
	}
	seen, err := lease.Read(t.Context(), tab, job.LeaseKey(o, l.integration))
	if err == nil && seen.Expired(time.Now()) {
		t.Error("the lease was over already")
	}
	seen.ExpiresAt = time.Now().Add(-time.Second)
	if err := errors.Join(err, tab.Write(t.Context(), table.Put(seen.Key, seen.State, table.Any)), tab.Close()); err != nil {
		t.Fatal(err)
	}
}

// tidy is the sweep of three days later, when what crashes left is due: of all
// snapshots, the one that is served and the one that it replaced stay.
func (l large) tidy(t *testing.T) {
	t.Helper()
	now := func() time.Time { return time.Now().Add(3 * 24 * time.Hour) }
	p, err := local.Open(l.data, func() string { return "" }, now)
	if err != nil {
		t.Fatal(err)
	}
	a := &app.App{Platform: p, Settings: app.DefaultSettings, Now: now, Log: slog.New(slog.DiscardHandler)}
	if err := errors.Join(app.Sweep(a)(t.Context(), nil), p.Sweep(t.Context(), now()), p.Close()); err != nil {
		t.Fatal(err)
	}
	for folder, want := range map[string]int{"snapshots": 2, "staging": 0, "uploads": 2} {
		if n := count(l.data, "blobs/objects/"+folder); n != want {
			t.Errorf("%d objects in %s, want %d", n, folder, want)
		}
	}
}

// TestKilledUpload: a PUT to a signed URL that is cut off leaves nothing.
func TestKilledUpload(t *testing.T) {
	l := large{site: localSite(t)}
	l.data = l.flags[1]
	_, l.admin = l.newOrg(t, "Acme", "acme.example")
	s := l.serve(t)
	url, path := l.caller(s).place(t)
	body, half := io.Pipe()
	done := make(chan error, 1)
	go func() { done <- put(url, body, 1<<20) }()
	if _, err := half.Write(make([]byte, 1<<19)); err != nil {
		t.Fatal(err)
	}
	l.await(t, moment{name: "being put", here: func(data string) bool { return size(data, "blobs/tmp", "put-") > 0 }}, nil)
	s.kill()
	half.Close()
	if err := <-done; err == nil {
		t.Fatal("the PUT was answered with success")
	}
	s = l.serve(t)
	var refused struct{ Message string }
	status, _ := l.caller(s).call(t, "POST", "/v1.0/files", map[string]any{"path": path, "type": "customIntegrationData"}, &refused)
	if status != http.StatusBadRequest || !strings.Contains(refused.Message, "has no file") {
		t.Errorf("answered %d %q", status, refused.Message)
	}
	if n := count(l.data, "blobs/tmp") + count(l.data, "blobs/objects"); n != 0 {
		t.Errorf("%d files are left", n)
	}
}

// TestInRealTime lets the lease run out by the clock: after a kill, and after a
// SIGTERM to a sync in its request, which hands itself over, and to one that a
// worker has, which ends or hands itself over. All wait at the same time, for a
// lease and a sweep at most.
func TestInRealTime(t *testing.T) {
	t.Parallel()
	prepared := newLarge(t)
	killed := stop(t, prepared.copy(t), syscall.SIGKILL)
	killed.job = killed.stillBusy(t, killed.next)
	handed := stop(t, prepared.copy(t), syscall.SIGTERM)
	handed.job = handed.stillBusy(t, handed.next)
	worker := stop(t, prepared.copy(t).toWorker(), syscall.SIGTERM)

	if killed.answer.err == nil {
		t.Errorf("the request of a killed server was answered %d: %s", killed.answer.status, killed.answer.body)
	}
	for _, s := range []stopped{handed, worker} {
		if s.err != nil {
			t.Errorf("a server that was terminated ended with %v", s.err)
		}
		if a := s.answer; a.status != http.StatusOK {
			t.Errorf("the request of a server that was terminated was answered %d: %s (%v)", a.status, a.body, a.err)
		}
	}
	if want := jobOf([]byte(handed.answer.body)); handed.job != want {
		t.Errorf("job %s has the integration, the answer named %s", handed.job, want)
	}
	worker.job = jobOf([]byte(worker.answer.body))
	worker.endedInTime(t, 0)
	handed.endedInTime(t, 0)
	killed.endedInTime(t, 1)
}

// stopped is a server that was stopped while it synced, and the next one over its
// data.
type stopped struct {
	large
	answer answered
	err    error // of the process
	at     time.Time
	next   server
	job    string
}

func stop(t *testing.T, l large, signal syscall.Signal) stopped {
	t.Helper()
	s := l.serve(t)
	done := l.begin(s)
	reads := done
	if l.byWorker {
		reads = nil // its request is answered before
	}
	if !l.await(t, moments[0], reads) {
		t.Fatal("the sync was over before it was seen to read")
	}
	if err := s.cmd.Process.Signal(signal); err != nil {
		t.Fatal(err)
	}
	s.wait(t, time.Minute)
	return stopped{large: l, answer: <-done, err: s.err, at: time.Now(), next: l.serve(t)}
}

// endedInTime: within the lease, or the minute for which a start may be under way,
// and a sweep; the rest is the sync's own time.
func (s stopped) endedInTime(t *testing.T, restarts int) {
	t.Helper()
	const leaseAndSweep = 75 * time.Second
	s.ended(t, s.next, s.job, restarts, s.at.Add(leaseAndSweep+syncTime))
}
