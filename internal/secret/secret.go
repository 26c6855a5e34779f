package secret

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"time"

	"github.com/google/uuid"

	"muster/internal/org"
)

var (
	// ErrNotFound: the org has no such secret, or no such version of it. A secret of
	// another org, one whose deletion is scheduled and one that the vault refuses to
	// show are all this, in the same words.
	ErrNotFound = errors.New("secret: not found")
	// ErrUnavailable: the vault did not answer, or has too much to do. The same call
	// may succeed later.
	ErrUnavailable = errors.New("secret: the vault is not available")
	// ErrTooMany: there are as many versions, puts or secrets as the vault bears.
	// Nothing was put, and the same call will not succeed before BearsAgain.
	ErrTooMany = errors.New("secret: the vault bears no more")
)

// BearsAgain is how long after ErrTooMany one more Put of a secret may succeed: over
// time Secrets Manager bears one in 10 minutes
// (docs.aws.amazon.com/secretsmanager/latest/apireference/API_PutSecretValue.html).
const BearsAgain = 10 * time.Minute

// Hidden is an ErrNotFound, in its very words, of a vault that did not look or
// refused to show what it found: a policy or a key may be wrong, which nobody who
// asks may learn, and whoever runs Muster must.
type Hidden struct {
	// Cause is the vault's call and its code, without any name or value. It is for
	// the log alone.
	Cause string
}

func (*Hidden) Error() string { return ErrNotFound.Error() }
func (*Hidden) Unwrap() error { return ErrNotFound }

// MaxSize is the largest value in bytes, Secrets Manager's own limit
// (docs.aws.amazon.com/secretsmanager/latest/userguide/reference_limits.html).
const MaxSize = 65536

// Ref says where a value lies.
type Ref struct {
	// ARN is the vault's full name of the secret, as the vault answered it and never
	// as a person wrote it: a name can be deleted and made again by another.
	ARN string `json:"arn"`
	// Version is the one that counts; "" is the current one, which is how a secret
	// that a customer brought is read.
	Version string `json:"version,omitempty"`
}

// Vault keeps secrets. It is safe for concurrent use. Every method may fail with
// ErrUnavailable, or because its context ended, and those that write with ErrTooMany;
// no error holds any part of a value. An ErrNotFound may be a *Hidden.
type Vault interface {
	// Find looks up a secret that a customer named, by its ARN or its name, and
	// answers its full ARN. ErrNotFound, also for what cannot be a name. No error holds
	// the name: it may be a credential in the wrong place.
	Find(ctx context.Context, o org.ID, name string) (arn string, err error)
	// Get reads a value. ErrNotFound.
	Get(ctx context.Context, o org.ID, ref Ref) (Value, error)
	// Put adds a version to the secret that Muster keeps for o under name, and makes
	// the secret if it is not there, or is about to be deleted. version is a UUID that
	// the caller drew; the same version with the same value again changes nothing,
	// with another value it is an error. The version is not the current one before
	// Promote, but for a secret's first. CheckPut says which arguments are refused.
	//
	// A secret keeps its current version, the one that was current before it, and the
	// one put last; any other may be gone. So the version that a row names is to be
	// promoted before the next Put.
	Put(ctx context.Context, o org.ID, name, version string, v Value) (Ref, error)
	// Promote makes ref's version the current one. Again, it changes nothing.
	// ErrNotFound.
	Promote(ctx context.Context, o org.ID, ref Ref) error
	// Delete lets the secret go that Muster keeps for o under name; one that is not
	// there, or is going, is no error. It cannot reach a secret that a customer
	// brought.
	Delete(ctx context.Context, o org.ID, name string) error
}

// names are what a secret may be called in every vault, within an org. Its length is
// checked apart: as part of the form it would make the form 128 times as large, and
// that at the start of every process.
var names = regexp.MustCompile(`^[A-Za-z0-9_-]+$`)

// CheckPut is what every vault checks before a Put: a name of 1 to 128 letters,
// digits, _ and -, a version that is a UUID of 36 characters, and a value of 1 to
// MaxSize bytes.
func CheckPut(name, version string, v Value) error {
	switch _, err := uuid.Parse(version); {
	case len(name) > 128 || !names.MatchString(name):
		return fmt.Errorf("secret: the name %q is not one of 1 to 128 letters, digits, _ and -", name)
	case err != nil || len(version) != 36:
		return fmt.Errorf("secret: %s: the version %q is not a UUID", name, version)
	case len(v.Reveal()) == 0:
		return fmt.Errorf("secret: %s: there is no value to keep", name)
	case len(v.Reveal()) > MaxSize:
		return fmt.Errorf("secret: %s: the value has %d bytes, and a vault keeps %d", name, len(v.Reveal()), MaxSize)
	}
	return nil
}
