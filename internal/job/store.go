package job

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"time"

	"muster/internal/blob"
	"muster/internal/lease"
	"muster/internal/org"
	"muster/internal/roster"
	"muster/internal/table"
)

// ErrNotFound: the org has no such job.
var ErrNotFound = errors.New("job: no such job")

const keep = 400 * 24 * time.Hour // after its end

// Store is the jobs of all orgs. Its fields are set once, before use.
type Store struct {
	Table   table.Table
	Blobs   blob.Store
	Starter Starter
	Now     func() time.Time
	Log     *slog.Logger
	Quota   Quota // nil: there is none
	// MaxRunning is how many jobs of one org may run at once, parked ones included;
	// 0: any number.
	MaxRunning int
}

// The rows of a job.

func jobKey(o org.ID, id ID) table.Key { return o.Key(id.String(), "JOB") }

func indexKey(o org.ID, integration string, id ID) table.Key {
	return o.Key(indexPrefix+id.String(), "INTEGRATION", integration)
}

const indexPrefix = "JOB#"

func waitingKey(o org.ID, integration, trigger string) table.Key {
	return o.Key(waitingPrefix+trigger, "INTEGRATION", integration)
}

const waitingPrefix = "WAITING#"

// LeaseKey is the row of an integration's lease.
func LeaseKey(o org.ID, integration string) table.Key {
	return o.Key("LEASE", "INTEGRATION", integration)
}

const runningShards = 16

// runningKey is the place of a job that is not terminal. The id's last digit is
// random, or a hash's, so the shards fill evenly.
func runningKey(id ID) table.Key {
	s := id.String()
	return table.Key{Part: "RUNNING#" + s[len(s)-1:], Sort: s}
}

type runningRow struct {
	Format      int    `json:"format"`
	Org         org.ID `json:"org"`
	Integration string `json:"integration"`
}

type waitingRow struct {
	Format int `json:"format"`
	Job    ID  `json:"job"`
}

// indexRow is a job's place among those of its integration: its key says all.
type indexRow struct {
	Format int `json:"format"`
}

// Get reads one job. ErrNotFound where the org has none of that id.
func (s *Store) Get(ctx context.Context, o org.ID, id ID) (Job, error) {
	j, _, err := s.get(ctx, o, id)
	return j, err
}

func (s *Store) get(ctx context.Context, o org.ID, id ID) (Job, string, error) {
	row, err := s.Table.Get(ctx, jobKey(o, id))
	if errors.Is(err, table.ErrNotFound) {
		return Job{}, "", ErrNotFound
	}
	if err != nil {
		return Job{}, "", fmt.Errorf("job: reading %s: %w", id, err)
	}
	var j Job
	return j, row.Version, row.Decode(&j)
}

// Running answers the job that an integration's lease names, and when the lease
// runs out unless it is renewed. ErrNotFound where it is free.
func (s *Store) Running(ctx context.Context, o org.ID, integration string) (Job, time.Time, error) {
	seen, err := lease.Read(ctx, s.Table, LeaseKey(o, integration))
	if err != nil {
		return Job{}, time.Time{}, err
	}
	if seen.Job == "" {
		return Job{}, time.Time{}, ErrNotFound
	}
	id, err := ParseID(seen.Job)
	if err != nil {
		return Job{}, time.Time{}, err
	}
	j, err := s.Get(ctx, o, id)
	return j, seen.ExpiresAt, err
}

// save is the write of a job's row on the version that was read; a terminal one
// gets its end.
func save(j Job, version string) table.Write {
	w := table.Put(jobKey(j.Org, j.ID), j, table.Version(version))
	if j.Status.Terminal() {
		w = w.Until(j.EndedAt.Add(keep))
	}
	return w
}

// closing are the writes that end a job beside its own row: no longer among the
// running ones, and its place among its integration's jobs ends when it does, or
// with the integration. Its slot is free.
func closing(j Job) []table.Write {
	index := table.Put(indexKey(j.Org, j.Integration, j.ID), indexRow{format}, table.Any).Until(j.EndedAt.Add(keep))
	if j.Reason == IntegrationRemoved {
		index = table.Delete(index.Key, table.Any)
	}
	ws := []table.Write{table.Delete(runningKey(j.ID), table.Any), index}
	if j.Slot > 0 {
		ws = append(ws, table.Delete(slotKey(j.Org, j.Slot), table.Any))
	}
	return ws
}

// end makes j terminal.
func (j *Job) end(s Status, r Reason, message string, now time.Time) {
	j.Status, j.Reason, j.Message, j.EndedAt, j.Checkpoint = s, r, message, now.UTC(), nil
}

// Problems reads a job's problems from the one at index from on, n at most, and
// says whether there are more. A job keeps the first 10,000.
func (s *Store) Problems(ctx context.Context, j Job, from, n int) (ps []roster.Problem, more bool, err error) {
	if j.Report.ProblemsKey == "" {
		return nil, false, nil
	}
	obj, err := s.Blobs.Open(ctx, j.Report.ProblemsKey, "")
	if errors.Is(err, blob.ErrNotFound) {
		return nil, false, nil // older than its 400 days; the row goes as well
	}
	if err != nil {
		return nil, false, fmt.Errorf("job: problems of %s: %w", j.ID, err)
	}
	defer obj.Close()
	lines := bufio.NewScanner(bufio.NewReaderSize(io.NewSectionReader(obj, 0, obj.Info().Size), 256<<10))
	for i := 0; lines.Scan(); i++ {
		if i < from {
			continue
		}
		if len(ps) == n {
			return ps, true, nil
		}
		var p roster.Problem
		if err := json.Unmarshal(lines.Bytes(), &p); err != nil {
			return nil, false, fmt.Errorf("job: problems of %s, line %d: %w", j.ID, i+1, err)
		}
		ps = append(ps, p)
	}
	if err := lines.Err(); err != nil {
		return nil, false, fmt.Errorf("job: problems of %s: %w", j.ID, err)
	}
	return ps, false, nil
}
