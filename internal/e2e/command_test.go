package e2e

import (
	"encoding/json"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestFirstStart: a server over an empty folder makes an org and a key, which only
// its owner can read, and does so once.
func TestFirstStart(t *testing.T) {
	s := localSite(t)
	data := s.flags[1]
	first := s.serve(t)
	file := filepath.Join(data, "api-key")
	info, err := os.Stat(file)
	if err != nil {
		t.Fatal(err)
	}
	if mode := info.Mode().Perm(); mode != 0o600 {
		t.Errorf("the key's file has mode %o, want 600", mode)
	}
	for _, dir := range []string{"", "blobs", "tmp"} {
		if info, err := os.Stat(filepath.Join(data, dir)); err != nil || info.Mode().Perm()&0o077 != 0 {
			t.Errorf("folder %q can be looked into by others: %v (%v)", dir, info.Mode(), err)
		}
	}
	key, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	c := caller{first.base, strings.TrimSpace(string(key))}
	c.must(t, "POST", "/v1/org/system-integrations", map[string]any{"system_id": customFile}, nil) // it may write
	terminate(t, first)

	second := s.serve(t)
	if strings.Contains(second.out.String(), c.key) {
		t.Error("the key is shown a second time")
	}
	caller{second.base, c.key}.must(t, "GET", "/v1.0/orgs/my", nil, nil)
}

// terminate sends SIGTERM to a server that has nothing to do: it ends at once, and
// well.
func terminate(t *testing.T, s server) {
	t.Helper()
	if err := s.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	s.wait(t, 20*time.Second) // it gives requests that run 25
	if s.err != nil {
		t.Errorf("a server with nothing to do ended with %v", s.err)
	}
}

// TestDemo: the newcomer's first minute is a sync with its report.
func TestDemo(t *testing.T) {
	s := localSite(t)
	p := s.serve(t, "--demo")
	report := p.line(t, "A sample file was uploaded", 30*time.Second)
	if !strings.HasPrefix(report, "and synced") {
		t.Errorf("it says %q", report)
	}
	p.line(t, "In another terminal", 30*time.Second)
	p.line(t, "  curl -s -H \"Authorization: Bearer $KEY\" -X PUT", 30*time.Second)
	said, commands, _ := strings.Cut(p.out.String(), "In another terminal")
	if !strings.Contains(said, `"status": "completed"`) {
		t.Errorf("no report of a completed job in:\n%s", said)
	}
	_, commands, _ = strings.Cut(commands, "\n")
	commands, _, _ = strings.Cut(commands, "\n{") // the log goes on
	out := shell(t, t.TempDir(), "echo '{\"users\": [{\"email\": \"own@example.com\"}]}' > users.json\n"+commands)
	for _, want := range []string{`"status":"completed"`, `"email":"adam@example.com"`, `{"id":2}`, `"success":true`} {
		if !strings.Contains(out, want) {
			t.Errorf("the commands that it shows print\n%s\nwithout %s", out, want)
		}
	}
}

// shell runs commands as a reader would.
func shell(t *testing.T, dir, commands string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "bash", "-eu", "-o", "pipefail", "-c", commands)
	cmd.Dir = dir
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s\nof\n%s", err, out, commands)
	}
	return string(out)
}

// TestFolderInUse: a folder has one process at a time, and the other is told.
func TestFolderInUse(t *testing.T) {
	s := localSite(t)
	running := s.serve(t)
	for _, args := range [][]string{{"org", "create", "Acme"}, {"key", "create", "018f5c3e-0000-7000-8000-000000000000"}, {"serve", "--addr", "127.0.0.1:0"}} {
		began := time.Now()
		_, said, err := s.try(t, args...)
		if err == nil || !strings.Contains(said, s.flags[1]) || !strings.Contains(said, "process") {
			t.Errorf("muster %s: %v, saying %q; want the folder, and that another process has it", strings.Join(args, " "), err, said)
		}
		if took := time.Since(began); took > 10*time.Second {
			t.Errorf("muster %s: said so after %v", strings.Join(args, " "), took)
		}
	}
	status, _, _, err := caller{base: running.base}.try("GET", "/health", nil)
	if err != nil || status != http.StatusOK {
		t.Errorf("the server that has the folder: %d (%v)", status, err)
	}
}

// TestCommandErrors: what is wrong, and nothing of the program's inside.
func TestCommandErrors(t *testing.T) {
	s := localSite(t)
	s.newOrg(t, "Acme", "acme.example")
	tests := []struct {
		name string
		site site
		args []string
		want string
	}{
		{"no such org", s, []string{"key", "create", "018f5c3e-0000-7000-8000-000000000000"}, "018f5c3e-0000-7000-8000-000000000000"},
		{"an org that is no id", s, []string{"key", "create", "acme"}, "acme"},
		{"a role that is none", s, []string{"key", "create", "018f5c3e-0000-7000-8000-000000000000", "--role", "owner"}, "role"},
		{"an address that is none", s, []string{"serve", "--addr", "nowhere:port"}, "listen"},
		{"no table", site{flags: []string{"--backend", "aws"}, env: []string{"MUSTER_TABLE=", "MUSTER_BUCKET=b", "AWS_REGION=us-east-1"}}, []string{"org", "create", "Acme"}, "MUSTER_TABLE"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, said, err := tt.site.try(t, tt.args...)
			if err == nil || !strings.Contains(said, tt.want) || strings.Contains(said, "goroutine") {
				t.Errorf("%v, saying %q; want %q in it", err, said, tt.want)
			}
		})
	}
}

// TestLogs: one JSON line for each request, and no key, no query, no body in any.
func TestLogs(t *testing.T) {
	s := localSite(t)
	_, key := s.newOrg(t, "Acme", "acme.example")
	run := s.serve(t)
	c := caller{run.base, key}
	_, number := c.account(t)
	users := `{"users": [{"email": "canary@example.com"}]}`
	file := c.upload(t, strings.NewReader(users), int64(len(users)))
	c.must(t, "PUT", "/v1.0/services/sync/custom", map[string]any{"idFile": file, "idAppAccount": number}, nil)
	c.call(t, "GET", "/v1.0/apps/"+strconv.Itoa(int(number))+"/users?q=canary", nil, nil)
	c.call(t, "POST", "/v1/org/system-integrations", map[string]any{"system_id": customFile, "auth": map[string]string{"api_key": "canary"}}, nil)
	caller{run.base, "canary"}.call(t, "GET", "/v1.0/orgs/my", nil, nil)
	terminate(t, run)

	requests, signed := 0, 0
	for line := range strings.Lines(run.out.String()) {
		if strings.Contains(line, key) {
			t.Errorf("a secret is in the log: %s", line)
		}
		var entry struct{ Msg string }
		if err := json.Unmarshal([]byte(line), &entry); err != nil && !strings.HasPrefix(line, "listening on ") {
			t.Errorf("not JSON: %s", line)
		}
		switch entry.Msg {
		case "request":
			requests++
		case "signed URL":
			signed++
			if !strings.Contains(line, `"folder":"uploads"`) || strings.Contains(line, "users.json") || strings.Contains(line, "signature") {
				t.Errorf("the signed URL's line: %s", line)
			}
		}
	}
	if requests != 7 || signed != 1 {
		t.Errorf("%d requests and %d signed URLs are in the log, want 7 and 1", requests, signed)
	}
}
