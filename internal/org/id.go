package org

import (
	"fmt"
	"strings"

	"github.com/google/uuid"

	"muster/internal/table"
)

// ID is a tenant's id, a UUID. It comes from the API key of a request, or from a
// row or event that Muster itself wrote, and never from a request's body, path
// or cursor. Every row key and object path of a tenant is made by its methods:
// the type is what keeps tenants apart (invariant I8). The zero ID is no tenant
// and makes no key: its methods panic.
type ID struct{ u uuid.UUID }

// NewID draws the id of a new org (UUIDv7).
func NewID() ID { return ID{uuid.Must(uuid.NewV7())} }

// ParseID reads the 36-character form; any other text is an error.
func ParseID(s string) (ID, error) {
	u, err := uuid.Parse(s)
	if err != nil || len(s) != 36 || u == uuid.Nil {
		return ID{}, fmt.Errorf("org: %q is not an org id", s)
	}
	return ID{u}, nil
}

func (o ID) String() string {
	if o.IsZero() {
		return ""
	}
	return o.u.String()
}

// IsZero reports whether o is no tenant at all.
func (o ID) IsZero() bool { return o.u == uuid.Nil }

// UUID is the id as such, for ids that are derived from it.
func (o ID) UUID() uuid.UUID { return o.u }

func (o ID) MarshalText() ([]byte, error) { return []byte(o.String()), nil }

func (o *ID) UnmarshalText(b []byte) error {
	id, err := ParseID(string(b))
	if err == nil {
		*o = id
	}
	return err
}

// Part is the partition ORG#<org>#<name>#<name>… No name may hold '#': a name
// that came from outside must have been parsed to its own type before.
func (o ID) Part(names ...string) string {
	var b strings.Builder
	b.WriteString("ORG#" + o.must())
	for _, n := range names {
		if n == "" || strings.Contains(n, "#") {
			panic(fmt.Sprintf("org: %q in a partition", n))
		}
		b.WriteString("#" + n)
	}
	return b.String()
}

// Key is the row sort in the partition Part(names...).
func (o ID) Key(sort string, names ...string) table.Key {
	return table.Key{Part: o.Part(names...), Sort: sort}
}

// Path is the object key <kind>/<org>/<name>/<name>…; a name may hold no slash.
func (o ID) Path(kind string, names ...string) string {
	p := kind + "/" + o.must()
	for _, n := range names {
		if n == "" || n == "." || n == ".." || strings.Contains(n, "/") {
			panic(fmt.Sprintf("org: %q in an object's path", n))
		}
		p += "/" + n
	}
	return p
}

func (o ID) must() string {
	if o.IsZero() {
		panic("org: the zero ID is no tenant")
	}
	return o.u.String()
}
