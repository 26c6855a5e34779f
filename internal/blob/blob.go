package blob

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

var (
	// ErrNotFound: nothing lies under that key.
	ErrNotFound = errors.New("blob: no such object")
	// ErrExists: the key is taken; the object that lies there is untouched.
	ErrExists = errors.New("blob: key is taken")
	// ErrChanged: the object is there in another version than the one asked for.
	ErrChanged = errors.New("blob: object was replaced")
	// ErrInvalid: the key fails CheckKey, or there is no content type to sign.
	ErrInvalid = errors.New("blob: invalid key")
	// ErrUnavailable: the store did not answer, after the adapter's own retries.
	ErrUnavailable = errors.New("blob: store is unavailable")
)

// Info describes one object.
type Info struct {
	Key         string
	Version     string // opaque, the store's own; equal versions have equal bytes
	Size        int64
	ContentType string    // as given to Put or to the signed PUT; not filled by List
	Modified    time.Time // when it was put, by the store's clock
}

// Object is an open object. ReadAt is safe for concurrent use, each call reads
// one range, and every byte is of the version opened: ErrChanged otherwise, and
// ErrNotFound if it was deleted, unless the adapter still has the old bytes.
// Close ends the reads under way; closing twice is no error.
type Object interface {
	io.ReaderAt
	io.Closer
	Info() Info
}

// Store is the port. It is safe for concurrent use.
type Store interface {
	// Put stores body under a key that must be free. When it returns nil the
	// object is whole and durable. An error of body is returned, and nothing is
	// visible; nor is it after a crash of this process midway. ErrExists: what
	// lies there is another call's. Only after ErrUnavailable or an ended context
	// may the object be there, and then it is whole: who tries again after those
	// and must know what ErrExists means draws keys that nobody else writes.
	Put(ctx context.Context, key, contentType string, body io.Reader) (Info, error)

	// Open opens the object; version "" is whatever lies there now. The context
	// stays with the object: its reads may end when it does.
	// ErrNotFound, ErrChanged.
	Open(ctx context.Context, key, version string) (Object, error)

	// List yields what lies under the prefix, which may end within a name, in the
	// order of the keys' bytes; "" is everything. An error comes last.
	// Objects put or deleted meanwhile may or may not come.
	List(ctx context.Context, prefix string) iter.Seq2[Info, error]

	// Delete removes the object; one that is not there is no error.
	Delete(ctx context.Context, key string) error
}

// Signer makes URLs that work without a key until they expire.
type Signer interface {
	// SignPut: an HTTP PUT of up to 5 GiB with exactly this Content-Type, which is
	// not empty. A wrong or missing type and an expired URL are 403. Until it
	// expires the URL may be used again, and each use replaces the object.
	SignPut(ctx context.Context, key, contentType string, ttl time.Duration) (string, error)
	// SignGet: an HTTP GET of this version, sent as a download under filename.
	// ErrNotFound, ErrChanged. When the object is replaced after that, the local
	// URL stops working; S3's gives the new bytes, since a URL can name a version
	// only in a versioned bucket. So keep the ttl short.
	SignGet(ctx context.Context, key, version, filename string, ttl time.Duration) (string, error)
}

// Bucket is a Store with the Signer of its objects.
type Bucket interface {
	Store
	Signer
}

// CheckKey is the rule for keys; adapters call it first. Control characters are
// out because S3 lists keys in XML, which cannot hold them: one such key would
// make its whole folder unlistable.
func CheckKey(key string) error {
	if key == "" || len(key) > 900 || !utf8.ValidString(key) || strings.ContainsFunc(key, banned) {
		return fmt.Errorf("%w: %q is empty, too long, or holds what no key may", ErrInvalid, key)
	}
	for seg := range strings.SplitSeq(key, "/") {
		if seg == "" || seg == "." || seg == ".." {
			return fmt.Errorf("%w: %q has an empty or relative segment", ErrInvalid, key)
		}
	}
	return nil
}

func banned(r rune) bool { return r == '\\' || unicode.IsControl(r) || r == 0xFFFE || r == 0xFFFF }
