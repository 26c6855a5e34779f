package dataplane_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"muster/internal/app"
	"muster/internal/app/dataplane"
	"muster/internal/job"
	"muster/internal/local"
	"muster/internal/roster"
	"muster/internal/snapshot"
)

// Who was removed goes when the retention is over, though no file comes by any
// more, and nobody else goes with them.
func TestRetentionEndsWithoutASync(t *testing.T) {
	p := newPlace(t)
	began := time.Now()
	now := began
	p.Now = func() time.Time { return now }
	first := `{"users":[{"email":"a@x.se"},{"email":"b@x.se"},{"email":"c@x.se","status":"deleted"}],"licenses":[{"name":"Pro","users":[{"email":"a@x.se"},{"email":"b@x.se"}]}]}`
	then := `{"users":[{"email":"a@x.se"},{"email":"c@x.se","status":"deleted"}],"licenses":[{"name":"Pro","users":[{"email":"a@x.se"}]}]}`
	for _, file := range []string{first, then} {
		p.sync(t, p.upload(t, []byte(file)), len(file))
	}
	const day = 24 * time.Hour
	for _, c := range []struct {
		after time.Duration
		want  string
	}{
		{0, "deleted: b@x.se c@x.se; active: a@x.se[Pro]"},
		{89 * day, "deleted: b@x.se c@x.se; active: a@x.se[Pro]"},
		{92 * day, "deleted: c@x.se; active: a@x.se[Pro]"},
		{400 * day, "deleted: c@x.se; active: a@x.se[Pro]"},
	} {
		now = began.Add(c.after)
		p.sweep(t)
		if got := p.members(t, roster.Deleted) + "; " + p.members(t, roster.Active); got != c.want {
			t.Errorf("after %v there are %s, want %s", c.after, got, c.want)
		}
	}
}

// A run that was to let them go and did not, here because somebody cancelled it, is
// followed by another; one that did, by none.
func TestRetentionEndsThoughARunFailed(t *testing.T) {
	p := newPlace(t)
	now := time.Now()
	p.Now = func() time.Time { return now }
	for _, file := range []string{`{"users":[{"email":"a@x.se"},{"email":"b@x.se"}]}`, `{"users":[{"email":"a@x.se"}]}`} {
		p.sync(t, p.upload(t, []byte(file)), len(file))
	}
	const day = 24 * time.Hour
	now = now.Add(92 * day)
	p.sweepWith(t, func(a *app.App, ctx context.Context, st job.Start) error {
		_, err := a.Jobs().Cancel(ctx, st.Org, st.Job)
		return err
	})
	if got := p.members(t, roster.Deleted); got != "deleted: b@x.se" {
		t.Fatalf("after a run that was cancelled, %s", got)
	}
	for range 3 {
		now = now.Add(day)
		p.sweep(t)
	}
	if got := p.members(t, roster.Deleted); got != "deleted:" {
		t.Errorf("three days later, %s", got)
	}
	jobs, err := p.Jobs().List(t.Context(), p.org, job.Query{Limit: 10})
	if err != nil || len(jobs.Jobs) != 4 {
		t.Errorf("%d jobs, want two of files and two of the retention; %v", len(jobs.Jobs), err)
	}
}

// sweep runs one sweep and the jobs that it started, to their end.
func (p *place) sweep(t *testing.T) {
	t.Helper()
	p.sweepWith(t, func(a *app.App, ctx context.Context, st job.Start) error { return dataplane.Syncer(a).Run(ctx, st) })
}

func (p *place) sweepWith(t *testing.T, work func(*app.App, context.Context, job.Start) error) {
	t.Helper()
	workers := local.NewStarter()
	a := &app.App{Platform: withStarter{p.Platform, workers}, Settings: p.Settings, Now: p.Now, Log: p.Log, TempDir: p.TempDir}
	workers.Serve(func(ctx context.Context, st job.Start) {
		if err := work(a, ctx, st); err != nil {
			t.Errorf("worker: %v", err)
		}
	})
	if err := app.Sweep(a)(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	workers.Close()
}

type withStarter struct {
	app.Platform
	starter job.Starter
}

func (w withStarter) Starter() job.Starter { return w.starter }

func (p *place) members(t *testing.T, s roster.Status) string {
	t.Helper()
	page, err := (&snapshot.Store{Table: p.Table(), Blobs: p.Blobs()}).Roster(p.org, p.integration.ID.String()).
		Members(t.Context(), roster.MembersQuery{Size: 100, Status: s, Total: -1})
	if err != nil {
		t.Fatal(err)
	}
	text := map[roster.Status]string{roster.Active: "active:", roster.Deleted: "deleted:"}[s]
	for _, m := range page.Members {
		text += " " + m.Email
		for _, g := range m.Grants {
			text += fmt.Sprintf("[%s]", g.License)
		}
	}
	return text
}
