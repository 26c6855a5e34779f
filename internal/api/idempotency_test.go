package api_test

import (
	"context"
	"errors"
	"fmt"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"muster/internal/api"
	"muster/internal/org"
	"muster/internal/table"
	"muster/internal/table/tabletest"
)

type (
	makeInput struct {
		Body struct {
			Name string `json:"name"`
		}
	}
	makeOutput struct {
		Location string `header:"Location"`
		Body     struct {
			ID   string `json:"id"`
			Name string `json:"name"`
		}
	}
)

// maker is a service as those behind POST and PUT are: what it makes has the
// chosen id, and what is there under it is answered.
type maker struct {
	tab    table.Table
	calls  int
	before func() error // runs before anything is made
	after  func() error
}

func (m *maker) make(ctx context.Context, in *makeInput) (*makeOutput, error) {
	m.calls++
	for _, f := range []func() error{m.before, nil, m.after} {
		if f == nil {
			f = func() error { return m.write(ctx, in.Body.Name) }
		}
		if err := f(); err != nil {
			return nil, err
		}
	}
	out := &makeOutput{Location: "/things/" + api.ChosenID(ctx).String()}
	out.Body.ID, out.Body.Name = api.ChosenID(ctx).String(), in.Body.Name
	return out, nil
}

func (m *maker) write(ctx context.Context, name string) error {
	err := m.tab.Write(ctx, table.Put(acme.Key(api.ChosenID(ctx).String(), "THING"), name, table.Absent))
	if c := new(table.Conflict); errors.As(err, &c) {
		return nil // there already
	}
	return err
}

func (m *maker) routes() []api.Route {
	nothing := func() error { return nil }
	if m.before == nil {
		m.before = nothing
	}
	if m.after == nil {
		m.after = nothing
	}
	return []api.Route{
		api.Handle(api.Op{ID: "makeThing", Method: "POST", Path: "/things", Role: org.Write, Status: 201}, m.make),
		api.Handle(api.Op{ID: "makeNamed", Method: "PUT", Path: "/named/{name}", Role: org.Write}, m.make),
	}
}

// things is what was made: how many, and the id of one of them.
func things(t *testing.T, tab table.Table) (n int, id string) {
	t.Helper()
	for row, err := range tab.List(t.Context(), acme.Part("THING"), table.Query{}) {
		if err != nil {
			t.Fatal(err)
		}
		n, id = n+1, row.Sort
	}
	return n, id
}

const (
	ada = `{"name":"Ada"}`
	bob = `{"name":"Bob"}`
)

func TestSameKeyMakesOneThing(t *testing.T) {
	clock := tabletest.NewClock(noon)
	m := &maker{tab: openTable(t, clock.Now)}
	h := over(m.tab, clock.Now, m.routes()...)
	first := h.call("POST", "/things", ada, "Idempotency-Key", "k")
	n, id := things(t, m.tab)
	if first.Code != 201 || n != 1 || first.Header().Get("Idempotency-Replayed") != "" || !strings.Contains(first.Body.String(), id) {
		t.Fatalf("%d %s, %d things, %v", first.Code, first.Body, n, first.Header())
	}
	clock.Advance(23 * time.Hour)
	again := h.call("POST", "/things", ada, "Idempotency-Key", "k")
	for _, name := range []string{"Location", "Content-Type", "Content-Length"} {
		if got, want := again.Header().Get(name), first.Header().Get(name); got != want || got == "" {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	if again.Code != 201 || again.Body.String() != first.Body.String() || again.Header().Get("Idempotency-Replayed") != "true" || m.calls != 1 {
		t.Errorf("%d %s %v, %d calls", again.Code, again.Body, again.Header(), m.calls)
	}
	if a, b := first.Header().Get("X-Request-Id"), again.Header().Get("X-Request-Id"); a == b || a == "" {
		t.Errorf("request ids %q and %q", a, b)
	}
	if !strings.Contains(h.log.String(), `"replayed":true`) {
		t.Error(&h.log)
	}
	clock.Advance(time.Hour)
	if w := h.call("POST", "/things", ada, "Idempotency-Key", "k"); w.Code != 201 || m.calls != 2 {
		t.Errorf("after a day: %d, %d calls", w.Code, m.calls)
	}
}

func TestIdempotencyKeysAreApart(t *testing.T) {
	now := func() time.Time { return noon }
	for _, c := range []struct {
		name, method, target, body, key, caller string
		status, calls                           int
		kind                                    api.Kind
	}{
		{"another key", "POST", "/things", ada, "k2", "admin", 201, 2, ""},
		{"the key in another case", "POST", "/things", ada, "K", "admin", 201, 2, ""},
		{"another caller", "POST", "/things", ada, "k", "another", 201, 2, ""},
		{"another operation", "PUT", "/named/x", ada, "k", "admin", 200, 2, ""},
		{"another body", "POST", "/things", bob, "k", "admin", 409, 1, api.KindConflict},
		{"another query", "POST", "/things?a=1", ada, "k", "admin", 409, 1, api.KindConflict},
		{"the longest", "POST", "/things", ada, strings.Repeat("~", 255), "admin", 201, 2, ""},
		{"a blank", "POST", "/things", ada, "a b", "admin", 201, 2, ""},
		{"too long", "POST", "/things", ada, strings.Repeat("k", 256), "admin", 400, 1, api.KindInvalid},
		{"empty", "POST", "/things", ada, "", "admin", 400, 1, api.KindInvalid},
		{"a tab", "POST", "/things", ada, "a\tb", "admin", 400, 1, api.KindInvalid},
		{"not ASCII", "POST", "/things", ada, "é", "admin", 400, 1, api.KindInvalid},
		{"a body over the limit", "POST", "/things", strings.Repeat(" ", 1<<20) + ada, "k2", "admin", 413, 1, api.KindTooLarge},
	} {
		t.Run(c.name, func(t *testing.T) {
			m := &maker{tab: openTable(t, now)}
			h := over(m.tab, now, m.routes()...)
			h.call("POST", "/things", ada, "Idempotency-Key", "k")
			w := h.call(c.method, c.target, c.body, "Idempotency-Key", c.key, "Authorization", c.caller)
			if c.kind != "" {
				want(t, w, c.status, c.kind)
			}
			if w.Code != c.status || m.calls != c.calls || w.Header().Get("Idempotency-Replayed") != "" {
				t.Errorf("%d %s, %d calls; want %d, %d", w.Code, w.Body, m.calls, c.status, c.calls)
			}
		})
	}
}

// A body may hold a credential that is easily guessed. Who reads the table must not
// find out by its fingerprint, which is another under each key.
func TestFingerprintCannotBeTriedOut(t *testing.T) {
	m := &maker{tab: openTable(t, time.Now)}
	h := over(m.tab, time.Now, m.routes()...)
	h.call("POST", "/things", ada, "Idempotency-Key", "k1")
	h.call("POST", "/things", ada, "Idempotency-Key", "k2")
	prints := map[string]bool{}
	for row, err := range m.tab.List(t.Context(), acme.Part("IDEMPOTENCY", "01890000-0000-7000-8000-00000000000a"), table.Query{}) {
		var record struct{ Request string }
		if err == nil {
			err = row.Decode(&record)
		}
		if err != nil || record.Request == "" {
			t.Fatal(record, err)
		}
		prints[record.Request] = true
	}
	if len(prints) != 2 {
		t.Errorf("%d fingerprints of one body under two keys", len(prints))
	}
}

func TestNoKeyNoID(t *testing.T) {
	now := func() time.Time { return noon }
	m := &maker{tab: openTable(t, now)}
	h := over(m.tab, now, m.routes()...)
	for range 2 {
		w := h.call("POST", "/things", ada)
		if w.Code != 201 || !strings.Contains(w.Body.String(), uuid.Nil.String()) {
			t.Errorf("%d %s", w.Code, w.Body)
		}
	}
	if m.calls != 2 {
		t.Errorf("%d calls", m.calls)
	}
}

// While one try is at work the others are told so, to the minute's end; then the
// next one goes on with the same id.
func TestTryInProgress(t *testing.T) {
	clock := tabletest.NewClock(noon)
	m := &maker{tab: openTable(t, clock.Now)}
	var h *harness
	var others []*httptest.ResponseRecorder
	m.before = func() error {
		if m.calls > 1 {
			return nil
		}
		for _, d := range []time.Duration{0, time.Minute - time.Nanosecond, time.Nanosecond} {
			clock.Advance(d)
			others = append(others, h.call("POST", "/things", ada, "Idempotency-Key", "k"))
		}
		return nil
	}
	h = over(m.tab, clock.Now, m.routes()...)
	late := h.call("POST", "/things", ada, "Idempotency-Key", "k")
	for _, w := range others[:2] {
		if want(t, w, 409, api.KindInProgress); w.Header().Get("Retry-After") != "1" {
			t.Errorf("Retry-After %q", w.Header().Get("Retry-After"))
		}
	}
	n, id := things(t, m.tab)
	if n != 1 || m.calls != 2 || late.Body.String() != others[2].Body.String() || !strings.Contains(late.Body.String(), id) {
		t.Errorf("%d things in %d calls: %s and %s", n, m.calls, late.Body, others[2].Body)
	}
	if w := h.call("POST", "/things", ada, "Idempotency-Key", "k"); w.Body.String() != late.Body.String() || m.calls != 2 {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}

func TestWhichAnswersAreKept(t *testing.T) {
	now := func() time.Time { return noon }
	for _, c := range []struct {
		name  string
		err   error
		calls int
	}{
		{"invalid", api.Invalid("no"), 1},
		{"not found", api.NotFound("no"), 1},
		{"gone", api.Gone("no"), 1},
		{"payment required", api.PaymentRequired("no"), 2},
		{"conflict", api.Conflict("no"), 2},
		{"busy", api.Busy(api.JobRef{ID: "j"}, noon), 2},
		{"too many", api.RateLimited("no", time.Minute), 2},
		{"internal", errors.New("no"), 2},
		{"unavailable", fmt.Errorf("no: %w", table.ErrUnavailable), 2},
	} {
		t.Run(c.name, func(t *testing.T) {
			m := &maker{tab: openTable(t, now)}
			m.after = func() error {
				if m.calls == 1 {
					return c.err
				}
				return nil
			}
			h := over(m.tab, now, m.routes()...)
			first := h.call("POST", "/things", ada, "Idempotency-Key", "k")
			again := h.call("POST", "/things", ada, "Idempotency-Key", "k")
			if m.calls != c.calls || (again.Code == first.Code) != (c.calls == 1) {
				t.Errorf("%d then %d in %d calls, want %d", first.Code, again.Code, m.calls, c.calls)
			}
			if n, _ := things(t, m.tab); n != 1 {
				t.Errorf("%d things", n)
			}
		})
	}
}

// What does not fit a row is not kept, and done again with the same id.
func TestLargeAnswerIsNotKept(t *testing.T) {
	now := func() time.Time { return noon }
	m := &maker{tab: openTable(t, now)}
	h := over(m.tab, now, m.routes()...)
	for _, size := range []int{300<<10 - 100, 300 << 10} {
		body := `{"name":"` + strings.Repeat("x", size) + `"}`
		for range 2 {
			if w := h.call("POST", "/things", body, "Idempotency-Key", fmt.Sprint(size)); w.Code != 201 {
				t.Errorf("%d", w.Code)
			}
		}
	}
	if n, _ := things(t, m.tab); n != 2 || m.calls != 3 {
		t.Errorf("%d things, %d calls", n, m.calls)
	}
}

func TestOneOfManyAtOnce(t *testing.T) {
	now := func() time.Time { return noon }
	m := &maker{tab: openTable(t, now)}
	h := over(m.tab, now, m.routes()...)
	var wg sync.WaitGroup
	answers := make([]*httptest.ResponseRecorder, 64)
	for i := range answers {
		wg.Go(func() { answers[i] = h.call("POST", "/things", ada, "Idempotency-Key", "k") })
	}
	wg.Wait()
	for _, w := range answers {
		if w.Code == 409 {
			want(t, w, 409, api.KindInProgress)
		} else if w.Code != 201 {
			t.Errorf("%d %s", w.Code, w.Body)
		}
	}
	if n, _ := things(t, m.tab); n != 1 || m.calls != 1 {
		t.Errorf("%d things in %d calls", n, m.calls)
	}
}

// A process that is killed before or after any of its writes, or that loses the
// answer to one: a minute later the same key gets the one thing there is.
func TestKilledAnywhere(t *testing.T) {
	const writes = 3 // begin, the thing, end
	faults := map[string]func(ordinal int) func(tabletest.Call) tabletest.Fault{
		"killed before": func(n int) func(tabletest.Call) tabletest.Fault { return tabletest.KillAt(n, false) },
		"killed after":  func(n int) func(tabletest.Call) tabletest.Fault { return tabletest.KillAt(n, true) },
		"answer lost": func(n int) func(tabletest.Call) tabletest.Fault {
			return func(c tabletest.Call) tabletest.Fault {
				if c.Ordinal == n {
					return tabletest.LostReply(table.ErrUnavailable)
				}
				return tabletest.None()
			}
		},
	}
	for name, fault := range faults {
		for ordinal := 1; ordinal <= writes; ordinal++ {
			t.Run(fmt.Sprint(name, " write ", ordinal), func(t *testing.T) {
				clock := tabletest.NewClock(noon)
				tab := openTable(t, clock.Now)
				dying := &tabletest.Faulty{Table: tab, Hook: fault(ordinal)}
				lost := over(dying, clock.Now, (&maker{tab: dying}).routes()...).call("POST", "/things", ada, "Idempotency-Key", "k")
				if dying.Faults() != 1 {
					t.Fatalf("%d faults", dying.Faults())
				}
				clock.Advance(time.Minute)
				m := &maker{tab: tab}
				h := over(tab, clock.Now, m.routes()...)
				w := h.call("POST", "/things", ada, "Idempotency-Key", "k")
				n, id := things(t, tab)
				if w.Code != 201 || n != 1 || !strings.Contains(w.Body.String(), id) {
					t.Errorf("%d %s, %d things", w.Code, w.Body, n)
				}
				if lost.Code == 201 && lost.Body.String() != w.Body.String() {
					t.Errorf("first %s, then %s", lost.Body, w.Body)
				}
				if w := h.call("POST", "/things", ada, "Idempotency-Key", "k"); w.Header().Get("Idempotency-Replayed") != "true" {
					t.Errorf("not replayed: %d %s", w.Code, w.Body)
				}
			})
		}
	}
}

// doubled sends each write twice, as a client does that lost the answer to the
// first, and answers what the second did.
type doubled struct{ table.Table }

func (d doubled) Write(ctx context.Context, ws ...table.Write) error {
	if err := d.Table.Write(ctx, ws...); err != nil {
		return err
	}
	return d.Table.Write(ctx, ws...)
}

func TestOwnWriteSentTwiceIsNoOther(t *testing.T) {
	clock := tabletest.NewClock(noon)
	tab := doubled{openTable(t, clock.Now)}
	m := &maker{tab: tab}
	m.after = func() error {
		if m.calls < 3 {
			return table.ErrUnavailable // so that the second and third try take over
		}
		return nil
	}
	h := over(tab, clock.Now, m.routes()...)
	for i, status := range []int{503, 503, 201, 201} {
		if w := h.call("POST", "/things", ada, "Idempotency-Key", "k"); w.Code != status {
			t.Errorf("try %d: %d %s", i+1, w.Code, w.Body)
		}
	}
	if n, _ := things(t, tab); n != 1 || m.calls != 3 {
		t.Errorf("%d things in %d calls", n, m.calls)
	}
}

func TestKeyNeedsTheTable(t *testing.T) {
	now := func() time.Time { return noon }
	tab := &tabletest.Faulty{Table: openTable(t, now), Hook: func(tabletest.Call) tabletest.Fault { return tabletest.NotApplied(table.ErrUnavailable) }}
	m := &maker{tab: tab}
	want(t, over(tab, now, m.routes()...).call("POST", "/things", ada, "Idempotency-Key", "k"), 503, api.KindUnavailable)
	if m.calls != 0 {
		t.Error("did it without a key")
	}
}
