package vault_test

import (
	"bytes"
	"encoding/base64"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/uuid"
	"go.etcd.io/bbolt"

	"muster/internal/local/vault"
	"muster/internal/org"
	"muster/internal/secret"
	"muster/internal/secret/secrettest"
)

func open(t *testing.T, dir string) *vault.Vault {
	t.Helper()
	v, err := vault.Open(dir, vault.NoSync)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = v.Close() })
	return v
}

func TestConformance(t *testing.T) {
	secrettest.Run(t, func(t *testing.T) secrettest.Harness {
		v := open(t, t.TempDir())
		return secrettest.Harness{
			Vault: v,
			Bring: func(t *testing.T, name string, tag org.ID, value []byte) string {
				arn, err := v.Bring(t.Context(), name, tag, secret.New(value))
				if err != nil {
					t.Fatal(err)
				}
				return arn
			},
			Remove: func(t *testing.T, name string) {
				if err := v.Remove(t.Context(), name); err != nil {
					t.Fatal(err)
				}
			},
		}
	})
}

func put(t *testing.T, v *vault.Vault, o org.ID, name, text string) secret.Ref {
	t.Helper()
	ref, err := v.Put(t.Context(), o, name, uuid.NewString(), secret.New([]byte(text)))
	if err != nil {
		t.Fatal(err)
	}
	return ref
}

func wantText(t *testing.T, v *vault.Vault, o org.ID, ref secret.Ref, want string) {
	t.Helper()
	if got, err := v.Get(t.Context(), o, ref); err != nil || string(got.Reveal()) != want {
		t.Errorf("get %+v: %q, %v, want %q", ref, got.Reveal(), err, want)
	}
}

func TestReopen(t *testing.T) {
	dir, o := filepath.Join(t.TempDir(), "new"), org.NewID()
	v := open(t, dir)
	ref := put(t, v, o, "crm", "text")
	if _, err := vault.Open(dir); !errors.Is(err, vault.ErrLocked) {
		t.Errorf("opened twice: %v", err)
	}
	if err := v.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := v.Get(t.Context(), o, ref); !errors.Is(err, secret.ErrUnavailable) {
		t.Errorf("get from a closed vault: %v", err)
	}
	wantText(t, open(t, dir), o, ref, "text")
}

func TestFilesAreOursAloneAndSealed(t *testing.T) {
	dir, o := t.TempDir(), org.NewID()
	v := open(t, dir)
	const text = "a-password-to-look-for"
	put(t, v, o, "crm", text)
	if err := v.Close(); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"vault.db", "vault.key"} {
		path := filepath.Join(dir, name)
		info, err := os.Stat(path)
		if err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: mode %v, %v", name, info.Mode(), err)
		}
		held, err := os.ReadFile(path)
		if err != nil || bytes.Contains(held, []byte(text)) || bytes.Contains(held, []byte(base64.StdEncoding.EncodeToString([]byte(text)))) {
			t.Errorf("%s shows the text, or %v", name, err)
		}
	}
	if files, _ := os.ReadDir(dir); len(files) != 2 {
		t.Errorf("left in the folder: %v", files)
	}
}

// Each is a vault that must not open, and what its error must name.
func TestOpenSaysWhatToDo(t *testing.T) {
	for name, c := range map[string]struct {
		spoil func(key string) error
		want  string
	}{
		"group may read":  {func(key string) error { return os.Chmod(key, 0o640) }, "chmod 600"},
		"all may read":    {func(key string) error { return os.Chmod(key, 0o604) }, "chmod 600"},
		"the key is gone": {os.Remove, "put it back"},
		"another key":     {write(strings.Repeat("ab", 32)), "not the key of"},
		"half a key":      {write("abcd"), "64 hexadecimal digits"},
		"no key at all":   {write(strings.Repeat("x", 64)), "64 hexadecimal digits"},
	} {
		t.Run(name, func(t *testing.T) {
			dir, o := t.TempDir(), org.NewID()
			key := filepath.Join(dir, "vault.key")
			v := open(t, dir)
			ref := put(t, v, o, "crm", "text")
			if err := v.Close(); err != nil {
				t.Fatal(err)
			}
			good, err := os.ReadFile(key)
			if err == nil {
				err = c.spoil(key)
			}
			if err != nil {
				t.Fatal(err)
			}
			_, err = vault.Open(dir)
			if err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), key) {
				t.Errorf("opened with %v, want an error with %q", err, c.want)
			}
			if strings.Contains(err.Error(), "abab") {
				t.Errorf("the error shows the key: %v", err)
			}
			// As it was, it opens again.
			if err := errors.Join(write(string(good))(key), os.Chmod(key, 0o600)); err != nil {
				t.Fatal(err)
			}
			wantText(t, open(t, dir), o, ref, "text")
		})
	}
}

func write(text string) func(string) error {
	return func(path string) error { return os.WriteFile(path, []byte(text), 0o600) }
}

// edit changes the file behind a closed vault's back.
func edit(t *testing.T, dir string, fn func(secrets *bbolt.Bucket) error) {
	t.Helper()
	db, err := bbolt.Open(filepath.Join(dir, "vault.db"), 0o600, nil)
	if err != nil {
		t.Fatal(err)
	}
	err = db.Update(func(tx *bbolt.Tx) error { return fn(tx.Bucket([]byte("secrets"))) })
	if err := errors.Join(err, db.Close()); err != nil {
		t.Fatal(err)
	}
}

func TestTampering(t *testing.T) {
	mine, theirs := org.NewID(), org.NewID()
	myKey, theirKey := []byte("muster/"+mine.String()+"/crm"), []byte("muster/"+theirs.String()+"/crm")
	for name, tamper := range map[string]func(*bbolt.Bucket) error{
		"another org's record in its place": func(b *bbolt.Bucket) error { return b.Put(myKey, bytes.Clone(b.Get(theirKey))) },
		"a bit": func(b *bbolt.Bucket) error {
			sealed := bytes.Clone(b.Get(myKey))
			sealed[len(sealed)/2] ^= 1
			return b.Put(myKey, sealed)
		},
		"cut short": func(b *bbolt.Bucket) error { return b.Put(myKey, bytes.Clone(b.Get(myKey)[:20])) },
		"empty":     func(b *bbolt.Bucket) error { return b.Put(myKey, []byte{}) },
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			v := open(t, dir)
			ref, other := put(t, v, mine, "crm", "my text"), put(t, v, theirs, "crm", "their text")
			if err := v.Close(); err != nil {
				t.Fatal(err)
			}
			edit(t, dir, tamper)
			v = open(t, dir)
			_, errGet := v.Get(t.Context(), mine, ref)
			_, errPut := v.Put(t.Context(), mine, "crm", uuid.NewString(), secret.New([]byte("new")))
			for _, err := range []error{errGet, errPut, v.Promote(t.Context(), mine, ref)} {
				if err == nil || errors.Is(err, secret.ErrNotFound) || !strings.Contains(err.Error(), "was changed") {
					t.Errorf("%v, want an error that says the record was changed", err)
				}
			}
			wantText(t, v, theirs, other, "their text")
		})
	}
}

// The same text sealed again is other bytes: a nonce is used once.
func TestEverySealIsAnother(t *testing.T) {
	dir, o := t.TempDir(), org.NewID()
	v := open(t, dir)
	ref := put(t, v, o, "crm", "text")
	var seen [][]byte
	for range 3 {
		if err := v.Promote(t.Context(), o, ref); err != nil { // writes the record as it is
			t.Fatal(err)
		}
		if err := v.Close(); err != nil {
			t.Fatal(err)
		}
		edit(t, dir, func(b *bbolt.Bucket) error {
			seen = append(seen, bytes.Clone(b.Get([]byte("muster/"+o.String()+"/crm"))))
			return nil
		})
		v = open(t, dir)
	}
	if bytes.Equal(seen[0], seen[1]) || bytes.Equal(seen[1], seen[2]) || bytes.Equal(seen[0][:12], seen[1][:12]) {
		t.Error("a nonce was used again")
	}
}

func TestBringTakesNoNameOfMusters(t *testing.T) {
	v, o := open(t, t.TempDir()), org.NewID()
	ref := put(t, v, o, "crm", "text")
	for _, name := range []string{"", "muster/" + o.String() + "/crm", ref.ARN} {
		if _, err := v.Bring(t.Context(), name, org.NewID(), secret.New([]byte("x"))); err == nil {
			t.Errorf("brought under %q", name)
		}
	}
	wantText(t, v, o, ref, "text")
}
