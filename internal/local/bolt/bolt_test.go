package bolt_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"go.etcd.io/bbolt"

	"muster/internal/local/bolt"
	"muster/internal/table"
	"muster/internal/table/tabletest"
)

func TestConformance(t *testing.T) {
	tabletest.Run(t, func(t *testing.T, now func() time.Time) table.Table { return open(t, path(t), now) })
}

func path(t *testing.T) string { return filepath.Join(t.TempDir(), "table.db") }

func open(t *testing.T, path string, now func() time.Time) *bolt.Table {
	t.Helper()
	tab, err := bolt.Open(path, now)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := tab.Close(); err != nil {
			t.Error(err)
		}
	})
	return tab
}

// heldBy is set, to the path of a table, in the child process that the tests
// below start: it writes pairs of rows and prints the number of each pair that
// was acknowledged, until it is killed.
const heldBy = "MUSTER_TEST_BOLT"

func TestMain(m *testing.M) {
	if p := os.Getenv(heldBy); p != "" {
		writePairs(p)
		return
	}
	os.Exit(m.Run())
}

func pair(n int) (a, b table.Key) {
	return table.Key{Part: "A", Sort: fmt.Sprint(n)}, table.Key{Part: "B", Sort: fmt.Sprint(n)}
}

func writePairs(path string) {
	tab, err := bolt.Open(path, time.Now)
	if err != nil {
		panic(err)
	}
	filler := strings.Repeat("x", 8<<10)
	for n := 0; ; n++ {
		a, b := pair(n)
		if err := tab.Write(context.Background(), table.Put(a, filler, table.Absent), table.Put(b, filler, table.Absent)); err != nil {
			panic(err)
		}
		fmt.Println(n)
	}
}

// TestCrash kills a process in the middle of its writes, several times over one
// file: what it was told is there, and no transaction is there in part. While it
// lives, nobody else gets at the file.
func TestCrash(t *testing.T) {
	p := path(t)
	for acks := range 3 {
		if err := os.RemoveAll(p); err != nil {
			t.Fatal(err)
		}
		acked := kill(t, p, 20+30*acks)
		tab := open(t, p, time.Now)
		for n := range acked + 50 {
			a, b := pair(n)
			_, errA := tab.Get(t.Context(), a)
			_, errB := tab.Get(t.Context(), b)
			if (errA == nil) != (errB == nil) {
				t.Errorf("pair %d is there in part: %v, %v", n, errA, errB)
			}
			if n <= acked && errA != nil {
				t.Errorf("pair %d was acknowledged: %v", n, errA)
			}
		}
		if err := tab.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// kill lets a child write until it has printed acks numbers, and answers the last
// one that it printed before it died.
func kill(t *testing.T, path string, acks int) (last int) {
	t.Helper()
	child := exec.CommandContext(t.Context(), os.Args[0])
	child.Env = append(os.Environ(), heldBy+"="+path)
	child.Stderr = os.Stderr
	out, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(out)
	for n := 0; lines.Scan(); n++ {
		if n == acks {
			if _, err := bolt.Open(path, time.Now); !errors.Is(err, bolt.ErrLocked) {
				t.Errorf("open beside another process: %v, want ErrLocked", err)
			}
			if err := child.Process.Kill(); err != nil {
				t.Fatal(err)
			}
		}
		if last, err = strconv.Atoi(lines.Text()); err != nil {
			t.Fatal(err)
		}
	}
	_ = child.Wait() // it was killed
	if last < acks {
		t.Fatalf("the child ended after %d writes", last)
	}
	return last
}

func TestReopen(t *testing.T) {
	p, clock := path(t), tabletest.NewClock(time.Now())
	tab := open(t, p, clock.Now)
	k := table.Key{Part: "P", Sort: "a"}
	w := table.Put(k, "hello", table.Absent).Until(clock.Now().Add(time.Hour))
	if err := tab.Write(t.Context(), w); err != nil {
		t.Fatal(err)
	}
	if _, err := bolt.Open(p, clock.Now); !errors.Is(err, bolt.ErrLocked) {
		t.Errorf("second open: %v, want ErrLocked", err)
	}
	if err := tab.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := tab.Get(t.Context(), k); !errors.Is(err, table.ErrUnavailable) {
		t.Errorf("get after close: %v, want ErrUnavailable", err)
	}
	if err := tab.Write(t.Context(), w); !errors.Is(err, table.ErrUnavailable) {
		t.Errorf("write after close: %v, want ErrUnavailable", err)
	}
	r, err := open(t, p, clock.Now).Get(t.Context(), k)
	if err != nil || r.Version != w.Version || !r.Expires.Equal(w.Expires) || string(r.Body) != `"hello"` {
		t.Errorf("after reopening: %+v, %v", r, err)
	}
}

// Expired rows and counters leave the file as other writes pass by: it does not
// grow, though each round's rows have new keys.
func TestExpiredRowsLeaveTheFile(t *testing.T) {
	p, clock := path(t), tabletest.NewClock(time.Now())
	tab := open(t, p, clock.Now)
	var sizes []int64
	for round := range 20 {
		var ws []table.Write
		for i := range 50 {
			k := table.Key{Part: "P", Sort: fmt.Sprint(round, "-", i)}
			ws = append(ws, table.Put(k, strings.Repeat("x", 2<<10), table.Absent).Until(clock.Now().Add(time.Minute)))
		}
		if err := tab.Write(t.Context(), ws...); err != nil {
			t.Fatal(err)
		}
		if _, err := tab.Add(t.Context(), table.Key{Part: "C", Sort: fmt.Sprint(round)}, 1, clock.Now().Add(time.Minute)); err != nil {
			t.Fatal(err)
		}
		clock.Advance(2 * time.Minute)
		info, err := os.Stat(p)
		if err != nil {
			t.Fatal(err)
		}
		sizes = append(sizes, info.Size())
	}
	if early, late := sizes[4], sizes[19]; late > early {
		t.Errorf("the file grew from %d to %d bytes over rows that had expired", early, late)
	}
}

func TestOpenRefusesAnotherFormat(t *testing.T) {
	p := path(t)
	db, err := bbolt.Open(p, 0o600, nil)
	if err != nil {
		t.Fatal(err)
	}
	err = db.Update(func(tx *bbolt.Tx) error {
		b, err := tx.CreateBucket([]byte("meta"))
		return errors.Join(err, b.Put([]byte("format"), []byte("99")))
	})
	if err := errors.Join(err, db.Close()); err != nil {
		t.Fatal(err)
	}
	if _, err := bolt.Open(p, time.Now); err == nil || !strings.Contains(err.Error(), `format "99"`) {
		t.Errorf("open: %v, want an error that names the format", err)
	}
}

func BenchmarkWrite(b *testing.B) {
	for _, writers := range []int{1, 16} {
		b.Run(fmt.Sprint("writers=", writers), func(b *testing.B) {
			tab, err := bolt.Open(filepath.Join(b.TempDir(), "table.db"), time.Now)
			if err != nil {
				b.Fatal(err)
			}
			defer tab.Close()
			var n atomic.Int64
			b.SetParallelism(writers)
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					k := table.Key{Part: "P", Sort: fmt.Sprint(n.Add(1))}
					if err := tab.Write(b.Context(), table.Put(k, "x", table.Absent)); err != nil {
						b.Error(err)
					}
				}
			})
		})
	}
}
