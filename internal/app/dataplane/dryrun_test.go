package dataplane_test

import (
	"fmt"
	"net/http/httptest"
	"strings"
	"testing"

	"muster/internal/app/dataplane"
	"muster/internal/rosterfile/rostergen"
)

// A dry run over HTTP writes no row and no object, and finds the same fault with a
// file as the sync.
func TestDryRunWritesNothing(t *testing.T) {
	p := newPlace(t)
	key, err := p.CreateKey(t.Context(), p.org.String(), "write")
	if err != nil {
		t.Fatal(err)
	}
	file := generated(t, 1000, rostergen.Options{Seed: 1, Licenses: 3})
	p.sync(t, p.upload(t, file), len(file))
	changed := p.upload(t, generated(t, 900, rostergen.Options{Seed: 1, Licenses: 2, Changed: 5}))
	bad := p.upload(t, []byte(`{"users": [{"email": "ada@example.com"}`))
	put := func(query string, file int64) *httptest.ResponseRecorder {
		r := httptest.NewRequestWithContext(t.Context(), "PUT", "/v1.0/services/sync/custom"+query,
			strings.NewReader(fmt.Sprintf(`{"idFile": %d, "idAppAccount": %d}`, file, p.integration.Number)))
		r.Header.Set("Authorization", "Bearer "+key.Reveal())
		r.Header.Set("Content-Type", "application/json")
		rec := httptest.NewRecorder()
		p.Serve(dataplane.PutServicesSyncCustom(p.App)).ServeHTTP(rec, r)
		return rec
	}
	rows, objects := p.writes.Load(), count(t, p.Blobs())
	dry, faulty := put("?dry_run=true", changed), put("?dry_run=true", bad)
	if n := p.writes.Load() - rows; n > 0 {
		t.Errorf("it wrote %d rows", n)
	}
	if n := count(t, p.Blobs()); n != objects {
		t.Errorf("there were %d objects before it and are %d after it", objects, n)
	}
	if body := dry.Body.String(); dry.Code != 200 || !strings.Contains(body, `"dry_run":true`) || !strings.Contains(body, `"would_remove":96,"live":935,"removal_guard_would_stop":false`) {
		t.Errorf("%d %s", dry.Code, body)
	}
	real := put("", bad)
	if told, _, _ := strings.Cut(real.Body.String(), `,"request_id"`); real.Code != 400 || faulty.Code != 400 || !strings.HasPrefix(faulty.Body.String(), told) {
		t.Errorf("a sync says %d %s, its dry run %d %s", real.Code, real.Body, faulty.Code, faulty.Body)
	}
	p.Settings.InRequestBytes = 1000
	if rec := put("?dry_run=true", changed); rec.Code != 413 || !strings.Contains(rec.Body.String(), "muster check") {
		t.Errorf("%d %s", rec.Code, rec.Body)
	}
}
