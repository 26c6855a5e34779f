package secrettest

import (
	"bytes"
	"context"
	"errors"
	"testing"

	"github.com/google/uuid"

	"muster/internal/org"
	"muster/internal/secret"
)

// Harness is a vault under test, and what a customer does beside Muster.
type Harness struct {
	Vault secret.Vault
	// Bring makes a secret with the tag muster:org of an org, or without it for the
	// zero ID, and answers its full ARN. Where the name is taken it rotates: the value
	// becomes the current one.
	Bring func(t *testing.T, name string, tag org.ID, value []byte) (arn string)
	// Remove deletes such a secret at once, with no way back.
	Remove func(t *testing.T, name string)
}

// Run tests one vault; open returns a harness over it. The suite draws orgs and
// names of its own: harnesses may share what they stand on.
func Run(t *testing.T, open func(*testing.T) Harness) {
	for _, c := range []struct {
		name string
		test func(suite)
	}{
		{"values come back as they were", testValues},
		{"what no vault keeps is refused", testRefused},
		{"a version is what it was first", testImmutable},
		{"a version is current once promoted", testPromote},
		{"a promoted version outlives the next put", testRotations},
		{"a put that lost takes nothing away", testLostPut},
		{"orgs do not meet", testOrgs},
		{"what is not there", testMissing},
		{"deletion, and back", testDelete},
		{"a customer's secret is read as it is now", testBrought},
		{"a customer's secret must prove whose it is", testTags},
		{"a name that was made again", testMadeAgain},
		{"many secrets at once", testManySecrets},
		{"many versions at once", testManyVersions},
		{"an ended context", testContext},
	} {
		t.Run(c.name, func(t *testing.T) { c.test(suite{T: t, Harness: open(t), org: org.NewID()}) })
	}
}

// suite is one case at work: the test, its harness, an org of its own.
type suite struct {
	*testing.T
	Harness
	org org.ID
}

// newName draws a name, newVersion a version.
func newName() string    { return "n-" + uuid.NewString() }
func newVersion() string { return uuid.NewString() }

// canary is a value that no error may hold. Each is another one, with characters
// that encodings change.
func canary() []byte { return []byte("canary/+ <" + uuid.NewString() + "> \"å\"") }

func (s suite) put(name string, value []byte) secret.Ref {
	s.Helper()
	version := newVersion()
	ref, err := s.Vault.Put(s.Context(), s.org, name, version, secret.New(value))
	if err != nil {
		s.Fatalf("put %s: %v", name, err)
	}
	if ref.ARN == "" || ref.Version != version {
		s.Fatalf("put version %s answered %+v", version, ref)
	}
	return ref
}

func (s suite) promote(ref secret.Ref) {
	s.Helper()
	if err := s.Vault.Promote(s.Context(), s.org, ref); err != nil {
		s.Fatalf("promote %+v: %v", ref, err)
	}
}

func (s suite) wantValue(ref secret.Ref, want []byte) {
	s.Helper()
	got, err := s.Vault.Get(s.Context(), s.org, ref)
	if err != nil {
		s.Errorf("get %+v: %v", ref, err)
	} else if !bytes.Equal(got.Reveal(), want) {
		s.Errorf("get %+v: %d bytes that are not the %d put there", ref, len(got.Reveal()), len(want))
	}
}

func (s suite) wantCurrent(arn string, want []byte) {
	s.Helper()
	s.wantValue(secret.Ref{ARN: arn}, want)
}

func (s suite) wantNoValue(o org.ID, ref secret.Ref) {
	s.Helper()
	v, err := s.Vault.Get(s.Context(), o, ref)
	s.wantNotFound("get "+ref.ARN, err)
	if !v.IsZero() {
		s.Errorf("get %+v answered a value", ref)
	}
}

func (s suite) wantNotFindable(o org.ID, name string) {
	s.Helper()
	arn, err := s.Vault.Find(s.Context(), o, name)
	s.wantNotFound("find "+name, err)
	if arn != "" {
		s.Errorf("find %q answered %q", name, arn)
	}
}

// wantNotFound requires the one text: another would tell a secret of another org
// from one that does not exist.
func (s suite) wantNotFound(what string, err error) {
	s.Helper()
	if !errors.Is(err, secret.ErrNotFound) || err.Error() != secret.ErrNotFound.Error() {
		s.Errorf("%s: %v, want exactly %q", what, err, secret.ErrNotFound)
	}
}

// wantRefused requires an error that is the caller's own fault and keeps quiet.
func (s suite) wantRefused(what string, err error, value []byte) {
	s.Helper()
	if err == nil || errors.Is(err, secret.ErrNotFound) || errors.Is(err, secret.ErrUnavailable) || errors.Is(err, secret.ErrTooMany) {
		s.Errorf("%s: %v, want an error that says what is wrong with it", what, err)
	}
	CheckQuiet(s, err, value)
}

// together runs fn(0) to fn(n-1) at once and fails the test on their errors.
func (s suite) together(n int, fn func(ctx context.Context, i int) error) {
	s.Helper()
	errs, start := make(chan error, n), make(chan struct{})
	for i := range n {
		go func() {
			<-start
			errs <- fn(s.Context(), i)
		}()
	}
	close(start)
	for range n {
		if err := <-errs; err != nil {
			s.Error(err)
		}
	}
}
