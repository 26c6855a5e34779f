package api_test

import (
	"bytes"
	"context"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"

	"muster/internal/api"
	"muster/internal/local/bolt"
	"muster/internal/org"
	"muster/internal/table"
	"muster/internal/table/tabletest"
)

// keyring knows each key by its secret.
type keyring map[string]org.Caller

func (k keyring) Authenticate(_ context.Context, secret string) (org.Caller, error) {
	c, ok := k[secret]
	if !ok {
		return org.Caller{}, org.ErrUnknownKey
	}
	return c, nil
}

var several = keyring{
	"admin":   {Org: acme, Key: uuid.MustParse("01890000-0000-7000-8000-00000000000a"), Role: org.Admin},
	"another": {Org: acme, Key: uuid.MustParse("01890000-0000-7000-8000-00000000000b"), Role: org.Admin},
	"reader":  {Org: acme, Key: uuid.MustParse("01890000-0000-7000-8000-00000000000c"), Role: org.Read},
}

func openTable(t *testing.T, now func() time.Time) table.Table {
	t.Helper()
	tab, err := bolt.Open(filepath.Join(t.TempDir(), "table.db"), now)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = tab.Close() })
	return tab
}

// over is an API over a table, as one process serves it.
func over(tab table.Table, now func() time.Time, routes ...api.Route) *harness {
	h := &harness{}
	h.Handler = api.New(api.Config{Auth: several, Table: tab, Log: slog.New(slog.NewJSONHandler(&h.log, nil)), Now: now}, routes...)
	return h
}

// limited is a route GET /<id> with a limit. ?n=x is refused, as it is no number;
// ?n=0 makes it panic.
func limited(id string, perMinute int) api.Route {
	op := api.Op{ID: id, Method: "GET", Path: "/" + id, Role: org.Write, PerMinute: perMinute}
	return api.Handle(op, func(_ context.Context, in *struct {
		N int `query:"n" default:"1"`
	}) (*textOutput, error) {
		out := &textOutput{}
		out.Body.Text = strconv.Itoa(1 / in.N)
		return out, nil
	})
}

func rateHeaders(h http.Header) string {
	return strings.Join([]string{h.Get("X-Rate-Limit-Limit"), h.Get("X-Rate-Limit-Remaining"), h.Get("X-Rate-Limit-Reset"), h.Get("Retry-After")}, " ")
}

func TestLimit(t *testing.T) {
	clock := tabletest.NewClock(noon.Add(18500 * time.Millisecond))
	h := over(openTable(t, clock.Now), clock.Now, limited("a", 3), limited("b", 3), limited("free", 0))
	const minute1, minute2 = "1772366460", "1772366520"
	for _, c := range []struct {
		name, target, key string
		status            int
		headers           string
	}{
		{"who is unknown is not counted", "/a", "nobody", 401, "   "},
		{"nor is who may not", "/a", "reader", 403, "   "},
		{"the first", "/a", "admin", 200, "3 2 " + minute1 + " "},
		{"a bad request counts", "/a?n=x", "admin", 400, "3 1 " + minute1 + " "},
		{"a panic too", "/a?n=0", "admin", 500, "3 0 " + minute1 + " "},
		{"one too many", "/a", "admin", 429, "3 0 " + minute1 + " 42"},
		{"and again", "/a", "admin", 429, "3 0 " + minute1 + " 42"},
		{"another key", "/a", "another", 200, "3 2 " + minute1 + " "},
		{"another operation", "/b", "admin", 200, "3 2 " + minute1 + " "},
		{"one without a limit", "/free", "admin", 200, "   "},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := h.call("GET", c.target, "", "Authorization", c.key)
			if got := rateHeaders(w.Header()); w.Code != c.status || got != c.headers {
				t.Errorf("%d %q, want %d %q", w.Code, got, c.status, c.headers)
			}
			if c.status == 429 {
				want(t, w, 429, api.KindRateLimited)
			}
		})
	}
	clock.Advance(41400 * time.Millisecond) // a tenth of a second is left
	if w := h.call("GET", "/a", ""); w.Code != 429 || w.Header().Get("Retry-After") != "1" {
		t.Errorf("at the minute's end: %d %v", w.Code, w.Header())
	}
	clock.Advance(100 * time.Millisecond)
	if w := h.call("GET", "/a", ""); w.Code != 200 || rateHeaders(w.Header()) != "3 2 "+minute2+" " {
		t.Errorf("in the next minute: %d %v", w.Code, w.Header())
	}
}

// A thousand requests at once, to four processes over one table: as many go
// through as may, not one more or less.
func TestLimitIsExact(t *testing.T) {
	const limit, calls, processes = 600, 1000, 4
	now := func() time.Time { return noon }
	tab := openTable(t, now)
	var hs [processes]http.Handler
	for i := range hs {
		hs[i] = api.New(api.Config{Auth: several, Table: tab, Log: slog.New(slog.DiscardHandler), Now: now}, limited("a", limit))
	}
	var through, refused atomic.Int64
	var wg sync.WaitGroup
	for i := range calls {
		wg.Go(func() {
			r := httptest.NewRequest("GET", "/a", nil)
			r.Header.Set("Authorization", "admin")
			w := httptest.NewRecorder()
			hs[i%processes].ServeHTTP(w, r)
			switch w.Code {
			case 200:
				through.Add(1)
			case 429:
				refused.Add(1)
			}
		})
	}
	wg.Wait()
	if through.Load() != limit || refused.Load() != calls-limit {
		t.Errorf("%d through, %d refused; want %d and %d", through.Load(), refused.Load(), limit, calls-limit)
	}
}

func TestLimitFailsOpen(t *testing.T) {
	now := func() time.Time { return noon }
	tab := &tabletest.Faulty{Table: openTable(t, now), Hook: func(c tabletest.Call) tabletest.Fault {
		if c.Method == tabletest.Add {
			return tabletest.NotApplied(table.ErrUnavailable)
		}
		return tabletest.None()
	}}
	h := over(tab, now, limited("a", 1))
	for range 2 {
		if w := h.call("GET", "/a", ""); w.Code != 200 || rateHeaders(w.Header()) != "   " {
			t.Errorf("%d %v", w.Code, w.Header())
		}
	}
	if n := bytes.Count(h.log.Bytes(), []byte(`"level":"WARN","msg":"request is not counted against its limit"`)); n != 2 || tab.Faults() != 2 {
		t.Errorf("%d warnings of %d faults: %s", n, tab.Faults(), &h.log)
	}
}

// slowTable never answers.
type slowTable struct{ table.Table }

func (slowTable) Add(ctx context.Context, _ table.Key, _ int64, _ time.Time) (int64, error) {
	<-ctx.Done()
	return 0, ctx.Err()
}

func TestLimitWaitsNotForEver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		if w := over(slowTable{}, time.Now, limited("a", 1)).call("GET", "/a", ""); w.Code != 200 {
			t.Errorf("%d %s", w.Code, w.Body)
		}
		if took := time.Since(began); took != 5*time.Second {
			t.Errorf("after %s", took)
		}
	})
}

func TestLimitCountsALostAnswer(t *testing.T) {
	now := func() time.Time { return noon }
	tab := &tabletest.Faulty{Table: openTable(t, now), Hook: func(c tabletest.Call) tabletest.Fault {
		if c.Ordinal == 1 {
			return tabletest.LostReply(table.ErrUnavailable)
		}
		return tabletest.None()
	}}
	h := over(tab, now, limited("a", 2))
	for i, status := range []int{200, 200, 429} {
		if w := h.call("GET", "/a", ""); w.Code != status {
			t.Errorf("call %d: %d, want %d", i+1, w.Code, status)
		}
	}
	if tab.Faults() != 1 {
		t.Error("no fault")
	}
}
