package syncer_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"maps"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"muster/internal/blob"
	"muster/internal/blob/blobtest"
	"muster/internal/garbage"
	systems "muster/internal/integration"
	"muster/internal/job"
	"muster/internal/lease"
	"muster/internal/local/bolt"
	"muster/internal/local/disk"
	"muster/internal/org"
	"muster/internal/roster"
	"muster/internal/snapshot"
	"muster/internal/syncer"
	"muster/internal/syncer/syncertest"
	"muster/internal/table"
	"muster/internal/table/tabletest"
)

const integration = "0192f0c1-0000-7000-8000-000000000001"

var file = job.Input{Kind: job.InputFile, FileID: 7}

// world is an org with one integration, over a platform, and what its source and
// its targets say at the moment. Processes come and go in it.
type world struct {
	t      *testing.T
	table  table.Table
	blobs  blob.Store
	tmp    string
	org    org.ID
	state  *syncertest.State
	faults *faults

	request time.Duration // what a request has, before its job is handed over

	mu       sync.Mutex
	source   roster.Source
	targets  []syncer.Target
	settings syncer.Settings
	triggers map[string]int64 // their current revision
	tenant   org.ID           // whose quota the runs count against; zero: nobody's
	starts   []job.Start      // sent and not delivered yet
	running  []*process       // that were not told to end
}

// local opens a world on the local platform. In a bubble its clock is the
// bubble's.
func local(t *testing.T) *world {
	t.Helper()
	dir := t.TempDir()
	tab, err := bolt.Open(filepath.Join(dir, "table.db"), time.Now, bolt.NoSync)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := tab.Close(); err != nil {
			t.Error(err)
		}
	})
	blobs, err := disk.Open(filepath.Join(dir, "blobs"), func() string { return "" }, time.Now, disk.NoSync)
	if err != nil {
		t.Fatal(err)
	}
	return newWorld(t, tab, blobs)
}

func newWorld(t *testing.T, tab table.Table, blobs blob.Store) *world {
	t.Helper()
	f := &faults{}
	w := &world{t: t, table: resender{tab, f}, blobs: blobs, tmp: t.TempDir(), org: org.NewID(), faults: f, request: 20 * time.Second,
		triggers: map[string]int64{}, settings: syncer.Settings{Guard: syncer.Guard{MaxPercent: 50, MaxCount: 100}}}
	w.state = syncertest.New(tab, blobs, w.org)
	w.install(w.org, integration)
	return w
}

// inBubble runs a test in a world whose time passes when everybody waits.
func inBubble(t *testing.T, name string, test func(*world)) {
	t.Helper()
	t.Run(name, func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) { test(local(t)) })
	})
}

func (w *world) install(o org.ID, id string) {
	w.t.Helper()
	u, err := uuid.Parse(id)
	if err != nil {
		w.t.Fatal(err)
	}
	s := &systems.Store{Table: w.table, Now: time.Now}
	if _, err := s.Create(w.t.Context(), o, systems.New{ID: systems.TryID(u), System: fileSystem(w.t)}); err != nil {
		w.t.Fatal(err)
	}
}

// The world is what syncs know of their integrations.

func (w *world) SyncSettings(context.Context, org.ID, string) (syncer.Settings, error) {
	return w.settings, nil
}

func (w *world) CurrentTrigger(_ context.Context, o org.ID, id, trigger string, revision int64) (bool, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	current, ok := w.triggers[trigger]
	return ok && o == w.org && id == integration && current == revision, nil
}

func (w *world) Source(_ context.Context, j job.Job) (roster.Source, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.source == nil {
		return nil, syncer.ErrNoSource
	}
	return w.source, nil
}

func (w *world) Targets(context.Context, job.Job) ([]syncer.Target, error) { return w.targets, nil }

// Start implements job.Starter: the event is on its way.
func (w *world) Start(_ context.Context, st job.Start) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.starts = append(w.starts, st)
	return nil
}

// process is one process: it can be stopped at any of its writes.
type process struct {
	*syncer.Syncer
	table *tabletest.Faulty
	blobs *blobtest.Faulty
	drain chan struct{}
	ctx   context.Context // ends with the process
}

func (w *world) process() *process { return w.processAt(time.Now) }

// processAt is a process with a clock of its own.
func (w *world) processAt(now func() time.Time) *process {
	ctx, cancel := context.WithCancel(w.t.Context())
	w.t.Cleanup(cancel)
	p := &process{ctx: ctx, drain: make(chan struct{})}
	p.table = &tabletest.Faulty{Table: tabletest.Formatted(w.t, w.table), Hook: w.faults.table, OnStop: func() { p.blobs.Stop(); cancel() }}
	p.blobs = &blobtest.Faulty{Store: w.blobs, Hook: w.faults.blob, OnStop: func() { p.table.Stop(); cancel() }}
	log := slog.New(slog.DiscardHandler)
	p.Syncer = &syncer.Syncer{
		Jobs:  &job.Store{Table: p.table, Blobs: p.blobs, Starter: mortal{w, p}, Now: now, Log: log, Quota: w.quota(p.table, now), MaxRunning: 100},
		Table: p.table, Blobs: p.blobs, Integrations: w, Now: now, Log: log, Drain: p.drain,
		Snapshots: &snapshot.Store{Table: p.table, Blobs: p.blobs, TempDir: w.tmp},
		InRequest: 1000, RequestTime: w.request,
	}
	w.mu.Lock()
	w.running = append(w.running, p)
	w.mu.Unlock()
	return p
}

// mortal sends the starts of a process while it lives.
type mortal struct {
	w *world
	p *process
}

func (m mortal) Start(ctx context.Context, st job.Start) error {
	if m.p.ctx.Err() != nil {
		return tabletest.ErrStopped
	}
	return m.w.Start(ctx, st)
}

// stop ends the process from outside.
func (p *process) stop() { p.table.Stop() }

// draining tells the processes that run to end, as a platform does.
func (w *world) draining() {
	w.mu.Lock()
	running := w.running
	w.running = nil
	w.mu.Unlock()
	for _, p := range running {
		close(p.drain)
	}
	time.Sleep(time.Second) // of the bubble: until they have all heard it
}

// sync is a file's sync inside its request.
func (w *world) sync(p *process, in job.Input) (job.Job, error) {
	return p.SyncFile(p.ctx, w.org, integration, job.ID{}, in, 1)
}

// mustSync requires the sync to end as status.
func (w *world) mustSync(in job.Input, status job.Status) job.Job {
	w.t.Helper()
	j, err := w.sync(w.process(), in)
	if err != nil || j.Status != status {
		w.t.Fatalf("sync: %s (%s: %s), %v; want %s", j.Status, j.Reason, j.Message, err, status)
	}
	w.state.Check(w.t)
	return j
}

func (w *world) tick(trigger string, at time.Time) job.Tick {
	return job.Tick{Org: w.org, Integration: integration, Trigger: trigger, Revision: w.triggers[trigger], ScheduledAt: at}
}

// sweep is the work of a minute: jobs, then garbage.
func (w *world) sweep(p *process) (job.Swept, error) {
	swept, err := p.Jobs.Sweep(p.ctx)
	_, gerr := garbage.Collect(p.ctx, p.table, p.Now(), map[garbage.Kind]garbage.Deleter{
		garbage.Blob: p.blobs.Delete, garbage.Blobs: p.deleteUnder, garbage.Integration: p.remover().Purge,
	})
	return swept, errors.Join(err, gerr)
}

// deliver gives each start that was sent to a new process, twice, as may happen.
func (w *world) deliver() {
	for {
		w.mu.Lock()
		starts := w.starts
		w.starts = nil
		w.mu.Unlock()
		if len(starts) == 0 {
			return
		}
		for _, st := range starts {
			for range 2 {
				p := w.process()
				_ = p.Run(p.ctx, st) // what it does not do, the sweep does
				w.state.Check(w.t)
			}
		}
	}
}

// settle delivers starts and sweeps every minute until every job is terminal, and
// answers how long that took.
func (w *world) settle() time.Duration {
	w.t.Helper()
	began := time.Now()
	for {
		w.deliver()
		open, err := w.state.Settled(w.t.Context())
		if err != nil {
			w.t.Fatal(err)
		}
		if len(open) == 0 {
			return time.Since(began)
		}
		if time.Since(began) > time.Hour {
			w.t.Fatalf("after an hour of sweeps jobs %v are not terminal", open)
		}
		time.Sleep(time.Minute)
		_, _ = w.sweep(w.process())
		w.state.Check(w.t)
	}
}

// clear lets garbage fall due and collects it: what is left is what is live.
func (w *world) clear() {
	w.t.Helper()
	for range 3 { // two of which may meet the fault
		time.Sleep(40 * 24 * time.Hour)
		_, err := w.sweep(w.process())
		w.state.Check(w.t)
		if left, _ := w.state.Garbage(w.t.Context()); err == nil && len(left) == 0 {
			break
		}
	}
	if left, err := w.state.Garbage(w.t.Context()); err != nil || len(left) > 0 {
		w.t.Errorf("garbage is left: %v, %v", left, err)
	}
	r := w.latest()
	for info, err := range w.blobs.List(w.t.Context(), "snapshots/") {
		if err != nil || info.Key != r.Ref().Key {
			w.t.Errorf("%s is left, %v; the snapshot is %s", info.Key, err, r.Ref().Key)
		}
	}
}

func (w *world) latest() *snapshot.Reader {
	w.t.Helper()
	r, err := (&snapshot.Store{Table: w.table, Blobs: w.blobs}).Latest(w.t.Context(), w.org, integration)
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { _ = r.Close() })
	return r
}

// roster is the live users of the snapshot: first names by e-mail.
func (w *world) roster() map[string]string {
	w.t.Helper()
	users := map[string]string{}
	for row, err := range w.latest().Rows(w.t.Context(), 0, snapshot.Key{}) {
		if err != nil {
			w.t.Fatal(err)
		}
		if row.Kind == snapshot.User && row.Status == "active" {
			users[row.Email] = row.FirstName
		}
	}
	return users
}

func (w *world) wantRoster(want map[string]string) {
	w.t.Helper()
	if d := cmp.Diff(want, w.roster()); d != "" {
		w.t.Errorf("live users (-want +got)\n%s", d)
	}
}

// jobs are all jobs of the world's integration.
func (w *world) jobs() []job.Job {
	w.t.Helper()
	var jobs []job.Job
	for row, err := range w.table.List(w.t.Context(), w.org.Part("JOB"), table.Query{}) {
		var j job.Job
		if err := errors.Join(err, row.Decode(&j)); err != nil {
			w.t.Fatal(err)
		}
		jobs = append(jobs, j)
	}
	return jobs
}

func (w *world) job(id job.ID) job.Job {
	w.t.Helper()
	i := slices.IndexFunc(w.jobs(), func(j job.Job) bool { return j.ID == id })
	if i < 0 {
		w.t.Fatalf("there is no job %s", id)
	}
	return w.jobs()[i]
}

func (w *world) lease() lease.Seen {
	w.t.Helper()
	l, err := lease.Read(w.t.Context(), w.table, job.LeaseKey(w.org, integration))
	if err != nil {
		w.t.Fatal(err)
	}
	return l
}

// script is a source of pages. What happens before a page is before's to say: a
// pause, an end of the process, an error.
type script struct {
	pages  []roster.Batch
	resume bool // batches have cursors
	before func(ctx context.Context, page int) error
}

func (s script) Read(ctx context.Context, cursor []byte) iter.Seq2[roster.Batch, error] {
	return func(yield func(roster.Batch, error) bool) {
		from, _ := strconv.Atoi(string(cursor))
		for i := from; i < len(s.pages); i++ {
			if s.before != nil {
				if err := s.before(ctx, i); err != nil {
					yield(roster.Batch{}, err)
					return
				}
			}
			b := s.pages[i]
			if s.resume {
				b.Cursor = []byte(strconv.Itoa(i + 1))
			}
			if !yield(b, nil) {
				return
			}
		}
	}
}

// pages spreads users (first names by e-mail) over batches of two, in an order
// that is not theirs; the first also has a record that is skipped, a licence and
// who holds it.
func pages(users map[string]string) []roster.Batch {
	var batches []roster.Batch
	emails := slices.Sorted(maps.Keys(users))
	slices.Reverse(emails)
	for two := range slices.Chunk(emails, 2) {
		var b roster.Batch
		for _, e := range two {
			b.Users = append(b.Users, roster.User{Email: e, FirstName: users[e], Status: roster.Active})
		}
		batches = append(batches, b)
	}
	if len(batches) > 0 {
		b := &batches[0]
		b.Problems = []roster.Problem{{Reason: roster.EmailMissing, Pointer: "/users/9", Detail: "expected an e-mail", Skips: roster.UserEntity}}
		b.ListsLicenses = true
		b.Licenses = []roster.License{{Name: "Pro"}}
		b.Grants = []roster.Grant{{License: "Pro", Email: emails[0]}}
	}
	return batches
}

func people(n int, name string) map[string]string {
	users := map[string]string{}
	for i := range n {
		users[fmt.Sprintf("p%03d@example.com", i)] = name
	}
	return users
}

func with(users map[string]string, email, name string) map[string]string {
	users = maps.Clone(users)
	users[email] = name
	return users
}

// directory is a target in our own table: each row it was sent keeps the
// revisions that came, in the order in which they came.
type directory struct {
	w       *world
	mapping string
	held    func(*syncer.Pass) // called before each transaction; may be nil
}

type sent struct {
	Format    int `json:"format"`
	Revisions []int64
}

func (d directory) Mapping() string { return d.mapping }

func (d directory) key(k snapshot.Key) table.Key {
	return d.w.org.Key(k.Email+"|"+k.License, "PEOPLE", d.mapping)
}

func (d directory) Apply(ctx context.Context, p *syncer.Pass, rows iter.Seq2[snapshot.Row, error]) error {
	var ws []table.Write
	var last snapshot.Key
	flush := func() error {
		if d.held != nil {
			d.held(p)
		}
		err := p.Done(ctx, last, ws...)
		ws = nil
		return err
	}
	for row, err := range rows {
		if err != nil {
			return err
		}
		w, err := d.put(ctx, row)
		if err != nil {
			return err
		}
		ws, last = append(ws, w), row.Key
		if len(ws) == 3 {
			if err := flush(); err != nil {
				return err
			}
		}
	}
	if len(ws) > 0 {
		return flush()
	}
	return nil
}

func (d directory) put(ctx context.Context, row snapshot.Row) (table.Write, error) {
	var s sent
	cond := table.Absent
	old, err := d.w.table.Get(ctx, d.key(row.Key))
	if err == nil {
		cond = table.Version(old.Version)
		err = old.Decode(&s)
	}
	if err != nil && !errors.Is(err, table.ErrNotFound) {
		return table.Write{}, err
	}
	s.Format, s.Revisions = 1, append(s.Revisions, row.Revision)
	return table.Put(d.key(row.Key), s, cond), nil
}

// check requires that the target has every row in its last revision, and was sent
// none twice.
func (d directory) check() {
	d.w.t.Helper()
	for k, revisions := range d.has() {
		if !slices.IsSorted(revisions) || len(slices.Compact(slices.Clone(revisions))) != len(revisions) {
			d.w.t.Errorf("%s was sent %v in revisions %v", d.mapping, k, revisions)
		}
	}
}

// has requires that the target has every row in its last revision, and answers
// the revisions that it was sent.
func (d directory) has() map[snapshot.Key][]int64 {
	d.w.t.Helper()
	all := map[snapshot.Key][]int64{}
	for row, err := range d.w.latest().Rows(d.w.t.Context(), 0, snapshot.Key{}) {
		if err != nil {
			d.w.t.Fatal(err)
		}
		var s sent
		if at, err := d.w.table.Get(d.w.t.Context(), d.key(row.Key)); err != nil {
			d.w.t.Errorf("%s has not got %v: %v", d.mapping, row.Key, err)
		} else if err := at.Decode(&s); err != nil {
			d.w.t.Error(err)
		}
		if len(s.Revisions) == 0 || s.Revisions[len(s.Revisions)-1] != row.Revision {
			d.w.t.Errorf("%s has %v in revisions %v, the snapshot in %d", d.mapping, row.Key, s.Revisions, row.Revision)
		}
		all[row.Key] = s.Revisions
	}
	return all
}
