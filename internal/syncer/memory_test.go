package syncer_test

import (
	"context"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"muster/internal/job"
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

// peak is the most memory that was live at any of many moments of do, above what
// was before.
func peak(do func()) uint64 {
	live := func() uint64 {
		var m runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	before, most := live(), uint64(0)
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		tick := time.NewTicker(100 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-stop:
				return
			case <-tick.C:
				most = max(most, live())
			}
		}
	}()
	do()
	close(stop)
	<-stopped
	return most - min(most, before)
}

// Four times the users need no more memory: not to read them, in no order, not to
// sort them, not to merge them with as many. The few fill every buffer once, or
// the filling would pass for growth.
func TestI7_MemoryDoesNotGrowWithTheInput(t *testing.T) {
	const few, many = 40_000 * scale, 160_000 * scale
	peaks := map[int]uint64{}
	for _, n := range []int{few, many} {
		w := local(t)
		sync := func(o rostergen.Options, changed int64) {
			w.source = rosterfile.New(generated(t, n, o))
			p := w.process()
			p.RequestTime = 10 * time.Minute
			j, err := w.sync(p, file)
			if err != nil || j.Status != job.Completed || j.Report.Counts.Users.Changed != changed {
				t.Fatalf("%d users: %s, %s, %+v, %v", n, j.Status, j.Message, j.Report.Counts.Users, err)
			}
		}
		peaks[n] = peak(func() {
			sync(rostergen.Options{Seed: 1, Shuffled: true}, 0)
			sync(rostergen.Options{Seed: 1, Shuffled: true, Changed: 3}, 3)
		})
		t.Logf("%d users: at most %.1f MiB live", n, float64(peaks[n])/(1<<20))
	}
	const slack = 8 << 20 // what is live differs by 5 MiB from run to run
	if peaks[many] > peaks[few]+slack {
		t.Errorf("%d users need %d bytes, %d need %d", few, peaks[few], many, peaks[many])
	}
}
