package cost_test

import (
	"context"
	"errors"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/google/uuid"

	"muster/internal/cost"
	"muster/internal/emulator"
	"muster/internal/local/bolt"
	"muster/internal/table"
)

// Each call is made of the meter, over a table of the laptop's, and of DynamoDB
// Local. That one says twice too much of a transaction, and rounds the sum of its
// items where DynamoDB rounds each: so only those of one write are compared.
func TestUnitsAreDynamoDBs(t *testing.T) {
	var said emulator.Units
	client := dynamodb.New(emulator.DynamoDBClient(t).Options(), said.Options)
	var meter cost.Meter
	metered, real := meter.Table(local(t)), emulator.Table(t, client)

	const transaction = 2
	small := put("a", 20, table.Absent)
	grown := put("a", 3000, table.Version(small.Version))
	shrunk := put("a", 20, table.Version(grown.Version))
	for _, step := range []struct {
		name        string
		do          func(table.Table) error
		says        float64 // how many times too much
		reads, more float64 // what DynamoDB bills, and the emulator does not say: a read of nothing, a condition that failed
	}{
		{"a new row", writing(small), transaction, 0, 0},
		{"one of 1 KiB", writing(put("b", kib, table.Any)), transaction, 0, 0},
		{"and a byte", writing(put("c", kib+1, table.Any)), transaction, 0, 0},
		{"of 1 KiB, expiring", writing(put("d", kib-16, table.Any).Until(soon)), transaction, 0, 0},
		{"and a byte, expiring", writing(put("e", kib-15, table.Any).Until(soon)), transaction, 0, 0},
		{"of 50 kB", writing(put("f", 50_000, table.Any)), transaction, 0, 0},
		{"the delete of 1 KiB and a byte", writing(table.Delete(key("c"), table.Any)), transaction, 0, 0},
		{"a larger row over one", writing(grown), 1, 0, 0},
		{"a smaller", writing(shrunk), 1, 0, 0},
		{"a row", getting(key("a")), 1, 0, 0},
		{"no row", getting(key("none")), 1, 0, 0},
		{"a row of 50 kB", getting(key("f")), 1, 0, 0},
		{"a list", listing(table.Query{}), 1, 0, 0},
		{"of one", listing(table.Query{Limit: 1}), 1, 0, 0},
		{"of a range", listing(table.Query{From: "b", To: "f"}), 1, 0, 0},
		{"from the end", listing(table.Query{Reverse: true, Limit: 2}), 1, 0, 0},
		{"of nothing", listing(table.Query{Prefix: "none"}), 1, 1, 0},
		{"a counter that is made", counting(soon), 1, 0, 1},
		{"again", counting(soon), 1, 0, 0},
	} {
		t.Run(step.name, func(t *testing.T) {
			before := meter.Usage()
			said.Reset()
			if err := errors.Join(step.do(metered), step.do(real)); err != nil {
				t.Fatal(err)
			}
			u := meter.Usage().Plus(before.Times(-1))
			r, w := said.Reads()/step.says+step.reads, said.Writes()/step.says+step.more
			if r != u.ReadUnits || w != u.WriteUnits {
				t.Errorf("DynamoDB says %g read and %g write units, the meter %g and %g", r, w, u.ReadUnits, u.WriteUnits)
			}
		})
	}
}

// A transaction is billed twice for each started KiB of each of its items.
func TestUnitsOfATransaction(t *testing.T) {
	large := put("l", 10_000, table.Any)
	for _, tt := range []struct {
		name   string
		ws     []table.Write
		units  float64
		stored float64
	}{
		{"two rows", []table.Write{put("b", kib, table.Any), put("c", kib+1, table.Any)}, 2 + 4, 2*1024 + 1},
		{"a hundred", many(100), 200, 0},
		{"a check beside a put", []table.Write{table.Check(large.Key, table.Version(large.Version)), put("b", kib, table.Any)}, 2*10 + 2, 1024},
		{"deletes, of much and of nothing", []table.Write{table.Delete(large.Key, table.Any), table.Delete(key("none"), table.Any)}, 2*10 + 2, -10_056},
		{"none", nil, 0, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tab := local(t)
			if err := tab.Write(t.Context(), large); err != nil {
				t.Fatal(err)
			}
			var meter cost.Meter
			if err := meter.Table(tab).Write(t.Context(), tt.ws...); err != nil {
				t.Fatal(err)
			}
			if u := meter.Usage(); u.WriteUnits != tt.units || tt.stored != 0 && u.Stored != tt.stored {
				t.Errorf("%g units, %g bytes more", u.WriteUnits, u.Stored)
			}
		})
	}
}

// kib is the body of a row of exactly 1 KiB.
var kib = 1024 - len("pk"+"ORG#x"+"sk"+"a"+"version"+"doc") - len(uuid.Nil.String())

// soon is a number of ten digits that count: DynamoDB stores the zeros at a number's
// end in no byte, and one second in a hundred ends in two of them.
var soon = time.Unix(time.Now().Add(time.Hour).Unix()|1, 0)

func key(sort string) table.Key { return table.Key{Part: "ORG#x", Sort: sort} }

func put(sort string, bytes int, c table.Cond) table.Write {
	return table.Put(key(sort), strings.Repeat("x", bytes-2), c) // and the quotes
}

func local(t *testing.T) table.Table {
	t.Helper()
	tab, err := bolt.Open(filepath.Join(t.TempDir(), "table.db"), time.Now, bolt.NoSync)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = tab.Close() })
	return tab
}

func writing(ws ...table.Write) func(table.Table) error {
	return func(t table.Table) error { return t.Write(context.Background(), ws...) }
}

func getting(k table.Key) func(table.Table) error {
	return func(t table.Table) error {
		if _, err := t.Get(context.Background(), k); !errors.Is(err, table.ErrNotFound) {
			return err
		}
		return nil
	}
}

func listing(q table.Query) func(table.Table) error {
	return func(t table.Table) error {
		for _, err := range t.List(context.Background(), "ORG#x", q) {
			if err != nil {
				return err
			}
		}
		return nil
	}
}

func counting(expires time.Time) func(table.Table) error {
	return func(t table.Table) error {
		_, err := t.Add(context.Background(), table.Key{Part: "COUNT", Sort: "n"}, 1, expires)
		return err
	}
}

func many(n int) (ws []table.Write) {
	for i := range n {
		ws = append(ws, table.Put(table.Key{Part: "ORG#y", Sort: strconv.Itoa(i)}, i, table.Any))
	}
	return ws
}
