package syncer_test

import (
	"context"
	"io"
	"iter"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"

	"muster/internal/blob/blobtest"
	"muster/internal/job"
	"muster/internal/roster"
	"muster/internal/rosterfile"
	"muster/internal/rosterfile/rostergen"
)

// generated is a file of n users on disk, in no order, as a source.
func generated(t *testing.T, n int, o rostergen.Options) rosterfile.Open {
	t.Helper()
	path := filepath.Join(t.TempDir(), "roster.json")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := rostergen.Write(f, n, o); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	return func(_ context.Context, offset int64) (io.ReadCloser, error) {
		f, err := os.Open(path)
		if err == nil {
			_, err = f.Seek(offset, io.SeekStart)
		}
		return f, err
	}
}

// gaugedSource passes the gauge between batches.
type gaugedSource struct {
	roster.Source
	*blobtest.Gauge
	users int
}

func (s gaugedSource) Read(ctx context.Context, cursor []byte) iter.Seq2[roster.Batch, error] {
	return func(yield func(roster.Batch, error) bool) {
		read, next := 0, s.users/blobtest.Places
		for b, err := range s.Source.Read(ctx, cursor) {
			if read += len(b.Users); read >= next {
				next += s.users / blobtest.Places
				s.Measure()
			}
			if !yield(b, err) {
				return
			}
		}
	}
}

// More users need no more memory: not to read them, in no order, not to sort them,
// not to merge them with as many. The few fill every buffer once, or the filling
// would pass for growth.
func TestI7_MemoryDoesNotGrowWithTheInput(t *testing.T) {
	const few, many = 80_000, manyUsers
	peaks := map[int]uint64{}
	for _, n := range []int{few, many} {
		first := generated(t, n, rostergen.Options{Seed: 1, Shuffled: true})
		second := generated(t, n, rostergen.Options{Seed: 1, Shuffled: true, Changed: 3})
		synctest.Test(t, func(t *testing.T) {
			w, g := local(t), blobtest.NewGauge()
			w.blobs = g.Store(w.blobs)
			sync := func(open rosterfile.Open, changed int64) {
				w.source = gaugedSource{rosterfile.New(open), g, n}
				j, err := w.sync(w.process(), file)
				if err != nil || j.Status != job.Completed || j.Report.Counts.Users.Changed != changed {
					t.Fatalf("%d users: %s, %s, %+v, %v", n, j.Status, j.Message, j.Report.Counts.Users, err)
				}
			}
			before := blobtest.Live()
			sync(first, 0)
			sync(second, 3)
			peaks[n] = g.Most - min(g.Most, before)
			t.Logf("%d users: at most %.1f MiB live at %d places", n, float64(peaks[n])/(1<<20), g.Passed)
			if g.Passed < 2*blobtest.Places {
				t.Errorf("only %d places were passed", g.Passed)
			}
		})
	}
	const slack = 2 << 20 // of buffers that are full to the brim where one measures, or not
	if peaks[many] > peaks[few]+slack {
		t.Errorf("%d users need %d bytes, %d need %d", few, peaks[few], many, peaks[many])
	}
}
