package snapshot

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"strings"

	"muster/internal/blob"
	"muster/internal/org"
	"muster/internal/roster"
)

// State is a read that is not complete: small, JSON, for the caller's checkpoint
// beside its source's cursor. What it names are blobs under the org's staging.
type State struct {
	Format   int           `json:"format"`
	Runs     []SavedRun    `json:"runs"`
	Block    int           `json:"block"` // bytes of the largest block of the runs
	Rest     string        `json:"rest"`  // the blob of what else a Builder holds
	Counts   roster.Counts `json:"counts"`
	Licenses bool          `json:"licenses"` // the source lists licences
}

// SavedRun is one spilled run.
type SavedRun struct {
	Key  string `json:"key"`
	Size int64  `json:"size"`
	Rows int64  `json:"rows"`
}

const octets = "application/octet-stream"

// Save puts all that was added so far under prefix, which the caller made with
// org.Path("staging", …) and no other try uses; runs that an earlier Save has put
// are only named again. The Builder may go on.
func (b *Builder) Save(ctx context.Context, prefix string) (State, error) {
	if err := b.rows.flush(); err != nil {
		return State{}, err
	}
	st := State{Format: formatVersion, Block: b.rows.block, Counts: b.counts, Licenses: b.listed, Rest: prefix + "/rest"}
	// If we stop here, or at any put below: blobs lie in staging that no checkpoint
	// names; they go by their age, and the read begins anew or at the last one.
	for i := range b.rows.runs {
		r := &b.rows.runs[i]
		if r.saved == "" {
			key := fmt.Sprintf("%s/run-%05d", prefix, i)
			if _, err := putOnce(ctx, b.store.Blobs, key, octets, r.size, io.NewSectionReader(b.rows.file, r.off, r.size)); err != nil {
				return State{}, fmt.Errorf("snapshot: save run %d: %w", i, err)
			}
			r.saved = key
		}
		st.Runs = append(st.Runs, SavedRun{r.saved, r.size, r.rows})
	}
	list, err := json.Marshal(b.problems)
	if err != nil {
		return State{}, fmt.Errorf("snapshot: save the problems: %w", err)
	}
	rest := append(b.ids[:len(b.ids):len(b.ids)], list...)
	if _, err := putOnce(ctx, b.store.Blobs, st.Rest, octets, int64(len(rest)), bytes.NewReader(rest)); err != nil {
		return State{}, fmt.Errorf("snapshot: save %s: %w", st.Rest, err)
	}
	return st, nil
}

// Resume makes a Builder that goes on where Save left off. ErrFormat: another
// version of this program wrote the state, and the read begins anew.
func (s *Store) Resume(ctx context.Context, o org.ID, integration string, st State) (*Builder, error) {
	if st.Format != formatVersion {
		return nil, fmt.Errorf("%w: the checkpoint has %d, this program %d", ErrFormat, st.Format, formatVersion)
	}
	b, err := s.Build(o, integration)
	if err != nil {
		return nil, err
	}
	b.counts, b.listed, b.rows.block = st.Counts, st.Licenses, st.Block
	if err := b.load(ctx, st); err != nil {
		_ = b.Close()
		return nil, fmt.Errorf("snapshot: resume integration %s: %w", integration, err)
	}
	return b, nil
}

func (b *Builder) load(ctx context.Context, st State) error {
	for _, saved := range st.Runs {
		to := io.NewOffsetWriter(b.rows.file, b.rows.end)
		if err := b.fetch(ctx, saved.Key, saved.Size, to); err != nil {
			return err
		}
		b.rows.runs = append(b.rows.runs, run{off: b.rows.end, size: saved.Size, rows: saved.Rows, saved: saved.Key})
		b.rows.end += saved.Size
	}
	var rest bytes.Buffer
	if err := b.fetch(ctx, st.Rest, -1, &rest); err != nil {
		return err
	}
	if rest.Len() < len(b.ids) {
		return fmt.Errorf("%w: %s is cut short", ErrCorrupt, st.Rest)
	}
	copy(b.ids[:], rest.Next(len(b.ids)))
	if err := json.Unmarshal(rest.Bytes(), &b.problems); err != nil {
		return fmt.Errorf("%w: the problems in %s: %w", ErrCorrupt, st.Rest, err)
	}
	return nil
}

// fetch copies a blob of the org's staging; size -1 is any.
func (b *Builder) fetch(ctx context.Context, key string, size int64, to io.Writer) error {
	if !strings.HasPrefix(key, b.org.Path("staging")+"/") {
		return fmt.Errorf("checkpoint names %q, which is not the org's", key)
	}
	obj, err := b.store.Blobs.Open(ctx, key, "")
	if err != nil {
		return fmt.Errorf("open %s: %w", key, err)
	}
	has := obj.Info().Size
	from := blob.NewReader(obj)
	defer func() { _ = from.Close() }()
	if size >= 0 && has != size {
		return fmt.Errorf("%w: %s has %d bytes instead of %d", ErrCorrupt, key, has, size)
	}
	if _, err := io.Copy(to, from); err != nil {
		return fmt.Errorf("read %s: %w", key, err)
	}
	return nil
}
