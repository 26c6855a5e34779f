package connection

import (
	"context"
	"errors"
	"fmt"

	"muster/internal/org"
	"muster/internal/secret"
)

// ErrNoCredential: the connection has none, or the vault no longer shows it.
var ErrNoCredential = errors.New("connection: no credential")

// Credential reads a connection, without its health, and the secret half of its
// auth, a JSON object unless the customer's own secret holds something else.
// ErrNotFound, ErrNoCredential, secret.ErrUnavailable.
func (k *Keeper) Credential(ctx context.Context, o org.ID, id ID) (Connection, secret.Value, error) {
	return k.credential(ctx, o, id, k.Vault.Get)
}

// Renewed is Credential for who was refused with a value, as by 401: a vault that
// remembers what it read (secret.Cache) is made to read again. Ask once; the same
// value again means that no newer one is there.
func (k *Keeper) Renewed(ctx context.Context, o org.ID, id ID, refused secret.Value) (Connection, secret.Value, error) {
	cache, ok := k.Vault.(interface {
		Refresh(ctx context.Context, o org.ID, ref secret.Ref, stale secret.Value) (secret.Value, error)
	})
	if !ok {
		return k.Credential(ctx, o, id)
	}
	return k.credential(ctx, o, id, func(ctx context.Context, o org.ID, ref secret.Ref) (secret.Value, error) {
		return cache.Refresh(ctx, o, ref, refused)
	})
}

type reader func(ctx context.Context, o org.ID, ref secret.Ref) (secret.Value, error)

func (k *Keeper) credential(ctx context.Context, o org.ID, id ID, get reader) (Connection, secret.Value, error) {
	c, err := k.find(ctx, o, id)
	var v secret.Value
	if err == nil {
		v, err = read(ctx, c.Connection, get)
	}
	if errors.Is(err, ErrNoCredential) { // it may have been moved between our two reads
		was, missing := c.Secret, err
		switch c, err = k.find(ctx, o, id); {
		case err == nil && c.Secret == was:
			err = missing
		case err == nil:
			v, err = read(ctx, c.Connection, get)
		}
	}
	if err != nil {
		k.tellHidden(ctx, o, id, err)
		return Connection{}, secret.Value{}, fmt.Errorf("credential of connection %s of org %s: %w", id, o, err)
	}
	return c.Connection, v, nil
}

func read(ctx context.Context, c Connection, get reader) (secret.Value, error) {
	if c.Secret == (Secret{}) {
		return secret.Value{}, ErrNoCredential
	}
	v, err := get(ctx, c.Org, c.Secret.Ref)
	if errors.Is(err, secret.ErrNotFound) {
		return secret.Value{}, fmt.Errorf("%w: %w", ErrNoCredential, err)
	}
	return v, err
}
