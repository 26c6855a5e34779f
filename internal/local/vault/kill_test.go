package vault_test

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"testing"

	"github.com/google/uuid"

	"muster/internal/local/vault"
	"muster/internal/org"
	"muster/internal/secret"
)

// childDir tells this test binary that it is the process to be killed.
const childDir = "MUSTER_VAULT_TEST_DIR"

func TestMain(m *testing.M) {
	if dir := os.Getenv(childDir); dir != "" {
		rotateUntilKilled(dir)
	}
	os.Exit(m.Run())
}

var rotating = func() org.ID {
	o, err := org.ParseID("018f5c3e-8a01-7c42-a1f0-000000000001")
	if err != nil {
		panic(err)
	}
	return o
}()

func textOf(version string) string { return "the text of " + version }

// rotateUntilKilled puts versions of one secret and promotes each, and names what
// was acknowledged.
func rotateUntilKilled(dir string) {
	v, err := vault.Open(dir)
	if err != nil {
		panic(err)
	}
	for ctx := context.Background(); ; {
		version := uuid.NewString()
		ref, err := v.Put(ctx, rotating, "crm", version, secret.New([]byte(textOf(version))))
		if err != nil {
			panic(err)
		}
		fmt.Println(ref.ARN, version)
		if err := v.Promote(ctx, rotating, ref); err != nil {
			panic(err)
		}
	}
}

// TestKilledProcess kills a process at its work, from the making of the key on:
// the version that was acknowledged last is there, and what is current is whole.
func TestKilledProcess(t *testing.T) {
	dir := t.TempDir()
	for round := range 6 {
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), childDir+"="+dir)
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		lines, last := bufio.NewScanner(out), ""
		for n := 0; n < 1+4*round && lines.Scan(); n++ {
			last = lines.Text()
		}
		_ = cmd.Process.Kill()
		for lines.Scan() {
			last = lines.Text()
		}
		_ = cmd.Wait()

		var ref secret.Ref
		if _, err := fmt.Sscan(last, &ref.ARN, &ref.Version); err != nil {
			t.Fatalf("the process said %q: %v", last, err)
		}
		v := open(t, dir)
		wantText(t, v, rotating, ref, textOf(ref.Version))
		current, err := v.Get(t.Context(), rotating, secret.Ref{ARN: ref.ARN})
		if err != nil || len(current.Reveal()) != len(textOf(ref.Version)) {
			t.Errorf("the current version is %q, %v", current.Reveal(), err)
		}
		if err := v.Close(); err != nil {
			t.Fatal(err)
		}
	}
}
