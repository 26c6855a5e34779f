package blobtest

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"
	"testing/iotest"
	"time"

	"muster/internal/blob"
)

const mib = 1 << 20

// testSizes goes around the sizes at which a store changes its way of writing:
// nothing, one part, several.
func testSizes(t *testing.T, s Subject) {
	for _, size := range []int{0, 1, 5*mib - 1, 5 * mib, 5*mib + 1, 8 * mib, 8*mib + 1, 10 * mib, 17 * mib} {
		body := random(1, size)
		key := fmt.Sprintf("sizes/%d", size)
		info := put(t, s, key, body)
		if info.Size != int64(size) {
			t.Errorf("%s: Put says %d bytes", key, info.Size)
		}
		wantBytes(t, key, read(t, s, key), body)
		wantRanges(t, open(t, s, key, info.Version), body)
	}
}

func wantRanges(t *testing.T, o blob.Object, body []byte) {
	t.Helper()
	size := len(body)
	for _, r := range []struct{ off, n int }{{0, 1}, {0, size}, {size / 2, 1000}, {size - 1, 1}, {size - 10, 20}, {size, 1}, {size + 5, 1}, {0, 0}} {
		if r.off < 0 {
			continue
		}
		want := body[min(r.off, size):min(r.off+r.n, size)]
		p := make([]byte, r.n)
		n, err := o.ReadAt(p, int64(r.off))
		wantBytes(t, fmt.Sprintf("range %d+%d of %d", r.off, r.n, size), p[:n], want)
		if full, eof := n == r.n, errors.Is(err, io.EOF); full && err != nil && !eof || !full && !eof {
			t.Errorf("range %d+%d of %d: %d bytes and %v", r.off, r.n, size, n, err)
		}
	}
	if _, err := o.ReadAt(make([]byte, 1), -1); err == nil {
		t.Error("a negative offset was read")
	}
}

func testInfo(t *testing.T, s Subject) {
	began := time.Now()
	info, err := s.Store.Put(t.Context(), "a/b.csv", "text/csv; charset=utf-8", strings.NewReader("12345"))
	if err != nil {
		t.Fatal(err)
	}
	got := open(t, s, "a/b.csv", "").Info()
	if got.Key != "a/b.csv" || got.Size != 5 || got.ContentType != "text/csv; charset=utf-8" || got.Version == "" {
		t.Errorf("opened: %+v", got)
	}
	if info.Version != got.Version || info.Size != got.Size || info.Key != got.Key || info.ContentType != got.ContentType {
		t.Errorf("put says %+v, open %+v", info, got)
	}
	// A minute for a clock that is not ours; a subject with its own clock has its own time.
	if d := got.Modified.Sub(began); s.Advance == nil && d.Abs() > time.Minute {
		t.Errorf("put at %v, says %v", began, got.Modified)
	}
	for listed, err := range s.Store.List(t.Context(), "a/") {
		if err != nil || listed.Version != got.Version || listed.Size != 5 || listed.Modified.IsZero() {
			t.Errorf("listed: %+v, %v", listed, err)
		}
	}
	if err := errors.Join(open(t, s, "a/b.csv", "").Close(), closeTwice(open(t, s, "a/b.csv", ""))); err != nil {
		t.Error(err)
	}
}

func closeTwice(c io.Closer) error { return errors.Join(c.Close(), c.Close()) }

func testTaken(t *testing.T, s Subject) {
	for _, size := range []int{10, 12 * mib} { // the second in parts
		key := fmt.Sprintf("taken/%d", size)
		first := put(t, s, key, []byte("the first"))
		_, err := s.Store.Put(t.Context(), key, "text/csv", bytes.NewReader(random(2, size)))
		wantError(t, "second put", err, blob.ErrExists)
		if got := open(t, s, key, first.Version).Info().ContentType; got != "text/plain" {
			t.Errorf("its type became %q", got)
		}
		wantBytes(t, "after the second put", read(t, s, key), []byte("the first"))
	}
}

// testRace: the bytes that lie there are those of the put that was told so.
func testRace(t *testing.T, s Subject) {
	for _, size := range []int{1000, 6 * mib} {
		const takers = 16
		var (
			wg   sync.WaitGroup
			gate = make(chan struct{})
			errs [takers]error
			key  = fmt.Sprintf("race/%d", size)
		)
		for i := range takers {
			wg.Go(func() {
				body := random(byte(i), size)
				<-gate
				_, errs[i] = s.Store.Put(t.Context(), key, "text/plain", bytes.NewReader(body))
			})
		}
		close(gate)
		wg.Wait()
		wins := 0
		for i, err := range errs {
			if err == nil {
				wins++
				wantBytes(t, "what lies there", read(t, s, key), random(byte(i), size))
			} else if !errors.Is(err, blob.ErrExists) {
				t.Errorf("taker %d: %v", i, err)
			}
		}
		if wins != 1 {
			t.Errorf("%d of %d puts of %d bytes won", wins, takers, size)
		}
	}
}

func testFailingBody(t *testing.T, s Subject) {
	// The second is what a connection gives that broke: it must not pass for an end.
	for _, boom := range []error{errors.New("boom"), io.ErrUnexpectedEOF} {
		for _, size := range []int{0, 100, 5 * mib, 11 * mib} {
			body := io.MultiReader(bytes.NewReader(random(3, size)), iotest.ErrReader(boom))
			_, err := s.Store.Put(t.Context(), "failing", "text/plain", body)
			wantError(t, fmt.Sprintf("a body that fails after %d", size), err, boom)
			wantAbsent(t, s, "failing")
		}
	}
	put(t, s, "failing", []byte("the key is still free"))
}

func testEndedContext(t *testing.T, s Subject) {
	ctx := ended(t)
	if _, err := s.Store.Put(ctx, "k", "text/plain", strings.NewReader("x")); err == nil {
		t.Error("put succeeded")
	}
	wantAbsent(t, s, "k")
	put(t, s, "k", []byte("x"))
	for _, err := range s.Store.List(ctx, "") {
		if err == nil {
			t.Error("listed")
		}
	}
}

func testVersions(t *testing.T, s Subject) {
	_, err := s.Store.Open(t.Context(), "v", "")
	wantError(t, "nothing there", err, blob.ErrNotFound)
	_, err = s.Store.Open(t.Context(), "v", "0123456789abcdef0123456789abcdef")
	wantError(t, "nothing there, by version", err, blob.ErrNotFound)
	a, b := put(t, s, "v", []byte("a")), put(t, s, "w", []byte("b"))
	if a.Version == b.Version {
		t.Error("other bytes have the same version")
	}
	open(t, s, "v", a.Version)
	_, err = s.Store.Open(t.Context(), "v", b.Version)
	wantError(t, "another version", err, blob.ErrChanged)
}

var oddKeys = []string{
	"with space/and  two", " leading and trailing ", "plus+and&and=and%20and%", "#?;:@!$'()*,~|<>\"`^{}[]",
	"Ünïcode/日本語/😀.csv", "CASE/File.CSV", "case/file.csv", "..hidden/...", ".dot", "a.b..c", "-", "con", "%2e%2e/%2F", "a@", "a+/b",
	"e\u0301 and \u00e9", strings.Repeat("x", 250), strings.Repeat("/deep", 150)[1:],
}

// pathless are keys that only a store of keys can hold.
var pathless = []string{
	"both", "both/object", "both/and/folder", strings.Repeat("é", 450), strings.Repeat("Long ", 100) + "/" + strings.Repeat("n", 200) + "/.",
	strings.Repeat("n", 200) + "./b", strings.Repeat("n", 200) + "/b", strings.Repeat("n", 200), strings.Repeat("n", 201), strings.Repeat("n", 900),
}

func testKeys(t *testing.T, s Subject) {
	keys := oddKeys
	if !s.KeysArePaths {
		keys = append(keys[:len(keys):len(keys)], pathless...)
	}
	for _, key := range keys {
		if blob.CheckKey(key) == nil {
			put(t, s, key, []byte(key))
		}
	}
	n := 0
	for _, key := range keys {
		if blob.CheckKey(key) == nil {
			n++
			wantBytes(t, fmt.Sprintf("%q", key), read(t, s, key), []byte(key))
		}
	}
	if got := list(t, s, ""); len(got) != n {
		t.Errorf("listed %d of %d keys: %q", len(got), n, got)
	}
	for _, key := range keys {
		if err := s.Store.Delete(t.Context(), key); err != nil && blob.CheckKey(key) == nil {
			t.Errorf("delete %q: %v", key, err)
		}
	}
	if got := list(t, s, ""); len(got) > 0 {
		t.Errorf("not deleted: %q", got)
	}
}

func testInvalidKeys(t *testing.T, s Subject) {
	ctx := t.Context()
	for _, key := range []string{"", "/", "/a", "a/", "a//b", ".", "..", "a/../b", "a/.", "a\\b", "a\x00b", "a\nb", "\xff", strings.Repeat("k", 901)} {
		_, err := s.Store.Put(ctx, key, "text/plain", strings.NewReader("x"))
		wantError(t, fmt.Sprintf("put %.20q", key), err, blob.ErrInvalid)
		_, err = s.Store.Open(ctx, key, "")
		wantError(t, fmt.Sprintf("open %.20q", key), err, blob.ErrInvalid)
		wantError(t, fmt.Sprintf("delete %.20q", key), s.Store.Delete(ctx, key), blob.ErrInvalid)
		_, err = s.Signer.SignPut(ctx, key, "text/plain", time.Minute)
		wantError(t, fmt.Sprintf("sign a put of %.20q", key), err, blob.ErrInvalid)
		_, err = s.Signer.SignGet(ctx, key, "", "f", time.Minute)
		wantError(t, fmt.Sprintf("sign a get of %.20q", key), err, blob.ErrInvalid)
	}
	_, err := s.Signer.SignPut(ctx, "k", "", time.Minute)
	wantError(t, "sign a put without a type", err, blob.ErrInvalid)
}

func testDelete(t *testing.T, s Subject) {
	ctx := t.Context()
	put(t, s, "d/e/f", []byte("x"))
	put(t, s, "d/g", []byte("y"))
	for range 2 {
		if err := s.Store.Delete(ctx, "d/e/f"); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Store.Delete(ctx, "never/was"); err != nil {
		t.Error(err)
	}
	_, err := s.Store.Open(ctx, "d/e/f", "")
	wantError(t, "open what was deleted", err, blob.ErrNotFound)
	wantBytes(t, "its neighbour", read(t, s, "d/g"), []byte("y"))
	put(t, s, "d/e/f", []byte("again"))
	wantBytes(t, "put again", read(t, s, "d/e/f"), []byte("again"))
}
