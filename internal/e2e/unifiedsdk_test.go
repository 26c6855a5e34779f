package e2e

import (
	"encoding/json"
	"errors"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"muster/internal/app"
	"muster/internal/connection"
	"muster/internal/emulator"
	"muster/internal/local"
	"muster/internal/org"
)

// TestUnifiedSDK lets Unified.to's own SDK work with Muster, the server's address
// changed and nothing else, in the last version that knows a vault's pointers and in
// one that knows none. Afterwards each connection has the credential that the SDK
// sent last, and no other.
func TestUnifiedSDK(t *testing.T) {
	const folder = "testdata/unified-sdk"
	modules := emulator.NodeModules(t, folder)
	script, err := os.ReadFile(filepath.Join(folder, "conversation.mjs"))
	if err != nil {
		t.Fatal(err)
	}
	for _, version := range []string{"2.83.50", "2.85.49"} {
		t.Run(version, func(t *testing.T) {
			s := localSite(t)
			id, key := s.newOrg(t, "Acme", "acme.example")
			server := s.serve(t)
			// A module is looked for beside the script, which is why node gets it as text.
			cmd := exec.CommandContext(t.Context(), "node", "--input-type=module", "-e", string(script), version, server.base, key)
			cmd.Dir = modules
			out, err := cmd.Output()
			if err != nil {
				t.Fatalf("%v\n%s", err, cmd.Stderr)
			}
			var want map[string]map[string]string
			if err := json.Unmarshal(out, &want); err != nil {
				t.Fatalf("%v in %s", err, out)
			}
			_ = server.cmd.Process.Signal(syscall.SIGTERM)
			server.wait(t, 30*time.Second)
			if diff := cmp.Diff(want, keptCredentials(t, s.flags[1], id, want)); diff != "" {
				t.Errorf("the credentials, as the SDK sent them and as they are kept:\n%s", diff)
			}
		})
	}
}

// keptCredentials opens the folder of a server that has ended, and reads the credential
// of each of these connections; one that has none is nil.
func keptCredentials[V any](t *testing.T, folder, id string, of map[string]V) map[string]map[string]string {
	t.Helper()
	platform, err := local.Open(folder, func() string { return "" }, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	defer platform.Close()
	keeper := (&app.App{Platform: platform, Now: time.Now, Log: slog.New(slog.DiscardHandler)}).Keeper()
	o, err := org.ParseID(id)
	if err != nil {
		t.Fatal(err)
	}
	kept := map[string]map[string]string{}
	for c := range of {
		kept[c] = nil
		cid, err := connection.ParseID(c)
		if err != nil {
			t.Fatal(err)
		}
		_, value, err := keeper.Credential(t.Context(), o, cid)
		if errors.Is(err, connection.ErrNoCredential) {
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		var members map[string]string
		if err := json.Unmarshal(value.Reveal(), &members); err != nil {
			t.Fatal(err)
		}
		kept[c] = members
	}
	return kept
}
