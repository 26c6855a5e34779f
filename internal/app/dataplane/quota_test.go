package dataplane_test

import (
	"strings"
	"testing"
	"time"

	"muster/internal/org"
)

// Over its quota an org is told so, until when, and what else it may do: look, and
// send the same again when the month is over.
func TestQuotaOverHTTP(t *testing.T) {
	p := newTenant(t)
	a := p.app(p.platform)
	if _, err := a.SetOrg(t.Context(), p.org.String(), org.Change{MonthlySyncs: new(2)}); err != nil {
		t.Fatal(err)
	}
	sync, dry := p.calls[3], p.calls[3]
	dry.path += "?dry_run=true"
	want := func(c keyed, status int, key, text string) {
		t.Helper()
		if w := p.send(a, c, "Idempotency-Key", key); w.Code != status || !strings.Contains(w.Body.String(), text) {
			t.Errorf("%d %s, want %d and %s", w.Code, w.Body, status, text)
		}
	}
	want(sync, 200, "a", `"success":true`)
	want(sync, 200, "a", `"success":true`) // the same again
	want(dry, 200, "dry", `"dry_run":true`)
	want(sync, 200, "b", `"success":true`)
	want(sync, 402, "c", `"kind":"payment_required","message":"the organisation has used its quota of 2 sync runs in this calendar month; the next may begin from 2031-04-01T00:00:00Z on"`)
	want(dry, 200, "dry too", `"dry_run":true`)
	if n := p.rows("JOB"); n != 2 {
		t.Errorf("%d jobs", n)
	}
	p.clock.Advance(28 * 24 * time.Hour)
	want(sync, 200, "c", `"success":true`)
}
