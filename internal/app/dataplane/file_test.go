package dataplane_test

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"

	"muster/internal/app"
	"muster/internal/app/dataplane"
	"muster/internal/blob"
	"muster/internal/catalog"
	"muster/internal/integration"
	"muster/internal/job"
	"muster/internal/local"
	"muster/internal/org"
	"muster/internal/rosterfile/rostergen"
	"muster/internal/table"
)

// place is an org with an app account, over the local platform whose writes are
// counted.
type place struct {
	*app.App
	org         org.ID
	integration integration.Integration
	writes      *atomic.Int64
	uploads     int
}

type counted struct {
	table.Table
	n *atomic.Int64
}

func (c counted) Write(ctx context.Context, ws ...table.Write) error {
	c.n.Add(int64(len(ws)))
	return c.Table.Write(ctx, ws...)
}

type counting struct {
	*local.Platform
	n *atomic.Int64
}

func (c counting) Table() table.Table { return counted{c.Platform.Table(), c.n} }

func newPlace(t testing.TB) *place {
	t.Helper()
	l, err := local.Open(t.TempDir(), func() string { return "http://127.0.0.1" }, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	p := &place{writes: new(atomic.Int64)}
	p.App = &app.App{Platform: counting{l, p.writes}, Settings: app.DefaultSettings, Now: time.Now, Log: slog.New(slog.DiscardHandler), TempDir: l.TempDir()}
	o, err := p.CreateOrg(t.Context(), "Acme", "")
	if err != nil {
		t.Fatal(err)
	}
	p.org = o.ID
	system, _ := catalog.BySlug("custom_file")
	if p.integration, err = p.Integrations().Create(t.Context(), o.ID, integration.New{System: system.ID}); err != nil {
		t.Fatal(err)
	}
	return p
}

// upload registers a file as a customer's; its bytes are put behind the URL.
func (p *place) upload(t testing.TB, content []byte) int64 {
	t.Helper()
	p.uploads++
	_, path, err := p.Uploads().IssueURL(t.Context(), p.org, fmt.Sprintf("%d.json", p.uploads), "application/json")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.Blobs().Put(t.Context(), p.org.Path("uploads")+"/"+path, "application/json", bytes.NewReader(content)); err != nil {
		t.Fatal(err)
	}
	f, err := p.Uploads().Register(t.Context(), p.org, path, "customIntegrationData", uuid.Nil)
	if err != nil {
		t.Fatal(err)
	}
	return f.ID
}

func (p *place) sync(t testing.TB, file int64, size int) job.Job {
	t.Helper()
	worker := dataplane.Syncer(p.App)
	worker.RequestTime = time.Hour // a busy machine is to hand nothing over
	j, err := worker.SyncFile(t.Context(), p.org, p.integration.ID.String(), job.ID{}, job.Input{Kind: job.InputFile, FileID: file}, int64(size))
	if err != nil || j.Status != job.Completed {
		t.Fatalf("the sync ended as %s (%s): %v", j.Status, j.Message, err)
	}
	return j
}

func generated(t testing.TB, n int, o rostergen.Options) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := rostergen.Write(&b, n, o); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// An unchanged sync costs a handful of rows, whatever the roster's size, and
// leaves no object.
func TestUnchangedSyncWritesLittle(t *testing.T) {
	p := newPlace(t)
	file := generated(t, 20_000, rostergen.Options{Seed: 1, Licenses: 3})
	p.sync(t, p.upload(t, file), len(file))
	again := p.upload(t, file)
	before, objects := p.writes.Load(), count(t, p.Blobs())
	j := p.sync(t, again, len(file))
	if n := p.writes.Load() - before; n > 12 {
		t.Errorf("it wrote %d rows, at most 12", n)
	}
	if n := count(t, p.Blobs()); n != objects {
		t.Errorf("there were %d objects before it and are %d after it", objects, n)
	}
	if c := j.Report.Counts.Users; c.Unchanged != 20_000 || c.Added+c.Changed+c.Removed > 0 {
		t.Errorf("counts %+v", c)
	}
}

func count(t *testing.T, s blob.Store) (n int) {
	t.Helper()
	for _, err := range s.List(t.Context(), "") {
		if err != nil {
			t.Fatal(err)
		}
		n++
	}
	return n
}

// BenchmarkFileSync is the whole way of a file but for HTTP, to be profiled:
// go test -bench FileSync -cpuprofile cpu.out ./internal/app/dataplane
func BenchmarkFileSync(b *testing.B) {
	const users = 200_000
	for _, c := range []struct {
		name string
		o    rostergen.Options
	}{{"sorted", rostergen.Options{Seed: 1}}, {"shuffled", rostergen.Options{Seed: 1, Shuffled: true}}} {
		b.Run(c.name, func(b *testing.B) {
			p := newPlace(b)
			first := generated(b, users, c.o)
			c.o.Changed = 1
			changed := generated(b, users, c.o)
			files := []int64{p.upload(b, first), p.upload(b, changed)}
			p.sync(b, files[1], len(first))
			i := 0
			for b.Loop() { // each differs from the last in one user
				p.sync(b, files[i%2], len(first))
				i++
			}
			b.ReportMetric(users*float64(b.N)/b.Elapsed().Seconds(), "users/s")
		})
	}
}
