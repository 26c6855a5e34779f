package connection_test

import (
	"context"
	"encoding/json"
	"log/slog"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"muster/internal/aws/dynamo"
	"muster/internal/aws/secrets"
	"muster/internal/connection"
	"muster/internal/connection/connectiontest"
	"muster/internal/emulator"
	"muster/internal/garbage"
	"muster/internal/local/bolt"
	"muster/internal/local/vault"
	"muster/internal/org"
	"muster/internal/secret"
	"muster/internal/table"
	"muster/internal/table/tabletest"
)

// world is a table, a vault and a clock that only moves when told.
type world struct {
	testing.TB
	org   org.ID
	table table.Table
	vault *connectiontest.Watched
	aws   *vault.Vault  // the same, as the customer's own hands reach it
	clock *atomic.Int64 // seconds
}

func newWorld(t testing.TB) *world {
	t.Helper()
	w := noWorld(t)
	tab, err := bolt.Open(filepath.Join(t.TempDir(), "table.db"), w.now, bolt.NoSync)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = tab.Close() })
	if w.aws, err = vault.Open(t.TempDir(), vault.NoSync); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = w.aws.Close() })
	w.table, w.vault = tab, connectiontest.Watch(w.aws)
	return w
}

// noWorld is a world without table and vault.
func noWorld(t testing.TB) *world {
	w := &world{TB: t, org: org.NewID(), clock: new(atomic.Int64)}
	w.clock.Store(time.Date(2031, 3, 4, 5, 6, 7, 0, time.UTC).Unix())
	return w
}

// onPlatforms runs a test on the local table and vault, and on AWS's.
func onPlatforms(t *testing.T, test func(*testing.T, *world)) {
	t.Run("local", func(t *testing.T) { test(t, newWorld(t)) })
	t.Run("aws", func(t *testing.T) {
		w := noWorld(t)
		w.table = emulator.Table(t, emulator.DynamoDBClient(t), dynamo.WithClock(w.now))
		w.vault = connectiontest.Watch(secrets.New(emulator.SecretsManagerClientAt(emulator.Moto(t), secrets.Options), "muster"))
		test(t, w)
	})
}

func (w *world) now() time.Time { return time.Unix(w.clock.Load(), 0).UTC() }

func (w *world) pass(d time.Duration) { w.clock.Add(int64(d / time.Second)) }

// keeper is one process.
func (w *world) keeper() *connection.Keeper { return w.process(w.table, w.vault) }

func (w *world) process(t table.Table, v secret.Vault) *connection.Keeper {
	return &connection.Keeper{Store: connection.Store{Table: tabletest.Formatted(w, t), Now: w.now, Log: slog.New(slog.DiscardHandler)}, Vault: v}
}

func (w *world) check() {
	w.Helper()
	w.vault.Check(w, w.table, w.org, "Sandbox", "Elsewhere")
}

// sweep collects what is due.
func (w *world) sweep() {
	w.Helper()
	w.sweepBy(w.keeper())
}

func (w *world) sweepBy(k *connection.Keeper) {
	w.Helper()
	_, err := garbage.Collect(context.Background(), w.table, w.now(), map[garbage.Kind]garbage.Deleter{garbage.Secret: k.Collect})
	if err != nil {
		w.Fatal(err)
	}
}

func (w *world) create(body string) connection.Connection {
	w.Helper()
	c, err := w.keeper().Create(w.Context(), w.org, connection.ID{}, change(w, body))
	if err != nil {
		w.Fatal(err)
	}
	return c
}

func (w *world) update(id connection.ID, ch connection.Change) connection.Connection {
	w.Helper()
	c, err := w.keeper().Update(w.Context(), w.org, id, ch)
	if err != nil {
		w.Fatal(err)
	}
	return c
}

// bring makes a secret of the customer's own.
func (w *world) bring(name, value string) (arn string) {
	w.Helper()
	arn, err := w.aws.Bring(w.Context(), name, w.org, secret.New([]byte(value)))
	if err != nil {
		w.Fatal(err)
	}
	return arn
}

// credential is what is kept, as JSON; "" if there is none.
func (w *world) credential(id connection.ID) string {
	w.Helper()
	_, v, err := w.keeper().Credential(w.Context(), w.org, id)
	if err != nil {
		return ""
	}
	return string(v.Reveal())
}

// secrets are the members of a connection's credential, all of them text.
func (w *world) secrets(id connection.ID) (members map[string]string) {
	w.Helper()
	if err := json.Unmarshal([]byte(w.credential(id)), &members); err != nil {
		w.Fatal(err)
	}
	return members
}

// put and patch are the changes of a body; change is that of a creation.
func change(t testing.TB, body string) connection.Change {
	t.Helper()
	var m map[string]json.RawMessage
	if err := json.Unmarshal([]byte(body), &m); err != nil {
		t.Fatalf("%s: %v", body, err)
	}
	ch := connection.Change{}
	read(t, m, "integration_type", &ch.IntegrationType)
	read(t, m, "integration_name", &ch.IntegrationName)
	read(t, m, "external_xref", &ch.ExternalXRef)
	read(t, m, "environment", &ch.Environment)
	read(t, m, "permissions", &ch.Permissions)
	read(t, m, "categories", &ch.Categories)
	read(t, m, "auth", &ch.Auth)
	read(t, m, "auth_aws_arn", &ch.AWSARN)
	read(t, m, "auth_azure_keyvault_id", &ch.AzureKeyVaultID)
	read(t, m, "auth_gcp_secret_name", &ch.GCPSecretName)
	read(t, m, "auth_hashi_vault_path", &ch.HashiVaultPath)
	read(t, m, "secretsmanager_id", &ch.SecretsManagerID)
	read(t, m, "secretsmanager_key", &ch.SecretsManagerKey)
	return ch
}

func put(t testing.TB, body string) connection.Change {
	t.Helper()
	ch := change(t, body)
	ch.Replace = true
	return ch
}

func patch(t testing.TB, body string) connection.Change { return change(t, body) }

func read[T any](t testing.TB, m map[string]json.RawMessage, name string, f *connection.Field[T]) {
	t.Helper()
	raw, ok := m[name]
	if !ok {
		return
	}
	f.Sent, f.Null = true, string(raw) == "null"
	if err := json.Unmarshal(raw, &f.Value); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
}
