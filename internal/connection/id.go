package connection

import (
	"fmt"

	"github.com/google/uuid"
)

// ID is a connection's id, a UUIDv7. Text from outside becomes one by ParseID
// only.
type ID struct{ u uuid.UUID }

// NewID draws an id.
func NewID() ID { return ID{uuid.Must(uuid.NewV7())} }

// TryID is the id of what a try makes that was given u, a UUIDv7; zero of zero.
func TryID(u uuid.UUID) ID { return ID{u} }

// ParseID reads the 36-character form, in lower or upper case; any other text is
// an error.
func ParseID(s string) (ID, error) {
	u, err := uuid.Parse(s)
	if err != nil || len(s) != 36 || u == uuid.Nil {
		return ID{}, fmt.Errorf("connection: %q is not a connection id", s)
	}
	return ID{u}, nil
}

// IsZero reports whether id names no connection.
func (id ID) IsZero() bool { return id.u == uuid.Nil }

func (id ID) String() string { return id.u.String() }

func (id ID) MarshalText() ([]byte, error) { return []byte(id.u.String()), nil }

func (id *ID) UnmarshalText(b []byte) error {
	v, err := ParseID(string(b))
	*id = v
	return err
}
