package emulator

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// NodeModules is a folder that has what the package.json and package-lock.json in
// dir ask for. It is filled once for each state of the lock.
func NodeModules(t testing.TB, dir string) string {
	t.Helper()
	modules, err := nodeModules(dir)
	if err != nil {
		unavailable(t, "node", err)
	}
	return modules
}

func nodeModules(dir string) (string, error) {
	if err := lookPath("node", "npm"); err != nil {
		return "", err
	}
	lock, err := os.ReadFile(filepath.Join(dir, "package-lock.json"))
	if err != nil {
		return "", err
	}
	cache, err := cacheDir("node")
	if err != nil {
		return "", err
	}
	return install(cache, fmt.Sprintf("%x", sha256.Sum256(lock))[:12], func(into string) error {
		manifest, err := os.ReadFile(filepath.Join(dir, "package.json"))
		err = errors.Join(err, os.WriteFile(filepath.Join(into, "package.json"), manifest, 0o644), os.WriteFile(filepath.Join(into, "package-lock.json"), lock, 0o644))
		if err != nil {
			return err
		}
		cmd := exec.Command("npm", "ci", "--no-audit", "--no-fund", "--ignore-scripts")
		cmd.Dir = into
		if out, err := cmd.CombinedOutput(); err != nil {
			return missing{fmt.Sprintf("what npm ci installs (%v: %s)", err, strings.TrimSpace(string(out)))}
		}
		return nil
	})
}
