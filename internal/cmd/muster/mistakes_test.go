package main

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Who interrupts a command is told so in no more words, and no script takes its exit
// code for an answer.
func TestInterrupted(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "users.json")
	if err := os.WriteFile(file, []byte(`{"users":[{"email":"ada@example.com"}]}`), 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, interrupt := context.WithCancelCause(t.Context())
	interrupt(errors.New("interrupt signal received"))
	for _, args := range []string{"check " + file, "cost --users 1", "bench --only calls --users 1", "org create Acme --data " + dir} {
		var out, said bytes.Buffer
		if code := run(ctx, strings.Fields(args), &out, &said); code != 130 || said.String() != "muster: interrupted\n" {
			t.Errorf("muster %s: exit code %d, saying %q", args, code, &said)
		}
	}
}

// What is mistyped is answered with where to look, and makes nothing.
func TestMistakes(t *testing.T) {
	dir := t.TempDir()
	data, nowhere := filepath.Join(dir, "data"), filepath.Join(dir, "nowhere")
	_, acme, _ := command(t, dir, "org", "create", "Acme", "--data", data)
	acme = strings.TrimSpace(acme)
	const another = "018f5c3e-0000-7000-8000-000000000000"
	for args, want := range map[string]string{
		"":                    `expected one of "serve", "org", "key", "check", "openapi", ...; muster --help says more`,
		"server":              `unexpected argument server, did you mean "serve"?; muster --help says more`,
		"serve --port 3000":   "unknown flag --port; muster serve --help says more",
		"org create":          `expected "<name>"; muster org create --help says more`,
		"check":               `expected "<file>"; muster check --help says more`,
		"bench --users 10,0":  "--users: 0 is no number of users, which is at least 1; muster bench --help says more",
		"cost --users 0":      "--users: 0 is no number of users, which is at least 1; muster cost --help says more",
		"cost --orgs=100,-10": "--orgs: -10 is no number of orgs, which is at least 1; muster cost --help says more",

		"key create X --role boss --data " + data: `--role must be one of "read","write","admin" but got "boss"; muster key create --help says more`,

		"serve --addr nowhere:port --data " + nowhere:                         "; give another address with --addr, such as 127.0.0.1:3001",
		"key create Acme --data " + data:                                      `org: "Acme" is not an org id: org list shows them`,
		"key list " + another + " --data " + data:                             "listing the keys of org " + another + ": get org " + another + ": org: not found; org list shows the orgs",
		"org set " + another + " --monthly-syncs 1 --data " + data:            "org: not found; org list shows the orgs",
		"key revoke " + another + " " + another + " --data " + data:           "not found; org list shows the orgs, key list an org's keys",
		"key revoke " + acme + " " + another + " --data " + data:              "not found; org list shows the orgs, key list an org's keys",
		"org list --data " + nowhere:                                          "there is no data in nowhere: --data names the folder that serve or org create made",
		"key create " + acme + " --data " + nowhere:                           "there is no data in nowhere",
		"org set " + acme + " --retention-days 9 --data " + nowhere:           "there is no data in nowhere",
		"key revoke " + acme + " " + another + " --data " + nowhere + "/deep": "there is no data in nowhere/deep",
	} {
		code, out, said := command(t, dir, strings.Fields(args)...)
		wrong := 1
		if strings.Contains(want, "--help says more") {
			wrong = 2 // the line itself: nothing was tried
		}
		if code != wrong || out != "" || !strings.Contains(said, want) {
			t.Errorf("muster %s: exit code %d\n%s%s\nwant %s", args, code, out, said, want)
		}
	}
	if _, err := os.Stat(nowhere); !os.IsNotExist(err) {
		t.Errorf("a folder was made: %v", err)
	}
}
