package blobtest

import (
	"bytes"
	"errors"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"muster/internal/blob"
)

// answer is what a signed URL gave.
type answer struct {
	status int
	header http.Header
	body   []byte
}

func do(t *testing.T, method, target, contentType string, body []byte, header ...string) answer {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, target, bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if contentType != "" {
		req.Header.Set("Content-Type", contentType)
	}
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	got, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer{resp.StatusCode, resp.Header, got}
}

func signPut(t *testing.T, s Subject, key, contentType string) string {
	t.Helper()
	u, err := s.Signer.SignPut(t.Context(), key, contentType, time.Hour)
	if err != nil {
		t.Fatalf("sign a put of %q: %v", key, err)
	}
	return u
}

func signGet(t *testing.T, s Subject, key, version, filename string) string {
	t.Helper()
	u, err := s.Signer.SignGet(t.Context(), key, version, filename, time.Hour)
	if err != nil {
		t.Fatalf("sign a get of %q: %v", key, err)
	}
	return u
}

func wantStatus(t *testing.T, what string, got answer, want int, code string) {
	t.Helper()
	if got.status != want || !strings.Contains(string(got.body), code) {
		t.Errorf("%s: %d %.300s, want %d %s", what, got.status, got.body, want, code)
	}
}

func testSignPut(t *testing.T, s Subject) {
	for _, key := range []string{"up/plan.csv", "up/größe 50% + 1 & more?.csv", "up/日本"} {
		u := signPut(t, s, key, "text/csv")
		wantStatus(t, "wrong type", do(t, "PUT", u, "application/json", []byte("x")), 403, "SignatureDoesNotMatch")
		wantStatus(t, "no type", do(t, "PUT", u, "", []byte("x")), 403, "")
		_, err := s.Store.Open(t.Context(), key, "")
		wantError(t, "after refused puts", err, blob.ErrNotFound)

		got := do(t, "PUT", u, "text/csv", []byte("a,b\n"))
		if got.status != 200 || len(got.body) > 0 || got.header.Get("ETag") == "" {
			t.Errorf("right type: %d, ETag %q, body %q", got.status, got.header.Get("ETag"), got.body)
		}
		wantBytes(t, key, read(t, s, key), []byte("a,b\n"))
		if info := open(t, s, key, "").Info(); info.ContentType != "text/csv" || info.Size != 4 || info.Version == "" {
			t.Errorf("%+v", info)
		}
	}
	big := random(5, 17*mib)
	wantStatus(t, "17 MiB", do(t, "PUT", signPut(t, s, "up/big", "x/y"), "x/y", big), 200, "")
	wantBytes(t, "17 MiB", read(t, s, "up/big"), big)
}

// testReplace reads an object that is replaced under its reader: each range is
// of the version opened, or ErrChanged; never of the new one.
func testReplace(t *testing.T, s Subject) {
	before, after := random(6, 3*mib), random(7, 3*mib)
	old := put(t, s, "r", before)
	reading := open(t, s, "r", old.Version)
	wantRanges(t, reading, before)

	wantStatus(t, "put over it", do(t, "PUT", signPut(t, s, "r", "text/plain"), "text/plain", after), 200, "")
	p := make([]byte, mib)
	if n, err := reading.ReadAt(p, mib); err == nil {
		wantBytes(t, "read on", p[:n], before[mib:2*mib])
	} else {
		wantError(t, "read on", err, blob.ErrChanged)
	}
	_, err := s.Store.Open(t.Context(), "r", old.Version)
	wantError(t, "open the old version", err, blob.ErrChanged)
	if now := open(t, s, "r", "").Info(); now.Version == old.Version {
		t.Error("the version did not change")
	}
	wantBytes(t, "what lies there", read(t, s, "r"), after)
	_, err = s.Signer.SignGet(t.Context(), "r", old.Version, "f", time.Minute)
	wantError(t, "sign a get of the old version", err, blob.ErrChanged)
	_, err = s.Store.Put(t.Context(), "r", "text/plain", strings.NewReader("x"))
	wantError(t, "put", err, blob.ErrExists)
}

// testReplaceSame: equal bytes may have an equal version (an ETag is a digest),
// and whoever opened either goes on reading them.
func testReplaceSame(t *testing.T, s Subject) {
	body := []byte("the same")
	old := put(t, s, "same", body)
	wantStatus(t, "put again", do(t, "PUT", signPut(t, s, "same", "text/plain"), "text/plain", body), 200, "")
	_, err := s.Store.Open(t.Context(), "same", old.Version)
	if err != nil && !errors.Is(err, blob.ErrChanged) {
		t.Error(err)
	}
	wantBytes(t, "same", read(t, s, "same"), body)
}

func testSignGet(t *testing.T, s Subject) {
	body := random(8, 100_000)
	info := put(t, s, "down/x.csv", body)
	for _, version := range []string{info.Version, ""} {
		u := signGet(t, s, "down/x.csv", version, "plan.csv")
		got := do(t, "GET", u, "", nil)
		wantStatus(t, "get", got, 200, "")
		wantBytes(t, "get", got.body, body)
		if ct := got.header.Get("Content-Type"); ct != "text/plain" {
			t.Errorf("content type %q", ct)
		}
		part := do(t, "GET", u, "", nil, "Range", "bytes=10-19")
		wantStatus(t, "range", part, 206, "")
		wantBytes(t, "range", part.body, body[10:20])
	}
	_, err := s.Signer.SignGet(t.Context(), "nothing", "", "f", time.Minute)
	wantError(t, "sign a get of nothing", err, blob.ErrNotFound)
}

func testSignGetNames(t *testing.T, s Subject) {
	put(t, s, "n", []byte("x"))
	for _, name := range []string{"plan.csv", "two words.csv", `say "hi".csv`, "größe 日本.csv", "a;b=c,d.csv", "per%20cent+.csv"} {
		got := do(t, "GET", signGet(t, s, "n", "", name), "", nil)
		disposition, params, err := mime.ParseMediaType(got.header.Get("Content-Disposition"))
		if err != nil || disposition != "attachment" || params["filename"] != name {
			t.Errorf("%q is sent as %q (%v)", name, got.header.Get("Content-Disposition"), err)
		}
	}
}

func testSignGetVersion(t *testing.T, s Subject) {
	info := put(t, s, "gv", []byte("old"))
	u := signGet(t, s, "gv", info.Version, "f")
	wantStatus(t, "replace", do(t, "PUT", signPut(t, s, "gv", "text/plain"), "text/plain", []byte("new")), 200, "")
	got := do(t, "GET", u, "", nil)
	switch {
	case s.SignedGetFollows:
		wantStatus(t, "after a replacement", got, 200, "new")
	case got.status == 200:
		wantBytes(t, "after a replacement", got.body, []byte("old"))
	case got.status != 404 && got.status != 403 && got.status != 412:
		t.Errorf("after a replacement: %d %s", got.status, got.body)
	}
	if err := s.Store.Delete(t.Context(), "gv"); err != nil {
		t.Fatal(err)
	}
	wantStatus(t, "after a deletion", do(t, "GET", u, "", nil), 404, "NoSuchKey")
}

// testTamper changes one part of a good URL after the other: its signature, and
// all that the signature covers.
func testTamper(t *testing.T, s Subject) {
	put(t, s, "t/mine", []byte("mine"))
	put(t, s, "t/other", []byte("what lies there"))
	get, put := signGet(t, s, "t/mine", "", "f"), signPut(t, s, "t/mine", "text/plain")
	type tamper struct{ name, method, target string }
	tests := []tamper{
		{"GET with the URL of a PUT", "GET", put},
		{"PUT with the URL of a GET", "PUT", get},
		{"DELETE with the URL of a PUT", "DELETE", put},
		{"GET of another key", "GET", strings.Replace(get, "mine", "other", 1)},
		{"PUT of another key", "PUT", strings.Replace(put, "mine", "other", 1)},
		{"GET without a query", "GET", withoutQuery(get)},
		{"PUT without a query", "PUT", withoutQuery(put)},
	}
	for name := range query(t, get) {
		tests = append(tests, tamper{"GET with another " + name, "GET", change(t, get, name)})
	}
	for name := range query(t, put) {
		tests = append(tests, tamper{"PUT with another " + name, "PUT", change(t, put, name)})
	}
	for _, tt := range tests {
		got := do(t, tt.method, tt.target, "text/plain", []byte("forged"))
		if got.status != 403 && got.status != 405 && got.status != 400 || bytes.Contains(got.body, []byte("what lies there")) {
			t.Errorf("%s: %d %s", tt.name, got.status, got.body)
		}
	}
	wantBytes(t, "mine", read(t, s, "t/mine"), []byte("mine"))
	wantBytes(t, "other", read(t, s, "t/other"), []byte("what lies there"))
}

func query(t *testing.T, signed string) url.Values {
	t.Helper()
	u, err := url.Parse(signed)
	if err != nil {
		t.Fatal(err)
	}
	return u.Query()
}

// change gives a parameter another last character.
func change(t *testing.T, signed, name string) string {
	t.Helper()
	q := query(t, signed)
	v := q.Get(name)
	last := "0"
	if strings.HasSuffix(v, "0") {
		last = "1"
	}
	q.Set(name, v[:max(0, len(v)-1)]+last)
	return withoutQuery(signed) + "?" + q.Encode()
}

func withoutQuery(signed string) string {
	bare, _, _ := strings.Cut(signed, "?")
	return bare
}

func testExpiry(t *testing.T, s Subject) {
	put(t, s, "e", []byte("x"))
	put1, err := s.Signer.SignPut(t.Context(), "e", "text/plain", time.Second)
	if err != nil {
		t.Fatal(err)
	}
	get1, err := s.Signer.SignGet(t.Context(), "e", "", "f", time.Second)
	if err != nil {
		t.Fatal(err)
	}
	if s.Advance != nil {
		wantStatus(t, "get in time", do(t, "GET", get1, "", nil), 200, "")
		s.Advance(2 * time.Second)
	}
	for deadline := time.Now().Add(10 * time.Second); s.Advance == nil && time.Now().Before(deadline); {
		if do(t, "GET", get1, "", nil).status == 403 {
			break
		}
		time.Sleep(100 * time.Millisecond) // its clock is not ours to move
	}
	wantStatus(t, "get late", do(t, "GET", get1, "", nil), 403, "Request has expired")
	wantStatus(t, "put late", do(t, "PUT", put1, "text/plain", []byte("late")), 403, "Request has expired")
	wantBytes(t, "after the late put", read(t, s, "e"), []byte("x"))
}

// testCredentialsIgnored: a client that sends its API key along gets no other
// answer for it. (S3 itself refuses two ways of signing at once, 400; a key of
// ours in the header must never be what lets a request in.)
func testCredentialsIgnored(t *testing.T, s Subject) {
	put(t, s, "c", []byte("x"))
	key := []string{"Authorization", "Bearer some-key"}
	got := do(t, "GET", signGet(t, s, "c", "", "f"), "", nil, key...)
	if got.status != 200 && got.status != 400 {
		t.Errorf("signed, with a key: %d %s", got.status, got.body)
	}
	got = do(t, "GET", withoutQuery(signGet(t, s, "c", "", "f")), "", nil, key...)
	if got.status != 403 && got.status != 400 {
		t.Errorf("unsigned, with a key: %d %s", got.status, got.body)
	}
}
