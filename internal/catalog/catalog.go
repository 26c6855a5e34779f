package catalog

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/google/uuid"
)

// Kind says what a system is for.
type Kind string

const (
	HR               Kind = "hr"
	Payroll          Kind = "payroll"
	TimeTracking     Kind = "time_tracking"
	IdentityProvider Kind = "identity_provider"
	Other            Kind = "other"
)

var kinds = []Kind{HR, Payroll, TimeTracking, IdentityProvider, Other}

// System is one entry of the catalogue.
type System struct {
	ID      uuid.UUID `json:"id"`
	Kind    Kind      `json:"kind"`
	Name    string    `json:"name"`
	Slug    string    `json:"slug"`               // unique
	LogoURL string    `json:"logo_url,omitempty"` // "": none

	Categories []string `json:"categories,omitempty"` // Unified.to's words, as hris
	// TokenNames are the parts that a credential of it has where that is no OAuth2, in
	// the order in which a connection takes them; TokenInstructions tell a person how
	// to find each.
	TokenNames        []string  `json:"token_names,omitempty"`
	TokenInstructions []string  `json:"token_instructions,omitempty"`
	UpdatedAt         time.Time `json:"updated_at"` // of this entry; whole seconds

	// Hub: each org has exactly one integration of it, made with the org.
	Hub bool `json:"hub,omitempty"`
	// TakesFile: its users may come from an uploaded file.
	TakesFile bool `json:"takes_file,omitempty"`
}

//go:embed systems.json
var file []byte

// systems is read on first use. The file is compiled in, so that a bad one is a
// mistake of ours, which any test meets.
var systems = sync.OnceValue(func() []System {
	ss, err := parse(file)
	if err != nil {
		panic(err)
	}
	return ss
})

func parse(b []byte) ([]System, error) {
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	var ss []System
	if err := d.Decode(&ss); err != nil {
		return nil, fmt.Errorf("catalog: systems.json: %w", err)
	}
	seen := map[string]bool{}
	for _, s := range ss {
		id := s.ID.String()
		switch {
		case s.ID == uuid.Nil || s.Name == "" || s.Slug == "" || !slices.Contains(kinds, s.Kind):
			return nil, fmt.Errorf("catalog: systems.json: %q lacks an id, name, slug or kind", s.Slug)
		case s.UpdatedAt.IsZero() || s.UpdatedAt.Nanosecond() != 0:
			return nil, fmt.Errorf("catalog: systems.json: %q lacks the time of its last change, in whole seconds", s.Slug)
		case len(s.TokenInstructions) > len(s.TokenNames):
			return nil, fmt.Errorf("catalog: systems.json: %q tells how to find more tokens than it takes", s.Slug)
		case seen[id] || seen[s.Slug]:
			return nil, fmt.Errorf("catalog: systems.json: id or slug of %q is there twice", s.Slug)
		}
		seen[id], seen[s.Slug] = true, true
	}
	return ss, nil
}

// Systems are all of them, in the file's order.
func Systems() []System { return slices.Clone(systems()) }

// ByID finds a system by its id.
func ByID(id uuid.UUID) (System, bool) {
	return find(func(s System) bool { return s.ID == id })
}

// BySlug finds a system by its slug.
func BySlug(slug string) (System, bool) {
	return find(func(s System) bool { return s.Slug == slug })
}

// Hub is the system that stands for Muster itself.
func Hub() System {
	s, ok := find(func(s System) bool { return s.Hub })
	if !ok {
		panic("catalog: systems.json has no hub")
	}
	return s
}

func find(match func(System) bool) (System, bool) {
	if i := slices.IndexFunc(systems(), match); i >= 0 {
		return systems()[i], true
	}
	return System{}, false
}
