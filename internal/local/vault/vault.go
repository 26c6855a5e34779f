package vault

import (
	"context"
	"crypto/cipher"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/google/uuid"
	"go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"

	"muster/internal/org"
	"muster/internal/secret"
)

// ErrLocked: another process has the file open.
var ErrLocked = errors.New("another Muster process holds the vault; stop it first, or use its API")

// format is the version of the file and of what is sealed in it.
const format = "muster vault 1"

// own begins the full names of the secrets that Muster makes.
const own = "muster"

// The buckets of the file.
var (
	bucketMeta    = []byte("meta")    // "format" → format, "check" → sealed text that tells the right key
	bucketSecrets = []byte("secrets") // full name → sealed record
)

// Vault is a secret.Vault over one sealed file.
type Vault struct {
	db   *bbolt.DB
	aead cipher.AEAD
}

var _ secret.Vault = (*Vault)(nil)

// Option changes how Open opens the file.
type Option func(*bbolt.Options)

// NoSync leaves it to the operating system when a write reaches the disk: faster,
// and lost where the machine stops. It is for tests.
func NoSync(o *bbolt.Options) { o.NoSync = true }

// Open opens the vault in dir, and makes it, its key and the folder where there is
// none. ErrLocked, at once, where another process holds it. A key that others may
// read, that is missing or that is not the file's is an error that says what to do.
func Open(dir string, opts ...Option) (*Vault, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("vault: folder of the secrets: %w", err)
	}
	o := bbolt.Options{
		Timeout:      time.Millisecond, // shorter than one round of waiting: fails at once
		FreelistType: bbolt.FreelistMapType,
	}
	for _, opt := range opts {
		opt(&o)
	}
	path := filepath.Join(dir, "vault.db")
	db, err := bbolt.Open(path, 0o600, &o)
	if errors.Is(err, bolterrors.ErrTimeout) {
		return nil, fmt.Errorf("vault: %s: %w", path, ErrLocked)
	}
	if err != nil {
		return nil, fmt.Errorf("vault: open %s: %w", path, err)
	}
	v := &Vault{db: db}
	if err := v.prepare(filepath.Join(dir, "vault.key")); err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return v, nil
}

// prepare finds the key of the file, or makes both.
//
// If we stop here: a file without buckets counts as new, and takes the key that is
// there.
func (v *Vault) prepare(key string) error {
	return v.db.Update(func(tx *bbolt.Tx) (err error) {
		meta := tx.Bucket(bucketMeta)
		if v.aead, err = openKey(key, meta == nil); err != nil {
			return err
		}
		if meta == nil {
			return v.begin(tx)
		}
		if f := string(meta.Get([]byte("format"))); f != format {
			return fmt.Errorf("vault: %s is of the format %q, this version reads %q", v.db.Path(), f, format)
		}
		if _, err := v.open(meta.Get([]byte("check")), "check"); err != nil {
			return fmt.Errorf("vault: %s is not the key of %s: put the right one back", key, v.db.Path())
		}
		return nil
	})
}

func (v *Vault) begin(tx *bbolt.Tx) error {
	meta, errMeta := tx.CreateBucket(bucketMeta)
	_, errSecrets := tx.CreateBucket(bucketSecrets)
	if err := errors.Join(errMeta, errSecrets); err != nil {
		return fmt.Errorf("vault: begin %s: %w", v.db.Path(), err)
	}
	return errors.Join(meta.Put([]byte("format"), []byte(format)), meta.Put([]byte("check"), v.seal(nil, "check")))
}

// Close waits for the calls that are under way and closes the file. Every later
// call is secret.ErrUnavailable.
func (v *Vault) Close() error { return v.db.Close() }

// Find implements secret.Vault.
func (v *Vault) Find(ctx context.Context, o org.ID, name string) (string, error) {
	var r record
	err := v.view(ctx, "find", func(tx *bbolt.Tx) (err error) {
		r, err = v.find(tx, o, name)
		return err
	})
	return r.ARN, err
}

// Get implements secret.Vault.
func (v *Vault) Get(ctx context.Context, o org.ID, ref secret.Ref) (secret.Value, error) {
	var value secret.Value
	err := v.view(ctx, "get", func(tx *bbolt.Tx) error {
		r, err := v.at(tx, o, ref.ARN)
		if err != nil {
			return err
		}
		found, ok := r.version(ref.Version)
		if !ok {
			return secret.ErrNotFound
		}
		value = secret.New(found.Value)
		return nil
	})
	return value, err
}

// Put implements secret.Vault.
//
// If we stop here: bbolt commits whole or not at all. TestKilledProcess stops here.
func (v *Vault) Put(ctx context.Context, o org.ID, name, version string, value secret.Value) (secret.Ref, error) {
	if err := secret.CheckPut(name, version, value); err != nil {
		return secret.Ref{}, err
	}
	full := o.Path(own, name)
	var r record
	err := v.update(ctx, "put "+full, func(tx *bbolt.Tx) (err error) {
		r, err = v.write(tx, full, o.String(), version, value)
		return err
	})
	if err != nil {
		return secret.Ref{}, err
	}
	return secret.Ref{ARN: r.ARN, Version: version}, nil
}

// write puts a version of a secret, which it makes if it is not there.
func (v *Vault) write(tx *bbolt.Tx, full, tag, version string, value secret.Value) (record, error) {
	r, err := v.load(tx, full)
	if errors.Is(err, secret.ErrNotFound) {
		r, err = newRecord(full, tag), nil
	}
	if err == nil {
		err = r.put(version, value.Reveal())
	}
	if err == nil {
		err = v.save(tx, full, r)
	}
	return r, err
}

// Promote implements secret.Vault.
func (v *Vault) Promote(ctx context.Context, o org.ID, ref secret.Ref) error {
	return v.update(ctx, "promote", func(tx *bbolt.Tx) error {
		r, err := v.at(tx, o, ref.ARN)
		if err != nil {
			return err
		}
		if _, ok := r.version(ref.Version); !ok || ref.Version == "" {
			return secret.ErrNotFound
		}
		r.promote(ref.Version)
		return v.save(tx, nameOf(ref.ARN), r)
	})
}

// Delete implements secret.Vault. It is gone at once.
func (v *Vault) Delete(ctx context.Context, o org.ID, name string) error {
	return v.remove(ctx, o.Path(own, name))
}

// Bring makes a secret under a name of the customer's own, with the tag muster:org
// of an org, or none for the zero ID, and answers its ARN. Where there is one, it
// gets the value as its current one and keeps its tag.
func (v *Vault) Bring(ctx context.Context, name string, tag org.ID, value secret.Value) (arn string, err error) {
	if name == "" || strings.HasPrefix(name, own+"/") || strings.HasPrefix(name, arnPrefix) {
		return "", fmt.Errorf("vault: %q cannot be the name of a customer's secret", name)
	}
	err = v.update(ctx, "bring "+name, func(tx *bbolt.Tx) error {
		version := uuid.NewString()
		r, err := v.write(tx, name, tag.String(), version, value)
		if err != nil {
			return err
		}
		r.promote(version)
		arn = r.ARN
		return v.save(tx, name, r)
	})
	return arn, err
}

// Remove deletes a secret of a customer's at once.
func (v *Vault) Remove(ctx context.Context, name string) error { return v.remove(ctx, name) }

func (v *Vault) remove(ctx context.Context, full string) error {
	return v.update(ctx, "delete "+full, func(tx *bbolt.Tx) error {
		return tx.Bucket(bucketSecrets).Delete([]byte(full))
	})
}

// find is load for an org: only what is its own is there.
func (v *Vault) find(tx *bbolt.Tx, o org.ID, id string) (record, error) {
	r, err := v.load(tx, nameOf(id))
	if err == nil && !r.isOf(o, id) {
		return record{}, secret.ErrNotFound
	}
	return r, err
}

// at is find for an ARN that the vault answered: a name is nothing.
func (v *Vault) at(tx *bbolt.Tx, o org.ID, arn string) (record, error) {
	r, err := v.find(tx, o, arn)
	if err == nil && r.ARN != arn {
		return record{}, secret.ErrNotFound
	}
	return r, err
}

func (v *Vault) view(ctx context.Context, what string, fn func(*bbolt.Tx) error) error {
	return answer(ctx, what, func() error { return v.db.View(fn) })
}

func (v *Vault) update(ctx context.Context, what string, fn func(*bbolt.Tx) error) error {
	return answer(ctx, what, func() error { return v.db.Update(fn) })
}

// answer makes a call and puts its error in the port's words.
func answer(ctx context.Context, what string, call func() error) error {
	err := ctx.Err()
	if err == nil {
		err = call()
	}
	switch {
	case err == nil, errors.Is(err, secret.ErrNotFound):
		return err
	case errors.Is(err, bolterrors.ErrDatabaseNotOpen):
		return fmt.Errorf("vault: %s: %w: the file is closed", what, secret.ErrUnavailable)
	default:
		return fmt.Errorf("vault: %s: %w", what, err)
	}
}
