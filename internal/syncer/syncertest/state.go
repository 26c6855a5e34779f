package syncertest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"muster/internal/blob"
	"muster/internal/garbage"
	"muster/internal/job"
	"muster/internal/lease"
	"muster/internal/org"
	"muster/internal/roster"
	"muster/internal/snapshot"
	"muster/internal/table"
)

// State is the rows and objects of some orgs, and what earlier checks saw of them.
type State struct {
	table  table.Table
	blobs  blob.Store
	orgs   []org.ID
	tokens map[table.Key]int64   // of each lease
	ended  map[string]job.Status // by job, once it is terminal
	points map[table.Key]snapshot.Ref
	gone   map[table.Key]bool // leases of integrations that were removed
}

// New is the state of orgs, of which nothing was seen yet.
func New(t table.Table, b blob.Store, orgs ...org.ID) *State {
	return &State{t, b, orgs, map[table.Key]int64{}, map[string]job.Status{}, map[table.Key]snapshot.Ref{}, map[table.Key]bool{}}
}

// CheckState is one Check of a state of which nothing was seen before.
func CheckState(t testing.TB, tab table.Table, b blob.Store, orgs ...org.ID) {
	t.Helper()
	New(tab, b, orgs...).Check(t)
}

// Check reports every invariant that does not hold. Nobody may be writing.
func (s *State) Check(t testing.TB) {
	t.Helper()
	c := &check{State: s, TB: t, ctx: context.Background(), entered: map[string]bool{}, rest: map[string]bool{}, running: map[string]bool{}}
	c.shards()
	for _, o := range s.orgs {
		c.org(o)
	}
	for id := range c.running {
		c.Errorf("state: job %s has a running row and no job, or a terminal one", id)
	}
}

// check is one Check.
type check struct {
	*State
	testing.TB
	ctx     context.Context
	entered map[string]bool // blobs that have a garbage row
	under   []string        // prefixes that have one
	rest    map[string]bool // removed integrations whose rows have one, by "<org>/<integration>"
	running map[string]bool // running rows whose job was not met yet
}

// rows reads a partition by sort key.
func (c *check) rows(part string) map[string]table.Row {
	rows := map[string]table.Row{}
	for row, err := range c.table.List(c.ctx, part, table.Query{}) {
		if err != nil {
			c.Fatalf("state: listing %s: %v", part, err)
		}
		rows[row.Sort] = row
	}
	return rows
}

func (c *check) decode(row table.Row, v any) {
	if err := row.Decode(v); err != nil {
		c.Errorf("state: %v", err)
	}
}

// shards reads what is kept of all orgs together.
func (c *check) shards() {
	for _, shard := range strings.Split("0123456789abcdef", "") {
		for id := range c.rows("RUNNING#" + shard) {
			if !strings.HasSuffix(id, shard) {
				c.Errorf("state: running row of %s lies in shard %s", id, shard)
			}
			c.running[id] = true
		}
	}
	items, err := garbage.List(c.ctx, c.table)
	if err != nil {
		c.Fatalf("state: %v", err)
	}
	for _, it := range items {
		switch it.Kind {
		case garbage.Blob:
			c.entered[it.Ref] = true
		case garbage.Blobs:
			c.under = append(c.under, it.Ref)
		case garbage.Integration:
			c.rest[it.Ref] = true
		}
	}
}

func (c *check) org(o org.ID) {
	integrations := map[string]map[string]job.Job{} // jobs by integration and id
	slots := c.rows(o.Part("SLOT"))
	for id, row := range c.rows(o.Part("JOB")) {
		var j job.Job
		c.decode(row, &j)
		if j.Org != o || j.ID.String() != id {
			c.Errorf("state: row of job %s of %s says it is %s of %s", id, o, j.ID, j.Org)
		}
		c.job(j, row)
		c.slot(j, slots)
		if integrations[j.Integration] == nil {
			integrations[j.Integration] = map[string]job.Job{}
		}
		integrations[j.Integration][id] = j
	}
	for n := range slots {
		c.Errorf("state: slot %s of %s is taken, and by no job that runs", n, o)
	}
	live := map[string]bool{}
	for integration, jobs := range integrations {
		live[c.integration(o, integration, jobs)] = true
	}
	for info, err := range c.blobs.List(c.ctx, o.Path("snapshots")+"/") {
		if err != nil {
			c.Fatalf("state: %v", err)
		}
		under := slices.ContainsFunc(c.under, func(prefix string) bool { return strings.HasPrefix(info.Key, prefix) })
		if !live[info.Key] && !c.entered[info.Key] && !under {
			c.Errorf("state: %s is an orphan: no pointer names it and it is not entered as garbage", info.Key)
		}
	}
}

// slot checks that a job that runs has its place, and takes it out of slots.
func (c *check) slot(j job.Job, slots map[string]table.Row) {
	if j.Slot == 0 || j.Status.Terminal() {
		return
	}
	var at struct{ Job string }
	n := fmt.Sprintf("%04d", j.Slot)
	if row, ok := slots[n]; ok {
		c.decode(row, &at)
		delete(slots, n)
	}
	if at.Job != j.ID.String() || j.Status == job.Requeued {
		c.Errorf("state: job %s is %s and has slot %s, which names %q", j.ID, j.Status, n, at.Job)
	}
}

// job checks what a job's own row says.
func (c *check) job(j job.Job, row table.Row) {
	id := j.ID.String()
	terminal := j.Status.Terminal()
	if c.running[id] == terminal {
		c.Errorf("state: job %s is %s, and it has a running row: %t", id, j.Status, c.running[id])
	}
	delete(c.running, id)
	if before, ok := c.ended[id]; ok && before != j.Status {
		c.Errorf("state: job %s was %s and is %s", id, before, j.Status)
	}
	if terminal {
		c.ended[id] = j.Status
	}
	committed := !j.CommittedAt.IsZero()
	for what, broken := range map[string]bool{
		"is terminal without an end, or has one and is not": terminal == j.EndedAt.IsZero(),
		"expires before it is terminal, or never does":      terminal == row.Expires.IsZero(),
		"is completed and nothing was committed":            j.Status == job.Completed && !committed,
		"failed without a reason, or has one all the same":  (j.Status == job.Failed) == (j.Reason == ""),
		"has a reason and no message":                       j.Reason != "" && j.Message == "",
		"keeps a checkpoint that nobody will go on from":    j.Checkpoint != nil && (terminal || committed),
		"was restarted more than twice":                     j.Restarts > job.MaxRestarts,
	} {
		if broken {
			c.Errorf("state: job %s (%s, %s) %s", id, j.Status, j.Reason, what)
		}
	}
	c.report(j, committed)
	c.checkpoint(j)
}

func (c *check) report(j job.Job, committed bool) {
	counts := j.Report.Counts
	for kind, n := range map[string]roster.Count{"users": counts.Users, "licenses": counts.Licenses, "grants": counts.Grants} {
		if committed && (n.Received != n.Valid+n.Skipped+n.Duplicates || n.Valid != n.Added+n.Changed+n.Unchanged) {
			c.Errorf("state: job %s: the %s do not add up: %+v", j.ID, kind, n)
		}
	}
	var problems int64
	for _, n := range j.Report.ProblemCounts {
		problems += n
	}
	if committed && (problems > 0) != (j.Report.ProblemsKey != "") {
		c.Errorf("state: job %s committed with %d problems, which lie in %q", j.ID, problems, j.Report.ProblemsKey)
	}
	if j.Report.ProblemsKey != "" {
		c.exists(j.Report.ProblemsKey, "")
	}
}

// checkpoint checks that what a parked job is to go on from is there.
func (c *check) checkpoint(j job.Job) {
	if j.Checkpoint == nil {
		return
	}
	var cp struct {
		State snapshot.State `json:"state"`
	}
	if err := json.Unmarshal(j.Checkpoint, &cp); err != nil {
		c.Errorf("state: checkpoint of job %s: %v", j.ID, err)
	}
	for _, r := range cp.State.Runs {
		c.exists(r.Key, "")
	}
	if cp.State.Rest != "" {
		c.exists(cp.State.Rest, "")
	}
}

func (c *check) exists(key, version string) {
	obj, err := c.blobs.Open(c.ctx, key, version)
	if err != nil {
		c.Errorf("state: a row names an object that is not there: %v", err)
		return
	}
	_ = obj.Close()
}

// integration checks an integration's rows against its jobs and answers the key
// of its snapshot.
func (c *check) integration(o org.ID, id string, jobs map[string]job.Job) string {
	rows := c.rows(o.Part("INTEGRATION", id))
	c.waiting(rows, jobs)
	if _, ok := rows["LEASE"]; !ok {
		c.removed(o, id, rows, jobs)
		return ""
	}
	c.lease(o.Key("LEASE", "INTEGRATION", id), rows, jobs)
	for jid, j := range jobs {
		row, ok := rows["JOB#"+jid]
		if !ok || row.Expires.IsZero() == j.Status.Terminal() {
			c.Errorf("state: job %s (%s) has its place among the integration's jobs: %t, which ends at %s", jid, j.Status, ok, row.Expires)
		}
	}
	ref := c.pointer(o, id, rows, jobs)
	for sort, row := range rows {
		mapping, ok := strings.CutPrefix(sort, "APPLIED#")
		if !ok {
			continue
		}
		var m struct{ Applied, Of int64 }
		c.decode(row, &m)
		if m.Applied > m.Of || m.Of > ref.Revision {
			c.Errorf("state: mapping %s has applied %d of %d, and the snapshot's revision is %d", mapping, m.Applied, m.Of, ref.Revision)
		}
	}
	return ref.Key
}

// removed checks what is left of an integration without a lease: nobody works on
// it, and its rows are entered as garbage or gone.
func (c *check) removed(o org.ID, id string, rows map[string]table.Row, jobs map[string]job.Job) {
	c.gone[o.Key("LEASE", "INTEGRATION", id)] = true
	rest := c.rest[o.String()+"/"+id]
	if len(rows) > 0 && !rest {
		c.Errorf("state: integration %s was removed, and %d rows of it stay for good", id, len(rows))
	}
	for jid, j := range jobs {
		if !j.Status.Terminal() && (j.Status != job.Requeued || !rest) {
			c.Errorf("state: job %s is %s, and its integration was removed", jid, j.Status)
		}
	}
}

func (c *check) lease(k table.Key, rows map[string]table.Row, jobs map[string]job.Job) {
	row := rows["LEASE"]
	if c.gone[k] {
		c.Errorf("state: %s is there again, of an integration that was removed", k)
	}
	var l lease.State
	c.decode(row, &l)
	if before := c.tokens[k]; l.Token < before {
		c.Errorf("state: the token of %s fell from %d to %d", k, before, l.Token)
	}
	c.tokens[k] = l.Token
	if j := jobs[l.Job]; l.Job != "" && j.Status != job.Pending && j.Status != job.Processing {
		c.Errorf("state: lease %s names job %s, which is %q", k, l.Job, j.Status)
	}
	if l.Job == "" && l.Owner != "" || !row.Expires.IsZero() {
		c.Errorf("state: lease %s is free and owned, or its row expires", k)
	}
	for id, j := range jobs {
		if (j.Status == job.Pending || j.Status == job.Processing) && l.Job != id {
			c.Errorf("state: job %s is %s without the lease, which names %q", id, j.Status, l.Job)
		}
		if l.Job == id && (j.Status == job.Pending) != (l.Owner == "") {
			c.Errorf("state: job %s is %s and its lease has an owner: %t", id, j.Status, l.Owner != "")
		}
	}
}

func (c *check) waiting(rows map[string]table.Row, jobs map[string]job.Job) {
	waiting := map[string]string{} // job by trigger
	for sort, row := range rows {
		if trigger, ok := strings.CutPrefix(sort, "WAITING#"); ok {
			var w struct{ Job string }
			c.decode(row, &w)
			waiting[trigger] = w.Job
		}
	}
	for id, j := range jobs {
		if j.Status == job.Requeued {
			if waiting[j.Input.Trigger] != id {
				c.Errorf("state: job %s is requeued; %q waits for its trigger", id, waiting[j.Input.Trigger])
			}
			delete(waiting, j.Input.Trigger)
		}
	}
	for trigger, id := range waiting {
		c.Errorf("state: job %s waits for trigger %s and is %q", id, trigger, jobs[id].Status)
	}
}

// pointer checks the snapshot that is the one, and that earlier ones are garbage.
func (c *check) pointer(o org.ID, id string, rows map[string]table.Row, jobs map[string]job.Job) snapshot.Ref {
	k := snapshot.PointerKey(o, id)
	row, ok := rows["SNAPSHOT"]
	if !ok {
		if before := c.points[k]; !before.IsZero() {
			c.Errorf("state: the snapshot of %s is no longer named", id)
		}
		return snapshot.Ref{}
	}
	var ref snapshot.Ref
	c.decode(row, &ref)
	before := c.points[k]
	c.points[k] = ref
	if ref.Revision < before.Revision || ref.Revision == before.Revision && ref.Key != before.Key && before.Key != "" {
		c.Errorf("state: the pointer of %s went from %+v to %+v", id, before, ref)
	}
	if c.entered[ref.Key] {
		c.Errorf("state: %s is the snapshot of %s, and entered as garbage", ref.Key, id)
	}
	if j, ok := jobs[ref.Job]; !ok || j.CommittedAt.IsZero() {
		c.Errorf("state: the snapshot of %s is of job %s, which did not commit", id, ref.Job)
	}
	if l := c.tokens[o.Key("LEASE", "INTEGRATION", id)]; ref.Revision > l {
		c.Errorf("state: the snapshot of %s has revision %d, the lease token %d", id, ref.Revision, l)
	}
	if ref != before { // it never changes
		c.whole(o, id, ref)
	}
	return ref
}

// whole reads the snapshot from its first row to its last.
func (c *check) whole(o org.ID, id string, ref snapshot.Ref) {
	r, err := (&snapshot.Store{Table: c.table, Blobs: c.blobs}).Latest(c.ctx, o, id)
	if err != nil {
		c.Errorf("state: snapshot of %s: %v", id, err)
		return
	}
	defer func() { _ = r.Close() }()
	var last snapshot.Key
	var users int64
	for row, err := range r.Rows(c.ctx, 0, snapshot.Key{}) {
		if err != nil {
			c.Errorf("state: snapshot of %s: %v", id, err)
			return
		}
		if row.Email < last.Email || row.Email == last.Email && row.License <= last.License || row.Revision > ref.Revision {
			c.Errorf("state: snapshot of %s, revision %d: row %v of revision %d behind %v", id, ref.Revision, row.Key, row.Revision, last)
		}
		last = row.Key
		if row.Kind == snapshot.User && row.Status == "active" {
			users++
		}
	}
	if users != ref.Totals.Users.Live {
		c.Errorf("state: snapshot of %s has %d live users and says %d", id, users, ref.Totals.Users.Live)
	}
}

// Settled reports what is not at rest: jobs that are not terminal, and leases
// that name one. Check says whether all of it is right.
func (s *State) Settled(ctx context.Context) (open []string, err error) {
	for _, o := range s.orgs {
		for row, lerr := range s.table.List(ctx, o.Part("JOB"), table.Query{}) {
			var j job.Job
			if err := errors.Join(lerr, row.Decode(&j)); err != nil {
				return nil, err
			}
			if !j.Status.Terminal() {
				open = append(open, j.ID.String())
			}
		}
	}
	return open, nil
}

// Garbage is the objects that have a garbage row, due or not.
func (s *State) Garbage(ctx context.Context) ([]string, error) {
	items, err := garbage.List(ctx, s.table)
	refs := map[string]bool{}
	for _, it := range items {
		if it.Kind == garbage.Blob {
			refs[it.Ref] = true
		}
	}
	return slices.Sorted(maps.Keys(refs)), err
}
