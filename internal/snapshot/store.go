package snapshot

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"time"

	"muster/internal/blob"
	"muster/internal/org"
	"muster/internal/table"
)

var (
	// ErrFormat: a checkpoint, or a snapshot, was written in a format that this
	// program does not go on from. A read begins anew.
	ErrFormat = errors.New("snapshot: another format version")
	// ErrCorrupt: bytes that we wrote do not read back. Trying again is useless.
	ErrCorrupt = errors.New("snapshot: damaged")
)

// Store finds and makes the snapshots of all integrations. It is safe for
// concurrent use.
type Store struct {
	Table table.Table
	Blobs blob.Store
	// TempDir holds spilled runs and unfinished files; "" is the system's. What is
	// there at a time is at most about three times a roster's size, and it is
	// removed when its Builder is closed.
	TempDir string

	sizes *sizes // nil: defaultSizes
}

// Ref names one snapshot: the document of the pointer row.
type Ref struct {
	Format      int       `json:"format"`
	Key         string    `json:"key"` // of the blob
	Version     string    `json:"version"`
	Size        int64     `json:"size"` // bytes
	Job         string    `json:"job"`
	Revision    int64     `json:"revision"` // the lease token of the run that wrote it
	CommittedAt time.Time `json:"committed_at"`
	Totals      Totals    `json:"totals"`
}

// IsZero reports whether r names no snapshot: nothing was ever committed.
func (r Ref) IsZero() bool { return r.Key == "" }

// PointerKey is the row that says which snapshot of an integration is the one.
func PointerKey(o org.ID, integration string) table.Key {
	return o.Key("SNAPSHOT", "INTEGRATION", integration)
}

// Pointer is the write that makes ref the snapshot of the integration, where
// cond holds: the PointerCond of the Reader that the merge read.
func Pointer(o org.ID, integration string, ref Ref, cond table.Cond) table.Write {
	return table.Put(PointerKey(o, integration), ref, cond)
}

// BlobKey is where the run of job under revision puts its snapshot.
func BlobKey(o org.ID, integration, job string, revision int64) string {
	return o.Path("snapshots", integration, job, strconv.FormatInt(revision, 10)+".parquet")
}

// Latest opens the integration's snapshot. Where there is none yet the Reader is
// empty and its Ref zero; that is no error. Close the Reader.
func (s *Store) Latest(ctx context.Context, o org.ID, integration string) (*Reader, error) {
	row, err := s.Table.Get(ctx, PointerKey(o, integration))
	if errors.Is(err, table.ErrNotFound) {
		return &Reader{cond: table.Absent}, nil
	}
	if err != nil {
		return nil, fmt.Errorf("snapshot: read the pointer of integration %s: %w", integration, err)
	}
	var ref Ref
	if err := row.Decode(&ref); err != nil {
		return nil, fmt.Errorf("snapshot: read the pointer of integration %s: %w", integration, err)
	}
	r, err := s.open(ctx, ref.Key, ref.Version)
	if err != nil {
		return nil, err
	}
	r.ref, r.cond = ref, table.Version(row.Version)
	return r, nil
}

func (s *Store) open(ctx context.Context, key, version string) (*Reader, error) {
	obj, err := s.Blobs.Open(ctx, key, version)
	if err != nil {
		return nil, fmt.Errorf("snapshot: open %s: %w", key, err)
	}
	r, err := openReader(obj)
	if err != nil {
		_ = obj.Close()
		return nil, fmt.Errorf("snapshot: open %s: %w", key, err)
	}
	return r, nil
}

// putOnce puts what a process that holds a lease makes once under its token: key
// names job and token, and no other process, and no other call of this one, writes
// it with other bytes. So a key that is taken holds these very bytes, from an
// earlier call of ours that ended in blob.ErrUnavailable or with its context, and
// putOnce answers with that object. The size is a check that this holds, no proof.
func putOnce(ctx context.Context, s blob.Store, key, contentType string, size int64, body io.Reader) (blob.Info, error) {
	info, err := s.Put(ctx, key, contentType, body)
	if !errors.Is(err, blob.ErrExists) {
		return info, err
	}
	obj, openErr := s.Open(ctx, key, "")
	if openErr != nil {
		return blob.Info{}, openErr
	}
	defer func() { _ = obj.Close() }()
	if info = obj.Info(); info.Size != size {
		return blob.Info{}, fmt.Errorf("%d bytes lie where %d were to be put: %w", info.Size, size, err)
	}
	return info, nil
}
