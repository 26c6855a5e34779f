package local_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"muster/internal/blob"
	"muster/internal/job"
	"muster/internal/job/jobtest"
	"muster/internal/local"
	"muster/internal/local/bolt"
)

func open(t *testing.T, dir string) *local.Platform {
	t.Helper()
	p, err := local.Open(dir, func() string { return "http://127.0.0.1:3000" }, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Close() })
	return p
}

// What a bucket's lifecycle rules do on AWS, the sweep does here.
func TestSweepDeletesByAge(t *testing.T) {
	p := open(t, t.TempDir())
	ctx := t.Context()
	for _, key := range []string{"uploads/o/f", "staging/o/r", "jobs/o/p", "snapshots/o/s.parquet"} {
		if _, err := p.Blobs().Put(ctx, key, "", strings.NewReader("x")); err != nil {
			t.Fatal(err)
		}
	}
	const day = 24 * time.Hour
	for _, c := range []struct {
		age  time.Duration
		left string
	}{
		{day, "jobs/o/p snapshots/o/s.parquet staging/o/r uploads/o/f"},
		{3 * day, "jobs/o/p snapshots/o/s.parquet uploads/o/f"},
		{31 * day, "jobs/o/p snapshots/o/s.parquet"},
		{401 * day, "snapshots/o/s.parquet"},
		{4000 * day, "snapshots/o/s.parquet"},
	} {
		if err := p.Sweep(ctx, time.Now().Add(c.age)); err != nil {
			t.Fatal(err)
		}
		if left := keys(t, p.Blobs()); left != c.left {
			t.Errorf("after %v there are %s, want %s", c.age, left, c.left)
		}
	}
}

func keys(t *testing.T, s blob.Store) string {
	t.Helper()
	var all []string
	for info, err := range s.List(t.Context(), "") {
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, info.Key)
	}
	return strings.Join(all, " ")
}

func TestOneProcessHasTheFolder(t *testing.T) {
	dir := t.TempDir()
	open(t, dir)
	_, err := local.Open(dir, func() string { return "" }, time.Now)
	if !errors.Is(err, bolt.ErrLocked) {
		t.Errorf("opened twice: %v", err)
	}
}

func TestOpenClearsWhatAKilledProcessLeft(t *testing.T) {
	dir := t.TempDir()
	if err := os.MkdirAll(filepath.Join(dir, "tmp", "snapshot-1"), 0o700); err != nil {
		t.Fatal(err)
	}
	left, err := os.ReadDir(open(t, dir).TempDir())
	if err != nil || len(left) > 0 {
		t.Errorf("left are %v, %v", left, err)
	}
}

func TestStarter(t *testing.T) {
	jobtest.Run(t, func(t *testing.T, work jobtest.Work) job.Starter {
		s := local.NewStarter()
		s.Serve(work)
		t.Cleanup(s.Close)
		return s
	})
}

func TestStarterEnds(t *testing.T) {
	s := local.NewStarter()
	if err := s.Start(t.Context(), job.Start{}); err == nil {
		t.Error("took a start that nobody serves")
	}
	began, release := make(chan struct{}), make(chan struct{})
	s.Serve(func(ctx context.Context, _ job.Start) {
		close(began)
		<-release
		if ctx.Err() != nil {
			t.Error("the worker ended with the request that started it")
		}
	})
	ctx, cancel := context.WithCancel(t.Context())
	if err := s.Start(ctx, job.Start{}); err != nil {
		t.Fatal(err)
	}
	<-began
	cancel()
	closed := make(chan struct{})
	go func() { s.Close(); close(closed) }()
	close(release)
	<-closed
	if err := s.Start(t.Context(), job.Start{}); err == nil {
		t.Error("took a start after its end")
	}
}
