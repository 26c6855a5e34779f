package blobtest

import (
	"context"
	"io"
	"runtime"
	"testing/synctest"

	"muster/internal/blob"
)

// Places are how many times a reader of something passes its gauge.
const Places = 10

// Gauge measures, in a bubble, the most that is live while its work stands still.
// Whoever passes stops there, and measures once all others of the bubble wait, for it
// or for each other: what they throw away while a collection goes on would pass for
// live, and how much that is depends on who else is on the machine.
type Gauge struct {
	Most   uint64 // bytes
	Passed int    // how often

	turn chan struct{} // of one
}

// NewGauge has measured nothing yet.
func NewGauge() *Gauge { return &Gauge{turn: make(chan struct{}, 1)} }

// Measure is for whoever passes.
func (g *Gauge) Measure() {
	g.turn <- struct{}{}
	defer func() { <-g.turn }()
	synctest.Wait()
	g.Most = max(g.Most, Live())
	g.Passed++
}

// Live is how many bytes are reachable. Pools keep what they hold for one collection.
func Live() uint64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.GC()
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// Store is s, whose objects pass the gauge before and after they are put, and at
// Places while they are read.
func (g *Gauge) Store(s blob.Store) blob.Store { return gauged{s, g} }

type gauged struct {
	blob.Store
	gauge *Gauge
}

func (s gauged) Put(ctx context.Context, key, contentType string, body io.Reader) (blob.Info, error) {
	s.gauge.Measure()
	info, err := s.Store.Put(ctx, key, contentType, body)
	s.gauge.Measure()
	return info, err
}

func (s gauged) Open(ctx context.Context, key, version string) (blob.Object, error) {
	o, err := s.Store.Open(ctx, key, version)
	if err != nil {
		return nil, err
	}
	return &gaugedObject{Object: o, gauge: s.gauge, next: o.Info().Size / Places}, nil
}

type gaugedObject struct {
	blob.Object
	gauge      *Gauge
	read, next int64
}

func (o *gaugedObject) ReadAt(p []byte, off int64) (int, error) {
	if o.read += int64(len(p)); o.read >= o.next {
		o.next += o.Info().Size / Places
		o.gauge.Measure()
	}
	return o.Object.ReadAt(p, off)
}
