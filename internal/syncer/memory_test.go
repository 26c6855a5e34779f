package syncer_test

import (
	"context"
	"io"
	"iter"
	"os"
	"path/filepath"
	"runtime"
	"testing"
	"testing/synctest"

	"muster/internal/blob"
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

// gauge measures the most that is live while a sync stands still. Whoever passes
// stops there, and measures once all others of the bubble wait, for it or for each
// other: what they throw away while a collection goes on would pass for live, and
// how much that is depends on who else is on the machine.
type gauge struct {
	turn chan struct{} // of one
	most uint64
	n    int
}

func newGauge() *gauge { return &gauge{turn: make(chan struct{}, 1)} }

func (g *gauge) measure() {
	g.turn <- struct{}{}
	defer func() { <-g.turn }()
	synctest.Wait()
	g.most = max(g.most, live())
	g.n++
}

// live is what is reachable. Pools keep what they hold for one collection.
func live() uint64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.GC()
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// places are how many times a reader of something passes its gauge.
const places = 10

// gaugedSource passes the gauge between batches.
type gaugedSource struct {
	roster.Source
	*gauge
	users int
}

func (s gaugedSource) Read(ctx context.Context, cursor []byte) iter.Seq2[roster.Batch, error] {
	return func(yield func(roster.Batch, error) bool) {
		read, next := 0, s.users/places
		for b, err := range s.Source.Read(ctx, cursor) {
			if read += len(b.Users); read >= next {
				next += s.users / places
				s.measure()
			}
			if !yield(b, err) {
				return
			}
		}
	}
}

// gaugedBlobs pass it while a snapshot is read or put.
type gaugedBlobs struct {
	blob.Store
	*gauge
}

func (b gaugedBlobs) Put(ctx context.Context, key, contentType string, body io.Reader) (blob.Info, error) {
	b.measure()
	info, err := b.Store.Put(ctx, key, contentType, body)
	b.measure()
	return info, err
}

func (b gaugedBlobs) Open(ctx context.Context, key, version string) (blob.Object, error) {
	o, err := b.Store.Open(ctx, key, version)
	if err != nil {
		return nil, err
	}
	return &gaugedObject{Object: o, gauge: b.gauge, next: o.Info().Size / places}, nil
}

type gaugedObject struct {
	blob.Object
	*gauge
	read, next int64
}

func (o *gaugedObject) ReadAt(p []byte, off int64) (int, error) {
	if o.read += int64(len(p)); o.read >= o.next {
		o.next += o.Info().Size / places
		o.measure()
	}
	return o.Object.ReadAt(p, off)
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
			w, g := local(t), newGauge()
			w.blobs = gaugedBlobs{w.blobs, g}
			sync := func(open rosterfile.Open, changed int64) {
				w.source = gaugedSource{rosterfile.New(open), g, n}
				j, err := w.sync(w.process(), file)
				if err != nil || j.Status != job.Completed || j.Report.Counts.Users.Changed != changed {
					t.Fatalf("%d users: %s, %s, %+v, %v", n, j.Status, j.Message, j.Report.Counts.Users, err)
				}
			}
			before := live()
			sync(first, 0)
			sync(second, 3)
			peaks[n] = g.most - min(g.most, before)
			t.Logf("%d users: at most %.1f MiB live at %d places", n, float64(peaks[n])/(1<<20), g.n)
			if g.n < 2*places {
				t.Errorf("only %d places were passed", g.n)
			}
		})
	}
	const slack = 2 << 20 // of buffers that are full to the brim where one measures, or not
	if peaks[many] > peaks[few]+slack {
		t.Errorf("%d users need %d bytes, %d need %d", few, peaks[few], many, peaks[many])
	}
}
