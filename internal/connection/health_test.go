package connection_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"muster/internal/connection"
	"muster/internal/org"
	"muster/internal/table"
	"muster/internal/table/tabletest"
)

// chosen are an org's settings, and its quota, as a test sets them.
type chosen struct {
	breaker int
	spent   *org.Spent
	err     error
}

func (c *chosen) Get(context.Context, org.ID) (org.Org, error) {
	return org.Org{Settings: org.Settings{BreakerFailures: c.breaker}}, c.err
}

func (c *chosen) SyncsSpent(context.Context, org.ID) (*org.Spent, error) { return c.spent, c.err }

// user is a process that uses one connection.
type user struct {
	*world
	connection.Store
	table *tabletest.Faulty
	id    connection.ID
}

func (w *world) user(id connection.ID, limits connection.Limits) *user {
	f := &tabletest.Faulty{Table: w.table}
	return &user{w, connection.Store{Table: f, Now: w.now, Limits: limits, Log: slog.New(slog.DiscardHandler)}, f, id}
}

func (u *user) healthy() { u.must(u.Healthy(u.Context(), u.org, u.id)) }
func (u *user) fails()   { u.must(u.Unhealthy(u.Context(), u.org, u.id, "401")) }
func (u *user) pause()   { u.must2(u.Store.Pause(u.Context(), u.org, u.id, "on holiday")) }
func (u *user) resume()  { u.must2(u.Resume(u.Context(), u.org, u.id)) }
func (u *user) failsOften(n int) {
	for range n {
		u.fails()
	}
}

func (u *user) must(err error) {
	u.Helper()
	if err != nil {
		u.Fatal(err)
	}
}

func (u *user) must2(_ connection.Connection, err error) { u.Helper(); u.must(err) }

func (u *user) health() connection.Health {
	u.Helper()
	c, err := u.Get(u.Context(), u.org, u.id)
	u.must(err)
	return c.Health
}

// is requires a state, who paused it, and that Usable says the same of it.
func (u *user) is(state string, by connection.By) {
	u.Helper()
	h := u.health()
	if h.State(u.now()) != state || h.Pause.By != by {
		u.Errorf("it is %s and paused by %q, want %s and %q: %+v", h.State(u.now()), h.Pause.By, state, by, h)
	}
	err := u.Usable(u.Context(), u.org, u.id)
	var paused *connection.Paused
	if written := by != "" && by != connection.Quota; errors.As(err, &paused) != written || !written && err != nil {
		u.Errorf("usable: %v, paused by %q", err, by)
	}
}

// writes requires how many were made since the last time.
func (u *user) writes(from *int, want int) {
	u.Helper()
	if n := u.table.Writes() - *from; n != want {
		u.Errorf("%d writes, want %d", n, want)
	}
	*from = u.table.Writes()
}

func TestStamps(t *testing.T) {
	w := newWorld(t)
	made := w.create(ours)
	u := w.user(made.ID, &chosen{breaker: 3})
	row := u.row()
	var n int
	u.is("new", "")
	for range 100 {
		u.healthy()
	}
	u.is("healthy", "")
	u.writes(&n, 1)
	u.failsOften(2) // in the same second
	u.is("unhealthy_now", "")
	u.writes(&n, 2)
	u.healthy()
	u.is("healthy", "")
	u.failsOften(2) // two, and not four: the success came between
	u.healthy()
	u.is("healthy", "")
	u.writes(&n, 4)
	w.pass(59 * time.Second)
	u.healthy()
	u.writes(&n, 0)
	w.pass(2 * time.Second)
	u.healthy()
	u.writes(&n, 1)
	if h := u.health(); !h.HealthyAt.Equal(w.now()) || h.UnhealthyCode != "401" || h.Failures != 0 {
		t.Errorf("%+v", h)
	}
	u.must(u.Unhealthy(t.Context(), w.org, made.ID, strings.Repeat("x", 101)))
	u.must(u.Unhealthy(t.Context(), w.org, made.ID, "\xff"))
	if h := u.health(); h.UnhealthyCode != "other" || h.Failures != 2 {
		t.Errorf("%+v", h)
	}
	u.pause()
	u.resume()
	if now := u.row(); now.Version != row.Version || string(now.Body) != string(row.Body) {
		t.Errorf("the connection is %s, was %s", now.Body, row.Body)
	}
}

// row is the connection's own.
func (u *user) row() table.Row {
	u.Helper()
	row, err := u.world.table.Get(u.Context(), u.org.Key(u.id.String(), "CONNECTION"))
	u.must(err)
	return row
}

func TestHealthOverTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		id := w.create(ours).ID
		u := w.user(id, &chosen{})
		u.Store.Now = time.Now
		state := func(want string) {
			t.Helper()
			if got := u.health().State(time.Now()); got != want {
				t.Errorf("%s, want %s", got, want)
			}
		}
		u.fails()
		state("unhealthy") // it never was anything else
		time.Sleep(time.Minute)
		u.healthy()
		time.Sleep(time.Minute)
		u.fails()
		state("unhealthy_now")
		time.Sleep(24 * time.Hour)
		state("unhealthy_now")
		time.Sleep(time.Nanosecond)
		state("unhealthy")
		u.healthy()
		state("healthy")
		time.Sleep(1000 * time.Hour)
		state("healthy")
	})
}

// A process whose clock is five minutes off, either way, does not turn round what
// came first.
func TestStampsByClocksThatDiffer(t *testing.T) {
	for _, off := range []time.Duration{-5 * time.Minute, 5 * time.Minute} {
		w := newWorld(t)
		ours := w.user(w.create(ours).ID, &chosen{breaker: 10})
		theirs := w.user(ours.id, &chosen{breaker: 10})
		theirs.Store.Now = func() time.Time { return w.now().Add(off) }
		for range 2 {
			ours.healthy()
			theirs.fails()
			if s := ours.health().State(w.now()); s != "unhealthy_now" {
				t.Errorf("%v: after a failure %s", off, s)
			}
			ours.fails()
			theirs.healthy()
			if s := ours.health().State(w.now()); s != "healthy" {
				t.Errorf("%v: after a success %s", off, s)
			}
		}
	}
}

func TestBreaker(t *testing.T) {
	w := newWorld(t)
	limits := &chosen{breaker: 10}
	u := w.user(w.create(ours).ID, limits)
	u.failsOften(9)
	u.is("unhealthy", "")
	u.fails()
	u.is("unhealthy", connection.Breaker)
	want := connection.Pause{By: connection.Breaker, At: w.now(), Reason: "10 calls failed in a row, the last with 401"}
	if d := cmp.Diff(want, u.health().Pause); d != "" {
		t.Error(d)
	}
	var paused *connection.Paused
	if err := u.Usable(t.Context(), w.org, u.id); !errors.As(err, &paused) || err.Error() != "the connection is paused by the breaker: 10 calls failed in a row, the last with 401" {
		t.Error(err)
	}
	n := u.table.Writes()
	u.failsOften(100) // of calls that were under way
	u.writes(&n, 0)
	w.pass(time.Minute)
	u.failsOften(100)
	u.writes(&n, 1)
	u.healthy() // so was this one; a person looks first
	u.is("healthy", connection.Breaker)
	u.failsOften(1)
	u.resume()
	u.is("unhealthy_now", "")
	u.failsOften(9)
	u.is("unhealthy_now", "")
	u.fails()
	u.is("unhealthy_now", connection.Breaker)

	u.resume()
	limits.breaker = 2
	u.fails()
	u.is("unhealthy_now", "")
	u.fails()
	u.is("unhealthy_now", connection.Breaker)
	u.resume()
	limits.breaker = 0
	n = u.table.Writes()
	u.failsOften(100)
	u.is("unhealthy_now", "")
	u.writes(&n, 0)
	limits.err = errors.New("no settings")
	if err := u.Unhealthy(t.Context(), w.org, u.id, "500"); !errors.Is(err, limits.err) {
		t.Errorf("settings that cannot be read: %v", err)
	}
}

func TestPause(t *testing.T) {
	w := newWorld(t)
	limits := &chosen{breaker: 1}
	u := w.user(w.create(ours).ID, limits)
	first := w.now()
	u.pause()
	u.is("new", connection.Person)
	w.pass(time.Hour)
	if c, err := u.Store.Pause(t.Context(), w.org, u.id, "again"); err != nil || c.Health.Pause != (connection.Pause{By: connection.Person, At: first, Reason: "on holiday"}) {
		t.Errorf("a second pause: %+v, %v", c.Health.Pause, err)
	}
	u.failsOften(5)
	u.healthy()
	u.is("healthy", connection.Person)
	limits.spent = &org.Spent{Limit: 5, Resumes: w.now()}
	u.is("healthy", connection.Person)
	u.resume()
	u.is("healthy", connection.Quota)
	u.resume() // lifts it not
	u.is("healthy", connection.Quota)
	if p := u.health().Pause; !p.At.IsZero() || p.Reason != limits.spent.Error() {
		t.Errorf("%+v", p)
	}
	u.fails()
	u.is("unhealthy_now", connection.Breaker)
	u.pause() // a person's, from here on
	u.is("unhealthy_now", connection.Person)
	u.resume()
	limits.spent = nil
	u.is("unhealthy_now", "")

	if _, err := u.Store.Pause(t.Context(), w.org, u.id, strings.Repeat("x", connection.MaxPauseReason+1)); !strings.Contains(fmt.Sprint(err), "/reason must have") {
		t.Error(err)
	}
	gone := connection.NewID()
	_, errPause := u.Store.Pause(t.Context(), w.org, gone, "")
	_, errResume := u.Resume(t.Context(), w.org, gone)
	_, errRival := u.Store.Pause(t.Context(), org.NewID(), u.id, "")
	for i, err := range []error{errPause, errResume, errRival} {
		if !errors.Is(err, connection.ErrNotFound) {
			t.Errorf("call %d: %v", i, err)
		}
	}
}

// The quota pauses every connection wherever one is shown, and no longer than it
// is spent.
func TestQuotaPausesAll(t *testing.T) {
	w := newWorld(t)
	limits := &chosen{spent: &org.Spent{Limit: 1}}
	a, b := w.create(ours), w.create(ours)
	w.user(b.ID, limits).pause()
	k := w.keeper()
	k.Limits = limits
	by := func() (all []connection.By) {
		t.Helper()
		page, err := k.List(t.Context(), w.org, connection.Query{Environment: a.Environment, Limit: 10})
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range page {
			all = append(all, c.Health.Pause.By)
		}
		c, err := k.Update(t.Context(), w.org, a.ID, patch(t, `{}`))
		if err != nil {
			t.Fatal(err)
		}
		return append(all, c.Health.Pause.By)
	}
	if d := cmp.Diff([]connection.By{connection.Quota, connection.Person, connection.Quota}, by()); d != "" {
		t.Error(d)
	}
	limits.spent = nil
	if d := cmp.Diff([]connection.By{"", connection.Person, ""}, by()); d != "" {
		t.Error(d)
	}
	limits.err = errors.New("no count")
	if _, err := k.List(t.Context(), w.org, connection.Query{Environment: a.Environment, Limit: 10}); !errors.Is(err, limits.err) {
		t.Errorf("a count that cannot be read: %v", err)
	}
}

// Who stamps a connection that is removed meanwhile makes no row.
func TestStampsMakeNoOrphans(t *testing.T) {
	w := newWorld(t)
	for range 20 {
		id := w.create(ours).ID
		u := w.user(id, nil)
		var all sync.WaitGroup
		for i := range 4 {
			all.Go(func() {
				for n := range 10 {
					err := u.Unhealthy(t.Context(), w.org, id, fmt.Sprint(i, n))
					if err != nil && !errors.Is(err, connection.ErrNotFound) {
						t.Error(err)
					}
				}
			})
		}
		all.Go(func() { u.must(w.keeper().Delete(context.WithoutCancel(t.Context()), w.org, id)) })
		all.Wait()
		if err := u.Healthy(t.Context(), w.org, id); !errors.Is(err, connection.ErrNotFound) {
			t.Error(err)
		}
	}
	for row, err := range w.table.List(t.Context(), w.org.Part("HEALTH"), table.Query{}) {
		t.Errorf("%s is left, %v", row.Key, err)
	}
}

// Of any number of failures at once each counts: exactly as many as the breaker
// bears are written, and then none.
func TestBreakerOf64AtOnce(t *testing.T) {
	for range 5 {
		w := newWorld(t)
		id := w.create(ours).ID
		var all sync.WaitGroup
		users := make([]*user, 64)
		for i := range users {
			users[i] = w.user(id, &chosen{breaker: 10})
			all.Go(users[i].fails)
		}
		all.Wait()
		if h := users[0].health(); h.Failures != 10 || h.Pause.By != connection.Breaker {
			t.Errorf("%+v", h)
		}
	}
}

// Whoever runs Muster reads once that a connection is no longer used, and why,
// however many calls failed at once and though an answer of the table was lost.
func TestTrippedBreakerIsLogged(t *testing.T) {
	w := newWorld(t)
	id := w.create(ours).ID
	var log bytes.Buffer
	limits, told := &chosen{breaker: 10}, slog.New(slog.NewJSONHandler(&log, nil)) // which writes one line at a time
	process := func(hook func(tabletest.Call) tabletest.Fault) *user {
		u := w.user(id, limits)
		u.Store.Log, u.table.Hook = told, hook
		return u
	}
	want := func(failures float64) {
		t.Helper()
		var line map[string]any
		if err := json.Unmarshal(log.Bytes(), &line); err != nil {
			t.Fatalf("not one line: %v in %s", err, &log)
		}
		delete(line, "time")
		if diff := cmp.Diff(map[string]any{
			"level": "WARN", "msg": "the breaker paused a connection", "org": w.org.String(), "connection": id.String(), "failures": failures, "code": "401",
		}, line); diff != "" {
			t.Error(diff)
		}
		log.Reset()
	}
	u := process(nil)
	u.failsOften(9)
	u.healthy()
	u.failsOften(9)
	u.pause()
	u.failsOften(20)
	u.resume()
	if log.Len() > 0 {
		t.Errorf("nothing tripped: %s", &log)
	}
	var all sync.WaitGroup
	for range 64 {
		all.Go(process(nil).fails)
	}
	all.Wait()
	want(10)
	u.resume()
	limits.breaker = 1
	process(func(c tabletest.Call) tabletest.Fault {
		if c.Ordinal == 1 {
			return tabletest.LostReply(&table.Conflict{})
		}
		return tabletest.None()
	}).fails()
	want(1)
}

// A person's pause, among 64 stamps, pauses and resumptions at once, is there
// until a person lifts it; and whatever came first, the outcome is that of some
// order of them.
func TestPausesAtOnce(t *testing.T) {
	for round := range 10 {
		w := newWorld(t)
		id := w.create(ours).ID
		u := w.user(id, &chosen{breaker: 3})
		var all sync.WaitGroup
		for i := range 64 {
			act := []func(){u.fails, u.healthy, u.pause, u.fails}[i%4]
			if round%2 == 1 && i%8 == 0 {
				act = u.resume
			}
			all.Go(act)
		}
		all.Wait()
		h := u.health()
		switch {
		case round%2 == 0 && h.Pause.By != connection.Person:
			t.Errorf("nobody resumed it, and it is paused by %q", h.Pause.By)
		case h.Pause.By == connection.Breaker && h.Pause.Reason != "3 calls failed in a row, the last with 401", h.Pause.By == "" && (h.Failures > 2 || h.Pause != connection.Pause{}):
			t.Errorf("no order explains %+v", h)
		}
		u.resume()
		u.failsOften(2)
		u.pause()
		u.failsOften(5)
		if by := u.health().Pause.By; by != connection.Person {
			t.Errorf("a machine's: %q", by)
		}
	}
}

// Once a change is made, its answer needs nothing more: an error would say that it
// was not made.
func TestChangeIsNotDeniedForItsHealth(t *testing.T) {
	w := newWorld(t)
	made := w.create(ours)
	for name, try := range map[string]func(*connection.Keeper) error{
		"create": func(k *connection.Keeper) error {
			_, err := k.Create(t.Context(), w.org, connection.ID{}, change(t, least+`}`))
			return err
		},
		"update": func(k *connection.Keeper) error {
			_, err := k.Update(t.Context(), w.org, made.ID, patch(t, `{"integration_name":"N"}`))
			return err
		},
	} {
		wrote := false
		k := w.process(&tabletest.Faulty{Table: w.table, Hook: func(c tabletest.Call) tabletest.Fault {
			if wrote {
				return tabletest.NotApplied(table.ErrUnavailable)
			}
			wrote = c.Ordinal > 0
			return tabletest.None()
		}}, w.vault)
		if err := try(k); err != nil || !wrote {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// A process stops before or after each write of a failure, a pause, a resumption
// and a success, or has no answer to it; the next one says the same again, and
// nothing is out of order.
func TestHealthKilledAtEveryWrite(t *testing.T) {
	acts := []func(*user) error{
		func(u *user) error { return u.Unhealthy(u.Context(), u.org, u.id, "401") },
		func(u *user) error { _, err := u.Store.Pause(u.Context(), u.org, u.id, "on holiday"); return err },
		func(u *user) error { _, err := u.Resume(u.Context(), u.org, u.id); return err },
		func(u *user) error { return u.Healthy(u.Context(), u.org, u.id) },
	}
	after := []connection.By{connection.Breaker, connection.Person, "", ""}
	faults := map[string]tabletest.Fault{
		"before": tabletest.StopBefore(), "after": tabletest.StopAfter(),
		"not done": tabletest.NotApplied(table.ErrUnavailable), "answer lost": tabletest.LostReply(table.ErrUnavailable),
		"sent again": tabletest.LostReply(&table.Conflict{}),
	}
	for name, fault := range faults {
		for at := range acts {
			w := newWorld(t)
			id := w.create(ours).ID
			for i, act := range acts {
				u := w.user(id, &chosen{breaker: 1})
				if i == at {
					u.table.Hook = func(c tabletest.Call) tabletest.Fault {
						if c.Ordinal == 1 {
							return fault
						}
						return tabletest.None()
					}
				}
				err := act(u)
				if i == at && u.table.Faults() != 1 {
					t.Errorf("%s at %d: no fault was met", name, at)
				}
				if (err != nil) != (i == at && name != "sent again") {
					t.Errorf("%s at %d: act %d: %v", name, at, i, err)
				}
				if again := w.user(id, &chosen{breaker: 1}); err != nil {
					again.must(act(again))
				}
				if by := w.user(id, nil).health().Pause.By; by != after[i] {
					t.Errorf("%s at %d: after act %d it is paused by %q, want %q", name, at, i, by, after[i])
				}
			}
			w.user(id, nil).is("healthy", "")
		}
	}
}

func ExampleStore_Usable() {
	fmt.Println(&connection.Paused{Pause: connection.Pause{By: connection.Person, Reason: "on holiday"}})
	fmt.Println(&connection.Paused{Pause: connection.Pause{By: connection.Breaker, Reason: "10 calls failed in a row, the last with 401"}})
	// Output:
	// the connection is paused by a person: on holiday
	// the connection is paused by the breaker: 10 calls failed in a row, the last with 401
}
