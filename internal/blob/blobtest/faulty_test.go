package blobtest_test

import (
	"errors"
	"io"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"muster/internal/blob"
	"muster/internal/blob/blobtest"
	"muster/internal/local/disk"
)

func open(t *testing.T) *disk.Store {
	t.Helper()
	var url string
	s, err := disk.Open(t.TempDir(), func() string { return url }, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(s.Handler())
	t.Cleanup(server.Close)
	url = server.URL
	return s
}

func text(s string) io.Reader { return strings.NewReader(s) }

func TestFaultyPassesConformance(t *testing.T) {
	blobtest.Run(t, func(t *testing.T) blobtest.Subject {
		s := open(t)
		return blobtest.Subject{Store: &blobtest.Faulty{Store: s}, Signer: s}
	})
}

func TestFaults(t *testing.T) {
	lost := errors.New("lost")
	for name, c := range map[string]struct {
		fault   blobtest.Fault
		err     error // of the write
		applied bool
		dead    bool // afterwards
	}{
		"none":        {blobtest.None(), nil, true, false},
		"not applied": {blobtest.NotApplied(lost), lost, false, false},
		"lost reply":  {blobtest.LostReply(lost), lost, true, false},
		"stop before": {blobtest.StopBefore(), blobtest.ErrStopped, false, true},
		"stop after":  {blobtest.StopAfter(), blobtest.ErrStopped, true, true},
	} {
		t.Run(name, func(t *testing.T) {
			s, stops := open(t), 0
			f := &blobtest.Faulty{Store: s, OnStop: func() { stops++ }}
			f.Hook = func(call blobtest.Call) blobtest.Fault {
				if call.Ordinal == 2 {
					return c.fault
				}
				return blobtest.None()
			}
			if _, err := f.Put(t.Context(), "a", "text/plain", text("a")); err != nil {
				t.Fatal(err)
			}
			if _, err := f.Put(t.Context(), "b", "text/plain", text("b")); !errors.Is(err, c.err) {
				t.Errorf("put: %v, want %v", err, c.err)
			}
			if _, err := s.Open(t.Context(), "b", ""); (err == nil) != c.applied {
				t.Errorf("applied: %v, want %t", err, c.applied)
			}
			if _, err := f.Open(t.Context(), "a", ""); errors.Is(err, blobtest.ErrStopped) != c.dead {
				t.Errorf("afterwards: %v, want dead %t", err, c.dead)
			}
			if c.dead && stops != 1 {
				t.Errorf("OnStop was called %d times", stops)
			}
			if fired := name != "none"; fired != (f.Faults() == 1) || f.Writes() != 2 {
				t.Errorf("%d faults, %d writes", f.Faults(), f.Writes())
			}
		})
	}
}

func TestStopEndsEveryCall(t *testing.T) {
	s := open(t)
	f := &blobtest.Faulty{Store: s}
	for _, key := range []string{"a", "b"} {
		if _, err := f.Put(t.Context(), key, "text/plain", text(key)); err != nil {
			t.Fatal(err)
		}
	}
	opened, err := f.Open(t.Context(), "a", "")
	if err != nil {
		t.Fatal(err)
	}
	defer opened.Close()
	objects := 0
	for _, err := range f.List(t.Context(), "") {
		if objects++; objects == 1 {
			f.Stop()
		} else if !errors.Is(err, blobtest.ErrStopped) {
			t.Errorf("a list goes on in a stopped process: %v", err)
		}
	}
	_, errRead := opened.ReadAt(make([]byte, 1), 0)
	_, errPut := f.Put(t.Context(), "c", "text/plain", text("c"))
	for _, err := range []error{errRead, errPut, f.Delete(t.Context(), "a")} {
		if !errors.Is(err, blobtest.ErrStopped) {
			t.Errorf("a stopped process goes on: %v", err)
		}
	}
}

// A process that dies while it sends a body leaves nothing of it.
func TestStopWithinABody(t *testing.T) {
	s := open(t)
	f := &blobtest.Faulty{Store: s}
	body := io.MultiReader(text("half"), readerFunc(func([]byte) (int, error) {
		f.Stop()
		return 0, io.EOF
	}))
	if _, err := f.Put(t.Context(), "k", "text/plain", body); !errors.Is(err, blobtest.ErrStopped) {
		t.Error(err)
	}
	if _, err := s.Open(t.Context(), "k", ""); !errors.Is(err, blob.ErrNotFound) {
		t.Errorf("half an object: %v", err)
	}
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }
