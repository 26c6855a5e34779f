package tabletest

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"muster/internal/table"
)

const (
	takers, rounds = 16, 50
	counting, each = 8, 10
)

var stressCases = []testCase{
	{"one taker wins a put", func(s suite) {
		s.oneWinner(func(k table.Key, i int) error {
			return s.Write(s.Context(), table.Put(k, doc{N: i}, table.Absent))
		})
	}},
	{"one taker wins a transaction", func(s suite) {
		s.oneWinner(func(k table.Key, i int) error {
			mine := key(fmt.Sprintf("%s taker %d", k.Sort, i))
			return s.Write(s.Context(), table.Put(mine, doc{N: i}, table.Absent), table.Put(k, doc{N: i}, table.Absent))
		})
	}},
	{"negative control: takers that look first have several winners", func(s suite) {
		winners := s.race(func(k table.Key, i int) error {
			if version, _, err := s.load(k); err != nil {
				return err
			} else if version != "" {
				return &table.Conflict{}
			}
			return s.Write(s.Context(), table.Put(k, doc{N: i}, table.Any))
		})
		if winners <= rounds {
			s.Errorf("%d winners in %d rounds: the stress proves nothing", winners, rounds)
		}
	}},
	{"increments on a version lose none", func(s suite) {
		if n := s.increments(table.Version); n != counting*each {
			s.Errorf("%d increments are left of %d", n, counting*each)
		}
	}},
	{"negative control: increments without a condition are lost", func(s suite) {
		if n := s.increments(func(string) table.Cond { return table.Any }); n >= counting*each {
			s.Errorf("%d increments are left of %d: the stress proves nothing", n, counting*each)
		}
	}},
	{"500 additions are 500", func(s suite) {
		var seen sync.Map
		s.together(25, func(int) error {
			for range 20 {
				n, err := s.Add(s.Context(), key("c"), 1, s.clock.Now().Add(time.Hour))
				if err != nil {
					return err
				}
				if _, twice := seen.LoadOrStore(n, true); twice {
					return fmt.Errorf("%d was answered twice", n)
				}
			}
			return nil
		})
		if n, err := s.Add(s.Context(), key("c"), 0, time.Time{}); err != nil || n != 500 {
			s.Errorf("sum %d, %v; want 500", n, err)
		}
	}},
	{"transfers that overlap keep the sum", transfers},
	{"no acknowledged put is lost beside cancelled transactions", acknowledged},
}

// oneWinner requires exactly one winner in each round, and that the row is the
// winner's and no loser left anything.
func (s suite) oneWinner(take func(k table.Key, i int) error) {
	s.Helper()
	if winners := s.race(take); winners != rounds {
		s.Errorf("%d winners in %d rounds", winners, rounds)
	}
	own := map[string]bool{}
	for r := range s.List(s.Context(), "PART", table.Query{Prefix: "round"}) {
		var d doc
		round, _, isOwn := strings.Cut(r.Sort, " taker ")
		if !isOwn {
			continue
		}
		if err := r.Decode(&d); err != nil {
			s.Fatal(err)
		}
		if own[round] {
			s.Errorf("%s: more than one taker left a row of its own", round)
		}
		own[round] = true
		s.wantDoc(key(round), d)
	}
}

// race lets all takers take one row in each round, and counts who succeeded. A
// conflict is defeat; any other error fails the test.
func (s suite) race(take func(k table.Key, i int) error) int64 {
	s.Helper()
	var winners atomic.Int64
	for round := range rounds {
		k := key(fmt.Sprint("round-", round))
		s.together(takers, func(i int) error {
			err := take(k, i)
			if err == nil {
				winners.Add(1)
			}
			return unlessConflict(err)
		})
	}
	return winners.Load()
}

// increments adds one to a row, each time read and written back under cond of the
// version read, until it succeeded counting × each times; it answers the sum.
func (s suite) increments(cond func(version string) table.Cond) int {
	s.Helper()
	s.mustWrite(table.Put(key("n"), doc{}, table.Absent))
	s.together(counting, func(int) error {
		for done := 0; done < each; {
			version, d, err := s.load(key("n"))
			if err != nil {
				return err
			}
			err = s.Write(s.Context(), table.Put(key("n"), doc{N: d.N + 1}, cond(version)))
			if err == nil {
				done++
			}
			if err = unlessConflict(err); err != nil {
				return err
			}
		}
		return nil
	})
	_, d := s.read(key("n"))
	return d.N
}

func unlessConflict(err error) error {
	var c *table.Conflict
	if errors.As(err, &c) {
		return nil
	}
	return err
}

// transfers moves amounts between accounts in transactions that overlap in part,
// each of them on the versions it read. An auditor checks the versions of all
// accounts in one transaction: where they hold, what it read is one state of the
// table, and the sum must be whole.
func transfers(s suite) {
	const movers, moves = 6, 25
	b := &bank{suite: s}
	for i := range accounts {
		s.mustWrite(table.Put(account(i), doc{N: deposit}, table.Absent))
	}
	s.together(movers+1, func(i int) error {
		for moved, tries := 0, 0; moved < moves && tries < 100*moves; tries++ {
			act := b.audit
			if i < movers {
				act = b.move
			}
			err := act()
			if err == nil {
				moved++
			}
			if err := unlessConflict(err); err != nil {
				return err
			}
		}
		return nil
	})
	if err := b.audit(); err != nil {
		s.Errorf("at rest: %v", err)
	}
	s.Logf("%d audits met one state of the table", b.audits.Load())
}

const accounts, deposit = 8, 100

type bank struct {
	suite
	audits atomic.Int64
}

func account(i int) table.Key { return key(fmt.Sprint("account", i)) }

// read is the accounts' documents, and a check of each on the version read.
func (b *bank) read(ids []int) (ws []table.Write, docs []doc, err error) {
	for _, i := range ids {
		v, d, err := b.load(account(i))
		if err != nil {
			return nil, nil, err
		}
		ws, docs = append(ws, table.Check(account(i), table.Version(v))), append(docs, d)
	}
	return ws, docs, nil
}

// move takes from one account for another; a third must stand still meanwhile.
func (b *bank) move() error {
	ws, docs, err := b.read(rand.Perm(accounts)[:3])
	if err != nil {
		return err
	}
	ws[0] = table.Put(ws[0].Key, doc{N: docs[0].N - 7}, ws[0].Cond)
	ws[1] = table.Put(ws[1].Key, doc{N: docs[1].N + 7}, ws[1].Cond)
	return b.Write(b.Context(), ws...)
}

func (b *bank) audit() error {
	ws, docs, err := b.read(rand.Perm(accounts))
	if err != nil {
		return err
	}
	if err := b.Write(b.Context(), ws...); err != nil {
		return err
	}
	b.audits.Add(1)
	sum := 0
	for _, d := range docs {
		sum += d.N
	}
	if sum != accounts*deposit {
		return fmt.Errorf("accounts hold %d in one state of the table, want %d", sum, accounts*deposit)
	}
	return nil
}

// acknowledged puts rows of many shapes while other transactions fail: a store
// that undoes a cancelled transaction by a copy loses the puts made meanwhile.
func acknowledged(s suite) {
	const writers, puts = 6, 40
	s.mustWrite(table.Put(key("taken"), doc{}, table.Absent))
	var busy atomic.Int64
	busy.Add(writers)
	s.together(writers+3, func(i int) error {
		if i < writers {
			defer busy.Add(-1)
			for n := range puts {
				cond := []table.Cond{table.Absent, table.Any}[n%2]
				if err := s.Write(s.Context(), table.Put(key(fmt.Sprintf("put%d-%02d", i, n)), doc{N: n}, cond)); err != nil {
					return err
				}
			}
			return nil
		}
		for n := 0; busy.Load() > 0; n++ {
			var c *table.Conflict
			err := s.Write(s.Context(),
				table.Put(key(fmt.Sprintf("put%d-%02d", n%writers, n%puts)), doc{N: -1}, table.Any),
				table.Check(key("taken"), table.Absent))
			if !errors.As(err, &c) {
				return fmt.Errorf("a transaction that cannot succeed: %w", err)
			}
		}
		return nil
	})
	for i := range writers {
		for n := range puts {
			s.wantDoc(key(fmt.Sprintf("put%d-%02d", i, n)), doc{N: n})
		}
	}
}
