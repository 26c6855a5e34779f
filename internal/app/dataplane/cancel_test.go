package dataplane_test

import (
	"context"
	"errors"
	"fmt"
	"net/http/httptest"
	"strings"
	"testing"

	"muster/internal/app"
	"muster/internal/app/dataplane"
	"muster/internal/job"
	"muster/internal/rosterfile/rostergen"
	"muster/internal/snapshot"
	"muster/internal/table"
)

// meddled is a platform on whose table somebody acts before some write.
type meddled struct {
	app.Platform
	before func([]table.Write)
}

type meddledTable struct {
	table.Table
	before func([]table.Write)
}

func (m meddled) Table() table.Table { return meddledTable{m.Platform.Table(), m.before} }

func (m meddledTable) Write(ctx context.Context, ws ...table.Write) error {
	m.before(ws)
	return m.Table.Write(ctx, ws...)
}

// Whoever waits for a sync that somebody cancels is told so, by the job's own
// answer, and sees nothing of it.
func TestCancelledInItsRequest(t *testing.T) {
	p := newPlace(t)
	key, err := p.CreateKey(t.Context(), p.org.String(), "write")
	if err != nil {
		t.Fatal(err)
	}
	file := p.upload(t, generated(t, 100, rostergen.Options{Seed: 1}))
	pointer := snapshot.PointerKey(p.org, p.integration.ID.String())
	var cancelled job.Job
	a := &app.App{Settings: p.Settings, Now: p.Now, Log: p.Log, TempDir: p.TempDir}
	a.Platform = meddled{p.Platform, func(ws []table.Write) {
		for _, w := range ws {
			if w.Key != pointer { // the commit
				continue
			}
			page, err := p.Jobs().List(t.Context(), p.org, job.Query{Limit: 1})
			if err == nil {
				cancelled, err = p.Jobs().Cancel(t.Context(), p.org, page.Jobs[0].ID)
			}
			if err != nil {
				t.Error(err)
			}
		}
	}}
	r := httptest.NewRequestWithContext(t.Context(), "PUT", "/v1.0/services/sync/custom",
		strings.NewReader(fmt.Sprintf(`{"idFile": %d, "idAppAccount": %d}`, file, p.integration.Number)))
	r.Header.Set("Authorization", "Bearer "+key.Reveal())
	r.Header.Set("Content-Type", "application/json")
	rec := httptest.NewRecorder()
	a.Serve(dataplane.PutServicesSyncCustom(a)).ServeHTTP(rec, r)
	if body := rec.Body.String(); rec.Code != 409 || !strings.Contains(body, `"kind":"cancelled"`) || !strings.Contains(body, `"job_id":"`+cancelled.ID.String()+`"`) {
		t.Errorf("%d %s", rec.Code, body)
	}
	if _, err := p.Table().Get(t.Context(), pointer); !errors.Is(err, table.ErrNotFound) {
		t.Errorf("there is a snapshot: %v", err)
	}
}
