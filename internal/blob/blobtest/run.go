package blobtest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"testing"
	"time"

	"muster/internal/blob"
)

// Subject is an empty store under test and what is known of it.
type Subject struct {
	Store  blob.Store
	Signer blob.Signer

	// Advance moves the clock by which signed URLs expire. With nil the suite
	// signs for one second and asks until that is over.
	Advance func(time.Duration)

	// SignedGetFollows: a signed GET gives the new bytes after a replacement. It
	// is for a bucket that keeps no versions; without it those bytes must not come.
	SignedGetFollows bool

	// KeysArePaths: a key cannot be both an object and the folder of another, and
	// a segment has at most 255 bytes. Emulators that keep files have this; S3 has not.
	KeysArePaths bool
}

// Run tests one adapter; open returns a fresh, empty store.
func Run(t *testing.T, open func(*testing.T) Subject) {
	tests := []struct {
		name string
		test func(*testing.T, Subject)
	}{
		{"a body comes back whole and in ranges", testSizes},
		{"an object is described", testInfo},
		{"a taken key is refused", testTaken},
		{"one of many puts wins", testRace},
		{"a body that fails leaves nothing", testFailingBody},
		{"an ended context leaves nothing", testEndedContext},
		{"an object is opened by version", testVersions},
		{"keys hold any text", testKeys},
		{"invalid keys are refused", testInvalidKeys},
		{"a listing is in order of the keys", testList},
		{"a listing goes on beside writes", testListBesideWrites},
		{"many objects are listed", testListMany},
		{"deletion is idempotent", testDelete},
		{"a signed PUT takes its content type only", testSignPut},
		{"a signed PUT replaces, and a reader sees one version", testReplace},
		{"a signed PUT of the same bytes", testReplaceSame},
		{"a signed GET is a download", testSignGet},
		{"a signed GET names its file", testSignGetNames},
		{"a signed GET is of one version", testSignGetVersion},
		{"a signed URL is for what was signed", testTamper},
		{"a signed URL expires", testExpiry},
		{"other credentials do not matter", testCredentialsIgnored},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) { tt.test(t, open(t)) })
	}
}

// random is n bytes that differ for each seed.
func random(seed byte, n int) []byte {
	b := make([]byte, n)
	_, _ = rand.NewChaCha8([32]byte{seed}).Read(b)
	return b
}

func put(t *testing.T, s Subject, key string, body []byte) blob.Info {
	t.Helper()
	info, err := s.Store.Put(t.Context(), key, "text/plain", onlyReader{bytes.NewReader(body)})
	if err != nil {
		t.Fatalf("put %q: %v", key, err)
	}
	return info
}

// onlyReader hides the length and the other methods of a reader: a port's body
// is a stream.
type onlyReader struct{ io.Reader }

func open(t *testing.T, s Subject, key, version string) blob.Object {
	t.Helper()
	o, err := s.Store.Open(t.Context(), key, version)
	if err != nil {
		t.Fatalf("open %q at %q: %v", key, version, err)
	}
	t.Cleanup(func() { _ = o.Close() })
	return o
}

func read(t *testing.T, s Subject, key string) []byte {
	t.Helper()
	r := blob.NewReader(open(t, s, key, ""))
	defer r.Close()
	b, err := io.ReadAll(r)
	if err != nil {
		t.Fatalf("read %q: %v", key, err)
	}
	return b
}

func wantError(t *testing.T, what string, got, want error) {
	t.Helper()
	if !errors.Is(got, want) {
		t.Errorf("%s: %v, want %v", what, got, want)
	}
}

func wantAbsent(t *testing.T, s Subject, key string) {
	t.Helper()
	_, err := s.Store.Open(t.Context(), key, "")
	wantError(t, "open "+key, err, blob.ErrNotFound)
	if keys := list(t, s, ""); len(keys) > 0 {
		t.Errorf("listed: %q", keys)
	}
}

func list(t *testing.T, s Subject, prefix string) []string {
	t.Helper()
	var keys []string
	for info, err := range s.Store.List(t.Context(), prefix) {
		if err != nil {
			t.Fatalf("list %q: %v", prefix, err)
		}
		keys = append(keys, info.Key)
	}
	return keys
}

func wantBytes(t *testing.T, what string, got, want []byte) {
	t.Helper()
	if !bytes.Equal(got, want) {
		t.Errorf("%s: %s, want %s", what, sketch(got), sketch(want))
	}
}

func sketch(b []byte) string { return fmt.Sprintf("%d bytes %.16x…", len(b), b) }

func ended(t *testing.T) context.Context {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	return ctx
}
