package connection

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"muster/internal/org"
	"muster/internal/secret"
	"muster/internal/table"
)

// ErrNotFound: the org has no such connection.
var ErrNotFound = errors.New("connection: not found")

// DefaultEnvironment is a connection's that names none.
const DefaultEnvironment = "Production"

// Connection is one customer's access to one third-party system. Its secrets are
// in the vault; here is where.
type Connection struct {
	ID              ID        `json:"id"`
	Org             org.ID    `json:"org"`
	IntegrationType string    `json:"integration_type"`           // the third-party system, as hubspot
	IntegrationName string    `json:"integration_name,omitempty"` // "": none
	ExternalXRef    string    `json:"external_xref,omitempty"`    // the customer's own user; "": none
	Environment     string    `json:"environment"`
	Permissions     []string  `json:"permissions"`
	Categories      []string  `json:"categories"`
	Auth            Auth      `json:"auth,omitzero"`
	Secret          Secret    `json:"secret,omitzero"`
	CreatedAt       time.Time `json:"created_at"` // UTC, whole seconds
	UpdatedAt       time.Time `json:"updated_at"`
	Health          Health    `json:"-"`
}

// Secret says where a connection's credential lies; the zero Secret is none.
type Secret struct {
	secret.Ref
	// Name is set of a secret that Muster keeps: its name in the vault, which no
	// other secret ever had or will have. "" is one that the customer brought.
	Name string `json:"name,omitempty"`
}

// Ours reports whether Muster made the secret, and so has to let it go.
func (s Secret) Ours() bool { return s.Name != "" }

// Brought is the ARN of the secret that the customer brought; "" if none was.
func (s Secret) Brought() string {
	if s.Ours() {
		return ""
	}
	return s.ARN
}

// doc is a connection as it is stored.
type doc struct {
	Format int `json:"format"`
	Connection
}

const format = 1

func docKey(o org.ID, id ID) table.Key { return o.Key(id.String(), "CONNECTION") }

// Store reads the connections of all orgs. Its fields are set once, before use;
// it is safe for concurrent use.
type Store struct {
	Table  table.Table
	Now    func() time.Time
	Limits Limits // nil: the breaker that an org has by default, and no quota
	Log    *slog.Logger
}

// warn is a line of the log about a connection.
func (s *Store) warn(ctx context.Context, o org.ID, id ID, what string, more ...slog.Attr) {
	s.Log.LogAttrs(ctx, slog.LevelWarn, what, append([]slog.Attr{slog.String("org", o.String()), slog.String("connection", id.String())}, more...)...)
}

// Get reads one connection. ErrNotFound.
func (s *Store) Get(ctx context.Context, o org.ID, id ID) (Connection, error) {
	f, err := s.find(ctx, o, id)
	if err == nil {
		f.Health, err = s.health(ctx, o, id)
	}
	if err != nil {
		return Connection{}, fmt.Errorf("get connection %s of org %s: %w", id, o, err)
	}
	return f.Connection, nil
}

// found is a connection as its row was read.
type found struct {
	Connection
	version string
	size    int // bytes of the row
}

func (s *Store) find(ctx context.Context, o org.ID, id ID) (found, error) {
	row, err := s.Table.Get(ctx, docKey(o, id))
	if errors.Is(err, table.ErrNotFound) {
		return found{}, ErrNotFound
	}
	var d doc
	if err == nil {
		err = row.Decode(&d)
	}
	return found{d.Connection, row.Version, len(row.Body)}, err
}

// fetching is how many rows of a page are read at a time.
const fetching = 32

// fetch reads connections without their health, in the order of ids. One that is
// gone is left out.
func (s *Store) fetch(ctx context.Context, o org.ID, ids []ID) ([]found, error) {
	read := make([]found, len(ids))
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(fetching)
	for i, id := range ids {
		g.Go(func() (err error) {
			if read[i], err = s.find(ctx, o, id); errors.Is(err, ErrNotFound) {
				return nil
			}
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	return slices.DeleteFunc(read, func(f found) bool { return f.ID.IsZero() }), nil
}

// Fault is one thing that is wrong with what was asked for.
type Fault struct {
	Pointer string // JSON pointer into the request
	Detail  string // what is expected, and nothing of what was given
}

// Invalid says everything that is wrong with what was asked for.
type Invalid struct{ Faults []Fault }

func (e *Invalid) Error() string {
	var b strings.Builder
	b.WriteString("connection: invalid")
	for _, f := range e.Faults {
		b.WriteString("; " + f.Pointer + " " + f.Detail)
	}
	return b.String()
}

func invalid(pointer, detail string) error { return &Invalid{[]Fault{{pointer, detail}}} }
