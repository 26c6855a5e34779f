package dataplane_test

import (
	"encoding/json"
	"log/slog"
	"strings"
	"testing"
	"time"

	"muster/internal/app"
	"muster/internal/app/dataplane"
	"muster/internal/local"
)

// An event that is neither a start nor a tick must not pass for one: it is an
// error, so that it ends in the dead-letter queue where somebody looks.
func TestSyncTakesOneKindOfEvent(t *testing.T) {
	p, err := local.Open(t.TempDir(), func() string { return "" }, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	a := &app.App{Platform: p, Settings: app.DefaultSettings, Now: time.Now, Log: slog.New(slog.DiscardHandler)}
	o, err := a.CreateOrg(t.Context(), "Acme", "")
	if err != nil {
		t.Fatal(err)
	}
	const id = "018f5c3e-8a00-7b1d-9d5e-6d7573746572"
	start := `{"org":"` + o.ID.String() + `","job":"` + id + `","token":1}`
	tick := `{"org":"` + o.ID.String() + `","integration":"` + id + `","trigger":"` + id + `","revision":1,"scheduled_at":"2026-01-01T00:00:00Z"}`
	for _, c := range []struct{ name, event, err string }{
		{"a start of no job is stale", `{"start":` + start + `}`, ""},
		{"a tick of no trigger does nothing", `{"tick":` + tick + `}`, ""},
		{"both", `{"start":` + start + `,"tick":` + tick + `}`, "must have one member"},
		{"none", `{}`, "must have one member"},
		{"a start without a token", `{"start":{"org":"` + o.ID.String() + `","job":"` + id + `"}}`, "must have one member"},
		{"an org that is none", `{"start":{"org":"x","job":"` + id + `","token":1}}`, "neither a start nor a tick"},
		{"no JSON", `x`, "neither a start nor a tick"},
	} {
		t.Run(c.name, func(t *testing.T) {
			err := dataplane.Sync(a)(t.Context(), json.RawMessage(c.event))
			if c.err == "" && err != nil || c.err != "" && (err == nil || !strings.Contains(err.Error(), c.err)) {
				t.Errorf("error %v, want %q", err, c.err)
			}
		})
	}
}
