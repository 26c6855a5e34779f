package secret

import (
	"context"
	"fmt"
	"sync"
	"time"

	"golang.org/x/sync/singleflight"

	"muster/internal/org"
)

const (
	// CacheTTL is how long a Cache answers with what it has read: for so long a secret
	// may be read here that was deleted, rotated or lost its tag elsewhere.
	CacheTTL = 5 * time.Minute
	// maxCached bounds the memory, to 4 MiB where all values are the largest.
	maxCached = 64
	// readTimeout is how long a read may take that several callers wait for.
	readTimeout = 15 * time.Second
)

// Cache is a Vault that remembers what it read, for CacheTTL and in this process
// only. Readers of one value at the same time ask the vault once. A failure is not
// remembered. It is safe for concurrent use.
type Cache struct {
	Vault
	now   func() time.Time
	reads singleflight.Group

	mu     sync.Mutex
	values map[slot]held
}

var _ Vault = (*Cache)(nil)

type slot struct {
	org org.ID
	ref Ref
}

type held struct {
	value Value
	asked time.Time // before the vault was: the answer is never older
}

// NewCache remembers what is read from v, by the clock now.
func NewCache(v Vault, now func() time.Time) *Cache {
	return &Cache{Vault: v, now: now, values: map[slot]held{}}
}

// Get implements Vault.
func (c *Cache) Get(ctx context.Context, o org.ID, ref Ref) (Value, error) {
	at := slot{o, ref}
	if h, ok := c.held(at); ok {
		return h.value, nil
	}
	return c.read(ctx, "get", at)
}

// Refresh is for who was refused with a value, as by 401: it asks the vault, unless
// somebody has done so since and a value other than stale is there.
func (c *Cache) Refresh(ctx context.Context, o org.ID, ref Ref, stale Value) (Value, error) {
	at := slot{o, ref}
	if h, ok := c.held(at); ok && !h.value.Equal(stale) {
		return h.value, nil
	}
	return c.read(ctx, "refresh", at) // never joins a get, which may have begun too early
}

// Promote implements Vault.
func (c *Cache) Promote(ctx context.Context, o org.ID, ref Ref) error {
	defer c.forget(func(at slot) bool { return at.org == o && at.ref == Ref{ARN: ref.ARN} })
	return c.Vault.Promote(ctx, o, ref)
}

// Delete implements Vault. It forgets all of the org, since a name says no ARN.
func (c *Cache) Delete(ctx context.Context, o org.ID, name string) error {
	defer c.forget(func(at slot) bool { return at.org == o })
	return c.Vault.Delete(ctx, o, name)
}

func (c *Cache) held(at slot) (held, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	h, ok := c.values[at]
	return h, ok && c.now().Sub(h.asked) < CacheTTL
}

// read asks the vault once for all who wait. Who gives up waiting does not end the
// read of the others; who gave up before never begins one, whose answer could come
// before the select looks.
func (c *Cache) read(ctx context.Context, why string, at slot) (Value, error) {
	if err := ctx.Err(); err != nil {
		return Value{}, fmt.Errorf("secret: get %s: %w", at.ref.ARN, err)
	}
	flight := fmt.Sprintf("%s %s %s %s", why, at.org, at.ref.ARN, at.ref.Version)
	done := c.reads.DoChan(flight, func() (any, error) {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), readTimeout)
		defer cancel()
		asked := c.now()
		v, err := c.Vault.Get(ctx, at.org, at.ref)
		if err == nil {
			c.keep(at, held{v, asked})
		}
		return v, err
	})
	select {
	case <-ctx.Done():
		return Value{}, fmt.Errorf("secret: get %s: %w", at.ref.ARN, ctx.Err())
	case r := <-done:
		return r.Val.(Value), r.Err
	}
}

// keep remembers what was asked for last. Full, it starts anew: simpler than an
// order of use, and it costs one read per value and CacheTTL at worst.
func (c *Cache) keep(at slot, h held) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if was, ok := c.values[at]; ok && was.asked.After(h.asked) {
		return
	}
	if len(c.values) >= maxCached {
		clear(c.values)
	}
	c.values[at] = h
}

func (c *Cache) forget(which func(slot) bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for at := range c.values {
		if which(at) {
			delete(c.values, at)
		}
	}
}
