package disk_test

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"muster/internal/blob"
	"muster/internal/blob/blobtest"
	"muster/internal/local/disk"
)

// clock is a time that tests move.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func newClock() *clock { return &clock{now: time.Date(2031, 3, 4, 5, 6, 7, 0, time.UTC)} }

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) Advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// serve opens dir and serves its signed URLs.
func serve(t *testing.T, dir string, c *clock, opts ...disk.Option) *disk.Store {
	t.Helper()
	var url string
	s, err := disk.Open(dir, func() string { return url }, c.Now, opts...)
	if err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.Handle(disk.Prefix, s.Handler())
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	url = server.URL
	return s
}

func TestConformance(t *testing.T) {
	blobtest.Run(t, func(t *testing.T) blobtest.Subject {
		c := newClock()
		s := serve(t, t.TempDir(), c)
		return blobtest.Subject{Store: s, Signer: s, Advance: c.Advance}
	})
}

func put(t *testing.T, s *disk.Store, key, body string) blob.Info {
	t.Helper()
	info, err := s.Put(t.Context(), key, "text/plain", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	return info
}

func read(t *testing.T, s *disk.Store, key, version string) string {
	t.Helper()
	o, err := s.Open(t.Context(), key, version)
	if err != nil {
		t.Fatal(err)
	}
	r := blob.NewReader(o)
	defer r.Close()
	b, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func files(t *testing.T, dir string) []string {
	t.Helper()
	var names []string
	err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			names = append(names, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return names
}

func TestReopen(t *testing.T) {
	dir, c := t.TempDir(), newClock()
	s := serve(t, dir, c)
	info := put(t, s, "a/b", "bytes")
	url, err := s.SignPut(t.Context(), "x", "text/plain", time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	_, query, _ := strings.Cut(url, "?")

	again := serve(t, dir, c)
	if got := read(t, again, "a/b", info.Version); got != "bytes" {
		t.Errorf("after a restart: %q", got)
	}
	url, err = again.SignPut(t.Context(), "x", "text/plain", time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasSuffix(url, query) {
		t.Error("a URL signed before the restart is no longer good")
	}
	stat, err := os.Stat(filepath.Join(dir, "sign.key"))
	if err != nil || stat.Mode().Perm() != 0o600 {
		t.Errorf("the signing key: %v, %v", stat.Mode(), err)
	}
}

func TestOpenRemovesHalfWrittenFiles(t *testing.T) {
	dir, c := t.TempDir(), newClock()
	s := serve(t, dir, c)
	// A put that never ends, seen from a second start: what a crash leaves.
	body, feed := io.Pipe()
	done := make(chan error, 1)
	go func() {
		_, err := s.Put(t.Context(), "k", "text/plain", body)
		done <- err
	}()
	if _, err := feed.Write([]byte("half")); err != nil {
		t.Fatal(err)
	}
	if left := files(t, filepath.Join(dir, "tmp")); len(left) != 1 {
		t.Fatalf("half-written: %q", left)
	}
	again := serve(t, dir, c)
	if left := files(t, filepath.Join(dir, "tmp")); len(left) > 0 {
		t.Errorf("left over: %q", left)
	}
	if _, err := again.Open(t.Context(), "k", ""); !errors.Is(err, blob.ErrNotFound) {
		t.Errorf("half an object: %v", err)
	}
	_ = feed.Close()
	if err := <-done; err == nil {
		t.Error("the put whose file is gone succeeded")
	}
	put(t, again, "k", "whole")
}

func TestFailedPutsLeaveNoFiles(t *testing.T) {
	dir, c := t.TempDir(), newClock()
	s := serve(t, dir, c)
	put(t, s, "k", "x")
	before := files(t, dir)
	if _, err := s.Put(t.Context(), "k", "text/plain", strings.NewReader("y")); !errors.Is(err, blob.ErrExists) {
		t.Error(err)
	}
	if after := files(t, dir); len(after) != len(before) {
		t.Errorf("%q became %q", before, after)
	}
}

func TestOpenFileKeepsItsBytes(t *testing.T) {
	s := serve(t, t.TempDir(), newClock())
	info := put(t, s, "k", "old bytes")
	o, err := s.Open(t.Context(), "k", info.Version)
	if err != nil {
		t.Fatal(err)
	}
	defer o.Close()
	if err := s.Delete(t.Context(), "k"); err != nil {
		t.Fatal(err)
	}
	put(t, s, "k", "new bytes")
	p := make([]byte, 9)
	if _, err := o.ReadAt(p, 0); err != nil && !errors.Is(err, io.EOF) || string(p) != "old bytes" {
		t.Errorf("%q, %v", p, err)
	}
}

func TestDamagedFileIsAnError(t *testing.T) {
	for name, content := range map[string]string{
		"empty":          "",
		"no header":      "just text\n",
		"cut header":     `{"muster_blob":1,"ver`,
		"another format": `{"muster_blob":2,"version":"v"}` + "\n",
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			s := serve(t, dir, newClock())
			if err := os.WriteFile(filepath.Join(dir, "objects", "k@"), []byte(content), 0o600); err != nil {
				t.Fatal(err)
			}
			if _, err := s.Open(t.Context(), "k", ""); err == nil || errors.Is(err, blob.ErrNotFound) {
				t.Errorf("opened: %v", err)
			}
		})
	}
}

func TestDeleteRemovesEmptyFolders(t *testing.T) {
	dir := t.TempDir()
	s := serve(t, dir, newClock())
	put(t, s, "a/b/c", "x")
	put(t, s, "a/d", "x")
	for _, key := range []string{"a/b/c", "a/d"} {
		if err := s.Delete(t.Context(), key); err != nil {
			t.Fatal(err)
		}
	}
	left, err := os.ReadDir(filepath.Join(dir, "objects"))
	if err != nil || len(left) > 0 {
		t.Errorf("left: %v, %v", left, err)
	}
}

// A folder that is removed as empty must not go between its making and the first
// file of another put.
func TestPutBesideDeleteInOneFolder(t *testing.T) {
	s := serve(t, t.TempDir(), newClock())
	var wg sync.WaitGroup
	for who := range 4 {
		wg.Go(func() {
			key := fmt.Sprintf("folder/%d", who)
			for range 500 {
				if _, err := s.Put(t.Context(), key, "text/plain", strings.NewReader("x")); err != nil {
					t.Error(err)
					return
				}
				if err := s.Delete(t.Context(), key); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
}

func TestSignedPutTooLarge(t *testing.T) {
	dir := t.TempDir()
	s := serve(t, dir, newClock(), disk.MaxPut(10))
	url, err := s.SignPut(t.Context(), "k", "text/plain", time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name string
		body io.Reader
		want int
	}{
		{"just right", strings.NewReader("0123456789"), 200},
		{"said too long", strings.NewReader("0123456789a"), 400},
		{"is too long, unsaid", io.MultiReader(strings.NewReader("0123456789a")), 400},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			req, err := http.NewRequestWithContext(t.Context(), "PUT", url, tt.body)
			if err != nil {
				t.Fatal(err)
			}
			req.Header.Set("Content-Type", "text/plain")
			resp, err := http.DefaultClient.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			defer resp.Body.Close()
			body, _ := io.ReadAll(resp.Body)
			if resp.StatusCode != tt.want || tt.want == 400 && !strings.Contains(string(body), "<Code>EntityTooLarge</Code>") {
				t.Errorf("%d %s", resp.StatusCode, body)
			}
			if got := read(t, s, "k", ""); got != "0123456789" {
				t.Errorf("there lies %q", got)
			}
		})
	}
}

// A PUT whose connection breaks replaces nothing.
func TestSignedPutCutShort(t *testing.T) {
	s := serve(t, t.TempDir(), newClock())
	put(t, s, "k", "whole")
	url, err := s.SignPut(t.Context(), "k", "text/plain", time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	r := httptest.NewRequest("PUT", url, io.MultiReader(strings.NewReader("half"), errReader{}))
	r.Header.Set("Content-Type", "text/plain")
	w := httptest.NewRecorder()
	s.Handler().ServeHTTP(w, r)
	if w.Code != 400 || read(t, s, "k", "") != "whole" {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}

type errReader struct{}

func (errReader) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }

func TestErrorsAreS3s(t *testing.T) {
	s := serve(t, t.TempDir(), newClock())
	w := httptest.NewRecorder()
	s.Handler().ServeHTTP(w, httptest.NewRequest("GET", disk.Prefix+"k?expires=1&signature=00", nil))
	want := `<?xml version="1.0" encoding="UTF-8"?>` + "\n<Error><Code>SignatureDoesNotMatch</Code><Message>"
	if w.Code != 403 || !strings.HasPrefix(w.Body.String(), want) || w.Header().Get("Content-Type") != "application/xml" {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}
