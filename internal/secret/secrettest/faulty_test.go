package secrettest_test

import (
	"errors"
	"testing"

	"github.com/google/uuid"

	"muster/internal/local/vault"
	"muster/internal/org"
	"muster/internal/secret"
	"muster/internal/secret/secrettest"
)

func open(t *testing.T) *vault.Vault {
	t.Helper()
	v, err := vault.Open(t.TempDir(), vault.NoSync)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = v.Close() })
	return v
}

func TestFaultyPassesConformance(t *testing.T) {
	secrettest.Run(t, func(t *testing.T) secrettest.Harness {
		v := open(t)
		return secrettest.Harness{
			Vault: &secrettest.Faulty{Vault: v},
			Bring: func(t *testing.T, name string, tag org.ID, value []byte) string {
				arn, err := v.Bring(t.Context(), name, tag, secret.New(value))
				if err != nil {
					t.Fatal(err)
				}
				return arn
			},
			Remove: func(t *testing.T, name string) {
				if err := v.Remove(t.Context(), name); err != nil {
					t.Fatal(err)
				}
			},
		}
	})
}

// The second write is a Promote: each hook, what it answers, and what it leaves.
func TestFaults(t *testing.T) {
	for name, c := range map[string]struct {
		hook    func(secrettest.Call) secrettest.Fault
		err     error // of the promotion
		applied bool
		dead    bool // afterwards
	}{
		"none":                  {nil, nil, true, false},
		"unavailable":           {secrettest.UnavailableAt(2, false), secret.ErrUnavailable, false, false},
		"unavailable, all done": {secrettest.UnavailableAt(2, true), secret.ErrUnavailable, true, false},
		"killed before":         {secrettest.KillAt(2, false), secrettest.ErrStopped, false, true},
		"killed after":          {secrettest.KillAt(2, true), secrettest.ErrStopped, true, true},
	} {
		t.Run(name, func(t *testing.T) {
			v, o, ctx, stops := open(t), org.NewID(), t.Context(), 0
			first, err := v.Put(ctx, o, "crm", uuid.NewString(), secret.New([]byte("one")))
			if err != nil {
				t.Fatal(err)
			}
			f := &secrettest.Faulty{Vault: v, Hook: c.hook, OnStop: func() { stops++ }}
			ref, err := f.Put(ctx, o, "crm", uuid.NewString(), secret.New([]byte("two")))
			if err != nil {
				t.Fatal(err)
			}
			if err := f.Promote(ctx, o, ref); !errors.Is(err, c.err) {
				t.Errorf("promote: %v, want %v", err, c.err)
			}
			got, err := v.Get(ctx, o, secret.Ref{ARN: first.ARN})
			if err != nil || (string(got.Reveal()) == "two") != c.applied {
				t.Errorf("current is %q, %v, want applied %t", got.Reveal(), err, c.applied)
			}
			_, errFind := f.Find(ctx, o, ref.ARN)
			_, errGet := f.Get(ctx, o, ref)
			for _, err := range []error{errFind, errGet} {
				if errors.Is(err, secrettest.ErrStopped) != c.dead {
					t.Errorf("afterwards: %v, want dead %t", err, c.dead)
				}
			}
			if c.dead && stops != 1 {
				t.Errorf("OnStop was called %d times", stops)
			}
			if fired := name != "none"; fired != (f.Faults() == 1) || f.Writes() != 2 {
				t.Errorf("%d faults, %d writes", f.Faults(), f.Writes())
			}
		})
	}
}
