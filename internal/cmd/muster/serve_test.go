package main

import (
	"path/filepath"
	"strings"
	"testing"
)

// A server whose signed URLs lead nowhere would only be found out by its clients.
func TestBaseURLThatIsNone(t *testing.T) {
	dir := t.TempDir()
	for _, base := range []string{"muster.example.com", "/muster", "https://", "ftp://muster.example.com", "https://%zz"} {
		code, _, said := command(t, dir, "serve", "--addr", "127.0.0.1:-1", "--data", filepath.Join(dir, "data"), "--base-url", base)
		if code != 1 || !strings.Contains(said, "--base-url must be a URL, such as https://muster.example.com") {
			t.Errorf("%s: exit code %d, saying %q", base, code, said)
		}
	}
}
