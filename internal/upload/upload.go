package upload

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"muster/internal/blob"
	"muster/internal/org"
	"muster/internal/table"
)

const (
	// Keep is how long an object lies here, counted from when it was put.
	Keep = 30 * 24 * time.Hour
	// URLTTL is how long a signed URL may be used.
	URLTTL = 5 * time.Minute
	// MaxSmall is the largest file that Put takes, in bytes.
	MaxSmall = 3 << 20
	// DefaultMaxSize is the largest file that Register takes unless a Store says
	// otherwise, in bytes.
	DefaultMaxSize = 1 << 30
	// MaxID is the largest id: ids sort as 12 digits.
	MaxID = 999_999_999_999
)

var (
	// ErrNotFound: the org has no file of that id.
	ErrNotFound = errors.New("upload: no such file")
	// ErrUnknownPath: the path was not issued to this org. Another org's path and
	// one that was never issued are the same error.
	ErrUnknownPath = errors.New("upload: path was not issued")
	// ErrNotUploaded: the path was issued and nothing lies there.
	ErrNotUploaded = errors.New("upload: nothing was put at the path")
	// ErrGone: the file's bytes are no longer kept.
	ErrGone = errors.New("upload: the file's bytes are gone")
	// ErrReplaced: other bytes were put over the file's since it was registered.
	ErrReplaced = errors.New("upload: other bytes were put over the file's")
)

// TooLarge says that a file is over a limit. Both are in bytes.
type TooLarge struct{ Size, Limit int64 }

func (e *TooLarge) Error() string {
	return fmt.Sprintf("upload: %d bytes, at most %d are taken", e.Size, e.Limit)
}

// Fault is what is wrong with one argument, in words for whoever gave it.
type Fault struct {
	Field  string // "name", "content_type" or "type"
	Detail string // what is expected
}

// Invalid says everything that is wrong with the arguments of a call.
type Invalid struct{ Faults []Fault }

func (e *Invalid) Error() string {
	var b strings.Builder
	b.WriteString("upload: invalid")
	for _, f := range e.Faults {
		b.WriteString("; " + f.Field + " " + f.Detail)
	}
	return b.String()
}

// invalid is an *Invalid of the faults that are not nil, or nil.
func invalid(faults ...*Fault) error {
	e := &Invalid{}
	for _, f := range faults {
		if f != nil {
			e.Faults = append(e.Faults, *f)
		}
	}
	if e.Faults == nil {
		return nil
	}
	return e
}

// Type is what a file is for; the words are the wire's.
type Type string

const (
	Attachment            Type = "attachment"
	ExpenseReport         Type = "expenseReport"
	CustomIntegrationData Type = "customIntegrationData" // the only one that a sync reads
	Plugin                Type = "plugin"
)

// Types are all of them, in the contract's order.
var Types = []Type{Attachment, ExpenseReport, CustomIntegrationData, Plugin}

// File is one registered upload.
type File struct {
	Format       int       `json:"format"`
	ID           int64     `json:"id"` // from 1, unique in its org
	Name         string    `json:"name"`
	Type         Type      `json:"type"`
	Key          string    `json:"key"`     // of the object
	Version      string    `json:"version"` // of the object when it was registered
	Size         int64     `json:"size"`    // bytes
	PutAt        time.Time `json:"put_at"`  // by the store's clock
	RegisteredAt time.Time `json:"registered_at"`
}

// Expired reports whether the file's object is past its time: it is gone, or
// about to go, and is not to be read.
func (f File) Expired(now time.Time) bool { return !now.Before(f.PutAt.Add(Keep)) }

const format = 1 // of the rows

// Store is the uploads of all orgs. Its fields are set once, before use; it is
// safe for concurrent use.
type Store struct {
	Table   table.Table
	Blobs   blob.Store
	Signer  blob.Signer
	Now     func() time.Time
	MaxSize int64 // bytes that Register takes; 0: DefaultMaxSize
}

func (s *Store) maxSize() int64 {
	if s.MaxSize > 0 {
		return s.MaxSize
	}
	return DefaultMaxSize
}

func fileKey(o org.ID, id int64) table.Key { return o.Key(fmt.Sprintf("%012d", id), "UPLOAD") }

// tryKey leads from the id that a try was given to what it registered.
func tryKey(o org.ID, try uuid.UUID) table.Key { return o.Key(try.String(), "UPLOAD", "TRY") }

type tryRow struct {
	Format int   `json:"format"`
	ID     int64 `json:"id"`
}

// counterKey lies apart from the rows, so that no List meets it.
func counterKey(o org.ID) table.Key { return o.Key("UPLOAD", "COUNTER") }

// Register makes a file of what was put at a path that IssueURL gave to this
// org. The same path again makes another file, of what lies there by then, unless
// try, where it is not zero, is that of a call that made one: then that is answered.
// *Invalid, ErrUnknownPath, ErrNotUploaded, *TooLarge.
func (s *Store) Register(ctx context.Context, o org.ID, path string, t Type, try uuid.UUID) (File, error) {
	if err := invalid(checkType(t)); err != nil {
		return File{}, err
	}
	if f, err := s.tried(ctx, o, try); !errors.Is(err, ErrNotFound) {
		return f, err
	}
	at, err := s.issued(ctx, o, path)
	if err != nil {
		return File{}, err
	}
	obj, err := s.Blobs.Open(ctx, at.key(o), "")
	if errors.Is(err, blob.ErrNotFound) {
		return File{}, ErrNotUploaded
	}
	if err != nil {
		return File{}, fmt.Errorf("upload: register %s: %w", at, err)
	}
	info := obj.Info()
	_ = obj.Close() // nothing was read of it
	if limit := s.maxSize(); info.Size > limit {
		return File{}, &TooLarge{Size: info.Size, Limit: limit}
	}
	return s.register(ctx, o, at.name, t, info, try)
}

// Put stores a small file and registers it. Its name must end in one of Extensions;
// try is as in Register, and its body the same each time. *Invalid, *TooLarge.
func (s *Store) Put(ctx context.Context, o org.ID, name string, t Type, body []byte, try uuid.UUID) (File, error) {
	if err := invalid(checkSmallName(name), checkType(t)); err != nil {
		return File{}, err
	}
	if len(body) > MaxSmall {
		return File{}, &TooLarge{Size: int64(len(body)), Limit: MaxSmall}
	}
	if f, err := s.tried(ctx, o, try); !errors.Is(err, ErrNotFound) {
		return f, err
	}
	folder := try
	if folder == uuid.Nil {
		folder = uuid.Must(uuid.NewV7())
	}
	// If we stop here: an object that no row names lies in the org's folder until
	// its age deletes it, or the same try finds it (TestTriesMakeOneFile).
	info, err := s.putOnce(ctx, directKey(o, folder, name), body)
	if err != nil {
		return File{}, fmt.Errorf("upload: put %q: %w", name, err)
	}
	return s.register(ctx, o, name, t, info, try)
}

// tried is what was registered under try. ErrNotFound.
func (s *Store) tried(ctx context.Context, o org.ID, try uuid.UUID) (File, error) {
	if try == uuid.Nil {
		return File{}, ErrNotFound
	}
	row, err := s.Table.Get(ctx, tryKey(o, try))
	if errors.Is(err, table.ErrNotFound) {
		return File{}, ErrNotFound
	}
	var r tryRow
	if err == nil {
		err = row.Decode(&r)
	}
	if err != nil {
		return File{}, fmt.Errorf("upload: what try %s registered: %w", try, err)
	}
	return s.Get(ctx, o, r.ID)
}

// register gives what lies in the store its number.
func (s *Store) register(ctx context.Context, o org.ID, name string, t Type, info blob.Info, try uuid.UUID) (File, error) {
	// If we stop here: nothing exists. After it, a number is spent and names
	// nothing: numbers may have gaps (TestPutStopsAnywhere).
	id, err := s.Table.Add(ctx, counterKey(o), 1, time.Time{})
	if err != nil {
		return File{}, fmt.Errorf("upload: number for %s: %w", info.Key, err)
	}
	if id < 1 || id > MaxID {
		return File{}, fmt.Errorf("upload: org %s is out of numbers at %d", o, id)
	}
	f := File{
		Format: format, ID: id, Name: name, Type: t, Key: info.Key, Version: info.Version, Size: info.Size,
		PutAt: info.Modified.UTC().Truncate(time.Second), RegisteredAt: s.Now().UTC().Truncate(time.Second),
	}
	ws := []table.Write{table.Put(fileKey(o, id), f, table.Absent)}
	if try != uuid.Nil {
		ws = append(ws, table.Put(tryKey(o, try), tryRow{format, id}, table.Absent).Until(s.Now().Add(Keep)))
	}
	// If we stop here: the file is registered and its number was not told; the same
	// try finds it, any other makes another (TestTriesMakeOneFile,
	// TestPutStopsAnywhere).
	err = table.WriteOnce(ctx, s.Table, ws...)
	var c *table.Conflict
	if errors.As(err, &c) && try != uuid.Nil {
		return s.tried(ctx, o, try) // registered by another meanwhile
	}
	if err != nil {
		return File{}, fmt.Errorf("upload: register %s as %d: %w", info.Key, id, err)
	}
	return f, nil
}

// Get reads one file's row. ErrNotFound, also for any id that cannot be.
func (s *Store) Get(ctx context.Context, o org.ID, id int64) (File, error) {
	if id < 1 || id > MaxID {
		return File{}, ErrNotFound
	}
	row, err := s.Table.Get(ctx, fileKey(o, id))
	if errors.Is(err, table.ErrNotFound) {
		return File{}, ErrNotFound
	}
	if err != nil {
		return File{}, fmt.Errorf("upload: read file %d of org %s: %w", id, o, err)
	}
	var f File
	return f, row.Decode(&f)
}

// Open opens the bytes that were registered. blob.ErrChanged: others were put
// over them since. blob.ErrNotFound: their time is over.
func (s *Store) Open(ctx context.Context, f File) (blob.Object, error) {
	obj, err := s.Blobs.Open(ctx, f.Key, f.Version)
	if err != nil {
		return nil, fmt.Errorf("upload: open file %d: %w", f.ID, err)
	}
	return obj, nil
}

// DownloadURL makes a URL at which the bytes that were registered can be had for
// URLTTL, as a download under the file's name. ErrGone, ErrReplaced.
func (s *Store) DownloadURL(ctx context.Context, f File) (string, error) {
	if f.Expired(s.Now()) {
		return "", ErrGone
	}
	url, err := s.Signer.SignGet(ctx, f.Key, f.Version, f.Name, URLTTL)
	switch {
	case errors.Is(err, blob.ErrNotFound):
		return "", ErrGone
	case errors.Is(err, blob.ErrChanged):
		return "", ErrReplaced
	case err != nil:
		return "", fmt.Errorf("upload: sign a download of file %d: %w", f.ID, err)
	}
	return url, nil
}

func checkType(t Type) *Fault {
	if slices.Contains(Types, t) {
		return nil
	}
	return &Fault{Field: "type", Detail: "must be one of attachment, expenseReport, customIntegrationData, plugin"}
}
