package secret_test

import (
	"bytes"
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"

	"muster/internal/local/vault"
	"muster/internal/org"
	"muster/internal/secret"
	"muster/internal/secret/secrettest"
)

func openVault(t *testing.T) *vault.Vault {
	t.Helper()
	v, err := vault.Open(t.TempDir(), vault.NoSync)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = v.Close() })
	return v
}

// With what others do made older than CacheTTL, a cache is a vault like any.
func TestCachePassesConformance(t *testing.T) {
	secrettest.Run(t, func(t *testing.T) secrettest.Harness {
		v, clock := openVault(t), atomic.Int64{}
		later := func() { clock.Add(int64(secret.CacheTTL)) }
		return secrettest.Harness{
			Vault: secret.NewCache(v, func() time.Time { return time.Unix(0, clock.Load()) }),
			Bring: func(t *testing.T, name string, tag org.ID, value []byte) string {
				later()
				arn, err := v.Bring(t.Context(), name, tag, secret.New(value))
				if err != nil {
					t.Fatal(err)
				}
				return arn
			},
			Remove: func(t *testing.T, name string) {
				later()
				if err := v.Remove(t.Context(), name); err != nil {
					t.Fatal(err)
				}
			},
		}
	})
}

// reads is a vault with one value, that counts how often it is asked for it.
type reads struct {
	secret.Vault
	mu    sync.Mutex
	value string
	err   error
	takes time.Duration
	count int
}

func (r *reads) set(value string, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.value, r.err = value, err
}

// Get takes its time of the bubble.
func (r *reads) Get(ctx context.Context, _ org.ID, _ secret.Ref) (secret.Value, error) {
	r.mu.Lock()
	r.count++
	value, err, takes := secret.New([]byte(r.value)), r.err, r.takes
	r.mu.Unlock()
	select {
	case <-ctx.Done():
		return secret.Value{}, ctx.Err()
	case <-time.After(takes):
		return value, err
	}
}

func (r *reads) wantReads(t *testing.T, n int) {
	t.Helper()
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.count != n {
		t.Errorf("the vault was asked %d times, want %d", r.count, n)
	}
}

func inBubble(t *testing.T, test func(t *testing.T, r *reads, c *secret.Cache)) {
	synctest.Test(t, func(t *testing.T) {
		r := &reads{value: "old", takes: time.Second}
		test(t, r, secret.NewCache(r, time.Now))
	})
}

var (
	someOrg = org.NewID()
	ref     = secret.Ref{ARN: "arn:x", Version: uuid.NewString()}
)

func want(t *testing.T, text string) func(secret.Value, error) {
	return func(v secret.Value, err error) {
		t.Helper()
		if err != nil || string(v.Reveal()) != text {
			t.Errorf("got %q, %v, want %q", v.Reveal(), err, text)
		}
	}
}

func TestCacheAsksAgainAfterItsTime(t *testing.T) {
	inBubble(t, func(t *testing.T, r *reads, c *secret.Cache) {
		ctx := t.Context()
		want(t, "old")(c.Get(ctx, someOrg, ref))
		r.set("", secret.ErrNotFound)               // its tag was taken away
		time.Sleep(secret.CacheTTL - 2*time.Second) // the read took one
		want(t, "old")(c.Get(ctx, someOrg, ref))
		r.wantReads(t, 1)
		time.Sleep(time.Second)
		if _, err := c.Get(ctx, someOrg, ref); !errors.Is(err, secret.ErrNotFound) {
			t.Errorf("after its time: %v", err)
		}
		r.set("new", nil) // a failure is not remembered
		want(t, "new")(c.Get(ctx, someOrg, ref))
		r.wantReads(t, 3)
	})
}

func TestCacheKeepsOrgsAndVersionsApart(t *testing.T) {
	inBubble(t, func(t *testing.T, r *reads, c *secret.Cache) {
		want(t, "old")(c.Get(t.Context(), someOrg, ref))
		r.set("other", nil)
		want(t, "other")(c.Get(t.Context(), org.NewID(), ref))
		want(t, "other")(c.Get(t.Context(), someOrg, secret.Ref{ARN: ref.ARN}))
		want(t, "old")(c.Get(t.Context(), someOrg, ref))
		r.wantReads(t, 3)
	})
}

func TestCacheAsksOnceForAll(t *testing.T) {
	inBubble(t, func(t *testing.T, r *reads, c *secret.Cache) {
		impatient, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		defer cancel()
		var wg sync.WaitGroup
		wg.Go(func() {
			if _, err := c.Get(impatient, someOrg, ref); !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("who does not wait gets %v", err)
			}
		})
		synctest.Wait() // it has begun the read that the others wait for
		for range 20 {
			wg.Go(func() { want(t, "old")(c.Get(t.Context(), someOrg, ref)) })
		}
		wg.Wait()
		r.wantReads(t, 1)
	})
}

// Twenty calls are refused with the old value at once: one of them asks the vault.
func TestRefreshAsksOnce(t *testing.T) {
	inBubble(t, func(t *testing.T, r *reads, c *secret.Cache) {
		old, err := c.Get(t.Context(), someOrg, ref)
		if err != nil {
			t.Fatal(err)
		}
		r.set("new", nil)
		var wg sync.WaitGroup
		for range 20 {
			wg.Go(func() { want(t, "new")(c.Refresh(t.Context(), someOrg, ref, old)) })
		}
		wg.Wait()
		want(t, "new")(c.Refresh(t.Context(), someOrg, ref, old)) // a late 401
		want(t, "new")(c.Get(t.Context(), someOrg, ref))
		r.wantReads(t, 2)
	})
}

// A slow read that began before a refresh must not put the old value back.
func TestALateReadDoesNotUndoARefresh(t *testing.T) {
	inBubble(t, func(t *testing.T, r *reads, c *secret.Cache) {
		var wg sync.WaitGroup
		r.takes = 5 * time.Second
		wg.Go(func() { want(t, "old")(c.Get(t.Context(), someOrg, ref)) })
		time.Sleep(time.Millisecond)
		r.set("new", nil)
		r.takes = time.Second
		want(t, "new")(c.Refresh(t.Context(), someOrg, ref, secret.New([]byte("old"))))
		wg.Wait()
		want(t, "new")(c.Get(t.Context(), someOrg, ref))
	})
}

func TestCacheIsBounded(t *testing.T) {
	v := openVault(t)
	c, o := secret.NewCache(v, time.Now), org.NewID()
	for range 200 {
		value := bytes.Repeat([]byte("x"), 10)
		ref, err := c.Put(t.Context(), o, uuid.NewString(), uuid.NewString(), secret.New(value))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := c.Get(t.Context(), o, ref); err != nil {
			t.Fatal(err)
		}
	}
	if n := c.Len(); n > 64 {
		t.Errorf("%d values are held", n)
	}
}
