package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

const flawed = `{"users": [
 {"email": "ada@example.com", "id": "1"},
 {"email": "bo@example.com", "id": "1", "status": "gone"},
 {"firstName": "Nobody"},
 {"email": "ADA@example.com"}
], "licenses": [{"name": "Pro", "users": [{"email": "who@example.com"}]}]}
`

// command runs a command as main does; what it prints has no name of a folder.
func command(t *testing.T, dir string, args ...string) (code int, out, said string) {
	t.Helper()
	var o, e bytes.Buffer
	code = run(t.Context(), args, &o, &e)
	return code, strings.ReplaceAll(o.String(), dir+"/", ""), strings.ReplaceAll(e.String(), dir+"/", "")
}

func TestCheck(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	for _, c := range []struct {
		name, file string
		code       int
		want       string
	}{
		{"nothing wrong", `{"users": [{"email": "ada@example.com"}]}`, 0, `users.json: 0 errors, 0 warnings: a sync would take it
  users     received 1, valid 1, skipped 0, duplicates 0
  licenses  received 0, valid 0, skipped 0, duplicates 0
  grants    received 0, valid 0, skipped 0, duplicates 0
`},
		{"what costs nothing", `{"users": [{"email": "ada@example.com", "id": "1"}, {"email": "bo@example.com", "id": "1"}]}`, 0,
			`users.json:1:53: warning: /users/1/id: another user has the same id; both are kept (id_shared)
users.json: 0 errors, 1 warning: a sync would take it
  users     received 2, valid 2, skipped 0, duplicates 0
  licenses  received 0, valid 0, skipped 0, duplicates 0
  grants    received 0, valid 0, skipped 0, duplicates 0
`},
		{"names that nobody knows", `{"users": [{"email": "ada@example.com", "fristName": "Ada", "team": 7}, {"email": "bo@example.com", "fristName": "Bo"}], "licences": []}`, 0,
			`users.json:1:41: warning: /users/0/fristName: a user has no such member: ignored, 2 times; did you mean firstName? (member_unknown)
users.json:1:61: warning: /users/0/team: a user has no such member: ignored (member_unknown)
users.json:1:122: warning: /licences: the file has no such member: ignored; did you mean licenses? (member_unknown)
users.json: 0 errors, 3 warnings: a sync would take it
  users     received 2, valid 2, skipped 0, duplicates 0
  licenses  received 0, valid 0, skipped 0, duplicates 0
  grants    received 0, valid 0, skipped 0, duplicates 0
`},
		{"records and fields", strings.Replace(flawed, `"bo@example.com", "id": "1"`, `"bo@example.com"`, 1), 1,
			`users.json:3:40: error: /users/1/status: expected active or deleted (status_unknown)
users.json:4:2: error: /users/2/email: expected an e-mail address alone, such as adam@example.com (email_missing)
users.json:2:2: error: /users/0/email: a later user has the same e-mail; the last one counts (email_duplicate)
users.json:6:43: warning: /licenses/0/users/0/email: no user of the list has this e-mail; the licence is kept for it (license_user_unmatched)
users.json: 3 errors, 1 warning: a sync would take it
  users     received 4, valid 2, skipped 1, duplicates 1
  licenses  received 1, valid 1, skipped 0, duplicates 0
  grants    received 1, valid 1, skipped 0, duplicates 0
`},
		{"the whole file", "{\"users\": [{\"email\": \"ada@example.com\"}\n, 7], \"licenses\": 1}", 1,
			`users.json:2:3: error: /users/1: expected an object (not_an_object)
users.json:2:19: error: /licenses: expected an array (file_invalid)
users.json: 2 errors, 0 warnings: a sync would refuse it
  users     received 2, valid 1, skipped 1, duplicates 0
  licenses  received 0, valid 0, skipped 0, duplicates 0
  grants    received 0, valid 0, skipped 0, duplicates 0
`},
		{"names that would leave their line", `{"users": [], "a\n\u001b[2Jb": [[}`, 1,
			`users.json:1:15: warning: /a\n\x1b[2Jb: the file has no such member: ignored (member_unknown)
users.json:1:34: error: /a\n\x1b[2Jb/0/0: not valid JSON: invalid character '}' at start of value (file_invalid)
users.json: 1 error, 1 warning: a sync would refuse it
  users     received 0, valid 0, skipped 0, duplicates 0
  licenses  received 0, valid 0, skipped 0, duplicates 0
  grants    received 0, valid 0, skipped 0, duplicates 0
`},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			if err := os.WriteFile(filepath.Join(dir, "users.json"), []byte(c.file), 0o600); err != nil {
				t.Fatal(err)
			}
			code, out, said := command(t, dir, "check", filepath.Join(dir, "users.json"))
			if code != c.code || said != "" {
				t.Errorf("exit code %d, saying %q; want %d", code, said, c.code)
			}
			if d := cmp.Diff(c.want, out); d != "" {
				t.Error(d)
			}
		})
	}
	if left, err := os.ReadDir(os.TempDir()); err != nil || len(left) > 0 {
		t.Errorf("scratch files are left: %v, %v", left, err)
	}
}

// A file that cannot be read is no file at fault.
func TestCheckOfWhatCannotBeRead(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{filepath.Join(dir, "missing.json"), dir} {
		if code, out, said := command(t, dir, "check", name); code != 2 || out != "" || !strings.HasPrefix(said, "muster: ") {
			t.Errorf("%s: exit code %d, %q, %q", name, code, out, said)
		}
	}
}

// A pipe is read like a file, also where the file is read twice: a licence whose
// name comes behind more users than a batch holds.
func TestCheckOfAPipe(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	const grants = 5000
	go func() {
		defer w.Close()
		_, _ = io.WriteString(w, `{"users": [{"email": "ada@example.com"}], "licenses": [{"users": [{"email": "ada@example.com"}`)
		for range grants - 1 {
			_, _ = io.WriteString(w, `,{"email": "bo@example.com"}`)
		}
		_, _ = io.WriteString(w, `], "name": "Pro"}]}`)
	}()
	var out, said bytes.Buffer
	err = (&check{File: "-", JSON: true}).Run(t.Context(), &env{in: r, out: &out, err: &said, now: time.Now})
	var with *ending
	if with, _ = err.(*ending); with == nil || with.code != 1 || with.err != nil {
		t.Fatal(err)
	}
	type line struct {
		Severity, Reason, Pointer string
		Summary                   *summary
	}
	var last line
	lines := 0
	for d := json.NewDecoder(&out); d.More(); lines++ {
		last = line{}
		if err := d.Decode(&last); err != nil {
			t.Fatal(err)
		}
		if last.Summary == nil && (last.Severity == "" || last.Reason == "" || last.Pointer == "") {
			t.Errorf("line %d: %+v", lines, last)
		}
	}
	s := last.Summary
	if s == nil || !s.Accepted || s.Counts.Grants.Received != grants || s.Counts.Grants.Duplicates != grants-2 || s.Errors != grants-2 || s.Warnings != 1 || lines != grants {
		t.Errorf("%d lines, %+v", lines, s)
	}
}

// Who interrupts a check whose producer stalls is not kept until that one ends, and
// no people stay behind in a scratch file: not even if the process is killed.
func TestCheckOfAStalledPipe(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	defer func(f *os.File) { os.Stdin = f }(os.Stdin)
	os.Stdin = r
	ctx, interrupt := context.WithCancelCause(t.Context())
	var out, said bytes.Buffer
	ended := make(chan int, 1)
	go func() { ended <- run(ctx, []string{"check", "-"}, &out, &said) }()
	// More than a pipe holds: once it is written, the copy is under way.
	if _, err := w.WriteString(`{"users": [` + strings.Repeat(" ", 1<<20)); err != nil {
		t.Fatal(err)
	}
	if left, err := os.ReadDir(os.TempDir()); err != nil || len(left) > 0 {
		t.Errorf("scratch files can be seen: %v, %v", left, err)
	}
	interrupt(errors.New("interrupt signal received"))
	select {
	case code := <-ended:
		if code != 130 || out.Len() > 0 || said.String() != "muster: interrupted\n" {
			t.Errorf("exit code %d, %q, saying %q", code, &out, &said)
		}
	case <-time.After(10 * time.Second):
		t.Error("it goes on after an interrupt")
		_ = w.Close()
		<-ended
	}
}

func TestProgressIsForTerminals(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	defer w.Close()
	terminal, err := os.OpenFile("/dev/ptmx", os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer terminal.Close()
	for _, c := range []struct {
		name string
		err  io.Writer
		size int64
		want bool
	}{
		{"a pipe", w, largeFile, false},
		{"a buffer", io.Discard, largeFile, false},
		{"a terminal", terminal, largeFile, true},
		{"a small file", terminal, largeFile - 1, false},
	} {
		if got := newProgress(&env{err: c.err, now: time.Now}, c.size).shown(); got != c.want {
			t.Errorf("%s: %t", c.name, got)
		}
	}
}

func TestStatus(t *testing.T) {
	if s := newStatus(&env{err: io.Discard}); s.to != nil {
		t.Error("what is no terminal gets a status")
	}
	var drawn bytes.Buffer
	s := &status{to: &drawn}
	s.clear()
	s.at("%d users", 1000)
	s.at("2000")
	s.clear()
	s.clear()
	if d := cmp.Diff("\r\x1b[K1000 users …\r\x1b[K2000 …\r\x1b[K", drawn.String()); d != "" {
		t.Error(d)
	}
}

func TestVersion(t *testing.T) {
	code, out, said := command(t, t.TempDir(), "--version")
	if code != 0 || said != "" || !strings.HasPrefix(out, "muster ") || !strings.Contains(out, runtime.Version()) {
		t.Errorf("exit code %d, %q, %q", code, out, said)
	}
}

func TestProgress(t *testing.T) {
	var drawn bytes.Buffer
	now := time.Unix(0, 0)
	p := &progress{to: &drawn, now: func() time.Time { return now }, size: 1000, drawn: now}
	p.clear()
	for range 10 { // ten steps, of which every other is worth drawing
		now = now.Add(drawEvery / 2)
		p.add(100)
	}
	p.clear()
	p.clear()
	want := ""
	for _, at := range []string{"======                        ]  20", "============                  ]  40", "==================            ]  60",
		"========================      ]  80", "==============================] 100"} {
		want += "\r[" + at + " %"
	}
	if d := cmp.Diff(want+"\r\x1b[K", drawn.String()); d != "" {
		t.Error(d)
	}
}
