package connection_test

import (
	"context"
	"fmt"
	"iter"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"golang.org/x/sync/errgroup"

	"muster/internal/connection"
	"muster/internal/cost"
	"muster/internal/emulator"
	"muster/internal/local/bolt"
	"muster/internal/org"
	"muster/internal/table"
)

const (
	few  = 100
	many = 10_000
)

// tenants are orgs of few and of many connections in one table.
type tenants struct {
	table table.Table
	org   map[int]org.ID
}

// began is when the first connection was made. Each second makes ten.
var began = time.Date(2031, 3, 4, 5, 6, 7, 0, time.UTC)

func settle(t testing.TB, tab table.Table) tenants {
	t.Helper()
	made := tenants{tab, map[int]org.ID{few: org.NewID(), many: org.NewID()}}
	for n, o := range made.org {
		g, ctx := errgroup.WithContext(t.Context())
		g.SetLimit(16)
		for i := range n {
			g.Go(func() error {
				k := &connection.Keeper{Store: connection.Store{Table: tab, Now: func() time.Time { return began.Add(time.Duration(i/10) * time.Second) }}}
				_, err := k.Create(ctx, o, connection.ID{}, change(t, fmt.Sprintf(`{"integration_type":"hibob","integration_name":"Name %05d","external_xref":"user-%d",
					"permissions":["hris_employee_read","hris_employee_write"],"categories":["hris"]}`, (i*7919)%n, i%(n/50))))
				return err
			})
		}
		if err := g.Wait(); err != nil {
			t.Fatal(err)
		}
	}
	return made
}

func (s tenants) list(t testing.TB, through table.Table, n int, q connection.Query) []connection.Connection {
	t.Helper()
	q.Environment = connection.DefaultEnvironment
	page, err := (&connection.Store{Table: through, Now: time.Now}).List(t.Context(), s.org[n], q)
	if err != nil {
		t.Fatal(err)
	}
	return page
}

// cheap are the pages that must cost what they hold and no more. Of a user there
// are 50 connections.
var cheap = []struct {
	name  string
	query connection.Query
}{
	{"default", connection.Query{Limit: 20}},
	{"deep", connection.Query{Limit: 20, Offset: 70}},
	{"newest", connection.Query{Limit: 20, Descending: true}},
	{"updated", connection.Query{Limit: 20, Offset: 10, UpdatedFrom: began.Add(3 * time.Second)}},
	{"last_updated", connection.Query{Limit: 20, UpdatedFrom: began.Add(3 * time.Second), Descending: true}},
	{"name", connection.Query{Limit: 20, Offset: 30, Sort: connection.ByName}},
	{"user", connection.Query{Limit: 20, Offset: 10, ExternalXRef: "user-1"}},
}

// A page costs the small rows up to its end and what it answers, whatever else the
// org holds: the same for a hundred connections as for ten thousand. What the
// meter counts is what DynamoDB says of itself (TestUnitsAreDynamoDBs).
func TestPagesCostTheSameOfTenThousand(t *testing.T) {
	s := settle(t, onDisk(t))
	for _, tt := range cheap {
		used := map[int]cost.Usage{}
		for _, n := range []int{few, many} {
			var m cost.Meter
			if got := len(s.list(t, m.Table(s.table), n, tt.query)); got != tt.query.Limit {
				t.Fatalf("%s of %d: %d connections", tt.name, n, got)
			}
			used[n] = m.Usage()
		}
		// The one list may end with the partition, the other asks for a row more.
		if a, b := used[few], used[many]; b.ReadUnits > a.ReadUnits+1 || b.TableReads != a.TableReads || b.Rows > a.Rows+1 {
			t.Errorf("%s: of %d %g units for %g rows in %g calls, of %d %g for %g in %g", tt.name,
				few, a.ReadUnits, a.Rows, a.TableReads, many, b.ReadUnits, b.Rows, b.TableReads)
		}
		// Index rows, one to see whether there are more, and each connection with its health.
		if most := float64(tt.query.Offset + tt.query.Limit + 1 + 2*tt.query.Limit); used[many].Rows > most {
			t.Errorf("%s reads %g rows, at most %g are needed", tt.name, used[many].Rows, most)
		}
	}
	t.Run("memory", func(t *testing.T) { walkInBoundedMemory(t, s) })
}

// What no index answers is looked for in a few rows at a time: none of these finds
// anything, so each goes through all, one of them through the connections too.
func walkInBoundedMemory(t *testing.T, s tenants) {
	const most = 1 << 20 // 10,000 index rows are 3 MiB, connections more
	for _, tt := range []struct {
		name  string
		query connection.Query
	}{
		{"by category", connection.Query{Categories: []string{"crm"}}},
		{"by update, of a user", connection.Query{ExternalXRef: "nobody", Sort: connection.ByUpdated}},
		{"by name, of a user", connection.Query{ExternalXRef: "nobody", Sort: connection.ByName}},
		{"by creation, updated since", connection.Query{UpdatedFrom: began.Add(time.Hour), Sort: connection.ByCreated}},
		{"behind the end", connection.Query{Offset: 2 * many}},
	} {
		tt.query.Limit = 100
		h := &heap{Table: s.table}
		if page := s.list(t, h, many, tt.query); len(page) > 0 || h.rows != many { // each once
			t.Fatalf("%s: %d found in %d rows", tt.name, len(page), h.rows)
		}
		if h.most > h.least+most {
			t.Errorf("%s: %d bytes are live after many rows, %d after few", tt.name, h.most, h.least)
		}
		t.Logf("%s: %d KiB", tt.name, (h.most-h.least)>>10)
	}
}

// heap measures what is live before each list and inside of it at each thousand
// rows: while nobody else works, that is what the walk holds on to.
type heap struct {
	table.Table
	rows        int
	least, most uint64
}

func (h *heap) measure() {
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	if h.most = max(h.most, m.HeapAlloc); h.least == 0 {
		h.least = m.HeapAlloc
	}
}

func (h *heap) List(ctx context.Context, part string, q table.Query) iter.Seq2[table.Row, error] {
	return func(yield func(table.Row, error) bool) {
		h.measure()
		for r, err := range h.Table.List(ctx, part, q) {
			if h.rows++; h.rows%1000 == 0 {
				h.measure()
			}
			if !yield(r, err) {
				return
			}
		}
	}
}

// BenchmarkPages says what DynamoDB Local bills for each page of ten thousand, and
// how many times that of a hundred it is.
func BenchmarkPages(b *testing.B) {
	var units emulator.Units
	s := settle(b, emulator.Table(b, dynamodb.New(emulator.DynamoDBClient(b).Options(), units.Options)))
	for _, bb := range cheap {
		b.Run(bb.name, func(b *testing.B) {
			units.Reset()
			s.list(b, s.table, few, bb.query)
			ofFew := units.Reads()
			units.Reset()
			for b.Loop() {
				s.list(b, s.table, many, bb.query)
			}
			each := units.Reads() / float64(b.N)
			b.ReportMetric(ofFew, "units/op-of-100")
			b.ReportMetric(each, "units/op-of-10000")
			b.ReportMetric(each/ofFew, "growth")
		})
	}
}

func onDisk(t testing.TB) table.Table {
	t.Helper()
	tab, err := bolt.Open(filepath.Join(t.TempDir(), "table.db"), time.Now, bolt.NoSync)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = tab.Close() })
	return tab
}
