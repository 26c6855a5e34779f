package cost

import (
	"context"
	"errors"
	"io"
	"iter"
	"math"
	"sync"
	"time"

	"muster/internal/blob"
	"muster/internal/table"
)

// Meter counts what is done through the ports that it made. It is safe for
// concurrent use. The zero Meter is ready.
type Meter struct {
	mu       sync.Mutex
	usage    Usage
	counters map[table.Key]bool // made, and not over
}

// Usage is what was done until now.
func (m *Meter) Usage() Usage {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.usage
}

// Add counts what no port does.
func (m *Meter) Add(u Usage) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.usage = m.usage.Plus(u)
}

// Table counts the calls of t. It reads through t what a call touches before it
// goes on, which is not counted.
func (m *Meter) Table(t table.Table) table.Table { return &meteredTable{t, m} }

type meteredTable struct {
	table.Table
	meter *Meter
}

// What an item has beside its keys and values: the names of its attributes, and a
// number of ten digits in expires_at.
const (
	keyNames   = len("pk") + len("sk")
	rowNames   = len("version") + len("doc")
	expiryName = len("expires_at") + 10/2 + 1
	pageBytes  = 1 << 20
)

func size(k table.Key, version string, body []byte, expires time.Time) float64 {
	n := keyNames + len(k.Part) + len(k.Sort) + rowNames + len(version) + len(body)
	if !expires.IsZero() {
		n += expiryName
	}
	return float64(n)
}

func rowSize(r table.Row) float64 { return size(r.Key, r.Version, r.Body, r.Expires) }

// units are the started steps of bytes, one at least.
func units(bytes, step float64) float64 { return max(1, math.Ceil(bytes/step)) }

const (
	readStep  = 4 << 10
	writeStep = 1 << 10
)

// Get implements table.Table.
func (t *meteredTable) Get(ctx context.Context, k table.Key) (table.Row, error) {
	row, err := t.Table.Get(ctx, k)
	t.meter.Add(Usage{TableReads: 1, Rows: 1, ReadUnits: units(rowSize(row), readStep)})
	return row, err
}

// List implements table.Table. DynamoDB reads pages of up to 1 MB to the end,
// whether their rows are all wanted or not.
func (t *meteredTable) List(ctx context.Context, part string, q table.Query) iter.Seq2[table.Row, error] {
	wide, page, more := asked(q), 0.0, false
	u := Usage{}
	for row, err := range t.Table.List(ctx, part, wide) {
		if err != nil {
			break // it comes again below
		}
		if page += rowSize(row); page > pageBytes {
			u.TableReads, u.ReadUnits, page, more = u.TableReads+1, u.ReadUnits+units(page, readStep), 0, true
		}
		u.Rows++
	}
	if page > 0 || !more {
		u.TableReads, u.ReadUnits = u.TableReads+1, u.ReadUnits+units(page, readStep)
	}
	t.meter.Add(u)
	return t.Table.List(ctx, part, q)
}

// asked is what the adapter asks DynamoDB for: a row more than the limit, and of a
// range with two ends the row at its end.
func asked(q table.Query) table.Query {
	if q.Limit > 0 {
		q.Limit++
	}
	if from, to, ok, err := q.Range(); ok && err == nil && from != "" && to != "" {
		q.Prefix, q.From, q.To = "", from, to+"\x00"
	}
	return q
}

// Write implements table.Table. A write is billed by the larger of what was there
// and what comes; a check by what is there.
func (t *meteredTable) Write(ctx context.Context, ws ...table.Write) error {
	if len(ws) == 0 {
		return t.Table.Write(ctx, ws...)
	}
	times := 2.0
	if len(ws) == 1 && ws[0].Op == table.OpPut && ws[0].Cond.Kind == table.KindVersion {
		times = 1 // a plain PutItem
	}
	u := Usage{TableWrites: 1, Rows: float64(len(ws))}
	for _, w := range ws {
		var before, after float64
		if row, err := t.Table.Get(ctx, w.Key); err == nil {
			before = rowSize(row)
		}
		switch w.Op {
		case table.OpPut:
			after = size(w.Key, w.Version, w.Body, w.Expires)
		case table.OpCheck:
			after = before
		}
		u.WriteUnits += times * units(max(before, after), writeStep)
		u.Stored += after - before
	}
	err := t.Table.Write(ctx, ws...)
	if err != nil {
		u.Stored = 0
	}
	t.meter.Add(u)
	return err
}

// Add implements table.Table. A counter's first call finds none, and makes it.
func (t *meteredTable) Add(ctx context.Context, k table.Key, n int64, expires time.Time) (int64, error) {
	t.meter.mu.Lock()
	made := t.meter.counters[k]
	if t.meter.counters == nil {
		t.meter.counters = map[table.Key]bool{}
	}
	t.meter.counters[k] = true
	t.meter.mu.Unlock()
	u := Usage{TableWrites: 1, Rows: 1, WriteUnits: 1}
	if !made {
		u = u.Times(2)
	}
	t.meter.Add(u)
	return t.Table.Add(ctx, k, n, expires)
}

// Blobs counts the requests that S3 gets where s's calls are made of it.
func (m *Meter) Blobs(s blob.Store) blob.Store { return &meteredBlobs{s, m} }

type meteredBlobs struct {
	blob.Store
	meter *Meter
}

// partSize is that of the S3 adapter: what is smaller is one PUT.
const partSize = 5 << 20

// Put implements blob.Store.
func (b *meteredBlobs) Put(ctx context.Context, key, contentType string, body io.Reader) (blob.Info, error) {
	c := &countingReader{Reader: body}
	info, err := b.Store.Put(ctx, key, contentType, c)
	b.meter.Add(Usage{Puts: putRequests(c.n), BytesOut: float64(c.n)})
	return info, err
}

// putRequests: one, or the beginning, the parts and the end.
func putRequests(n int64) float64 {
	if n < partSize {
		return 1
	}
	return 2 + math.Ceil(float64(n)/partSize)
}

type countingReader struct {
	io.Reader
	n int64
}

func (c *countingReader) Read(p []byte) (int, error) {
	n, err := c.Reader.Read(p)
	c.n += int64(n)
	return n, err
}

// Open implements blob.Store.
func (b *meteredBlobs) Open(ctx context.Context, key, version string) (blob.Object, error) {
	b.meter.Add(Usage{Gets: 1}) // a HEAD
	o, err := b.Store.Open(ctx, key, version)
	if err != nil {
		return nil, err
	}
	return &meteredObject{o, b.meter}, nil
}

// List implements blob.Store: a request for each thousand.
func (b *meteredBlobs) List(ctx context.Context, prefix string) iter.Seq2[blob.Info, error] {
	return func(yield func(blob.Info, error) bool) {
		n := 0
		for info, err := range b.Store.List(ctx, prefix) {
			if n++; n%1000 == 1 {
				b.meter.Add(Usage{Puts: 1})
			}
			if !yield(info, err) {
				return
			}
		}
		if n == 0 {
			b.meter.Add(Usage{Puts: 1})
		}
	}
}

type meteredObject struct {
	blob.Object
	meter *Meter
}

// ReadAt implements io.ReaderAt.
func (o *meteredObject) ReadAt(p []byte, off int64) (int, error) {
	n, err := o.Object.ReadAt(p, off)
	if n > 0 || !errors.Is(err, io.EOF) {
		o.meter.Add(Usage{Gets: 1, BytesIn: float64(n)})
	}
	return n, err
}
