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

// sweep runs one sweep and the jobs that it started, to their end.
func (p *place) sweep(t *testing.T) {
	t.Helper()
	workers := local.NewStarter()
	a := &app.App{Platform: withStarter{p.Platform, workers}, Settings: p.Settings, Now: p.Now, Log: p.Log, TempDir: p.TempDir}
	workers.Serve(func(ctx context.Context, st job.Start) {
		if err := dataplane.Syncer(a).Run(ctx, st); err != nil {
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
