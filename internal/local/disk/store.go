package disk

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"muster/internal/blob"
)

var (
	_ blob.Store  = (*Store)(nil)
	_ blob.Signer = (*Store)(nil)
)

// Store is a directory of objects. It is safe for concurrent use.
type Store struct {
	objects, tmp string
	baseURL      func() string
	now          func() time.Time
	signKey      []byte
	maxPut       int64
	noSync       bool

	// names is held while entries of objects/ are removed, and shared while they are
	// made, so that a directory is not removed as empty between its making and its
	// first file. making is held while directories are made: whoever finds one there
	// may count on it.
	names  sync.RWMutex
	making sync.Mutex
}

// Option changes a Store before its first use.
type Option func(*Store)

// MaxPut bounds the body of one signed PUT, in bytes; 5 GiB, as S3's, unless set.
func MaxPut(n int64) Option { return func(s *Store) { s.maxPut = n } }

// NoSync leaves it to the operating system when an object reaches the disk: faster,
// and lost where the machine stops. It is for tests.
func NoSync(s *Store) { s.noSync = true }

// Open opens the directory, making it and its signing key if they are not there,
// and removes the files that a crash left half-written. baseURL is asked each
// time a URL is signed, for scheme and host ("http://127.0.0.1:3000"): a server
// on a free port knows them only once it listens.
func Open(dir string, baseURL func() string, now func() time.Time, opts ...Option) (*Store, error) {
	s := &Store{
		objects: filepath.Join(dir, "objects"),
		tmp:     filepath.Join(dir, "tmp"),
		baseURL: baseURL,
		now:     now,
		maxPut:  5 << 30,
	}
	for _, o := range opts {
		o(s)
	}
	if err := s.prepare(dir); err != nil {
		return nil, fmt.Errorf("disk: open %s: %w", dir, err)
	}
	return s, nil
}

func (s *Store) prepare(dir string) error {
	if err := os.RemoveAll(s.tmp); err != nil {
		return err
	}
	for _, d := range []string{dir, s.objects, s.tmp} {
		if err := os.MkdirAll(d, 0o700); err != nil {
			return err
		}
	}
	if err := s.syncDir(dir); err != nil {
		return err
	}
	var err error
	s.signKey, err = loadKey(dir, s.tmp)
	return err
}

// Put implements blob.Store.
func (s *Store) Put(ctx context.Context, key, contentType string, body io.Reader) (blob.Info, error) {
	return s.write(ctx, key, contentType, body, os.Link)
}

// replace is what a signed PUT does: Put over whatever lies there.
func (s *Store) replace(ctx context.Context, key, contentType string, body io.Reader) (blob.Info, error) {
	return s.write(ctx, key, contentType, body, os.Rename)
}

func (s *Store) write(ctx context.Context, key, contentType string, body io.Reader, enter func(tmp, file string) error) (blob.Info, error) {
	if err := blob.CheckKey(key); err != nil {
		return blob.Info{}, err
	}
	info, tmp, err := s.writeTemp(key, contentType, withContext(ctx, body))
	if tmp != "" {
		defer os.Remove(tmp) // its other name stays; after a rename there is nothing
	}
	if err != nil {
		return blob.Info{}, fmt.Errorf("disk: put %s: %w", key, err)
	}
	if err := s.enter(enter, tmp, filepath.Join(s.objects, fileOf(key))); err != nil {
		if errors.Is(err, fs.ErrExist) {
			return blob.Info{}, fmt.Errorf("%w: %s", blob.ErrExists, key)
		}
		return blob.Info{}, fmt.Errorf("disk: put %s: %w", key, err)
	}
	return info, nil
}

// enter makes the file's name the object's, durably.
func (s *Store) enter(how func(tmp, file string) error, tmp, file string) error {
	s.names.RLock()
	defer s.names.RUnlock()
	s.making.Lock()
	err := s.makeDir(filepath.Dir(file))
	s.making.Unlock()
	if err != nil {
		return err
	}
	// If we stop here: a whole file lies in tmp/ that no name leads to. The next
	// Open removes it (TestOpenRemovesHalfWrittenFiles).
	if err := how(tmp, file); err != nil {
		return err
	}
	return s.syncDir(filepath.Dir(file))
}

// makeDir is MkdirAll below objects/, each new entry made durable.
func (s *Store) makeDir(dir string) error {
	if dir == s.objects {
		return nil
	}
	if _, err := os.Stat(dir); err == nil {
		return nil
	}
	if err := s.makeDir(filepath.Dir(dir)); err != nil {
		return err
	}
	if err := os.Mkdir(dir, 0o700); err != nil {
		return err
	}
	return s.syncDir(filepath.Dir(dir))
}

// Open implements blob.Store.
func (s *Store) Open(_ context.Context, key, version string) (blob.Object, error) {
	if err := blob.CheckKey(key); err != nil {
		return nil, err
	}
	o, err := openObject(key, filepath.Join(s.objects, fileOf(key)))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%w: %s", blob.ErrNotFound, key)
	}
	if err != nil {
		return nil, fmt.Errorf("disk: open %s: %w", key, err)
	}
	if version != "" && version != o.info.Version {
		_ = o.Close()
		return nil, fmt.Errorf("%w: %s", blob.ErrChanged, key)
	}
	return o, nil
}

// List implements blob.Store. It holds the keys of one listing in memory.
func (s *Store) List(ctx context.Context, prefix string) iter.Seq2[blob.Info, error] {
	return func(yield func(blob.Info, error) bool) {
		keys, err := s.keys(prefix)
		if err != nil {
			yield(blob.Info{}, fmt.Errorf("disk: list %q: %w", prefix, err))
			return
		}
		for _, key := range keys {
			info, err := s.stat(ctx, key)
			if errors.Is(err, blob.ErrNotFound) {
				continue // deleted meanwhile
			}
			if !yield(info, err) || err != nil {
				return
			}
		}
	}
}

// stat is what a listing tells of an object.
func (s *Store) stat(ctx context.Context, key string) (blob.Info, error) {
	if err := ctx.Err(); err != nil {
		return blob.Info{}, fmt.Errorf("disk: list: %w", err)
	}
	o, err := s.Open(ctx, key, "")
	if err != nil {
		return blob.Info{}, err
	}
	info := o.Info()
	info.ContentType = ""
	return info, o.Close()
}

func (s *Store) keys(prefix string) ([]string, error) {
	root := s.objects
	if cut := strings.LastIndexByte(prefix, '/'); cut >= 0 {
		if blob.CheckKey(prefix[:cut]) != nil {
			return nil, nil // no key begins like this
		}
		root = filepath.Join(root, filepath.Join(namesOf(prefix[:cut])...))
	}
	var keys []string
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil // nothing there, or removed meanwhile
		}
		if err != nil || d.IsDir() || !strings.HasSuffix(path, objectMark) {
			return err
		}
		key, err := s.keyAt(path)
		if err == nil && strings.HasPrefix(key, prefix) {
			keys = append(keys, key)
		}
		return err
	})
	slices.Sort(keys) // escaped names sort otherwise
	return keys, err
}

func (s *Store) keyAt(path string) (string, error) {
	rel, err := filepath.Rel(s.objects, path)
	if err != nil {
		return "", err
	}
	return keyOf(rel)
}

// Delete implements blob.Store.
func (s *Store) Delete(_ context.Context, key string) error {
	if err := blob.CheckKey(key); err != nil {
		return err
	}
	file := filepath.Join(s.objects, fileOf(key))
	s.names.Lock()
	defer s.names.Unlock()
	if err := os.Remove(file); err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		return fmt.Errorf("disk: delete %s: %w", key, err)
	}
	dir := filepath.Dir(file)
	for dir != s.objects && os.Remove(dir) == nil { // only an empty one goes
		dir = filepath.Dir(dir)
	}
	if err := s.syncDir(dir); err != nil {
		return fmt.Errorf("disk: delete %s: %w", key, err)
	}
	return nil
}

// withContext makes reads of body fail once ctx has ended.
func withContext(ctx context.Context, body io.Reader) io.Reader {
	return readerFunc(func(p []byte) (int, error) {
		if err := ctx.Err(); err != nil {
			return 0, err
		}
		return body.Read(p)
	})
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

func (s *Store) syncDir(dir string) error {
	if s.noSync {
		return nil
	}
	return syncDir(dir)
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}
