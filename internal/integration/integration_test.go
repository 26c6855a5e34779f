package integration_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"muster/internal/catalog"
	"muster/internal/integration"
	"muster/internal/job"
	"muster/internal/lease"
	"muster/internal/local/bolt"
	"muster/internal/org"
	"muster/internal/table"
	"muster/internal/table/tabletest"
)

var (
	acme   = org.NewID()
	other  = org.NewID()
	byText = cmp.Comparer(func(a, b fmt.Stringer) bool { return a.String() == b.String() })
)

func open(t *testing.T) *integration.Store {
	t.Helper()
	tab, err := bolt.Open(filepath.Join(t.TempDir(), "table.db"), time.Now)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = tab.Close() })
	now := time.Date(2031, 3, 4, 5, 6, 7, 8, time.UTC)
	return &integration.Store{Table: tab, Now: func() time.Time { return now }}
}

func customFile(t *testing.T) uuid.UUID {
	t.Helper()
	s, ok := catalog.BySlug("custom_file")
	if !ok {
		t.Fatal("the catalogue has no custom_file")
	}
	return s.ID
}

func ref(t *testing.T, text string) integration.Ref {
	t.Helper()
	r, err := integration.ParseRef(text)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func create(t *testing.T, s *integration.Store, o org.ID, description string) integration.Integration {
	t.Helper()
	i, err := s.Create(t.Context(), o, integration.New{System: customFile(t), Description: description})
	if err != nil {
		t.Fatal(err)
	}
	return i
}

func TestCreate(t *testing.T) {
	s := open(t)
	got := create(t, s, acme, "Wiki accounts")
	system, _ := catalog.BySlug("custom_file")
	at := time.Date(2031, 3, 4, 5, 6, 7, 0, time.UTC)
	want := integration.Integration{
		ID: got.ID, Org: acme, Number: 1, System: system, Description: "Wiki accounts",
		RemovalGuard: integration.Guard{MaxPercent: 50, MaxCount: 100}, InsertedAt: at, UpdatedAt: at,
	}
	if diff := cmp.Diff(want, got, byText); diff != "" {
		t.Error(diff)
	}
	if u := uuid.MustParse(got.ID.String()); u.Version() != 7 {
		t.Errorf("%s is no UUIDv7", u)
	}
	for _, text := range []string{got.ID.String(), strings.ToUpper(got.ID.String()), "1", "01"} {
		ref := ref(t, text)
		found, err := s.Find(t.Context(), acme, ref)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, found, byText); diff != "" {
			t.Errorf("by %s: %s", text, diff)
		}
		if _, err := s.Find(t.Context(), other, ref); !errors.Is(err, integration.ErrNotFound) {
			t.Errorf("another org finds it by %s: %v", text, err)
		}
	}
	// Its lease is there, and free.
	jobs := job.Store{Table: s.Table, Now: s.Now}
	if _, _, err := jobs.Running(t.Context(), acme, got.ID.String()); !errors.Is(err, job.ErrNotFound) {
		t.Errorf("lease of a new integration: %v, want a free one", err)
	}
}

func TestCreateRefuses(t *testing.T) {
	s, file := open(t), customFile(t)
	for name, tc := range map[string]struct {
		new  integration.New
		want []string
	}{
		"unknown system":      {integration.New{System: uuid.New()}, []string{"/system_id"}},
		"no system":           {integration.New{}, []string{"/system_id"}},
		"the hub":             {integration.New{System: catalog.Hub().ID}, []string{"/system_id"}},
		"credentials":         {integration.New{System: file, HasAuth: true}, []string{"/auth"}},
		"own settings":        {integration.New{System: file, HasCustom: true}, []string{"/system_custom"}},
		"a template":          {integration.New{System: file, FromTemplate: true}, []string{"/template_id"}},
		"a long description":  {integration.New{System: file, Description: strings.Repeat("é", 1001)}, []string{"/description"}},
		"no text":             {integration.New{System: file, Description: "\xff"}, []string{"/description"}},
		"everything at once":  {integration.New{System: file, HasAuth: true, HasCustom: true, FromTemplate: true}, []string{"/auth", "/system_custom", "/template_id"}},
		"all of an unknown's": {integration.New{HasAuth: true, HasCustom: true, FromTemplate: true}, []string{"/system_id", "/template_id"}},
	} {
		_, err := s.Create(t.Context(), acme, tc.new)
		var invalid *integration.Invalid
		if !errors.As(err, &invalid) {
			t.Errorf("%s: %v, want *Invalid", name, err)
			continue
		}
		var got []string
		for _, f := range invalid.Faults {
			got = append(got, f.Pointer)
		}
		if diff := cmp.Diff(tc.want, got); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
	if page, _, err := s.List(t.Context(), acme, integration.Page{Limit: 10}); err != nil || len(page) != 0 {
		t.Errorf("something was made: %v, %v", page, err)
	}
}

func TestNumbersAreTheOrgsOwn(t *testing.T) {
	s := open(t)
	const n = 20
	numbers := make([]int32, n)
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() {
			made, err := s.Create(t.Context(), acme, integration.New{System: customFile(t)})
			if err != nil {
				t.Error(err)
			}
			numbers[i] = made.Number
		})
	}
	wg.Wait()
	seen := map[int32]bool{}
	for _, k := range numbers {
		if k < 1 || k > n || seen[k] {
			t.Errorf("number %d is out of range or taken", k)
		}
		seen[k] = true
	}
	if first := create(t, s, other, ""); first.Number != 1 {
		t.Errorf("the first of another org has number %d", first.Number)
	}
}

func TestEnsureHub(t *testing.T) {
	s := open(t)
	var wg sync.WaitGroup
	hubs := make([]integration.Integration, 8)
	for i := range hubs {
		wg.Go(func() {
			var err error
			if hubs[i], err = s.EnsureHub(t.Context(), acme); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	for _, h := range hubs {
		if h.ID != hubs[0].ID || h.Number != hubs[0].Number || h.System.Slug != "twine" {
			t.Errorf("hub %+v, and %+v", h, hubs[0])
		}
	}
	if u := uuid.MustParse(hubs[0].ID.String()); u.Version() != 7 || u.Variant() != uuid.RFC4122 {
		t.Errorf("%s is no UUIDv7", u)
	}
	create(t, s, acme, "")
	page, _, err := s.List(t.Context(), acme, integration.Page{Limit: 10})
	if err != nil || len(page) != 2 || page[0].ID != hubs[0].ID {
		t.Errorf("the list begins with %+v, %v; want the hub and one more", page, err)
	}
	theirs, err := s.EnsureHub(t.Context(), other)
	if err != nil || theirs.ID == hubs[0].ID {
		t.Errorf("two orgs share the hub %s, %v", theirs.ID, err)
	}
}

func TestList(t *testing.T) {
	s := open(t)
	var ids []string
	for i := range 5 {
		ids = append(ids, create(t, s, acme, fmt.Sprint(i)).ID.String())
	}
	create(t, s, other, "theirs")
	id := func(i int) integration.ID {
		v, err := integration.ParseID(ids[i])
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	for name, tc := range map[string]struct {
		page integration.Page
		want []string
		more bool
	}{
		"all":              {integration.Page{Limit: 10}, ids, false},
		"exactly":          {integration.Page{Limit: 5}, ids, false},
		"first two":        {integration.Page{Limit: 2}, ids[:2], true},
		"after the second": {integration.Page{Limit: 2, After: id(1)}, ids[2:4], true},
		"after the last":   {integration.Page{Limit: 2, After: id(4)}, nil, false},
		"last two":         {integration.Page{Limit: 2, Backward: true}, ids[3:], true},
		"before the third": {integration.Page{Limit: 5, Backward: true, Before: id(2)}, ids[:2], false},
		"one before it":    {integration.Page{Limit: 1, Backward: true, Before: id(2)}, ids[1:2], true},
		"between":          {integration.Page{Limit: 5, After: id(0), Before: id(3)}, ids[1:3], false},
	} {
		page, more, err := s.List(t.Context(), acme, tc.page)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, i := range page {
			got = append(got, i.ID.String())
		}
		if diff := cmp.Diff(tc.want, got); diff != "" || more != tc.more {
			t.Errorf("%s: more %t, %s", name, more, diff)
		}
	}
}

func TestParseRef(t *testing.T) {
	for _, text := range []string{"", "0", "-1", "+1", "1.0", " 1", "2147483648", "4294967297", "0x10", "a", "1#LEASE",
		"{018f5c3e-8a00-7b1d-9d5e-6d7573746572}", "018f5c3e8a007b1d9d5e6d7573746572", uuid.Nil.String(), "urn:uuid:018f5c3e-8a00-7b1d-9d5e-6d7573746572"} {
		if ref, err := integration.ParseRef(text); !errors.Is(err, integration.ErrRef) {
			t.Errorf("%q is %s, %v", text, ref, err)
		}
	}
	for _, text := range []string{"1", "2147483647", "018f5c3e-8a00-7b1d-9d5e-6d7573746572"} {
		if ref, err := integration.ParseRef(text); err != nil || ref.String() != text {
			t.Errorf("%q is %s, %v", text, ref, err)
		}
	}
}

// Whatever write a process stops at, an integration is there whole, with its
// number and its lease, or not at all.
func TestCreateStopsAnywhere(t *testing.T) {
	for _, after := range []bool{false, true} {
		for n := 1; n <= 2; n++ { // the number, the rows
			s := open(t)
			faulty := &tabletest.Faulty{Table: s.Table, Hook: tabletest.KillAt(n, after)}
			dying := *s
			dying.Table = faulty
			if _, err := dying.EnsureHub(t.Context(), acme); !errors.Is(err, tabletest.ErrStopped) || faulty.Faults() != 1 {
				t.Fatalf("%v, %d faults", err, faulty.Faults())
			}
			hub, err := s.EnsureHub(t.Context(), acme)
			if err != nil {
				t.Fatal(err)
			}
			page, _, err := s.List(t.Context(), acme, integration.Page{Limit: 10})
			if err != nil || len(page) != 1 {
				t.Errorf("%d integrations, %v", len(page), err)
			}
			if got, err := s.Find(t.Context(), acme, ref(t, fmt.Sprint(hub.Number))); err != nil || got.ID != hub.ID {
				t.Errorf("number %d leads to %s, %v", hub.Number, got.ID, err)
			}
			if _, err := lease.Read(t.Context(), s.Table, job.LeaseKey(acme, hub.ID.String())); err != nil {
				t.Errorf("lease: %v", err)
			}
		}
	}
}

// Whatever a try under an id stopped at, the next one of that id answers with the
// one integration there is.
func TestTriesOfOneIDMakeOne(t *testing.T) {
	for _, after := range []bool{false, true} {
		for n := 1; n <= 2; n++ { // the number, the rows
			s := open(t)
			asked := integration.New{ID: integration.NewID(), System: customFile(t), Description: "Wiki"}
			faulty := &tabletest.Faulty{Table: s.Table, Hook: tabletest.KillAt(n, after)}
			dying := *s
			dying.Table = faulty
			if _, err := dying.Create(t.Context(), acme, asked); !errors.Is(err, tabletest.ErrStopped) || faulty.Faults() != 1 {
				t.Fatalf("%v, %d faults", err, faulty.Faults())
			}
			var wg sync.WaitGroup
			var made [8]integration.Integration
			for i := range made {
				wg.Go(func() {
					var err error
					if made[i], err = s.Create(t.Context(), acme, asked); err != nil {
						t.Error(err)
					}
				})
			}
			wg.Wait()
			page, _, err := s.List(t.Context(), acme, integration.Page{Limit: 10})
			if err != nil || len(page) != 1 || page[0].ID != asked.ID || page[0].Description != "Wiki" {
				t.Fatalf("%+v, %v", page, err)
			}
			for _, m := range made {
				if diff := cmp.Diff(page[0], m, cmp.Comparer(func(a, b integration.ID) bool { return a == b }), cmp.Comparer(func(a, b org.ID) bool { return a == b })); diff != "" {
					t.Error(diff)
				}
			}
		}
	}
}

func TestCreateSurvivesALostReply(t *testing.T) {
	s := open(t)
	faulty := &tabletest.Faulty{Table: s.Table, Hook: func(c tabletest.Call) tabletest.Fault {
		if c.Method == tabletest.Write {
			return tabletest.LostReply(&table.Conflict{Key: c.Writes[0].Key})
		}
		return tabletest.None()
	}}
	s.Table = faulty
	if got := create(t, s, acme, ""); got.Number != 1 || faulty.Faults() != 1 {
		t.Errorf("%+v, %d faults", got, faulty.Faults())
	}
}

func TestTrigger(t *testing.T) {
	s := open(t)
	i, trigger := create(t, s, acme, ""), uuid.NewString()
	row := table.Put(acme.Key("TRIGGER#"+trigger, "INTEGRATION", i.ID.String()), integration.Trigger{Revision: 3, Enabled: true}, table.Absent)
	if err := s.Table.Write(t.Context(), row); err != nil {
		t.Fatal(err)
	}
	got, err := s.Trigger(t.Context(), acme, i.ID, trigger)
	if err != nil || got != (integration.Trigger{Revision: 3, Enabled: true}) {
		t.Errorf("Trigger = %+v, %v", got, err)
	}
	for name, tc := range map[string]struct {
		org         org.ID
		integration integration.ID
		trigger     string
	}{
		"another org's":       {other, i.ID, trigger},
		"another integration": {acme, integration.NewID(), trigger},
		"unknown":             {acme, i.ID, uuid.NewString()},
		"no id":               {acme, i.ID, "x"},
	} {
		if _, err := s.Trigger(t.Context(), tc.org, tc.integration, tc.trigger); !errors.Is(err, integration.ErrNotFound) {
			t.Errorf("%s: %v, want ErrNotFound", name, err)
		}
	}
	for name, tc := range map[string]struct {
		trigger  integration.Trigger
		revision int64
		want     bool
	}{
		"as it is":        {integration.Trigger{Revision: 3, Enabled: true}, 3, true},
		"older":           {integration.Trigger{Revision: 3, Enabled: true}, 2, false},
		"off":             {integration.Trigger{Revision: 3}, 3, false},
		"newer, somehow":  {integration.Trigger{Revision: 3, Enabled: true}, 4, false},
		"the zero of all": {integration.Trigger{}, 0, false},
	} {
		if got := tc.trigger.Due(tc.revision); got != tc.want {
			t.Errorf("%s: %t", name, got)
		}
	}
}

func TestUnavailablePassesThrough(t *testing.T) {
	s := open(t)
	s.Table = &tabletest.Faulty{Table: s.Table, Hook: func(tabletest.Call) tabletest.Fault {
		return tabletest.NotApplied(table.ErrUnavailable)
	}}
	_, errCreate := s.Create(t.Context(), acme, integration.New{System: customFile(t)})
	_, errHub := s.EnsureHub(t.Context(), acme)
	_, errGet := s.Get(t.Context(), acme, integration.NewID())
	_, errFind := s.Find(t.Context(), acme, ref(t, "1"))
	_, _, errList := s.List(t.Context(), acme, integration.Page{Limit: 1})
	_, errTrigger := s.Trigger(t.Context(), acme, integration.NewID(), uuid.NewString())
	for i, err := range []error{errCreate, errHub, errGet, errFind, errList, errTrigger} {
		if !errors.Is(err, table.ErrUnavailable) {
			t.Errorf("call %d: %v", i, err)
		}
	}
}

func Example() {
	dir, err := os.MkdirTemp("", "muster")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	tab, err := bolt.Open(filepath.Join(dir, "table.db"), time.Now)
	if err != nil {
		log.Fatal(err)
	}
	defer tab.Close()

	ctx, acme := context.Background(), org.NewID()
	s := &integration.Store{Table: tab, Now: time.Now}
	hub, err := s.EnsureHub(ctx, acme)
	if err != nil {
		log.Fatal(err)
	}
	system, _ := catalog.BySlug("custom_file")
	wiki, err := s.Create(ctx, acme, integration.New{System: system.ID, Description: "Wiki"})
	if err != nil {
		log.Fatal(err)
	}
	ref, err := integration.ParseRef("2")
	if err != nil {
		log.Fatal(err)
	}
	found, err := s.Find(ctx, acme, ref)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(hub.Name(), hub.Number)
	fmt.Println(found.Name(), found.Number, found.ID == wiki.ID)
	// Output:
	// Muster 1
	// Wiki 2 true
}
