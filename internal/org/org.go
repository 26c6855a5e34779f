package org

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"math"
	"regexp"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"muster/internal/table"
)

var (
	// ErrNotFound: there is no such org, or no such key in it.
	ErrNotFound = errors.New("org: not found")
	// ErrInvalid: a name, domain or role that cannot be.
	ErrInvalid = errors.New("org: invalid")
)

// Org is one tenant.
type Org struct {
	ID          ID
	Number      int32 // positive, unique in the deployment, never used again
	CompanyName string
	Domain      string // "" if it was not given
	CreatedAt   time.Time
	Settings    Settings
}

// Store keeps orgs and their keys in the table. It is safe for concurrent use.
type Store struct {
	table table.Table
	now   func() time.Time
	cache cache
}

// NewStore keeps orgs in t. A Store remembers keys it has seen: make one per process.
func NewStore(t table.Table, now func() time.Time) *Store {
	return &Store{table: t, now: now, cache: cache{entries: map[hash]entry{}}}
}

const (
	orgsPart   = "ORGS"
	numberPart = "ORGS#NUMBER" // the counter's own, so that no List meets it
	format     = 1             // of the rows below
)

// orgRow is an org as it is stored. What it leaves out has its default.
type orgRow struct {
	Format          int       `json:"format"`
	ID              ID        `json:"id"`
	Number          int32     `json:"number"`
	CompanyName     string    `json:"company_name"`
	Domain          string    `json:"domain,omitempty"`
	CreatedAt       time.Time `json:"created_at"`
	DisplayCurrency string    `json:"display_currency,omitempty"`
	RetentionDays   int       `json:"retention_days,omitempty"`
	BreakerFailures *int      `json:"breaker_failures,omitempty"` // 0 is chosen: never
	MonthlySyncs    int       `json:"monthly_syncs,omitempty"`
}

func (r orgRow) org() Org {
	s := DefaultSettings
	if r.DisplayCurrency != "" {
		s.DisplayCurrency = r.DisplayCurrency
	}
	if r.RetentionDays > 0 {
		s.RetentionDays = r.RetentionDays
	}
	if r.BreakerFailures != nil {
		s.BreakerFailures = *r.BreakerFailures
	}
	s.MonthlySyncs = r.MonthlySyncs
	return Org{r.ID, r.Number, r.CompanyName, r.Domain, r.CreatedAt, s}
}

func orgKey(id ID) table.Key { return table.Key{Part: orgsPart, Sort: id.must()} }

// Create makes an org. The name is 1 to 200 characters; domain, which may be "",
// is a host name and is kept in lower case. Calling it twice makes two orgs.
func (s *Store) Create(ctx context.Context, name, domain string) (Org, error) {
	name, domain = strings.TrimSpace(name), strings.ToLower(strings.TrimSpace(domain))
	if err := checkNames(name, domain); err != nil {
		return Org{}, err
	}
	// If we stop here: nothing exists. After it, a number is spent and names
	// nobody: numbers may have gaps (TestCreateSurvivesALostReply).
	n, err := s.table.Add(ctx, table.Key{Part: numberPart, Sort: "LAST"}, 1, time.Time{})
	if err != nil {
		return Org{}, fmt.Errorf("create org: number: %w", err)
	}
	if n < 1 || n > math.MaxInt32 {
		return Org{}, fmt.Errorf("create org: number %d is no positive int32", n)
	}
	row := orgRow{Format: format, ID: NewID(), Number: int32(n), CompanyName: name, Domain: domain, CreatedAt: s.now().UTC().Truncate(time.Second)}
	// If we stop here: the org is there or it is not, and nothing else names it.
	// An org without a key is of no use and does no harm.
	if err := table.WriteOnce(ctx, s.table, table.Put(orgKey(row.ID), row, table.Absent)); err != nil {
		return Org{}, fmt.Errorf("create org %s: %w", row.ID, err)
	}
	return row.org(), nil
}

// domainForm is compiled when an org is made, which no function does.
var domainForm = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`^([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$`)
})

func checkNames(name, domain string) error {
	switch {
	case name == "" || utf8.RuneCountInString(name) > 200 || !utf8.ValidString(name):
		return fmt.Errorf("%w: a company's name has 1 to 200 characters", ErrInvalid)
	case domain != "" && (len(domain) > 253 || !domainForm().MatchString(domain)):
		return fmt.Errorf("%w: %q is no domain; give one such as example.com, or none", ErrInvalid, domain)
	}
	return nil
}

// Get reads one org. ErrNotFound.
func (s *Store) Get(ctx context.Context, id ID) (Org, error) {
	row, err := s.table.Get(ctx, orgKey(id))
	if errors.Is(err, table.ErrNotFound) {
		return Org{}, fmt.Errorf("get org %s: %w", id, ErrNotFound)
	}
	if err != nil {
		return Org{}, fmt.Errorf("get org %s: %w", id, err)
	}
	return decodeOrg(row)
}

// List yields the orgs of the deployment, oldest first. An error comes last.
func (s *Store) List(ctx context.Context) iter.Seq2[Org, error] {
	return func(yield func(Org, error) bool) {
		for row, err := range s.table.List(ctx, orgsPart, table.Query{}) {
			var o Org
			if err == nil {
				o, err = decodeOrg(row)
			}
			if err != nil {
				yield(Org{}, fmt.Errorf("list orgs: %w", err))
				return
			}
			if !yield(o, nil) {
				return
			}
		}
	}
}

func decodeOrg(row table.Row) (Org, error) {
	var r orgRow
	if err := row.Decode(&r); err != nil {
		return Org{}, err
	}
	return r.org(), nil
}
