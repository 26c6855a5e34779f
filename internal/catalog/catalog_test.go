package catalog

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/uuid"
)

// Clients keep these ids: a change here breaks them.
func TestIDsAreFixed(t *testing.T) {
	for slug, want := range map[string]string{
		"twine":       "018f5c3e-8a00-7b1d-9d5e-6d7573746572",
		"custom_file": "018f5c3e-8a01-7c42-a1f0-66696c650001",
	} {
		s, ok := BySlug(slug)
		if !ok || s.ID.String() != want {
			t.Errorf("%s has the id %s, want %s", slug, s.ID, want)
		}
		if byID, ok := ByID(s.ID); !ok || byID.Slug != s.Slug {
			t.Errorf("ByID(%s) = %+v, %t", s.ID, byID, ok)
		}
		if s.ID.Version() != 7 || s.ID.Variant() != uuid.RFC4122 {
			t.Errorf("%s is no UUIDv7", s.ID)
		}
	}
}

func TestAbilities(t *testing.T) {
	var hubs, files []string
	for _, s := range Systems() {
		if s.Hub {
			hubs = append(hubs, s.Slug)
		}
		if s.TakesFile {
			files = append(files, s.Slug)
		}
	}
	if len(hubs) != 1 || hubs[0] != Hub().Slug || Hub().Slug != "twine" {
		t.Errorf("hubs are %v, Hub is %s", hubs, Hub().Slug)
	}
	if len(files) != 1 || files[0] != "custom_file" {
		t.Errorf("systems that take a file: %v", files)
	}
}

func TestUnknown(t *testing.T) {
	if _, ok := ByID(uuid.New()); ok {
		t.Error("a random id is in the catalogue")
	}
	if _, ok := BySlug(""); ok {
		t.Error("the empty slug is in the catalogue")
	}
}

// Systems answers a copy: what a caller does to it stays with the caller.
func TestSystemsIsACopy(t *testing.T) {
	Systems()[0].Name = "changed"
	if Systems()[0].Name == "changed" {
		t.Error("the catalogue was changed through Systems")
	}
}

func TestParseRefuses(t *testing.T) {
	const good = `{"id":"018f5c3e-8a00-7b1d-9d5e-6d7573746572","kind":"other","name":"A","slug":"a","updated_at":"2026-11-22T00:00:00Z"}`
	for name, tc := range map[string]string{
		"not JSON":                      `[`,
		"unknown member":                `[` + strings.Replace(good, `"name"`, `"nam":1,"name"`, 1) + `]`,
		"no slug":                       `[` + strings.Replace(good, `"a"`, `""`, 1) + `]`,
		"unknown kind":                  `[` + strings.Replace(good, "other", "another", 1) + `]`,
		"no last change":                `[` + strings.Replace(good, `,"updated_at":"2026-11-22T00:00:00Z"`, "", 1) + `]`,
		"a part of a second":            `[` + strings.Replace(good, `00Z`, "00.5Z", 1) + `]`,
		"more instructions than tokens": `[` + strings.Replace(good, `"name"`, `"token_names":["a"],"token_instructions":["b","c"],"name"`, 1) + `]`,
		"twice":                         `[` + good + `,` + good + `]`,
	} {
		if _, err := parse([]byte(tc)); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
	if ss, err := parse([]byte(`[` + good + `]`)); err != nil || len(ss) != 1 {
		t.Errorf("the good one: %v", err)
	}
}

func ExampleBySlug() {
	s, _ := BySlug("custom_file")
	fmt.Println(s.Name, s.Kind, s.TakesFile)
	// Output: Custom file other true
}
