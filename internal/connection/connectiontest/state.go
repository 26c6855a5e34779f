package connectiontest

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"muster/internal/garbage"
	"muster/internal/org"
	"muster/internal/secret"
	"muster/internal/table"
)

// Watched is a vault that remembers every secret that was ever put into it, since
// a vault cannot list its own.
type Watched struct {
	secret.Vault
	mu   sync.Mutex
	refs map[string][]secret.Ref // by org and name
}

// Watch begins to watch a vault.
func Watch(v secret.Vault) *Watched { return &Watched{Vault: v, refs: map[string][]secret.Ref{}} }

// Put implements secret.Vault.
func (w *Watched) Put(ctx context.Context, o org.ID, name, version string, v secret.Value) (secret.Ref, error) {
	ref, err := w.Vault.Put(ctx, o, name, version, v)
	if err == nil {
		w.mu.Lock()
		defer w.mu.Unlock()
		k := o.String() + "/" + name
		w.refs[k] = append(w.refs[k], ref)
	}
	return ref, err
}

// Secrets are the names of the secrets of o that are there, sorted.
func (w *Watched) Secrets(t testing.TB, o org.ID) []string {
	t.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	there := map[string]bool{}
	for k, refs := range w.refs {
		name, ok := strings.CutPrefix(k, o.String()+"/")
		if ok && slices.ContainsFunc(refs, func(r secret.Ref) bool { return w.holds(t, o, r) }) {
			there[name] = true
		}
	}
	return slices.Sorted(maps.Keys(there))
}

func (w *Watched) holds(t testing.TB, o org.ID, ref secret.Ref) bool {
	_, err := w.Vault.Get(context.Background(), o, ref)
	if err != nil && !errors.Is(err, secret.ErrNotFound) {
		t.Fatalf("state: get %s: %v", ref.ARN, err)
	}
	return err == nil
}

// row is a connection's document, as it lies in the table.
type row struct {
	ID, Org, Environment string
	IntegrationName      string `json:"integration_name"`
	ExternalXRef         string `json:"external_xref"`
	Categories           []string
	Secret               struct{ ARN, Version, Name string }
	CreatedAt            time.Time `json:"created_at"`
	UpdatedAt            time.Time `json:"updated_at"`
}

// Check reports everything that does not hold of o. Nobody may be writing.
// Environments are those that connections may have been in.
func (w *Watched) Check(t testing.TB, tab table.Table, o org.ID, environments ...string) {
	t.Helper()
	want, named := map[table.Key]bool{}, map[string]bool{}
	parts := map[string]bool{}
	for _, env := range append(environments, "Production") {
		for _, p := range orders(o, env) {
			parts[p] = true
		}
	}
	for key, r := range read[row](t, tab, "ORG#"+o.String()+"#CONNECTION") {
		if r.ID != key || r.Org != o.String() || r.UpdatedAt.Before(r.CreatedAt) {
			t.Errorf("state: row %s is of %s in %s, made %s and updated %s", key, r.ID, r.Org, r.CreatedAt, r.UpdatedAt)
		}
		for part, sort := range r.index(o) {
			parts[part], want[table.Key{Part: part, Sort: sort}] = true, true
		}
		if r.Secret.ARN == "" {
			continue
		}
		named[o.String()+"/"+r.ID+"/"+r.Secret.Name] = true
		if !w.holds(t, o, secret.Ref{ARN: r.Secret.ARN, Version: r.Secret.Version}) {
			t.Errorf("state: connection %s names version %q of secret %q, which is not there", r.ID, r.Secret.Version, r.Secret.Name)
		}
	}
	for part := range parts {
		for sort := range read[struct{}](t, tab, part) {
			if k := (table.Key{Part: part, Sort: sort}); !want[k] {
				t.Errorf("state: index row %s is of no connection", k)
			} else {
				delete(want, k)
			}
		}
	}
	for k := range want {
		t.Errorf("state: index row %s is missing", k)
	}
	w.orphans(t, tab, o, named)
}

// orphans reports secrets that no row names and no garbage row will see deleted.
func (w *Watched) orphans(t testing.TB, tab table.Table, o org.ID, named map[string]bool) {
	t.Helper()
	items, err := garbage.List(context.Background(), tab)
	if err != nil {
		t.Fatalf("state: %v", err)
	}
	for _, it := range items {
		named[it.Ref] = true
	}
	for _, name := range w.Secrets(t, o) {
		id, _, _ := strings.Cut(name, "_")
		if !named[o.String()+"/"+id+"/"+name] {
			t.Errorf("state: secret %s is an orphan", name)
		}
	}
}

// index is where the index rows of r are to be: sort keys by partition.
func (r row) index(o org.ID) map[string]string {
	parts, tail := orders(o, r.Environment), "\t"+r.ID
	rows := map[string]string{
		parts[0]: r.CreatedAt.Format(time.RFC3339) + tail,
		parts[1]: r.UpdatedAt.Format(time.RFC3339) + tail,
		parts[2]: strings.ToLower(r.IntegrationName) + tail,
	}
	if r.ExternalXRef != "" {
		sum := sha256.Sum256([]byte(r.Environment + "\x00" + r.ExternalXRef))
		rows["ORG#"+o.String()+"#CONNECTION#XREF#"+hex.EncodeToString(sum[:])[:32]] = r.CreatedAt.Format(time.RFC3339) + tail
	}
	return rows
}

// orders are the partitions of an environment of a plain name.
func orders(o org.ID, env string) []string {
	p := "ORG#" + o.String() + "#CONNECTION#ENV#" + env
	return []string{p, p + "#UPDATED", p + "#NAME"}
}

// read reads a partition by sort key.
func read[T any](t testing.TB, tab table.Table, part string) map[string]T {
	t.Helper()
	rows := map[string]T{}
	for r, err := range tab.List(context.Background(), part, table.Query{}) {
		var v T
		if err == nil {
			err = r.Decode(&v)
		}
		if err != nil {
			t.Fatalf("state: listing %s: %v", part, err)
		}
		rows[r.Sort] = v
	}
	return rows
}
