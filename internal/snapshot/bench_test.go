package snapshot_test

import (
	"fmt"
	"iter"
	"math/rand/v2"
	"runtime/debug"
	"runtime/metrics"
	"sync"
	"syscall"
	"testing"
	"time"

	"muster/internal/roster"
	"muster/internal/snapshot"
)

// generate yields n users as a source would, about 190 bytes each as JSON; one of
// them says something else in every version.
func generate(n int, shuffled bool, version string) iter.Seq[roster.Batch] {
	return func(yield func(roster.Batch) bool) {
		const size = 1000
		roles := []string{"member"}
		users := make([]roster.User, 0, size)
		for i := range n {
			k := i
			if shuffled {
				k = int(uint64(i) * 7_919_777 % uint64(n)) // n has no factor in common with it
			}
			u := roster.User{Place: roster.Place{Index: int64(i), Line: 1, Column: int64(i) * 190},
				Email: fmt.Sprintf("user%07d@example.com", k), ID: fmt.Sprintf("id-%09d", k),
				FirstName: "First", LastName: fmt.Sprintf("Last-%d", k), Status: roster.Active, Roles: roles,
				LastUsed: day0.Add(time.Duration(k) * time.Second)}
			if k == n/2 {
				u.ExternalStatus = version
			}
			if users = append(users, u); len(users) == size {
				if !yield(roster.Batch{Users: users}) {
					return
				}
				users = users[:0]
			}
		}
		if len(users) > 0 {
			yield(roster.Batch{Users: users})
		}
	}
}

// peak is the most memory that the process holds while f runs, as the runtime
// accounts for it; live the most that is in use after a collection.
func peak(f func()) uint64 {
	return watch(f, func(s []metrics.Sample) uint64 { return s[0].Value.Uint64() - s[1].Value.Uint64() },
		"/memory/classes/total:bytes", "/memory/classes/heap/released:bytes")
}

func live(f func()) uint64 {
	defer debug.SetGCPercent(debug.SetGCPercent(20)) // more collections to be seen at
	return watch(f, func(s []metrics.Sample) uint64 { return s[0].Value.Uint64() }, "/gc/heap/live:bytes")
}

func watch(f func(), value func([]metrics.Sample) uint64, names ...string) (most uint64) {
	debug.FreeOSMemory()
	samples := make([]metrics.Sample, len(names))
	for i, n := range names {
		samples[i].Name = n
	}
	stop := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			metrics.Read(samples)
			most = max(most, value(samples))
			select {
			case <-stop:
				return
			case <-time.After(2 * time.Millisecond):
			}
		}
	})
	f()
	close(stop)
	wg.Wait()
	return most
}

func BenchmarkSync(b *testing.B) {
	for _, n := range []int{100_000, 1_000_000} {
		for _, shuffled := range []bool{false, true} {
			name := map[bool]string{false: "sorted", true: "shuffled"}[shuffled]
			b.Run(fmt.Sprintf("users=%d/%s/first", n, name), func(b *testing.B) { benchmarkSync(b, n, shuffled, false) })
			b.Run(fmt.Sprintf("users=%d/%s/one-changed", n, name), func(b *testing.B) { benchmarkSync(b, n, shuffled, true) })
		}
	}
}

func benchmarkSync(b *testing.B, n int, shuffled, again bool) {
	e := newEnv(b)
	var rev int64
	run := func() {
		rev++
		builder := e.build(b)
		for batch := range generate(n, shuffled, fmt.Sprint("version ", rev)) {
			add(b, builder, batch)
		}
		if !again {
			e.finishAlone(b, builder, rev)
			return
		}
		next, _ := e.commit(b, builder, options(rev))
		if c := next.Counts.Users; rev > 1 && (c.Changed != 1 || c.Unchanged != int64(n)-1) {
			b.Fatalf("counts %+v", c)
		}
	}
	if again {
		run()
	}
	var most uint64
	b.ResetTimer()
	before := cpu()
	for b.Loop() {
		most = max(most, peak(run))
	}
	b.ReportMetric(float64(n)*float64(b.N)/b.Elapsed().Seconds(), "users/s")
	b.ReportMetric((cpu()-before).Seconds()/float64(b.N), "cpu-s/op")
	b.ReportMetric(float64(most)/(1<<20), "peak-MB")
}

// cpu is what the process has used: on a machine that is busy with other things
// it tells more than the clock.
func cpu() time.Duration {
	var u syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &u) != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// finishAlone is a first sync: there is no last snapshot.
func (e *env) finishAlone(tb testing.TB, builder *snapshot.Builder, rev int64) {
	tb.Helper()
	if _, err := builder.Finish(tb.Context(), nil, options(rev)); err != nil {
		tb.Fatal(err)
	}
	if err := builder.Close(); err != nil {
		tb.Fatal(err)
	}
}

// BenchmarkGenerate is what the source alone costs in BenchmarkSync.
func BenchmarkGenerate(b *testing.B) {
	for b.Loop() {
		for range generate(1_000_000, true, "") {
		}
	}
}

func BenchmarkPage(b *testing.B) {
	e := newEnv(b)
	builder := e.build(b)
	const n = 300_000
	for batch := range generate(n, false, "") {
		add(b, builder, batch)
	}
	_, r := e.commit(b, builder, options(1))
	text := roster.MembersQuery{Text: "last-2999", Fields: []roster.Field{roster.FieldEmail, roster.FieldFirstName, roster.FieldLastName}}
	counted := text
	counted.Total = -1
	for name, q := range map[string]roster.MembersQuery{"all": {}, "text": text, "text-counted": counted} {
		b.Run(name, func(b *testing.B) {
			rng := rand.New(rand.NewPCG(1, 1))
			for b.Loop() {
				q.Size, q.Status = 1000, roster.Active
				if q.Text == "" {
					q.After = fmt.Sprintf("user%07d@example.com", rng.IntN(n))
				}
				if _, err := r.Members(b.Context(), q); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
