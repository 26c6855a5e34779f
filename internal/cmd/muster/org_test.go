package main

import (
	"strings"
	"testing"
)

func TestOrgSettings(t *testing.T) {
	data := t.TempDir()
	do := func(want int, args ...string) string {
		t.Helper()
		code, out, said := command(t, data, append(args, "--data", data)...)
		if code != want || code == 0 && said != "" {
			t.Fatalf("muster %s: exit code %d, saying %q; want %d", strings.Join(args, " "), code, said, want)
		}
		return strings.TrimSpace(out + said)
	}
	if got := do(0, "org", "list"); got != "" {
		t.Errorf("before there is any: %q", got)
	}
	acme, other := do(0, "org", "create", "Acme\nAB"), do(0, "org", "create", "Other")
	if got, want := do(0, "org", "set", acme, "--display-currency", "sek", "--retention-days", "30"), acme+` number=1 display-currency=SEK retention-days=30 breaker-failures=10 monthly-syncs=0 name="Acme\nAB"`; got != want {
		t.Errorf("set: %q, want %q", got, want)
	}
	for _, c := range [][]string{
		{acme}, {acme, "--retention-days", "0"}, {acme, "--retention-days=-1"}, {acme, "--retention-days", "3651"}, {acme, "--display-currency", "SEK!"},
		{acme, "--breaker-failures=-1"}, {acme, "--monthly-syncs=-1"},
		{"acme", "--retention-days", "30"}, {"018f5c3e-0000-7000-8000-000000000000", "--retention-days", "30"},
	} {
		if got := do(1, append([]string{"org", "set"}, c...)...); !strings.HasPrefix(got, "muster: ") && !strings.Contains(got, "\nmuster: ") {
			t.Errorf("set %q: %q", c, got)
		}
	}
	do(2, "org", "set", acme, "--monthly-syncs", "many")
	do(0, "org", "set", acme, "--breaker-failures", "0", "--monthly-syncs", "100")
	want := acme + ` number=1 display-currency=SEK retention-days=30 breaker-failures=0 monthly-syncs=100 name="Acme\nAB"` + "\n" + other + ` number=2 display-currency=USD retention-days=90 breaker-failures=10 monthly-syncs=0 name="Other"`
	if got := do(0, "org", "list"); got != want {
		t.Errorf("list: %q, want %q", got, want)
	}
}
