package lease_test

import (
	"context"
	"errors"
	"path/filepath"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"muster/internal/aws/dynamo"
	"muster/internal/emulator"
	"muster/internal/lease"
	"muster/internal/local/bolt"
	"muster/internal/table"
	"muster/internal/table/tabletest"
)

var (
	key     = table.Key{Part: "INTEGRATION#1", Sort: "LEASE"}
	counter = table.Key{Part: "INTEGRATION#1", Sort: "COUNTER"}
)

// local is a table with a lease in it that is free.
func local(t *testing.T) table.Table {
	t.Helper()
	tab, err := bolt.Open(filepath.Join(t.TempDir(), "table.db"), time.Now, bolt.NoSync)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = tab.Close() })
	install(t, tab)
	return tab
}

func install(t *testing.T, tab table.Table) {
	t.Helper()
	if err := tab.Write(t.Context(), lease.New(key)); err != nil {
		t.Fatal(err)
	}
}

func take(t *testing.T, tab table.Table, job string, with ...table.Write) *lease.Lease {
	t.Helper()
	l, err := lease.Take(t.Context(), tab, key, time.Now, job, lease.TTL, with...)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func read(t *testing.T, tab table.Table) lease.Seen {
	t.Helper()
	s, err := lease.Read(t.Context(), tab, key)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// raise takes the lease from whom it is of, for job.
func raise(t *testing.T, tab table.Table, job string) int64 {
	t.Helper()
	w, token := read(t, tab).Raise(job, time.Now().Add(lease.ParkedTTL))
	if err := tab.Write(t.Context(), w); err != nil {
		t.Fatal(err)
	}
	return token
}

func doc(n int, cond table.Cond) table.Write { return table.Put(counter, n, cond) }

func value(t *testing.T, tab table.Table) (n int) {
	t.Helper()
	row, err := tab.Get(t.Context(), counter)
	if errors.Is(err, table.ErrNotFound) {
		return 0
	}
	if err != nil {
		t.Fatal(err)
	}
	if err := row.Decode(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

// The life of a lease: who holds it, in which token, after each change of hands.
func TestLife(t *testing.T) {
	tab := local(t)
	want := func(job string, token int64, owned bool) {
		t.Helper()
		if s := read(t, tab); s.Job != job || s.Token != token || (s.Owner != "") != owned || s.ExpiresAt.IsZero() != (job == "") {
			t.Fatalf("the lease is %+v, want job %q, token %d, owned: %t", s.State, job, token, owned)
		}
	}
	want("", 0, false)
	l := take(t, tab, "a", doc(1, table.Absent))
	want("a", 1, true)
	var busy *lease.Busy
	if _, err := lease.Take(t.Context(), tab, key, time.Now, "b", lease.TTL); !errors.As(err, &busy) || busy.Job != "a" || !busy.Until.Equal(l.ExpiresAt()) {
		t.Errorf("a second taker: %v", err)
	}
	token, err := l.Park(t.Context(), lease.ParkedTTL, doc(2, table.Any))
	if err != nil || token != 2 {
		t.Fatalf("Park = %d, %v", token, err)
	}
	want("a", 2, false)
	if err := l.Renew(t.Context()); err != nil { // a renewal just behind it finds nothing to do
		t.Errorf("renewed after parking: %v", err)
	}
	for _, late := range []error{l.Held(t.Context()), l.Release(t.Context()), l.Write(t.Context(), doc(9, table.Any))} {
		if !errors.Is(late, lease.ErrLost) {
			t.Errorf("after parking: %v, want ErrLost", late)
		}
	}
	if _, err := lease.Adopt(t.Context(), tab, key, time.Now, "a", 1, lease.TTL); !errors.Is(err, lease.ErrLost) {
		t.Errorf("a start with an old token: %v, want ErrLost", err)
	}
	l, err = lease.Adopt(t.Context(), tab, key, time.Now, "a", token, lease.TTL)
	if err != nil {
		t.Fatal(err)
	}
	want("a", 3, true)
	if _, err := lease.Adopt(t.Context(), tab, key, time.Now, "a", token, lease.TTL); !errors.Is(err, lease.ErrLost) {
		t.Errorf("a second delivery of a start: %v, want ErrLost", err)
	}
	if err := l.Release(t.Context(), doc(3, table.Any)); err != nil {
		t.Fatal(err)
	}
	want("", 3, false)
	if n := value(t, tab); n != 3 {
		t.Errorf("what was written with the changes of hands is %d, want 3", n)
	}
}

// The same job takes its lease again: it is another owner, and the first is out.
func TestSameJobAgain(t *testing.T) {
	tab := local(t)
	first := take(t, tab, "a")
	if _, err := lease.Take(t.Context(), tab, key, time.Now, "a", lease.TTL); !errors.As(err, new(*lease.Busy)) {
		t.Errorf("the job that holds it takes it: %v, want busy", err)
	}
	token := raise(t, tab, "a")
	second, err := lease.Adopt(t.Context(), tab, key, time.Now, "a", token, lease.TTL)
	if err != nil {
		t.Fatal(err)
	}
	if err := first.Write(t.Context(), doc(1, table.Any)); !errors.Is(err, lease.ErrLost) {
		t.Errorf("the first owner writes: %v, want ErrLost", err)
	}
	if err := second.Write(t.Context(), doc(2, table.Any)); err != nil || value(t, tab) != 2 {
		t.Errorf("the second owner writes: %v, and the row is %d", err, value(t, tab))
	}
}

// A lease that ran out is its holder's until somebody ends that; then whatever
// the holder does fails and changes nothing.
func TestExpiredHolder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tab := local(t)
		l := take(t, tab, "a")
		time.Sleep(lease.TTL)
		if s := read(t, tab); !s.Expired(time.Now()) || s.Expired(time.Now().Add(-time.Nanosecond)) {
			t.Errorf("after its TTL the lease is %+v at %s", s.State, time.Now())
		}
		var busy *lease.Busy
		if _, err := lease.Take(t.Context(), tab, key, time.Now, "b", lease.TTL); !errors.As(err, &busy) || busy.Job != "a" {
			t.Errorf("a lease that ran out and names a job: %v, want busy", err)
		}
		if err := l.Write(t.Context(), doc(1, table.Any)); err != nil {
			t.Errorf("late, and nobody took it: %v", err)
		}
		if err := l.Renew(t.Context()); err != nil || !l.ExpiresAt().Equal(time.Now().Add(lease.TTL)) {
			t.Errorf("Renew: %v; runs out at %s", err, l.ExpiresAt())
		}
		raise(t, tab, "")
		for name, do := range map[string]func() error{
			"write":   func() error { return l.Write(t.Context(), doc(2, table.Any)) },
			"renew":   func() error { return l.Renew(t.Context()) },
			"release": func() error { return l.Release(t.Context(), doc(2, table.Any)) },
			"park":    func() error { _, err := l.Park(t.Context(), lease.ParkedTTL, doc(2, table.Any)); return err },
			"held":    func() error { return l.Held(t.Context()) },
		} {
			if err := do(); !errors.Is(err, lease.ErrLost) {
				t.Errorf("%s by the paused holder: %v, want ErrLost", name, err)
			}
		}
		if n := value(t, tab); n != 1 {
			t.Errorf("the paused holder wrote %d", n)
		}
	})
}

// Each of the fenced writes loses its answer, or is not done, or is sent twice:
// either way we know afterwards whether the lease is ours.
func TestLostReply(t *testing.T) {
	unknown := table.ErrUnavailable
	for name, fault := range map[string]tabletest.Fault{"lost reply": tabletest.LostReply(unknown), "throttled": tabletest.NotApplied(unknown)} {
		applied := name == "lost reply"
		t.Run("take/"+name, func(t *testing.T) {
			base := local(t)
			tab, _ := faultAt(base, 1, fault)
			l, err := lease.Take(t.Context(), tab, key, time.Now, "a", lease.TTL, doc(1, table.Absent))
			if (err == nil) != applied || !applied && !errors.Is(err, unknown) {
				t.Fatalf("Take: %v", err)
			}
			if applied && (l.Renew(t.Context()) != nil || l.Release(t.Context()) != nil) {
				t.Error("a lease that was taken without an answer is of no use")
			}
			if s := read(t, base); s.Job != "" {
				t.Errorf("the lease is %+v", s.State)
			}
		})
		t.Run("adopt/"+name, func(t *testing.T) {
			base := local(t)
			token := raise(t, base, "a")
			tab, _ := faultAt(base, 1, fault)
			l, err := lease.Adopt(t.Context(), tab, key, time.Now, "a", token, lease.TTL)
			if (err == nil) != applied {
				t.Fatalf("Adopt: %v", err)
			}
			if applied && l.Token() != token+1 {
				t.Errorf("token %d, want %d", l.Token(), token+1)
			}
		})
		t.Run("renew/"+name, func(t *testing.T) {
			base := local(t)
			tab, f := faultAt(base, 2, fault)
			l := take(t, tab, "a")
			if err := l.Renew(t.Context()); !errors.Is(err, unknown) || f.Faults() != 1 {
				t.Fatalf("Renew: %v, %d faults", err, f.Faults())
			}
			if err := l.Write(t.Context(), doc(1, table.Absent)); err != nil {
				t.Errorf("Write behind a renewal without an answer: %v", err)
			}
			if err := l.Release(t.Context()); err != nil {
				t.Errorf("Release: %v", err)
			}
		})
		for way, leave := range map[string]func(*lease.Lease) error{
			"park": func(l *lease.Lease) error {
				_, err := l.Park(t.Context(), lease.ParkedTTL, doc(1, table.Absent))
				return err
			},
			"release": func(l *lease.Lease) error { return l.Release(t.Context(), doc(1, table.Absent)) },
		} {
			t.Run(way+"/"+name, func(t *testing.T) {
				base := local(t)
				tab, _ := faultAt(base, 2, fault)
				l := take(t, tab, "a")
				err := leave(l)
				if (err == nil) != applied || (value(t, base) == 1) != applied {
					t.Fatalf("%s: %v; with it was written: %d", way, err, value(t, base))
				}
				if !applied {
					if err := leave(l); err != nil {
						t.Errorf("%s again: %v", way, err)
					}
				}
				if err := l.Write(t.Context()); !errors.Is(err, lease.ErrLost) {
					t.Errorf("who left writes: %v", err)
				}
			})
		}
	}
}

// faultAt lets the write of that ordinal go wrong.
func faultAt(base table.Table, ordinal int, fault tabletest.Fault) (table.Table, *tabletest.Faulty) {
	f := &tabletest.Faulty{Table: base, Hook: func(c tabletest.Call) tabletest.Fault {
		if c.Ordinal == ordinal {
			return fault
		}
		return tabletest.None()
	}}
	return f, f
}

// twice sends every transaction again that succeeded, as whoever has no answer:
// the caller is told of its own success as of a conflict.
type twice struct{ table.Table }

func (tw twice) Write(ctx context.Context, ws ...table.Write) error {
	if err := tw.Table.Write(ctx, ws...); err != nil {
		return err
	}
	return tw.Table.Write(ctx, ws...)
}

func TestOwnSuccessIsNoConflict(t *testing.T) {
	base := local(t)
	tab := twice{base}
	l := take(t, tab, "a", doc(1, table.Absent))
	if err := l.Write(t.Context(), doc(2, table.Any)); err != nil {
		t.Errorf("Write: %v", err)
	}
	if err := l.Write(t.Context(), table.Put(table.Key{Part: "P", Sort: "S"}, 1, table.Absent)); !errors.As(err, new(*table.Conflict)) {
		t.Errorf("Write of what is there by then: %v, want the conflict, for the caller to tell", err)
	}
	token, err := l.Park(t.Context(), lease.ParkedTTL, doc(3, table.Any))
	if err != nil {
		t.Fatalf("Park: %v", err)
	}
	if l, err = lease.Adopt(t.Context(), tab, key, time.Now, "a", token, lease.TTL); err != nil {
		t.Fatalf("Adopt: %v", err)
	}
	if err := l.Release(t.Context(), doc(4, table.Any)); err != nil {
		t.Errorf("Release: %v", err)
	}
	if s := read(t, base); s.Job != "" || s.Token != 3 {
		t.Errorf("the lease is %+v", s.State)
	}
}

// A release whose context has ended leaves the lease ours: who must, releases on
// a context of its own.
func TestReleaseWithoutAContext(t *testing.T) {
	tab := local(t)
	l := take(t, tab, "a")
	ended, end := context.WithCancel(t.Context())
	end()
	if err := l.Release(ended); !errors.Is(err, context.Canceled) {
		t.Errorf("Release: %v", err)
	}
	if s := read(t, tab); s.Job != "a" {
		t.Errorf("the lease is %+v", s.State)
	}
	if err := l.Release(t.Context()); err != nil {
		t.Errorf("Release, again: %v", err)
	}
	if s := read(t, tab); s.Job != "" || s.Token != 1 {
		t.Errorf("the lease is %+v", s.State)
	}
}

// A condition of what is written with a change of hands keeps it from happening.
func TestConflictKeepsTheLease(t *testing.T) {
	tab := local(t)
	if err := tab.Write(t.Context(), doc(1, table.Absent)); err != nil {
		t.Fatal(err)
	}
	var c *table.Conflict
	if _, err := lease.Take(t.Context(), tab, key, time.Now, "a", lease.TTL, doc(2, table.Absent)); !errors.As(err, &c) || c.Key != counter {
		t.Errorf("Take: %v, want the conflict", err)
	}
	l := take(t, tab, "a")
	for _, err := range []error{l.Write(t.Context(), doc(2, table.Absent)), l.Release(t.Context(), doc(2, table.Absent))} {
		if !errors.As(err, &c) || c.Key != counter {
			t.Errorf("%v, want the conflict", err)
		}
	}
	if err := l.Held(t.Context()); err != nil {
		t.Errorf("the lease is lost: %v", err)
	}
}

// A lease goes with its integration, and so does what was written under it.
func TestRemoved(t *testing.T) {
	tab := local(t)
	l := take(t, tab, "a")
	if err := tab.Write(t.Context(), read(t, tab).Remove()); err != nil {
		t.Fatal(err)
	}
	if err := l.Write(t.Context(), doc(1, table.Any)); !errors.Is(err, lease.ErrLost) || value(t, tab) != 0 {
		t.Errorf("Write: %v, and the row is %d", err, value(t, tab))
	}
	if _, err := lease.Take(t.Context(), tab, key, time.Now, "b", lease.TTL); !errors.Is(err, table.ErrNotFound) {
		t.Errorf("Take: %v, want ErrNotFound", err)
	}
}

// onTables runs a test on the local table and on DynamoDB Local, behind a proxy
// that does what that never does: so many rounds of it, and more until every fault
// of the list was met. How many requests a round makes is a matter of who looks
// first.
func onTables(t *testing.T, rounds int, faults []string, test func(*testing.T, table.Table)) {
	t.Helper()
	t.Run("local", func(t *testing.T) {
		tab := local(t)
		for range rounds {
			test(t, tab)
		}
	})
	t.Run("dynamodb", func(t *testing.T) {
		proxy := emulator.NewFaultProxy(t, emulator.DynamoDB(t), faulty())
		client, name := emulator.DynamoDBClientAt(proxy.URL), emulator.TableName()
		if err := dynamo.CreateTable(t.Context(), emulator.DynamoDBClient(t), name); err != nil {
			t.Fatal(err)
		}
		tab := dynamo.New(client, name, emulator.Patient)
		install(t, tab)
		unmet := func(fault string) bool { return proxy.Fired(fault) == 0 }
		for round := 0; round < rounds || slices.ContainsFunc(faults, unmet); round++ {
			if test(t, tab); round == 10*rounds {
				t.Fatalf("after %d rounds not all of %q have met a request", round, faults)
			}
		}
	})
}

// What a proxy can be seen to do to transactions, and to plain writes.
var (
	toTransactions = []string{"LostReply", "TransactionCanceledException", "ProvisionedThroughputExceededException"}
	toBoth         = append(toTransactions, "TransactionConflictException")
)

// faulty meets one request in ten with one of the faults, in turn.
func faulty() func(emulator.Request) emulator.Fault {
	return func(r emulator.Request) emulator.Fault {
		transaction := r.Operation == "TransactWriteItems"
		switch n := r.Ordinal % 40; {
		case r.Operation != "PutItem" && !transaction:
			return emulator.None()
		case n == 5:
			return emulator.LostReply()
		case n == 15 && transaction:
			return emulator.Cancelled("TransactionConflict")
		case n == 15:
			return emulator.Collided()
		case n == 25:
			return emulator.Throttled()
		default:
			return emulator.None()
		}
	}
}

// Of 64 who take a free lease at once, one gets it and the others are told who.
func TestOneTakerWins(t *testing.T) {
	onTables(t, 3, toTransactions, func(t *testing.T, tab table.Table) {
		var all sync.WaitGroup
		won := make(chan *lease.Lease, 64)
		named := sync.Map{}
		for i := range 64 {
			all.Go(func() {
				l, err := lease.Take(t.Context(), tab, key, time.Now, string(rune('A'+i)), lease.TTL, doc(i, table.Any))
				var busy *lease.Busy
				switch {
				case err == nil:
					won <- l
				case errors.As(err, &busy):
					named.Store(busy.Job, true)
				default:
					t.Error(err)
				}
			})
		}
		all.Wait()
		if len(won) != 1 {
			t.Fatalf("%d won", len(won))
		}
		l := <-won
		named.Range(func(job, _ any) bool {
			if job != l.Job() {
				t.Errorf("a loser was told of %v, %s won", job, l.Job())
			}
			return true
		})
		if err := l.Renew(t.Context()); err != nil { // a plain write, for the faults of those
			t.Error(err)
		}
		if err := l.Release(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

// increments reads a number and writes it, one higher, many times at once.
func increments(t *testing.T, tab table.Table, workers, each int, one func(step func(put func(table.Write) error) error) error) int {
	t.Helper()
	var all sync.WaitGroup
	for range workers {
		all.Go(func() {
			for range each {
				err := one(func(put func(table.Write) error) error {
					n := value(t, tab)
					runtime.Gosched()
					return put(doc(n+1, table.Any)) // no condition but the lease
				})
				if err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	all.Wait()
	return value(t, tab)
}

const workers, each = 8, 12

// release frees a lease as package job does: with a row of one's own, which tells
// a success without an answer from a lease that was lost.
func release(t *testing.T, tab table.Table, l *lease.Lease) error {
	own := table.Put(table.Key{Part: "JOB", Sort: l.Owner()}, "done", table.Absent)
	err := l.Release(t.Context(), own)
	if errors.Is(err, lease.ErrLost) {
		if row, rerr := tab.Get(t.Context(), own.Key); rerr == nil && row.Version == own.Version {
			return nil
		}
	}
	return err
}

// Under the lease nobody's update is lost, whatever becomes of requests.
func TestNoUpdateIsLost(t *testing.T) {
	onTables(t, 1, toBoth, func(t *testing.T, tab table.Table) {
		n := increments(t, tab, workers, each, func(step func(func(table.Write) error) error) error {
			for {
				l, err := lease.Take(t.Context(), tab, key, time.Now, "a", lease.TTL)
				if errors.As(err, new(*lease.Busy)) {
					time.Sleep(5 * time.Millisecond) // not to synchronise: to let the holder work
					continue
				}
				if err != nil {
					return err
				}
				if err := l.Renew(t.Context()); err != nil {
					return err
				}
				err = step(func(w table.Write) error { return l.Write(t.Context(), w) })
				return errors.Join(err, release(t, tab, l))
			}
		})
		if n != workers*each {
			t.Errorf("%d of %d updates are there", n, workers*each)
		}
		if s := read(t, tab); s.Job != "" || s.Token != workers*each {
			t.Errorf("the lease is %+v, want %d changes of hands", s.State, workers*each)
		}
	})
}

// The negative control: without the lease the same stress loses updates.
func TestWithoutTheLeaseUpdatesAreLost(t *testing.T) {
	tab := local(t)
	n := increments(t, tab, workers, each, func(step func(func(table.Write) error) error) error {
		return step(func(w table.Write) error { return tab.Write(t.Context(), w) })
	})
	if n >= workers*each {
		t.Errorf("all %d updates are there: the stress proves nothing", n)
	}
}

// Of many deliveries of one start, one gets the lease.
func TestOneAdopterWins(t *testing.T) {
	onTables(t, 5, toTransactions, func(t *testing.T, tab table.Table) {
		token := raise(t, tab, "a")
		var won atomic.Int64
		var all sync.WaitGroup
		for i := range 16 {
			all.Go(func() {
				l, err := lease.Adopt(t.Context(), tab, key, time.Now, "a", token, lease.TTL, doc(i, table.Any))
				switch {
				case err == nil:
					won.Add(1)
					if err := l.Renew(t.Context()); err != nil {
						t.Error(err)
					}
				case !errors.Is(err, lease.ErrLost):
					t.Error(err)
				}
			})
		}
		all.Wait()
		if n := won.Load(); n != 1 {
			t.Fatalf("%d won", n)
		}
	})
}
