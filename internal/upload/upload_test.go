package upload_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"muster/internal/blob"
	"muster/internal/blob/blobtest"
	"muster/internal/local/bolt"
	"muster/internal/local/disk"
	"muster/internal/org"
	"muster/internal/table"
	"muster/internal/table/tabletest"
	"muster/internal/upload"
)

var (
	start = time.Date(2031, 3, 4, 5, 6, 7, 0, time.UTC)
	acme  = org.NewID()
	other = org.NewID()
)

// open makes a Store over a directory, its signed URLs served.
func open(t *testing.T) (*upload.Store, *tabletest.Clock) {
	t.Helper()
	clock := tabletest.NewClock(start)
	tab, err := bolt.Open(filepath.Join(t.TempDir(), "table.db"), clock.Now)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = tab.Close() })
	var url string
	blobs, err := disk.Open(t.TempDir(), func() string { return url }, clock.Now)
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(blobs.Handler())
	t.Cleanup(server.Close)
	url = server.URL
	return &upload.Store{Table: tab, Blobs: blobs, Signer: blobs, Now: clock.Now}, clock
}

// send PUTs body to a signed URL and answers the status.
func send(t *testing.T, url, contentType, body string) int {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPut, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", contentType)
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	_ = res.Body.Close()
	return res.StatusCode
}

func issue(t *testing.T, s *upload.Store, o org.ID, name string) (url, path string) {
	t.Helper()
	url, path, err := s.IssueURL(t.Context(), o, name, "application/json")
	if err != nil {
		t.Fatal(err)
	}
	return url, path
}

func read(t *testing.T, s *upload.Store, f upload.File) (string, error) {
	t.Helper()
	obj, err := s.Open(t.Context(), f)
	if err != nil {
		return "", err
	}
	defer obj.Close()
	b, err := io.ReadAll(io.NewSectionReader(obj, 0, obj.Info().Size))
	return string(b), err
}

func TestTheWayOfALargeFile(t *testing.T) {
	s, _ := open(t)
	url, path := issue(t, s, acme, "users.json")
	if want := fmt.Sprintf("%d/users.json", start.UnixMilli()); path != want {
		t.Errorf("path %q, want %q", path, want)
	}
	if _, err := s.Register(t.Context(), acme, path, upload.CustomIntegrationData, uuid.Nil); !errors.Is(err, upload.ErrNotUploaded) {
		t.Errorf("registered before it was put: %v", err)
	}
	if code := send(t, url, "text/csv", "x"); code != http.StatusForbidden {
		t.Errorf("another content type: %d", code)
	}
	if code := send(t, url, "application/json", "one"); code != http.StatusOK {
		t.Fatalf("put: %d", code)
	}
	first, err := s.Register(t.Context(), acme, path, upload.CustomIntegrationData, uuid.Nil)
	if err != nil {
		t.Fatal(err)
	}
	want := upload.File{
		Format: 1, ID: 1, Name: "users.json", Type: upload.CustomIntegrationData, Key: "uploads/" + acme.String() + "/" + path,
		Version: first.Version, Size: 3, PutAt: first.PutAt, RegisteredAt: start,
	}
	if diff := cmp.Diff(want, first); diff != "" || first.Version == "" || first.PutAt.IsZero() {
		t.Errorf("registered: %s", diff)
	}
	if got, err := s.Get(t.Context(), acme, 1); err != nil || got != first {
		t.Errorf("Get = %+v, %v", got, err)
	}

	// The same path again: another file, and each is bound to what it was.
	if code := send(t, url, "application/json", "two!"); code != http.StatusOK {
		t.Fatalf("put again: %d", code)
	}
	second, err := s.Register(t.Context(), acme, path, upload.Attachment, uuid.Nil)
	if err != nil || second.ID != 2 || second.Size != 4 {
		t.Errorf("registered again: %+v, %v", second, err)
	}
	if body, err := read(t, s, second); err != nil || body != "two!" {
		t.Errorf("second file: %q, %v", body, err)
	}
	if _, err := read(t, s, first); !errors.Is(err, blob.ErrChanged) {
		t.Errorf("first file after it was replaced: %v, want ErrChanged", err)
	}
}

func TestURLExpires(t *testing.T) {
	s, clock := open(t)
	url, _ := issue(t, s, acme, "users.json")
	clock.Advance(upload.URLTTL + time.Second)
	if code := send(t, url, "application/json", "late"); code != http.StatusForbidden {
		t.Errorf("an expired URL took the file: %d", code)
	}
}

func TestPathsOfOthersAreUnknown(t *testing.T) {
	s, _ := open(t)
	url, path := issue(t, s, acme, "users.json")
	send(t, url, "application/json", "{}")
	ms, _, _ := strings.Cut(path, "/")
	for name, tc := range map[string]struct {
		org  org.ID
		path string
	}{
		"another org's":            {other, path},
		"never issued":             {acme, ms + "/other.json"},
		"another time":             {acme, "1612686123657/users.json"},
		"a leading zero":           {acme, "0" + path},
		"a sign":                   {acme, "+" + path},
		"empty":                    {acme, ""},
		"no name":                  {acme, ms + "/"},
		"no slash":                 {acme, ms},
		"a folder":                 {acme, ms + "/a/users.json"},
		"another org's, by dots":   {other, ms + "/../../" + acme.String() + "/" + path},
		"not UTF-8":                {acme, ms + "/\xff.json"},
		"too long for a row's key": {acme, ms + "/" + strings.Repeat("x", 2000)},
		"a separator of keys":      {acme, ms + "#users.json"},
	} {
		_, err := s.Register(t.Context(), tc.org, tc.path, upload.CustomIntegrationData, uuid.Nil)
		if !errors.Is(err, upload.ErrUnknownPath) || err.Error() != upload.ErrUnknownPath.Error() {
			t.Errorf("%s: %v, want exactly ErrUnknownPath", name, err)
		}
	}
}

func TestNames(t *testing.T) {
	s, _ := open(t)
	for name, ok := range map[string]bool{
		"a":                      true,
		"my file (1).json":       true,
		"a..b.json":              true,
		"räksmörgås.json":        true,
		strings.Repeat("x", 255): true,
		"":                       false,
		".":                      false,
		"..":                     false,
		"a/b.json":               false,
		"/a.json":                false,
		`a\b.json`:               false,
		"a\nb.json":              false,
		"\xff.json":              false,
		strings.Repeat("x", 256): false,
	} {
		_, _, err := s.IssueURL(t.Context(), acme, name, "application/json")
		var invalid *upload.Invalid
		if ok && err != nil || !ok && (!errors.As(err, &invalid) || invalid.Faults[0].Field != "name") {
			t.Errorf("%q: %v, want accepted %t", name, err, ok)
		}
	}
}

func TestContentTypes(t *testing.T) {
	s, _ := open(t)
	for contentType, ok := range map[string]bool{
		"text/csv":                        true,
		"application/json; charset=utf-8": true,
		"customIntegrationData":           true, // some clients send the file's type here
		"":                                false,
		" text/csv":                       false,
		"text/csv\r\nX-A: b":              false,
		"text/é":                          false,
	} {
		url, _, err := s.IssueURL(t.Context(), acme, "a.json", contentType)
		var invalid *upload.Invalid
		if !ok {
			if !errors.As(err, &invalid) || invalid.Faults[0].Field != "content_type" {
				t.Errorf("%q: %v, want refused", contentType, err)
			}
			continue
		}
		if err != nil {
			t.Errorf("%q: %v", contentType, err)
		} else if code := send(t, url, contentType, "{}"); code != http.StatusOK {
			t.Errorf("%q: put answered %d", contentType, code)
		}
	}
}

func TestNoPathIsIssuedTwice(t *testing.T) {
	s, _ := open(t) // whose clock stands still
	const n = 40
	paths := make([]string, n)
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() {
			_, path, err := s.IssueURL(t.Context(), acme, "users.json", "application/json")
			if err != nil {
				t.Error(err)
			}
			paths[i] = path
		})
	}
	wg.Wait()
	seen := map[string]bool{}
	for _, p := range paths {
		if seen[p] {
			t.Errorf("%s was issued twice", p)
		}
		seen[p] = true
	}
	if _, p := issue(t, s, other, "users.json"); p != fmt.Sprintf("%d/users.json", start.UnixMilli()) {
		t.Errorf("another org's paths moved ours: %s", p)
	}
}

// Many who ask at once for one name spread out; if each went on by one millisecond,
// all would meet again and again, in a number of writes that is the square of theirs.
func TestManyPathsAtOnce(t *testing.T) {
	s, _ := open(t) // whose clock stands still
	counted := &countingTable{Table: s.Table}
	s.Table = counted
	const n = 200
	var wg sync.WaitGroup
	for range n {
		wg.Go(func() {
			if _, _, err := s.IssueURL(t.Context(), acme, "users.json", "application/json"); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if writes := counted.writes.Load(); writes > 12*n {
		t.Errorf("%d paths took %d writes", n, writes)
	}
}

type countingTable struct {
	table.Table
	writes atomic.Int64
}

func (c *countingTable) Write(ctx context.Context, ws ...table.Write) error {
	c.writes.Add(1)
	return c.Table.Write(ctx, ws...)
}

// A lost reply of the row is made good by the store's own second try, which then
// meets its first one: not a path that somebody else has.
func TestIssueURLSurvivesALostReply(t *testing.T) {
	s, _ := open(t)
	faulty := &tabletest.Faulty{Table: s.Table, Hook: func(c tabletest.Call) tabletest.Fault {
		if c.Ordinal == 1 {
			return tabletest.LostReply(&table.Conflict{Key: c.Writes[0].Key})
		}
		return tabletest.None()
	}}
	s.Table = faulty
	url, path := issue(t, s, acme, "users.json")
	if faulty.Faults() != 1 {
		t.Fatal("no fault fired")
	}
	if path != fmt.Sprintf("%d/users.json", start.UnixMilli()) {
		t.Errorf("path %s: the first try was taken for another's", path)
	}
	send(t, url, "application/json", "{}")
	if _, err := s.Register(t.Context(), acme, path, upload.Plugin, uuid.Nil); err != nil {
		t.Error(err)
	}
}

func TestRegisterLimits(t *testing.T) {
	s, _ := open(t)
	s.MaxSize = 4
	for body, ok := range map[string]bool{"1234": true, "12345": false} {
		url, path := issue(t, s, acme, "users.json")
		send(t, url, "application/json", body)
		_, err := s.Register(t.Context(), acme, path, upload.CustomIntegrationData, uuid.Nil)
		var large *upload.TooLarge
		if ok && err != nil || !ok && (!errors.As(err, &large) || *large != upload.TooLarge{Size: 5, Limit: 4}) {
			t.Errorf("%d bytes: %v", len(body), err)
		}
	}
	_, path := issue(t, s, acme, "users.json")
	var invalid *upload.Invalid
	if _, err := s.Register(t.Context(), acme, path, "logo", uuid.Nil); !errors.As(err, &invalid) || invalid.Faults[0].Field != "type" {
		t.Errorf("unknown type: %v", err)
	}
}

func TestPut(t *testing.T) {
	s, _ := open(t)
	for name, tc := range map[string]struct {
		file  string
		kind  upload.Type
		size  int
		field string // of *Invalid
		large bool
	}{
		"3 MiB":           {"a.json", upload.CustomIntegrationData, 3 << 20, "", false},
		"3 MiB and one":   {"a.json", upload.CustomIntegrationData, 3<<20 + 1, "", true},
		"empty":           {"a.zip", upload.Attachment, 0, "", false},
		"upper case":      {"A.JSON", upload.Plugin, 2, "", false},
		"no extension":    {"json", upload.Attachment, 2, "name", false},
		"other extension": {"a.exe", upload.Attachment, 2, "name", false},
		"a folder":        {"../a.json", upload.Attachment, 2, "name", false},
		"no type":         {"a.json", "", 2, "type", false},
	} {
		t.Run(name, func(t *testing.T) {
			body := strings.Repeat("x", tc.size)
			f, err := s.Put(t.Context(), acme, tc.file, tc.kind, []byte(body), uuid.Nil)
			var invalid *upload.Invalid
			var large *upload.TooLarge
			switch {
			case tc.large:
				if !errors.As(err, &large) {
					t.Errorf("%v, want *TooLarge", err)
				}
			case tc.field != "":
				if !errors.As(err, &invalid) || invalid.Faults[0].Field != tc.field {
					t.Errorf("%v, want %s refused", err, tc.field)
				}
			case err != nil:
				t.Error(err)
			default:
				if got, err := read(t, s, f); err != nil || got != body {
					t.Errorf("read back %d bytes, %v", len(got), err)
				}
				if got, err := s.Get(t.Context(), acme, f.ID); err != nil || got != f {
					t.Errorf("Get = %+v, %v; want %+v", got, err, f)
				}
			}
		})
	}
}

func TestGetKnowsItsOwnOnly(t *testing.T) {
	s, _ := open(t)
	f, err := s.Put(t.Context(), acme, "a.json", upload.Attachment, []byte("{}"), uuid.Nil)
	if err != nil {
		t.Fatal(err)
	}
	for name, tc := range map[string]struct {
		org org.ID
		id  int64
	}{
		"another org's": {other, f.ID},
		"unknown":       {acme, f.ID + 1},
		"zero":          {acme, 0},
		"negative":      {acme, -1},
		"too long":      {acme, upload.MaxID + 1},
	} {
		if _, err := s.Get(t.Context(), tc.org, tc.id); !errors.Is(err, upload.ErrNotFound) || err.Error() != upload.ErrNotFound.Error() {
			t.Errorf("%s: %v, want exactly ErrNotFound", name, err)
		}
	}
}

func TestExpired(t *testing.T) {
	f := upload.File{PutAt: start}
	for after, want := range map[time.Duration]bool{0: false, upload.Keep - time.Second: false, upload.Keep: true} {
		if got := f.Expired(start.Add(after)); got != want {
			t.Errorf("after %s: %t", after, got)
		}
	}
}

// Whatever write a process stops at, the next one works, no number is used twice
// and every row leads to its bytes.
func TestPutStopsAnywhere(t *testing.T) {
	put := func(ctx context.Context, s *upload.Store) (upload.File, error) {
		return s.Put(ctx, acme, "a.json", upload.CustomIntegrationData, []byte("{}"), uuid.Nil)
	}
	check := func(t *testing.T, s *upload.Store, answered bool) {
		f, err := put(t.Context(), s)
		if err != nil {
			t.Fatal(err)
		}
		if answered {
			t.Error("the stopped process answered success")
		}
		for id := int64(1); id <= f.ID; id++ {
			got, err := s.Get(t.Context(), acme, id)
			if errors.Is(err, upload.ErrNotFound) && id < f.ID {
				continue // a gap
			}
			if err != nil {
				t.Fatal(err)
			}
			if body, err := read(t, s, got); err != nil || body != "{}" {
				t.Errorf("file %d leads to %q, %v", id, body, err)
			}
		}
	}
	for _, after := range []bool{false, true} {
		for n := 1; n <= 2; n++ { // the number, the row
			s, _ := open(t)
			faulty := &tabletest.Faulty{Table: s.Table, Hook: tabletest.KillAt(n, after)}
			dying := *s
			dying.Table = faulty
			_, err := put(t.Context(), &dying)
			if faulty.Faults() != 1 {
				t.Fatalf("no fault at write %d", n)
			}
			check(t, s, err == nil)
		}
		s, _ := open(t)
		faulty := &blobtest.Faulty{Store: s.Blobs, Hook: blobtest.KillAt(1, after)}
		dying := *s
		dying.Blobs = faulty
		_, err := put(t.Context(), &dying)
		if faulty.Faults() != 1 {
			t.Fatal("no fault at the put of the object")
		}
		check(t, s, err == nil)
	}
}

// Whatever a try stopped at, the next ones answer with the one file there is.
func TestTriesMakeOneFile(t *testing.T) {
	s, _ := open(t)
	url, path := issue(t, s, acme, "a.json")
	send(t, url, "application/json", "{}")
	for name, call := range map[string]func(*upload.Store, uuid.UUID) (upload.File, error){
		"Put": func(s *upload.Store, try uuid.UUID) (upload.File, error) {
			return s.Put(t.Context(), acme, "a.json", upload.CustomIntegrationData, []byte("{}"), try)
		},
		"Register": func(s *upload.Store, try uuid.UUID) (upload.File, error) {
			return s.Register(t.Context(), acme, path, upload.CustomIntegrationData, try)
		},
	} {
		for _, after := range []bool{false, true} {
			for n := range 3 { // the object, the number, the rows
				dying, try := *s, uuid.Must(uuid.NewV7())
				tab, blobs := &tabletest.Faulty{Table: s.Table}, &blobtest.Faulty{Store: s.Blobs}
				if n == 0 {
					blobs.Hook = blobtest.KillAt(1, after)
				} else {
					tab.Hook = tabletest.KillAt(n, after)
				}
				dying.Table, dying.Blobs = tab, blobs
				_, err := call(&dying, try)
				if stopped := tab.Faults()+blobs.Faults() == 1; stopped != (err != nil) || !stopped && name == "Put" {
					t.Fatalf("%s: %v at %d", name, err, n)
				}
				var wg sync.WaitGroup
				var files [8]upload.File
				for i := range files {
					wg.Go(func() {
						var err error
						if files[i], err = call(s, try); err != nil {
							t.Error(err)
						}
					})
				}
				wg.Wait()
				for _, f := range files {
					if f != files[0] || f.ID == 0 {
						t.Errorf("%s: files %+v and %+v", name, files[0], f)
					}
				}
				if body, err := read(t, s, files[0]); err != nil || body != "{}" {
					t.Errorf("%s: %q, %v", name, body, err)
				}
			}
		}
	}
	// Each try made one file, also the two of Register that put no object.
	var found int
	for _, err := range s.Table.List(t.Context(), acme.Part("UPLOAD"), table.Query{}) {
		if err != nil {
			t.Fatal(err)
		}
		found++
	}
	if found != 12 {
		t.Errorf("%d files, want 12", found)
	}
}

func TestLostRepliesAreOurOwn(t *testing.T) {
	s, _ := open(t)
	tab := &tabletest.Faulty{Table: s.Table, Hook: func(c tabletest.Call) tabletest.Fault {
		if c.Method == tabletest.Write {
			return tabletest.LostReply(&table.Conflict{Key: c.Writes[0].Key})
		}
		return tabletest.None()
	}}
	blobs := &blobtest.Faulty{Store: s.Blobs, Hook: func(c blobtest.Call) blobtest.Fault {
		if c.Method == blobtest.Put {
			return blobtest.LostReply(blob.ErrExists)
		}
		return blobtest.None()
	}}
	s.Table, s.Blobs = tab, blobs
	f, err := s.Put(t.Context(), acme, "a.json", upload.Attachment, []byte("{}"), uuid.Nil)
	if err != nil || f.ID != 1 || f.Size != 2 {
		t.Errorf("Put = %+v, %v", f, err)
	}
	if tab.Faults() != 1 || blobs.Faults() != 1 {
		t.Errorf("%d and %d faults fired", tab.Faults(), blobs.Faults())
	}
}

func TestUnavailablePassesThrough(t *testing.T) {
	s, _ := open(t)
	s.Table = &tabletest.Faulty{Table: s.Table, Hook: func(tabletest.Call) tabletest.Fault {
		return tabletest.NotApplied(table.ErrUnavailable)
	}}
	_, _, errURL := s.IssueURL(t.Context(), acme, "a.json", "text/csv")
	_, errRegister := s.Register(t.Context(), acme, "1612686123657/a.json", upload.Plugin, uuid.Nil)
	_, errPut := s.Put(t.Context(), acme, "a.json", upload.Plugin, bytes.Repeat([]byte("x"), 10), uuid.Nil)
	_, errGet := s.Get(t.Context(), acme, 1)
	for i, err := range []error{errURL, errRegister, errPut, errGet} {
		if !errors.Is(err, table.ErrUnavailable) {
			t.Errorf("call %d: %v", i, err)
		}
	}
}

func Example() {
	dir, err := os.MkdirTemp("", "muster")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	tab, err := bolt.Open(filepath.Join(dir, "table.db"), time.Now)
	if err != nil {
		log.Fatal(err)
	}
	defer tab.Close()
	blobs, err := disk.Open(dir, func() string { return "http://127.0.0.1:3000" }, time.Now)
	if err != nil {
		log.Fatal(err)
	}

	ctx := context.Background()
	files := &upload.Store{Table: tab, Blobs: blobs, Signer: blobs, Now: time.Now}
	f, err := files.Put(ctx, org.NewID(), "users.json", upload.CustomIntegrationData, []byte(`{"users": []}`), uuid.Nil)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(f.ID, f.Name, f.Type, f.Size, f.Expired(time.Now()))
	// Output: 1 users.json customIntegrationData 13 false
}
