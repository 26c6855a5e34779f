package org

import (
	"sync"
	"time"

	"github.com/google/uuid"
)

// CacheTTL is how long a key that was revoked elsewhere may still work here.
const CacheTTL = time.Minute

// maxCached bounds the memory that callers can make us use, about 100 KB.
const maxCached = 1000

// cache remembers whose key a hash is. It never holds a secret.
type cache struct {
	mu      sync.Mutex
	entries map[hash]entry
}

type entry struct {
	caller Caller
	until  time.Time
}

func (c *cache) get(h hash, now time.Time) (Caller, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	e, ok := c.entries[h]
	return e.caller, ok && now.Before(e.until)
}

// put counts from the time before the table was asked, so that the answer is
// never older than CacheTTL. Full, it starts anew: simpler than an order of use,
// and it costs one read per key and minute at worst.
func (c *cache) put(h hash, caller Caller, asked time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.entries) >= maxCached {
		clear(c.entries)
	}
	c.entries[h] = entry{caller, asked.Add(CacheTTL)}
}

func (c *cache) forget(key uuid.UUID) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for h, e := range c.entries {
		if e.caller.Key == key {
			delete(c.entries, h)
		}
	}
}
