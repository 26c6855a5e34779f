package org_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"muster/internal/org"
	"muster/internal/table"
)

func create(t *testing.T, s *org.Store) org.Org {
	t.Helper()
	o, err := s.Create(t.Context(), "Acme", "acme.example")
	if err != nil {
		t.Fatal(err)
	}
	return o
}

func createKey(t *testing.T, s *org.Store, id org.ID, role org.Role) (org.Key, org.Secret) {
	t.Helper()
	k, secret, err := s.CreateKey(t.Context(), id, role)
	if err != nil {
		t.Fatal(err)
	}
	return k, secret
}

var noID = cmp.Comparer(func(a, b org.ID) bool { return a == b })

func TestCreate(t *testing.T) {
	s := org.NewStore(newFake(), time.Now)
	first, err := s.Create(t.Context(), "  Acme AB ", "ACME.Example")
	if err != nil {
		t.Fatal(err)
	}
	if first.Number != 1 || first.CompanyName != "Acme AB" || first.Domain != "acme.example" || first.Settings != org.DefaultSettings {
		t.Errorf("got %+v", first)
	}
	second, err := s.Create(t.Context(), "No Domain", "")
	if err != nil {
		t.Fatal(err)
	}
	if second.Number != 2 {
		t.Errorf("second org has number %d", second.Number)
	}
	got, err := s.Get(t.Context(), second.ID)
	if err != nil || !cmp.Equal(got, second, noID) {
		t.Errorf("Get = %+v, %v", got, err)
	}
	var all []org.Org
	for o, err := range s.List(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, o)
	}
	if diff := cmp.Diff([]org.Org{first, second}, all, noID); diff != "" {
		t.Errorf("List: %s", diff)
	}
}

func TestCreateRefuses(t *testing.T) {
	for name, tc := range map[string]struct{ company, domain string }{
		"no name":        {" ", ""},
		"a long name":    {strings.Repeat("x", 201), ""},
		"invalid UTF-8":  {"\xff", ""},
		"a URL":          {"Acme", "https://acme.example"},
		"one label":      {"Acme", "localhost"},
		"an empty label": {"Acme", "acme..example"},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFake()
			_, err := org.NewStore(f, time.Now).Create(t.Context(), tc.company, tc.domain)
			if !errors.Is(err, org.ErrInvalid) || len(f.rows)+len(f.counters) > 0 {
				t.Errorf("err %v, %d rows", err, len(f.rows))
			}
		})
	}
}

func TestCreateSurvivesALostReply(t *testing.T) {
	f := newFake()
	f.lostOnce = true
	s := org.NewStore(f, time.Now)
	o := create(t, s)
	if f.lostOnce {
		t.Fatal("no reply was lost")
	}
	if got, err := s.Get(t.Context(), o.ID); err != nil || got.Number != o.Number {
		t.Errorf("Get = %+v, %v", got, err)
	}
}

func TestCreateKeySurvivesALostReply(t *testing.T) {
	f := newFake()
	s := org.NewStore(f, time.Now)
	o := create(t, s)
	f.lostOnce = true
	k, secret := createKey(t, s, o.ID, org.Admin)
	if f.lostOnce {
		t.Fatal("no reply was lost")
	}
	c, err := s.Authenticate(t.Context(), secret.Reveal())
	if want := (org.Caller{Org: o.ID, Key: k.ID, Role: org.Admin}); err != nil || c != want {
		t.Errorf("Authenticate = %v, %v", c, err)
	}
}

func TestCreateKeyRefuses(t *testing.T) {
	s := org.NewStore(newFake(), time.Now)
	if _, _, err := s.CreateKey(t.Context(), org.NewID(), org.Read); !errors.Is(err, org.ErrNotFound) {
		t.Errorf("unknown org: %v", err)
	}
	if _, _, err := s.CreateKey(t.Context(), create(t, s).ID, "root"); !errors.Is(err, org.ErrInvalid) {
		t.Errorf("unknown role: %v", err)
	}
}

func TestAuthenticateRefuses(t *testing.T) {
	f := newFake()
	s := org.NewStore(f, time.Now)
	_, secret := createKey(t, s, create(t, s).ID, org.Read)
	right, before := secret.Reveal(), f.gets
	for name, text := range map[string]string{
		"nothing":            "",
		"no prefix":          strings.TrimPrefix(right, "muster_"),
		"prefix in capitals": "MUSTER_" + strings.TrimPrefix(right, "muster_"),
		"too short":          right[:len(right)-1],
		"too long":           right + "A",
		"a line break":       right[:20] + "\n" + right[20:],
		"not base64":         right[:20] + "!" + right[21:],
	} {
		if _, err := s.Authenticate(t.Context(), text); !errors.Is(err, org.ErrUnknownKey) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if f.gets != before {
		t.Errorf("%d reads for secrets that cannot be", f.gets-before)
	}
	other, flip := []byte(right), byte('A')
	if other[20] == flip {
		flip = 'B'
	}
	other[20] = flip
	if _, err := s.Authenticate(t.Context(), string(other)); !errors.Is(err, org.ErrUnknownKey) {
		t.Errorf("another key's form: %v", err)
	}
}

func TestAuthenticateAsksOnceAMinute(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake()
		here, elsewhere := org.NewStore(f, time.Now), org.NewStore(f, time.Now)
		o := create(t, here)
		k, secret := createKey(t, here, o.ID, org.Write)
		ask := func() error { _, err := here.Authenticate(t.Context(), secret.Reveal()); return err }

		before := f.gets
		for range 3 {
			if err := ask(); err != nil {
				t.Fatal(err)
			}
		}
		if f.gets != before+1 {
			t.Errorf("%d reads, want 1", f.gets-before)
		}
		if err := elsewhere.RevokeKey(t.Context(), o.ID, k.ID); err != nil {
			t.Fatal(err)
		}
		time.Sleep(org.CacheTTL - time.Nanosecond)
		if err := ask(); err != nil {
			t.Errorf("within the minute: %v", err)
		}
		time.Sleep(time.Nanosecond)
		if err := ask(); !errors.Is(err, org.ErrUnknownKey) {
			t.Errorf("after the minute: %v", err)
		}
	})
}

func TestAuthenticateWhenTheTableIsAway(t *testing.T) {
	f := newFake()
	s := org.NewStore(f, time.Now)
	_, secret := createKey(t, s, create(t, s).ID, org.Read)
	f.err = table.ErrUnavailable
	_, err := s.Authenticate(t.Context(), secret.Reveal())
	if !errors.Is(err, table.ErrUnavailable) || errors.Is(err, org.ErrUnknownKey) {
		t.Errorf("got %v", err)
	}
	f.err = nil
	if _, err := s.Authenticate(t.Context(), secret.Reveal()); err != nil {
		t.Errorf("a failure was remembered: %v", err)
	}
}

func TestAuthenticateManyKeysAtOnce(t *testing.T) {
	s := org.NewStore(newFake(), time.Now)
	o := create(t, s)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 200 { // 1,600 keys: more than are remembered
				k, secret, err := s.CreateKey(context.Background(), o.ID, org.Read)
				if err != nil {
					t.Error(err)
					return
				}
				for range 2 {
					if c, err := s.Authenticate(context.Background(), secret.Reveal()); err != nil || c.Key != k.ID {
						t.Errorf("got %v, %v", c, err)
					}
				}
			}
		})
	}
	wg.Wait()
}

func TestRevokeKey(t *testing.T) {
	f := newFake()
	s := org.NewStore(f, time.Now)
	mine, theirs := create(t, s), create(t, s)
	k, secret := createKey(t, s, mine.ID, org.Admin)
	if _, err := s.Authenticate(t.Context(), secret.Reveal()); err != nil {
		t.Fatal(err)
	}
	if err := s.RevokeKey(t.Context(), theirs.ID, k.ID); !errors.Is(err, org.ErrNotFound) {
		t.Errorf("another org's key: %v", err)
	}
	f.lostOnce = true
	if err := s.RevokeKey(t.Context(), mine.ID, k.ID); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Authenticate(t.Context(), secret.Reveal()); !errors.Is(err, org.ErrUnknownKey) {
		t.Errorf("after: %v", err)
	}
	for k, err := range s.Keys(t.Context(), mine.ID) {
		t.Errorf("still listed: %v, %v", k, err)
	}
	if err := s.RevokeKey(t.Context(), mine.ID, k.ID); !errors.Is(err, org.ErrNotFound) {
		t.Errorf("twice: %v", err)
	}
}

func TestKeysAreTheOrgsOwn(t *testing.T) {
	s := org.NewStore(newFake(), time.Now)
	mine, theirs := create(t, s), create(t, s)
	a, _ := createKey(t, s, mine.ID, org.Read)
	createKey(t, s, theirs.ID, org.Read)
	b, _ := createKey(t, s, mine.ID, org.Admin)
	var got []uuid.UUID
	for k, err := range s.Keys(t.Context(), mine.ID) {
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, k.ID)
	}
	if diff := cmp.Diff([]uuid.UUID{a.ID, b.ID}, got); diff != "" {
		t.Error(diff)
	}
}

// I6: no form of printing shows a key, and no row holds one.
func TestI6_SecretIsNowhere(t *testing.T) {
	f := newFake()
	s := org.NewStore(f, time.Now)
	k, secret := createKey(t, s, create(t, s).ID, org.Admin)
	canary := secret.Reveal()[len("muster_"):]

	var out strings.Builder
	log := slog.New(slog.NewJSONHandler(&out, nil))
	log.Info("a key", slog.Any("secret", secret), slog.Any("holder", struct{ S org.Secret }{secret}))
	slog.New(slog.NewTextHandler(&out, nil)).Info("a key", slog.Any("secret", secret))
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d", "%t"} {
		fmt.Fprintf(&out, verb, secret)
		fmt.Fprintf(&out, verb, struct{ hidden org.Secret }{secret})
		fmt.Fprintf(&out, verb, &secret)
	}
	b, err := json.Marshal(map[string]any{"secret": secret, "key": k})
	out.Write(b)
	if err != nil || strings.Contains(out.String(), canary) {
		t.Errorf("err %v; printed: %s", err, out.String())
	}
	for key, row := range f.rows {
		if strings.Contains(key.String()+string(row.Body), canary) {
			t.Errorf("row %s holds it", key)
		}
	}
}

func TestRoleAllows(t *testing.T) {
	roles := []org.Role{"", "root", org.Read, org.Write, org.Admin}
	for i, have := range roles {
		for j, need := range roles {
			want := i >= 2 && j >= 2 && i >= j
			if have.Allows(need) != want {
				t.Errorf("%q allows %q: %v", have, need, !want)
			}
		}
	}
}

func TestListPassesErrorsOn(t *testing.T) {
	f := newFake()
	s := org.NewStore(f, time.Now)
	o := create(t, s)
	f.err = table.ErrUnavailable
	for _, err := range s.List(t.Context()) {
		if !errors.Is(err, table.ErrUnavailable) {
			t.Errorf("List: %v", err)
		}
	}
	for _, err := range s.Keys(t.Context(), o.ID) {
		if !errors.Is(err, table.ErrUnavailable) {
			t.Errorf("Keys: %v", err)
		}
	}
}

func TestIDIsOneForm(t *testing.T) {
	id := org.NewID()
	if got, err := org.ParseID(id.String()); err != nil || got != id {
		t.Errorf("got %v, %v", got, err)
	}
	for _, s := range []string{"", "00000000-0000-0000-0000-000000000000", "{" + id.String() + "}", "urn:uuid:" + id.String(), id.String() + "#X", strings.ReplaceAll(id.String(), "-", "")} {
		if got, err := org.ParseID(s); err == nil {
			t.Errorf("%q is %v", s, got)
		}
	}
}

// I8: no name can lead out of a tenant's partition or folder.
func TestI8_NamesCannotLeaveTheTenant(t *testing.T) {
	id := org.NewID()
	for name, f := range map[string]func(){
		"# in a partition":     func() { id.Part("A#B") },
		"empty in a partition": func() { id.Part("") },
		"slash in a path":      func() { id.Path("uploads", "a/b") },
		"dots in a path":       func() { id.Path("uploads", "..") },
		"no tenant":            func() { org.ID{}.Part() },
		"no tenant's path":     func() { org.ID{}.Path("uploads", "a") },
	} {
		t.Run(name, func(t *testing.T) {
			defer func() {
				if recover() == nil {
					t.Error("made a key")
				}
			}()
			f()
		})
	}
}

func ExampleStore() {
	ctx := context.Background()
	s := org.NewStore(newFake(), time.Now)
	acme, _ := s.Create(ctx, "Acme", "acme.example")
	_, secret, _ := s.CreateKey(ctx, acme.ID, org.Write)

	caller, err := s.Authenticate(ctx, secret.Reveal())
	fmt.Println(caller.Org == acme.ID, caller.Role, err)
	fmt.Println(caller.Role.Allows(org.Read), caller.Role.Allows(org.Admin))
	fmt.Println(secret)
	// Output:
	// true write <nil>
	// true false
	// muster_[redacted]
}
