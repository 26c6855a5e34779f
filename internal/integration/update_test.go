package integration_test

import (
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"muster/internal/integration"
	"muster/internal/job"
	"muster/internal/table"
	"muster/internal/table/tabletest"
)

func TestUpdate(t *testing.T) {
	s := open(t)
	made := create(t, s, acme, "Wiki")
	later := made.UpdatedAt.Add(time.Hour)
	s.Now = func() time.Time { return later }
	got, err := s.Update(t.Context(), acme, made.ID, func(to *integration.Settings) {
		if to.Description != "Wiki" || to.MaxPercent != nil {
			t.Errorf("settings to be changed: %+v", to)
		}
		to.APIEndpointURL, to.ExternalOrgID, to.MaxPercent = "https://wiki.example/api?v=2", "4711", new(int64(0))
	})
	if err != nil {
		t.Fatal(err)
	}
	want := made
	want.APIEndpointURL, want.ExternalOrgID, want.UpdatedAt = "https://wiki.example/api?v=2", "4711", later
	want.RemovalGuard = integration.Guard{MaxPercent: 0, MaxCount: integration.DefaultGuard.MaxCount}
	if diff := cmp.Diff(want, got, byText); diff != "" {
		t.Error(diff)
	}
	if read, err := s.Get(t.Context(), acme, made.ID); err != nil || cmp.Diff(got, read, byText) != "" {
		t.Errorf("read back: %+v, %v", read, err)
	}
	back, err := s.Update(t.Context(), acme, made.ID, func(to *integration.Settings) { *to = integration.Settings{} })
	if err != nil || back.Description != "" || back.APIEndpointURL != "" || back.RemovalGuard != integration.DefaultGuard {
		t.Errorf("without settings: %+v, %v", back, err)
	}
	for name, c := range map[string]func() error{
		"another org": func() error {
			_, err := s.Update(t.Context(), other, made.ID, func(*integration.Settings) {})
			return err
		},
		"no integration": func() error {
			_, err := s.Update(t.Context(), acme, integration.NewID(), func(*integration.Settings) {})
			return err
		},
	} {
		if err := c(); !errors.Is(err, integration.ErrNotFound) {
			t.Errorf("%s: %v, want ErrNotFound", name, err)
		}
	}
}

func TestUpdateRefuses(t *testing.T) {
	s := open(t)
	made := create(t, s, acme, "")
	for name, c := range map[string]struct {
		settings integration.Settings
		want     string
	}{
		"a percentage below 0":   {integration.Settings{MaxPercent: new(int64(-1))}, "/removal_guard/max_percent"},
		"a percentage above 100": {integration.Settings{MaxPercent: new(int64(101))}, "/removal_guard/max_percent"},
		"a count below 0":        {integration.Settings{MaxCount: new(int64(-1))}, "/removal_guard/max_count"},
		"a long description":     {integration.Settings{Description: strings.Repeat("é", 1001)}, "/description"},
		"a long id":              {integration.Settings{ExternalOrgID: strings.Repeat("é", 256)}, "/external_org_id"},
		"no text":                {integration.Settings{ExternalOrgID: "\xff"}, "/external_org_id"},
		"credentials":            {integration.Settings{HasAuth: true}, "/auth"},
		"a long address":         {integration.Settings{APIEndpointURL: "https://x.example/" + strings.Repeat("a", 2000)}, "/api_endpoint_url"},
		"a relative address":     {integration.Settings{APIEndpointURL: "/api"}, "/api_endpoint_url"},
		"another scheme":         {integration.Settings{APIEndpointURL: "ftp://x.example"}, "/api_endpoint_url"},
		"no host":                {integration.Settings{APIEndpointURL: "https:///api"}, "/api_endpoint_url"},
		"a port alone":           {integration.Settings{APIEndpointURL: "https://:443"}, "/api_endpoint_url"},
		"a user in the address":  {integration.Settings{APIEndpointURL: "https://canary@x.example"}, "/api_endpoint_url"},
		"a password, too":        {integration.Settings{APIEndpointURL: "https://u:canary@x.example"}, "/api_endpoint_url"},
		"a control character":    {integration.Settings{APIEndpointURL: "https://x.example/\n"}, "/api_endpoint_url"},
	} {
		_, err := s.Update(t.Context(), acme, made.ID, func(to *integration.Settings) { *to = c.settings })
		var invalid *integration.Invalid
		if !errors.As(err, &invalid) || len(invalid.Faults) != 1 || invalid.Faults[0].Pointer != c.want || strings.Contains(err.Error(), "canary") {
			t.Errorf("%s: %v, want a fault of %s", name, err, c.want)
		}
	}
	if now, err := s.Get(t.Context(), acme, made.ID); err != nil || cmp.Diff(made, now, byText) != "" {
		t.Errorf("it was changed: %+v, %v", now, err)
	}
}

// Updates at once of different settings all survive.
func TestUpdateAtOnce(t *testing.T) {
	s := open(t)
	made := create(t, s, acme, "")
	var wg sync.WaitGroup
	for _, edit := range []func(*integration.Settings){
		func(to *integration.Settings) { to.Description = "a" },
		func(to *integration.Settings) { to.ExternalOrgID = "b" },
		func(to *integration.Settings) { to.APIEndpointURL = "https://c.example" },
		func(to *integration.Settings) { to.MaxPercent = new(int64(7)) },
		func(to *integration.Settings) { to.MaxCount = new(int64(8)) },
	} {
		wg.Go(func() {
			if _, err := s.Update(t.Context(), acme, made.ID, edit); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	got, err := s.Get(t.Context(), acme, made.ID)
	if err != nil || got.Description != "a" || got.ExternalOrgID != "b" || got.APIEndpointURL != "https://c.example" || got.RemovalGuard != (integration.Guard{MaxPercent: 7, MaxCount: 8}) {
		t.Errorf("%+v, %v", got, err)
	}
}

// An answer that is lost is told from a write that was not done, and one that
// always moves is not waited for.
func TestUpdateFaults(t *testing.T) {
	s := open(t)
	made := create(t, s, acme, "")
	for _, c := range []struct {
		fault tabletest.Fault
		times int
		want  error
	}{
		{tabletest.NotApplied(table.ErrUnavailable), 1, table.ErrUnavailable},
		{tabletest.LostReply(&table.Conflict{}), 1, nil},
		{tabletest.NotApplied(&table.Conflict{}), 1, nil},
		{tabletest.NotApplied(&table.Conflict{}), 1000, table.ErrUnavailable},
	} {
		f := &tabletest.Faulty{Table: s.Table, Hook: func(call tabletest.Call) tabletest.Fault {
			if call.Ordinal > 0 && call.Ordinal <= c.times {
				return c.fault
			}
			return tabletest.None()
		}}
		n := 0
		_, err := (&integration.Store{Table: f, Now: s.Now}).Update(t.Context(), acme, made.ID, func(to *integration.Settings) {
			n++
			to.Description = fmt.Sprint(n)
		})
		if f.Faults() == 0 || !errors.Is(err, c.want) {
			t.Errorf("%+v: %v, want %v", c, err, c.want)
		}
	}
}

func TestRemove(t *testing.T) {
	s := open(t)
	r := &integration.Remover{Table: s.Table, Jobs: &job.Store{Table: s.Table, Now: s.Now, Log: slog.New(slog.DiscardHandler)}, Now: s.Now, Log: slog.New(slog.DiscardHandler)}
	hub, err := s.EnsureHub(t.Context(), acme)
	if err != nil {
		t.Fatal(err)
	}
	first, second := create(t, s, acme, "first"), create(t, s, acme, "second")
	if err := r.Remove(t.Context(), acme, hub.ID); !errors.Is(err, integration.ErrHub) {
		t.Errorf("of the hub: %v, want ErrHub", err)
	}
	if err := r.Remove(t.Context(), other, second.ID); !errors.Is(err, integration.ErrNotFound) {
		t.Errorf("by another org: %v, want ErrNotFound", err)
	}
	if err := r.Remove(t.Context(), acme, second.ID); err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{second.ID.String(), fmt.Sprint(second.Number)} {
		if _, err := s.Find(t.Context(), acme, ref(t, text)); !errors.Is(err, integration.ErrNotFound) {
			t.Errorf("found by %s: %v", text, err)
		}
	}
	if _, err := s.Update(t.Context(), acme, second.ID, func(*integration.Settings) {}); !errors.Is(err, integration.ErrNotFound) {
		t.Errorf("updated: %v", err)
	}
	if err := r.Remove(t.Context(), acme, second.ID); !errors.Is(err, integration.ErrNotFound) {
		t.Errorf("again: %v, want ErrNotFound", err)
	}
	third := create(t, s, acme, "third")
	if third.Number <= second.Number {
		t.Errorf("the number %d is used again: %d", second.Number, third.Number)
	}
	page, _, err := s.List(t.Context(), acme, integration.Page{Limit: 10})
	if err != nil || len(page) != 3 || page[1].ID != first.ID || page[2].ID != third.ID {
		t.Errorf("there are %+v, %v", page, err)
	}
	for _, bad := range []string{"", "x/y", acme.String(), acme.String() + "/x"} {
		if err := r.Purge(t.Context(), bad); err == nil {
			t.Errorf("Purge(%q) did something", bad)
		}
	}
}

// Whatever moves between a removal's look and its write, it looks again, though
// not for ever.
func TestRemoveOfWhatMoves(t *testing.T) {
	s := open(t)
	log := slog.New(slog.DiscardHandler)
	for name, c := range map[string]struct {
		fault func(made integration.Integration, call tabletest.Call) tabletest.Fault
		want  error
	}{
		"its settings": {func(made integration.Integration, call tabletest.Call) tabletest.Fault {
			if call.Ordinal == 1 {
				if _, err := s.Update(t.Context(), acme, made.ID, func(to *integration.Settings) { to.Description = "new" }); err != nil {
					t.Error(err)
				}
			}
			return tabletest.None()
		}, nil},
		"its lease": {func(made integration.Integration, call tabletest.Call) tabletest.Fault {
			if call.Ordinal == 1 {
				jobs := &job.Store{Table: s.Table, Now: s.Now, Log: log}
				if _, err := jobs.Claim(t.Context(), acme, made.ID.String(), job.ID{}, job.Input{Kind: job.InputFile, FileID: 1}); err != nil {
					t.Error(err)
				}
			}
			return tabletest.None()
		}, nil},
		"always": {func(_ integration.Integration, call tabletest.Call) tabletest.Fault {
			if call.Ordinal > 0 {
				return tabletest.NotApplied(&table.Conflict{})
			}
			return tabletest.None()
		}, table.ErrUnavailable},
		"lost, as a conflict": {func(_ integration.Integration, call tabletest.Call) tabletest.Fault {
			if call.Ordinal == 1 {
				return tabletest.LostReply(&table.Conflict{})
			}
			return tabletest.None()
		}, nil},
	} {
		made := create(t, s, acme, "")
		f := &tabletest.Faulty{Table: s.Table, Hook: func(call tabletest.Call) tabletest.Fault { return c.fault(made, call) }}
		r := &integration.Remover{Table: f, Jobs: &job.Store{Table: f, Now: s.Now, Log: log}, Now: s.Now, Log: log}
		err := r.Remove(t.Context(), acme, made.ID)
		if !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
		if _, err := s.Get(t.Context(), acme, made.ID); errors.Is(err, integration.ErrNotFound) != (c.want == nil) {
			t.Errorf("%s: read back: %v", name, err)
		}
	}
}
