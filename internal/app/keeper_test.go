package app_test

import (
	"encoding/json"
	"log/slog"
	"testing"
	"time"

	"muster/internal/app"
	"muster/internal/connection"
	"muster/internal/local"
	"muster/internal/secret"
	"muster/internal/secret/secrettest"
)

// counted is a platform whose vault counts its reads.
type counted struct {
	app.Platform
	vault secret.Vault
}

func (c counted) Vault() secret.Vault { return c.vault }

// Every Keeper of a process remembers what another has read; who was refused with
// that makes the vault be asked once, for all.
func TestCredentialsAreReadOnce(t *testing.T) {
	p, err := local.Open(t.TempDir(), func() string { return "" }, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Close() })
	reads := 0
	vault := &secrettest.Faulty{Vault: p.Vault(), Hook: func(c secrettest.Call) secrettest.Fault {
		if c.Method == secrettest.Get {
			reads++
		}
		return secrettest.None()
	}}
	a := &app.App{Platform: counted{p, vault}, Settings: app.DefaultSettings, Now: time.Now, Log: slog.New(slog.DiscardHandler)}
	tenant, err := a.CreateOrg(t.Context(), "Acme", "")
	if err != nil {
		t.Fatal(err)
	}
	o := tenant.ID
	c, err := a.Keeper().Create(t.Context(), o, connection.ID{}, connection.Change{
		IntegrationType: connection.Field[string]{Sent: true, Value: "hibob"},
		Permissions:     connection.Field[[]string]{Sent: true, Value: []string{}}, Categories: connection.Field[[]string]{Sent: true, Value: []string{}},
		Auth: connection.Field[map[string]json.RawMessage]{Sent: true, Value: map[string]json.RawMessage{"token": json.RawMessage(`"t"`)}},
	})
	if err != nil {
		t.Fatal(err)
	}
	reads = 0
	var v secret.Value
	for range 3 {
		if _, v, err = a.Keeper().Credential(t.Context(), o, c.ID); err != nil {
			t.Fatal(err)
		}
	}
	if reads != 1 {
		t.Errorf("the vault was asked %d times for 3 reads", reads)
	}
	_, again, err := a.Keeper().Renewed(t.Context(), o, c.ID, v)
	if err != nil || !again.Equal(v) || reads != 2 {
		t.Errorf("%v; who was refused made the vault be asked %d times", err, reads-1)
	}
}
