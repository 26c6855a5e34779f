package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/google/uuid"

	"muster/internal/app"
	"muster/internal/aws/dynamo"
	"muster/internal/aws/s3store"
	"muster/internal/blob"
	"muster/internal/emulator"
	"muster/internal/garbage"
	"muster/internal/integration"
	"muster/internal/job"
	"muster/internal/lease"
	"muster/internal/org"
	"muster/internal/table"
)

// wreck is the data of a deployment in the hands of somebody who dies: what it
// begins, it leaves.
type wreck struct {
	app.Platform
	table  table.Table
	blobs  blob.Store
	starts []job.Start
}

func (w *wreck) Table() table.Table   { return w.table }
func (w *wreck) Blobs() blob.Store    { return w.blobs }
func (w *wreck) Starter() job.Starter { return w }

func (w *wreck) Start(_ context.Context, s job.Start) error {
	w.starts = append(w.starts, s)
	return nil
}

func newWreck(t *testing.T, s site) *wreck {
	t.Helper()
	name := func(variable string) string {
		for _, v := range s.env {
			if value, is := strings.CutPrefix(v, variable+"="); is {
				return value
			}
		}
		t.Fatalf("the site has no %s", variable)
		return ""
	}
	client := dynamodb.New(dynamodb.Options{
		Region: "us-east-1", BaseEndpoint: aws.String(emulator.DynamoDB(t)),
		Credentials: credentials.NewStaticCredentialsProvider("local", "local-secret", ""),
	})
	return &wreck{table: dynamo.New(client, name("MUSTER_TABLE"), emulator.Patient), blobs: s3store.New(emulator.S3Client(t), name("MUSTER_BUCKET"))}
}

// jobs are the deployment's as of a moment.
func (w *wreck) jobs(now time.Time) *job.Store {
	// Its jobs have places, as those of the conversations do.
	a := &app.App{Platform: w, Settings: app.Settings{RunningJobs: 10}, Now: func() time.Time { return now }, Log: slog.New(slog.DiscardHandler)}
	return a.Runs()
}

// mend lets functions do what no request asks for by itself: they meet jobs that run
// or wait elsewhere, workers that died, and what is due.
func mend(t *testing.T, d *deployment, s site) {
	m := newMender(t, d, s)
	t.Run("a start", m.start)
	t.Run("a job that runs elsewhere", m.busy)
	t.Run("a tick", m.tick)
	t.Run("credentials", m.credentials)
	t.Run("a sweep", m.sweep)
}

type mender struct {
	*wreck
	caller
	d           *deployment
	org         org.ID
	integration string
	number      int32
	file        int64
}

func newMender(t *testing.T, d *deployment, s site) *mender {
	id, admin := s.newOrg(t, "Wreck", "wreck.example")
	o, err := org.ParseID(id)
	if err != nil {
		t.Fatal(err)
	}
	m := &mender{wreck: newWreck(t, s), d: d, org: o, caller: caller{d.url, admin}}
	m.integration, m.number = m.account(t)
	users := []byte(`{"users": [{"email": "adam@example.com"}, {"email": "nobody"}]}`)
	m.file = m.upload(t, bytes.NewReader(users), int64(len(users)))
	return m
}

// free waits until no job has the integration.
func (m *mender) free(t *testing.T) {
	t.Helper()
	deadline := time.Now().Add(time.Minute)
	for {
		_, _, err := m.jobs(time.Now()).Running(t.Context(), m.org, m.integration)
		if errors.Is(err, job.ErrNotFound) {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("the integration is not free: %v", err)
		}
		time.Sleep(50 * time.Millisecond) // between two looks at what goes on elsewhere
	}
}

func (m *mender) wake(t *testing.T, function string, event any, timeout time.Duration) {
	t.Helper()
	raw, err := json.Marshal(event)
	if err != nil {
		t.Fatal(err)
	}
	if o := m.d.invoke(t.Context(), function, raw, timeout); o.failed != "" {
		t.Fatal(o.failed)
	}
}

// start is of a file with a problem, which only the worker reports.
func (m *mender) start(t *testing.T) {
	run, err := m.jobs(time.Now()).Claim(t.Context(), m.org, m.integration, job.ID{}, job.Input{Kind: job.InputFile, FileID: m.file})
	if err != nil {
		t.Fatal(err)
	}
	if err := run.Park(t.Context(), nil, job.Report{}); err != nil {
		t.Fatal(err)
	}
	m.wake(t, "sync", job.Event{Start: &m.starts[0]}, 2*time.Minute)
	j, err := m.jobs(time.Now()).Get(t.Context(), m.org, run.Job().ID)
	if err != nil || j.Status != job.Completed || j.Report.ProblemsKey == "" {
		t.Errorf("job %s, problems in %q (%v)", j.Status, j.Report.ProblemsKey, err)
	}
}

func (m *mender) busy(t *testing.T) {
	run, err := m.jobs(time.Now()).Claim(t.Context(), m.org, m.integration, job.ID{}, job.Input{Kind: job.InputFile, FileID: m.file})
	if err != nil {
		t.Fatal(err)
	}
	if status, _ := m.call(t, "PUT", "/v1.0/services/sync/custom", map[string]any{"idFile": m.file, "idAppAccount": m.number}, nil); status != http.StatusConflict {
		t.Errorf("a sync of a busy integration answered %d", status)
	}
	m.must(t, "POST", "/v1/org/jobs/"+run.Job().ID.String()+"/cancel", nil, nil)
}

func (m *mender) tick(t *testing.T) {
	trigger, now := uuid.NewString(), time.Now()
	row := table.Put(m.org.Key("TRIGGER#"+trigger, "INTEGRATION", m.integration), integration.Trigger{Revision: 1, Enabled: true}, table.Any)
	if err := m.table.Write(t.Context(), row); err != nil {
		t.Fatal(err)
	}
	// One that meets another job waits, and is cancelled while it does.
	ahead, err := m.jobs(now).Claim(t.Context(), m.org, m.integration, job.ID{}, job.Input{Kind: job.InputFile, FileID: m.file})
	if err != nil {
		t.Fatal(err)
	}
	event := job.Tick{Org: m.org, Integration: m.integration, Trigger: trigger, Revision: 1, ScheduledAt: now}
	m.wake(t, "sync", job.Event{Tick: &event}, time.Minute)
	m.must(t, "POST", "/v1/org/jobs/"+job.TickID(trigger, 1, now).String()+"/cancel", nil, nil)
	if err := ahead.Close(t.Context(), job.Completed, "", "", job.Report{}); err != nil {
		t.Fatal(err)
	}
	event.ScheduledAt = now.Add(time.Minute)
	m.wake(t, "sync", job.Event{Tick: &event}, 2*time.Minute)
	m.free(t)
}

// sweep finds two ticks of a quarter of an hour ago, of which the first one's worker
// died; one whose lease went to nobody; and whatever can be due, of each kind.
func (m *mender) sweep(t *testing.T) {
	then := time.Now().Add(-15 * time.Minute)
	for range 2 {
		if _, err := m.jobs(then).Tick(t.Context(), job.Tick{
			Org: m.org, Integration: m.integration, Trigger: uuid.NewString(), Revision: 1, ScheduledAt: then,
		}); err != nil {
			t.Fatal(err)
		}
	}
	other, _ := m.account(t)
	lost, err := m.jobs(time.Now()).Claim(t.Context(), m.org, other, job.ID{}, job.Input{Kind: job.InputFile, FileID: m.file})
	if err != nil {
		t.Fatal(err)
	}
	seen, err := lease.Read(t.Context(), m.table, job.LeaseKey(m.org, other))
	if err != nil {
		t.Fatal(err)
	}
	nobody, _ := seen.Raise("", time.Time{})
	if err := m.table.Write(t.Context(), nobody); err != nil {
		t.Fatal(err)
	}
	gone := m.due(t, then)
	for range 3 { // the dead one, the one that waits, and what is due
		m.wake(t, "sweep", struct{}{}, time.Minute)
		m.free(t)
	}
	if j, err := m.jobs(time.Now()).Get(t.Context(), m.org, lost.Job().ID); err != nil || j.Reason != job.WorkerLost {
		t.Errorf("the job that lost its lease: %s %s (%v)", j.Status, j.Reason, err)
	}
	for _, key := range gone {
		if _, err := m.blobs.Open(t.Context(), key, ""); !errors.Is(err, blob.ErrNotFound) {
			t.Errorf("the sweep left %s: %v", key, err)
		}
	}
	items, err := garbage.List(t.Context(), m.table)
	for _, it := range items {
		if err == nil && it.Due.Before(time.Now()) {
			t.Errorf("the sweep left %s %s", it.Kind, it.Ref)
		}
	}
	if err != nil {
		t.Error(err)
	}
}

// due makes one thing of each kind of garbage, and answers the objects among them.
func (m *mender) due(t *testing.T, then time.Time) (objects []string) {
	t.Helper()
	one := m.org.Path("snapshots", m.integration, "replaced.parquet")
	removed, _ := m.account(t)
	if _, err := m.jobs(time.Now()).Claim(t.Context(), m.org, removed, job.ID{}, job.Input{Kind: job.InputFile, FileID: m.file}); err != nil {
		t.Fatal(err)
	}
	m.must(t, "DELETE", "/v1/org/system-integrations/"+removed, nil, nil) // enters its rows
	under := m.org.Path("snapshots", removed) + "/"
	objects = []string{one, under + "last.parquet"}
	for _, key := range objects {
		if _, err := m.blobs.Put(t.Context(), key, "application/octet-stream", strings.NewReader("x")); err != nil {
			t.Fatal(err)
		}
	}
	v := newVault(t, m.org)
	left, going := v.leave(t, m.caller), v.leave(t, m.caller)
	v.delete(t, secretPrefix+m.org.String()+going[strings.LastIndex(going, "/"):])
	for _, it := range []garbage.Item{
		{Kind: garbage.Blob, Ref: one}, {Kind: garbage.Blobs, Ref: under}, {Kind: garbage.Retired, Ref: m.org.String() + "/" + m.integration},
		{Kind: garbage.Secret, Ref: left}, {Kind: garbage.Secret, Ref: going},
	} {
		enter, _ := garbage.Enter(it.Kind, it.Ref, then)
		if err := m.table.Write(t.Context(), enter); err != nil {
			t.Fatal(err)
		}
	}
	return objects
}
