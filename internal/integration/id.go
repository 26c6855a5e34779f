package integration

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"math"
	"strconv"

	"github.com/google/uuid"

	"muster/internal/org"
)

// ID is a system integration's id, a UUIDv7. Text from outside becomes one by
// ParseID only.
type ID struct{ u uuid.UUID }

// NewID draws an id.
func NewID() ID { return ID{uuid.Must(uuid.NewV7())} }

// TryID is the id of what a try makes that was given u, a UUIDv7; zero of zero.
func TryID(u uuid.UUID) ID { return ID{u} }

// hubID derives the id of an org's hub from the org's, so that however often the
// hub is made it is the same one. Its time is the org's: the hub is the first in
// every list.
func hubID(o org.ID) ID {
	u := o.UUID()
	sum := sha256.Sum256(append(u[:], "hub"...))
	copy(u[6:], sum[:10])
	u[6] = u[6]&0x0f | 0x70
	u[8] = u[8]&0x3f | 0x80
	return ID{u}
}

// ParseID reads the 36-character form, in lower or upper case; any other text is
// an error.
func ParseID(s string) (ID, error) {
	u, err := uuid.Parse(s)
	if err != nil || len(s) != 36 || u == uuid.Nil {
		return ID{}, fmt.Errorf("integration: %q is not an integration id", s)
	}
	return ID{u}, nil
}

// IsZero reports whether id names no integration.
func (id ID) IsZero() bool { return id.u == uuid.Nil }

func (id ID) String() string { return id.u.String() }

func (id ID) MarshalText() ([]byte, error) { return []byte(id.u.String()), nil }

func (id *ID) UnmarshalText(b []byte) error {
	v, err := ParseID(string(b))
	*id = v
	return err
}

// Ref names an integration by its id or its number; ParseRef makes it.
type Ref struct {
	id     ID
	number int32
}

// ErrRef: the text is neither an id nor a number that an integration could have.
var ErrRef = errors.New("integration: neither a UUID nor a number from 1 to 2147483647")

// ParseRef reads a UUID or decimal digits without a sign. ErrRef.
func ParseRef(s string) (Ref, error) {
	if id, err := ParseID(s); err == nil {
		return Ref{id: id}, nil
	}
	n, err := strconv.ParseUint(s, 10, 31)
	if err != nil || n < 1 || n > math.MaxInt32 {
		return Ref{}, ErrRef
	}
	return Ref{number: int32(n)}, nil
}

func (r Ref) String() string {
	if r.number > 0 {
		return strconv.Itoa(int(r.number))
	}
	return r.id.String()
}
