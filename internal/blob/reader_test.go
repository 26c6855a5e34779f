package blob_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"sync/atomic"
	"testing"
	"testing/iotest"
	"testing/synctest"
	"time"

	"muster/internal/blob"
)

// object is an Object over bytes: each read takes latency, and one that reaches
// past failAt ends there with err.
type object struct {
	data    []byte
	latency time.Duration
	failAt  int64
	err     error
	closed  chan struct{}
	reads   atomic.Int64
	most    atomic.Int64 // reads under way at once
	now     atomic.Int64
}

func newObject(size int) *object {
	data := make([]byte, size)
	rng := rand.NewChaCha8([32]byte{1})
	_, _ = rng.Read(data)
	return &object{data: data, failAt: int64(size) + 1, closed: make(chan struct{})}
}

func (o *object) Info() blob.Info { return blob.Info{Size: int64(len(o.data))} }

func (o *object) Close() error {
	close(o.closed)
	return nil
}

func (o *object) ReadAt(p []byte, off int64) (int, error) {
	o.reads.Add(1)
	o.most.Store(max(o.most.Load(), o.now.Add(1)))
	defer o.now.Add(-1)
	if o.latency > 0 {
		select {
		case <-time.After(o.latency):
		case <-o.closed:
			return 0, errors.New("object is closed")
		}
	}
	if end := off + int64(len(p)); end > o.failAt {
		return copy(p, o.data[min(off, o.failAt):o.failAt]), o.err
	}
	return bytes.NewReader(o.data).ReadAt(p, off)
}

func TestReaderYieldsTheBytes(t *testing.T) {
	const mib = 1 << 20
	for _, size := range []int{0, 1, 1000, mib - 1, mib, mib + 1, 4 * mib, 5*mib + 3, 11 * mib} {
		t.Run(fmt.Sprint(size), func(t *testing.T) {
			obj := newObject(size)
			r := blob.NewReader(obj)
			if size <= mib {
				if err := iotest.TestReader(r, obj.data); err != nil { // in reads of every size
					t.Fatal(err)
				}
			} else if got, err := io.ReadAll(r); err != nil || !bytes.Equal(got, obj.data) {
				t.Fatalf("%d bytes, %v", len(got), err)
			}
			if err := r.Close(); err != nil {
				t.Fatal(err)
			}
			if _, err := r.Read(make([]byte, 1)); err == nil {
				t.Error("a closed stream still reads")
			}
		})
	}
}

func TestReaderGivesAnErrorItsPlace(t *testing.T) {
	boom := errors.New("boom")
	tests := []struct {
		name      string
		err, want error
	}{
		{"an error", boom, boom},
		{"an object shorter than it says", io.EOF, io.ErrUnexpectedEOF},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			obj := newObject(9 << 20)
			obj.failAt, obj.err = 5<<20+77, tt.err
			r := blob.NewReader(obj)
			defer r.Close()
			got, err := io.ReadAll(r)
			if !errors.Is(err, tt.want) || !bytes.Equal(got, obj.data[:obj.failAt]) {
				t.Fatalf("%d bytes, %v; want the %d before the fault, then %v", len(got), err, obj.failAt, tt.want)
			}
			if _, err := r.Read(make([]byte, 1)); !errors.Is(err, tt.want) {
				t.Errorf("read after the fault: %v", err)
			}
		})
	}
}

func TestReaderHidesLatency(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		obj := newObject(32 << 20)
		obj.latency = 20 * time.Millisecond
		began := time.Now()
		r := blob.NewReader(obj)
		defer r.Close()
		if _, err := io.Copy(io.Discard, r); err != nil {
			t.Fatal(err)
		}
		if took, alone := time.Since(began), 32*obj.latency; took > alone/2 {
			t.Errorf("took %v; one read after the other takes %v", took, alone)
		}
		if n := obj.most.Load(); n > 4 {
			t.Errorf("%d ranges at once hold more memory than promised", n)
		}
	})
}

func TestReaderCloseStopsReadingAhead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		obj := newObject(32 << 20)
		obj.latency = time.Hour
		r := blob.NewReader(obj)
		synctest.Wait()
		began, asked := time.Now(), obj.reads.Load()
		if err := r.Close(); err != nil {
			t.Fatal(err)
		}
		if time.Since(began) > 0 || obj.reads.Load() != asked {
			t.Errorf("close took %v and left reads behind", time.Since(began))
		}
	})
}

func BenchmarkReader(b *testing.B) {
	for _, latency := range []time.Duration{0, 20 * time.Millisecond} {
		b.Run(fmt.Sprintf("latency=%v", latency), func(b *testing.B) {
			obj := newObject(64 << 20)
			obj.latency = latency
			b.SetBytes(int64(len(obj.data)))
			b.ReportAllocs()
			for b.Loop() {
				obj.closed = make(chan struct{})
				r := blob.NewReader(obj)
				if _, err := io.Copy(io.Discard, r); err != nil {
					b.Fatal(err)
				}
				_ = r.Close()
			}
		})
	}
}
