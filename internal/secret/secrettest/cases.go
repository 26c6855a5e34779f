package secrettest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"muster/internal/org"
	"muster/internal/secret"
)

func testValues(s suite) {
	all := make([]byte, 256)
	for i := range all {
		all[i] = byte(i)
	}
	for name, value := range map[string][]byte{
		"one byte":      []byte("x"),
		"a zero byte":   {0},
		"every byte":    all,
		"unicode":       []byte("lösenord 密码 🔑\u2028"),
		"JSON":          []byte(`{"access_token":"a","n":[1,null]}`),
		"the largest":   bytes.Repeat([]byte{'x'}, secret.MaxSize),
		"the largest 2": bytes.Repeat([]byte{0xff}, secret.MaxSize),
	} {
		s.Run(name, func(t *testing.T) {
			s := suite{t, s.Harness, s.org}
			ref := s.put(newName(), value)
			s.wantValue(ref, value)
			s.wantCurrent(ref.ARN, value) // a first version is current
			if arn, err := s.Vault.Find(t.Context(), s.org, ref.ARN); err != nil || arn != ref.ARN {
				t.Errorf("find by its ARN: %q, %v", arn, err)
			}
		})
	}
}

func testRefused(s suite) {
	value := canary()
	large := append(bytes.Repeat([]byte{'x'}, secret.MaxSize), value...)
	for _, c := range []struct {
		what, name, version string
		value               []byte
	}{
		{"too large a value", newName(), newVersion(), large},
		{"no value", newName(), newVersion(), nil},
		{"no name", "", newVersion(), value},
		{"a name with a slash", "a/b", newVersion(), value},
		{"a long name", strings.Repeat("n", 129), newVersion(), value},
		{"no version", newName(), "", value},
		{"a version that is no UUID", newName(), "latest", value},
	} {
		_, err := s.Vault.Put(s.Context(), s.org, c.name, c.version, secret.New(c.value))
		s.wantRefused(c.what, err, value)
	}
	_, err := s.Vault.Put(s.Context(), s.org, newName(), newVersion(), secret.Value{})
	s.wantRefused("the zero value", err, value)
}

func testImmutable(s suite) {
	name, value, other := newName(), canary(), canary()
	again := func(ref secret.Ref, v []byte) (secret.Ref, error) {
		return s.Vault.Put(s.Context(), s.org, name, ref.Version, secret.New(v))
	}
	for _, state := range []string{"first", "pending", "promoted"} {
		ref := s.put(name, value)
		if state == "promoted" {
			s.promote(ref)
		}
		if got, err := again(ref, value); err != nil || got != ref {
			s.Errorf("%s: the same again: %+v, %v, want %+v", state, got, err, ref)
		}
		_, err := again(ref, other)
		s.wantRefused(state+": another value", err, other)
		CheckQuiet(s, err, value)
		s.wantValue(ref, value)
	}
}

func testPromote(s suite) {
	name, one, two := newName(), canary(), canary()
	first := s.put(name, one)
	second := s.put(name, two)
	if first.ARN != second.ARN {
		s.Errorf("versions of one secret lie at %s and %s", first.ARN, second.ARN)
	}
	s.wantCurrent(first.ARN, one)
	s.wantValue(first, one)
	s.wantValue(second, two)
	for range 2 {
		s.promote(second)
		s.wantCurrent(first.ARN, two)
		s.wantValue(second, two)
	}
	err := s.Vault.Promote(s.Context(), s.org, secret.Ref{ARN: first.ARN, Version: newVersion()})
	s.wantNotFound("promote a version that is not there", err)
	s.wantCurrent(first.ARN, two)
}

// What a refresh of a token does each time: put, move the row, promote.
func testRotations(s suite) {
	name := newName()
	value := canary()
	row := s.put(name, value)
	for range 5 {
		next := canary()
		put := s.put(name, next)
		s.wantValue(row, value) // while the row does not name the new one
		s.promote(put)
		s.wantValue(row, value) // for who has just read the row as it was
		s.wantValue(put, next)
		row, value = put, next
	}
}

// A writer who put a version and never moved the row leaves it behind.
func testLostPut(s suite) {
	name, value := newName(), canary()
	row := s.put(name, value)
	for range 5 {
		s.put(name, canary())
		s.wantValue(row, value)
		s.wantCurrent(row.ARN, value)
	}
	next := canary()
	won := s.put(name, next)
	s.promote(won)
	s.wantCurrent(won.ARN, next)
}

func testOrgs(s suite) {
	name, value, other := newName(), canary(), org.NewID()
	ref := s.put(name, value)
	s.wantNoValue(other, ref)
	s.wantNoValue(other, secret.Ref{ARN: ref.ARN})
	s.wantNotFindable(other, ref.ARN)
	s.wantNotFound("promote another org's", s.Vault.Promote(s.Context(), other, ref))
	if err := s.Vault.Delete(s.Context(), other, name); err != nil {
		s.Errorf("delete a name that another org has: %v", err)
	}
	s.wantValue(ref, value)

	// The same name, and even the same version, in two orgs are two secrets.
	theirs := canary()
	got, err := s.Vault.Put(s.Context(), other, name, ref.Version, secret.New(theirs))
	if err != nil || got.ARN == ref.ARN {
		s.Fatalf("put under the name of another org's: %+v, %v", got, err)
	}
	s.wantValue(ref, value)
	suite{s.T, s.Harness, other}.wantValue(got, theirs)
	s.wantNoValue(s.org, got)
}

func testMissing(s suite) {
	ref := s.put(newName(), canary())
	remade := strings.TrimRight(ref.ARN, "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ") + "ABCDEF"
	for _, name := range []string{
		"", " ", "nothing-of-the-kind", "a b", "../x", "/", "muster", "muster/", "Ångström", "\x00", "\xff", strings.Repeat("x", 5000),
		"arn:", "arn:aws:iam::123456789012:role/x", "arn:aws:secretsmanager:eu-north-1:999999999999:secret:x-AbCdEf",
		"arn:aws:secretsmanager:us-west-2:123456789012:secret:x-AbCdEf", remade,
	} {
		s.wantNotFindable(s.org, name)
		s.wantNoValue(s.org, secret.Ref{ARN: name})
		s.wantNoValue(s.org, secret.Ref{ARN: name, Version: ref.Version})
		s.wantNotFound("promote "+name, s.Vault.Promote(s.Context(), s.org, secret.Ref{ARN: name, Version: ref.Version}))
	}
	s.wantNoValue(s.org, secret.Ref{ARN: ref.ARN, Version: newVersion()})
	s.wantNoValue(s.org, secret.Ref{ARN: ref.ARN, Version: "latest"})
	if err := s.Vault.Delete(s.Context(), s.org, newName()); err != nil {
		s.Errorf("delete what is not there: %v", err)
	}
}

func testDelete(s suite) {
	name, value := newName(), canary()
	ref := s.put(name, canary())
	for range 2 { // again, it is going already
		if err := s.Vault.Delete(s.Context(), s.org, name); err != nil {
			s.Fatal(err)
		}
		s.wantNoValue(s.org, ref)
		s.wantNoValue(s.org, secret.Ref{ARN: ref.ARN})
		s.wantNotFindable(s.org, ref.ARN)
		s.wantNotFound("promote", s.Vault.Promote(s.Context(), s.org, ref))
	}
	back := s.put(name, value)
	s.wantValue(back, value)
	s.promote(back)
	s.wantCurrent(back.ARN, value)
	s.wantValue(back, value)
}

func testBrought(s suite) {
	name, value := newName(), canary()
	arn := s.Bring(s.T, name, s.org, value)
	for _, by := range []string{name, arn} {
		if got, err := s.Vault.Find(s.Context(), s.org, by); err != nil || got != arn {
			s.Errorf("find %s: %q, %v, want %s", by, got, err, arn)
		}
	}
	s.wantCurrent(arn, value)
	for _, part := range []string{name, arn[:len(arn)-7]} { // Find takes a name, Get an ARN alone
		s.wantNoValue(s.org, secret.Ref{ARN: part})
	}
	rotated := canary()
	if again := s.Bring(s.T, name, s.org, rotated); again != arn {
		s.Fatalf("the harness moved %s to %s", arn, again)
	}
	s.wantCurrent(arn, rotated)
	if err := s.Vault.Delete(s.Context(), s.org, name); err != nil {
		s.Errorf("delete: %v", err)
	}
	s.wantCurrent(arn, rotated) // Delete reaches what Muster made only
}

func testTags(s suite) {
	other := org.NewID()
	for what, tag := range map[string]org.ID{"no tag": {}, "another org's tag": other} {
		name := newName()
		arn := s.Bring(s.T, name, tag, canary())
		for _, asker := range []org.ID{s.org, {}} {
			s.wantNotFindable(asker, name)
			s.wantNotFindable(asker, arn)
			s.wantNoValue(asker, secret.Ref{ARN: arn})
		}
		if s.Failed() {
			s.Fatalf("of a secret with %s", what)
		}
	}
}

func testMadeAgain(s suite) {
	name, value, other := newName(), canary(), org.NewID()
	old := s.Bring(s.T, name, s.org, canary())
	s.Remove(s.T, name)
	s.wantNoValue(s.org, secret.Ref{ARN: old})
	s.wantNotFindable(s.org, name)

	theirs := s.Bring(s.T, name, other, value)
	if theirs == old {
		s.Fatalf("both lie at %s", old)
	}
	for _, o := range []org.ID{s.org, other} {
		s.wantNoValue(o, secret.Ref{ARN: old})
		s.wantNotFindable(o, old)
	}
	s.wantNotFindable(s.org, name)
	suite{s.T, s.Harness, other}.wantCurrent(theirs, value)
}

const writers = 64

func testManySecrets(s suite) {
	s.together(writers, func(ctx context.Context, i int) error {
		value, name := canary(), newName()
		ref, err := s.Vault.Put(ctx, s.org, name, newVersion(), secret.New(value))
		if err != nil {
			return fmt.Errorf("put %d: %w", i, err)
		}
		if got, err := s.Vault.Get(ctx, s.org, ref); err != nil || !bytes.Equal(got.Reveal(), value) {
			return fmt.Errorf("get %d: another value, or %w", i, err)
		}
		if i%2 == 0 {
			return nil
		}
		return s.Vault.Delete(ctx, s.org, name)
	})
}

// Of many puts to one secret some one is the last. No version ever has the value
// of another.
func testManyVersions(s suite) {
	name, first := newName(), canary()
	row := s.put(name, first)
	refs, values := make([]secret.Ref, writers), make([][]byte, writers)
	s.together(writers, func(ctx context.Context, i int) (err error) {
		values[i] = canary()
		refs[i], err = s.Vault.Put(ctx, s.org, name, newVersion(), secret.New(values[i]))
		return err
	})
	s.wantValue(row, first)
	there := 0
	for i, ref := range refs {
		got, err := s.Vault.Get(s.Context(), s.org, ref)
		switch {
		case err == nil && bytes.Equal(got.Reveal(), values[i]):
			there++
		case !errors.Is(err, secret.ErrNotFound):
			s.Errorf("version %d: another value, or %v", i, err)
		}
	}
	if there == 0 {
		s.Error("not even the version put last is there")
	}
}

func testContext(s suite) {
	name, value := newName(), canary()
	ref := s.put(name, value)
	ctx, cancel := context.WithCancel(s.Context())
	cancel()
	_, errFind := s.Vault.Find(ctx, s.org, ref.ARN)
	_, errGet := s.Vault.Get(ctx, s.org, ref)
	_, errPut := s.Vault.Put(ctx, s.org, name, newVersion(), secret.New(canary()))
	for what, err := range map[string]error{
		"find": errFind, "get": errGet, "put": errPut,
		"promote": s.Vault.Promote(ctx, s.org, ref),
		"delete":  s.Vault.Delete(ctx, s.org, name),
	} {
		if !errors.Is(err, context.Canceled) {
			s.Errorf("%s: %v, want the context's end", what, err)
		}
	}
	s.wantValue(ref, value)
}
