package garbage

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"time"

	"muster/internal/table"
)

// Kind is what a Ref refers to; each has one deleter.
type Kind string

const (
	// Blob refers to an object by its key.
	Blob Kind = "blob"
	// Blobs refers to all objects under a prefix, which ends in a slash.
	Blobs Kind = "blobs"
	// Retired refers to the rows of a roster whose retention is over, by "<org>/<integration>".
	Retired Kind = "retired"
	// Secret refers to a secret in the vault, by "<org>/<connection>/<name>".
	Secret Kind = "secret"
	// Integration refers to the rows that a removed integration left, by "<org>/<integration>".
	Integration Kind = "integration"
)

// Keep is how long an object that was live stays when it no longer is: a day
// longer than point-in-time recovery of the table can reach back.
const Keep = 36 * 24 * time.Hour

// ErrLater is what a Deleter answers for a thing that cannot go just now, for a
// reason that passes: it stays, and no error is made of it.
var ErrLater = errors.New("garbage: not now")

// Item is a thing that goes when it is due, unless it is forgotten before.
type Item struct {
	Kind Kind      `json:"kind"`
	Ref  string    `json:"ref"`
	Due  time.Time `json:"due"` // whole seconds
	// Deleting is set by the collector that has begun to delete it.
	Deleting bool `json:"deleting,omitempty"`
}

// document is an item as it is stored.
type document struct {
	Format int `json:"format"`
	Item
}

const format = 1

// Entry is an item that has its row.
type Entry struct {
	key     table.Key
	version string
}

// Enter makes the write that enters the item, and the entry it will be. A ref is
// entered by the one process that makes or replaces the thing, so a repeat only
// says the same again.
func Enter(kind Kind, ref string, due time.Time) (table.Write, Entry) {
	it := Item{Kind: kind, Ref: ref, Due: due.UTC().Truncate(time.Second)}
	w := table.Put(table.Key{Part: part(shardOf(ref)), Sort: it.Due.Format(dueFormat) + "#" + string(kind) + "#" + ref}, document{format, it}, table.Any)
	return w, Entry{key: w.Key, version: w.Version}
}

// NextDay is when Retired rows are looked at that are due at a time: once a day is
// enough for them.
func NextDay(at time.Time) time.Time {
	const day = 24 * time.Hour
	return at.UTC().Truncate(day).Add(day)
}

// Forget is the write that takes the entry back. Its condition fails once a
// collector has marked it: then the thing is going, or gone.
func (e Entry) Forget() table.Write { return table.Delete(e.key, table.Version(e.version)) }

// Shards spread the rows over partitions, so that no one of them is hot.
const Shards = 16

const dueFormat = "20060102T150405Z"

func part(shard int) string { return fmt.Sprintf("GARBAGE#%x", shard) }

func shardOf(ref string) int {
	h := fnv.New32a()
	h.Write([]byte(ref))
	return int(h.Sum32() % Shards)
}

// Deleter deletes one thing, or sees to it that it is; what is gone already is no
// error.
type Deleter func(ctx context.Context, ref string) error

// Collect deletes everything that is due at now and answers how many things
// went. What cannot be deleted stays for the next time and is in the error; the
// rest is collected all the same.
func Collect(ctx context.Context, t table.Table, now time.Time, deleters map[Kind]Deleter) (int, error) {
	var failed []error
	n := 0
	for shard := range Shards {
		for row, err := range t.List(ctx, part(shard), table.Query{To: now.UTC().Add(time.Second).Format(dueFormat)}) {
			gone := false
			if err == nil {
				gone, err = collect(ctx, t, row, deleters)
			}
			if err != nil {
				failed = append(failed, err)
			}
			if gone {
				n++
			}
		}
	}
	return n, errors.Join(failed...)
}

// collect deletes one thing and its row. gone: the thing is no longer there.
func collect(ctx context.Context, t table.Table, row table.Row, deleters map[Kind]Deleter) (gone bool, err error) {
	var it Item
	if err := row.Decode(&it); err != nil {
		return false, err
	}
	del, ok := deleters[it.Kind]
	if !ok {
		return false, fmt.Errorf("garbage: nothing here deletes a %s", it.Kind)
	}
	version := row.Version
	if !it.Deleting {
		it.Deleting = true
		w := table.Put(row.Key, document{format, it}, table.Version(version))
		// If we stop here: the thing is still there and its row marked; a commit that
		// wants it fails, and the next Collect goes on (TestCollectStopsAnywhere).
		err := t.Write(ctx, w)
		var c *table.Conflict
		if errors.As(err, &c) {
			return false, nil // forgotten meanwhile, or another collector has it
		}
		if err != nil {
			return false, fmt.Errorf("garbage: marking %s %s: %w", it.Kind, it.Ref, err)
		}
		version = w.Version
	}
	err = del(ctx, it.Ref)
	if errors.Is(err, ErrLater) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("garbage: deleting %s %s: %w", it.Kind, it.Ref, err)
	}
	// If we stop here: the thing is gone, its row is not; the next Collect deletes
	// nothing and then the row (TestCollectStopsAnywhere).
	err = t.Write(ctx, table.Delete(row.Key, table.Version(version)))
	var c *table.Conflict
	if err != nil && !errors.As(err, &c) {
		return true, fmt.Errorf("garbage: forgetting %s %s: %w", it.Kind, it.Ref, err)
	}
	return true, nil
}

// List yields every entry's item, due or not, for those who check the state.
func List(ctx context.Context, t table.Table) ([]Item, error) {
	var items []Item
	for shard := range Shards {
		for row, err := range t.List(ctx, part(shard), table.Query{}) {
			var it Item
			if err == nil {
				err = row.Decode(&it)
			}
			if err != nil {
				return nil, err
			}
			items = append(items, it)
		}
	}
	return items, nil
}
