package connection_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"log"
	"log/slog"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"muster/internal/catalog"
	"muster/internal/connection"
	"muster/internal/faulty"
	"muster/internal/local/bolt"
	"muster/internal/local/vault"
	"muster/internal/org"
	"muster/internal/secret"
	"muster/internal/secret/secrettest"
	"muster/internal/table"
	"muster/internal/table/tabletest"
)

// 64 clients change one connection at once, every other one its credential. Every
// change that was answered is there, and the row and its secret are one change's.
func TestManyWritersAtOnce(t *testing.T) {
	onPlatforms(t, func(t *testing.T, w *world) {
		c := w.create(ours)
		const clients = 64
		var wg sync.WaitGroup
		var answered [clients]bool
		for i := range clients {
			wg.Go(func() {
				body := fmt.Sprintf(`{"auth":{"name":"n%d","last":"n%d","s%d":"%d"}}`, i, i, i, i)
				if i%2 == 0 {
					body = fmt.Sprintf(`{"external_xref":"x%d","auth":{"user_id":"x%d"}}`, i, i)
				}
				err := w.insist(c.ID, patch(t, body))
				if answered[i] = err == nil; err != nil {
					t.Errorf("client %d: %v", i, err)
				}
			})
		}
		wg.Wait()
		got, err := w.keeper().Get(t.Context(), w.org, c.ID)
		if err != nil {
			t.Fatal(err)
		}
		secrets := w.secrets(c.ID)
		for i := 1; i < clients; i += 2 {
			if answered[i] && secrets[fmt.Sprintf("s%d", i)] != fmt.Sprint(i) {
				t.Errorf("the change of client %d is lost: %v", i, secrets)
			}
		}
		if got.ExternalXRef == "" || got.ExternalXRef != got.Auth.UserID {
			t.Errorf("the row is a mixture: %+v", got)
		}
		if got.Auth.Name == "" || got.Auth.Name != secrets["last"] {
			t.Errorf("the row is of %s, its secret of %s", got.Auth.Name, secrets["last"])
		}
		w.check()
	})
}

// insist changes a connection as a client does that is told to try again.
func (w *world) insist(id connection.ID, ch connection.Change) error {
	return w.insistBy(w.keeper, id, ch)
}

// insistBy has another process for each try.
func (w *world) insistBy(process func() *connection.Keeper, id connection.ID, ch connection.Change) error {
	passing := []error{connection.ErrBusy, secret.ErrUnavailable, table.ErrUnavailable, context.DeadlineExceeded}
	for range 20 {
		_, err := process().Update(w.Context(), w.org, id, ch)
		if !slices.ContainsFunc(passing, func(p error) bool { return errors.Is(err, p) }) {
			return err
		}
	}
	return connection.ErrBusy
}

// The same where one call in ten fails, or is done and not answered, and locks run
// out unreturned: what was answered in the end is there.
func TestManyWritersThroughFaults(t *testing.T) {
	for seed := range uint64(5) {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t)
			c := w.create(ours)
			ctx, stop := context.WithCancel(t.Context())
			var clock sync.WaitGroup
			defer clock.Wait()
			defer stop()
			clock.Go(func() {
				for ctx.Err() == nil {
					time.Sleep(time.Second)
					w.pass(time.Second)
				}
			})
			luck := &luck{Rand: rand.New(rand.NewPCG(seed, 1))}
			process := func() *connection.Keeper {
				return w.process(
					&tabletest.Faulty{Table: w.table, Hook: func(tabletest.Call) tabletest.Fault { return luck.draw(table.ErrUnavailable) }},
					&secrettest.Faulty{Vault: w.vault, Hook: func(secrettest.Call) secrettest.Fault { return luck.draw(secret.ErrUnavailable) }})
			}
			var answered [16]bool
			var wg sync.WaitGroup
			for i := range answered {
				wg.Go(func() {
					err := w.insistBy(process, c.ID, patch(t, fmt.Sprintf(`{"auth":{"name":"n%d","last":"n%d","s%d":"%d"}}`, i, i, i, i)))
					if answered[i] = err == nil; err != nil && !errors.Is(err, connection.ErrBusy) {
						t.Errorf("client %d: %v", i, err)
					}
				})
			}
			wg.Wait()
			w.check()
			got, err := w.keeper().Get(t.Context(), w.org, c.ID)
			if err != nil {
				t.Fatal(err)
			}
			secrets := w.secrets(c.ID)
			for i, ok := range answered {
				if ok && secrets[fmt.Sprintf("s%d", i)] != fmt.Sprint(i) {
					t.Errorf("seed %d: the change of client %d is lost: %v", seed, i, secrets)
				}
			}
			if got.Auth.Name != secrets["last"] || !slices.Contains(answered[:], true) || luck.faults == 0 {
				t.Errorf("seed %d: the row is of %s, its secret of %s; %d faults", seed, got.Auth.Name, secrets["last"], luck.faults)
			}
			for range 2 {
				w.pass(2 * time.Hour)
				w.sweep()
				w.check()
			}
			if names := w.vault.Secrets(t, w.org); len(names) != 1 {
				t.Errorf("seed %d: secrets %v", seed, names)
			}
		})
	}
}

// luck decides which calls fail.
type luck struct {
	sync.Mutex
	*rand.Rand
	faults int
}

func (l *luck) draw(err error) faulty.Fault {
	l.Lock()
	defer l.Unlock()
	if l.IntN(10) > 0 {
		return faulty.None()
	}
	if l.faults++; l.IntN(2) > 0 {
		return faulty.LostReply(err)
	}
	return faulty.NotApplied(err)
}

// The same without what settles who wrote: it must lose changes, or the test above
// shows nothing.
func TestManyWritersWithoutConditionsLoseChanges(t *testing.T) {
	w := newWorld(t)
	c := w.create(ours)
	blind := &unconditional{w.table}
	var wg sync.WaitGroup
	for i := range 32 {
		wg.Go(func() {
			_, _ = w.process(blind, w.vault).Update(t.Context(), w.org, c.ID, patch(t, fmt.Sprintf(`{"auth":{"s%d":"%d"}}`, i, i)))
		})
	}
	wg.Wait()
	if n := strings.Count(w.credential(c.ID), `"s`); n == 32 {
		t.Error("nothing was lost without any condition")
	}
}

// unconditional is a table on which every condition holds.
type unconditional struct{ table.Table }

func (u *unconditional) Write(ctx context.Context, ws ...table.Write) error {
	var kept []table.Write
	for _, w := range ws {
		if w.Cond = table.Any; w.Op != table.OpCheck {
			kept = append(kept, w)
		}
	}
	return u.Table.Write(ctx, kept...)
}

// Tries under one id make one connection with one secret, whoever comes first.
func TestTriesOfOneIDMakeOne(t *testing.T) {
	w := newWorld(t)
	id := connection.NewID()
	var wg sync.WaitGroup
	var made [16]connection.Connection
	for i := range made {
		wg.Go(func() {
			var err error
			if made[i], err = w.keeper().Create(t.Context(), w.org, id, change(t, ours)); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	for _, m := range made {
		if m.ID != id || m.Secret != made[0].Secret {
			t.Errorf("%+v, and %+v", m, made[0])
		}
	}
	w.check()
	if names := w.vault.Secrets(t, w.org); len(names) != 1 {
		t.Errorf("secrets %v", names)
	}
}

func TestDeleteAtOnceWithChanges(t *testing.T) {
	w := newWorld(t)
	for range 10 {
		c := w.create(ours)
		var wg sync.WaitGroup
		var deleted atomic.Int32
		for i := range 8 {
			wg.Go(func() {
				_, err := w.keeper().Update(t.Context(), w.org, c.ID, patch(t, fmt.Sprintf(`{"auth":{"token":"%d"}}`, i)))
				if err != nil && !errors.Is(err, connection.ErrNotFound) && !errors.Is(err, connection.ErrBusy) {
					t.Error(err)
				}
			})
		}
		for range 2 {
			wg.Go(func() {
				switch err := w.keeper().Delete(t.Context(), w.org, c.ID); {
				case err == nil:
					deleted.Add(1)
				case !errors.Is(err, connection.ErrNotFound) && !errors.Is(err, connection.ErrBusy):
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if deleted.Load() == 0 {
			t.Error("nobody deleted it")
		}
		w.check()
	}
	w.pass(2 * time.Hour)
	w.sweep()
	w.check()
	if names := w.vault.Secrets(t, w.org); len(names) != 0 {
		t.Errorf("%v are left", names)
	}
}

// counting counts the rows that lists read.
type counting struct {
	table.Table
	rows, gets, healths atomic.Int64
}

func (c *counting) List(ctx context.Context, part string, q table.Query) iter.Seq2[table.Row, error] {
	return func(yield func(table.Row, error) bool) {
		for r, err := range c.Table.List(ctx, part, q) {
			c.rows.Add(1)
			if !yield(r, err) {
				return
			}
		}
	}
}

func (c *counting) Get(ctx context.Context, k table.Key) (table.Row, error) {
	switch {
	case strings.HasSuffix(k.Part, "#CONNECTION"):
		c.gets.Add(1)
	case strings.HasSuffix(k.Part, "#HEALTH"):
		c.healths.Add(1)
	}
	return c.Table.Get(ctx, k)
}

// A page is right in every order, and costs what List promises.
func TestListPages(t *testing.T) {
	w := newWorld(t)
	const n = 150
	var all []connection.Connection
	for i := range n {
		if i%3 == 0 {
			w.pass(time.Second)
		}
		all = append(all, w.create(fmt.Sprintf(`{"integration_type":"t","integration_name":"N %c %d","external_xref":"u%d","permissions":[],"categories":["%s"]}`,
			'a'+(i*7)%26, i, i%10, []string{"hris", "ats", "crm"}[i%3])))
	}
	for i := range all {
		if i%4 == 0 {
			w.pass(time.Second)
			all[i] = w.update(all[i].ID, patch(t, `{"auth":{"name":"again"}}`))
		}
	}
	w.check()
	from := all[n/2].CreatedAt
	for name, tc := range map[string]struct {
		query connection.Query
		rows  int // index rows that a page of 20 behind 40 reads at most; 0: not promised
	}{
		"default":             {connection.Query{}, 60},
		"newest":              {connection.Query{Descending: true}, 60},
		"by name":             {connection.Query{Sort: connection.ByName}, 60},
		"by name, back":       {connection.Query{Sort: connection.ByName, Descending: true}, 60},
		"by update":           {connection.Query{Sort: connection.ByUpdated}, 60},
		"since":               {connection.Query{UpdatedFrom: from}, 60},
		"since, back":         {connection.Query{UpdatedFrom: from, Descending: true}, 60},
		"by creation, since":  {connection.Query{UpdatedFrom: from, Sort: connection.ByCreated}, 0},
		"user":                {connection.Query{ExternalXRef: "u3"}, 30},
		"user by name":        {connection.Query{ExternalXRef: "u3", Sort: connection.ByName}, 0},
		"user since":          {connection.Query{ExternalXRef: "u4", UpdatedFrom: from}, 0},
		"category":            {connection.Query{Categories: []string{"ats"}}, 0},
		"categories, by name": {connection.Query{Categories: []string{"ats", "crm"}, Sort: connection.ByName, UpdatedFrom: from}, 0},
	} {
		q := tc.query
		q.Environment, q.Limit = "Production", 20
		want := expected(all, q)
		var got []string
		for {
			page, err := w.keeper().List(t.Context(), w.org, q)
			if err != nil {
				t.Fatal(err)
			}
			for _, c := range page {
				got = append(got, c.ID.String())
			}
			if q.Offset += q.Limit; len(page) < q.Limit {
				break
			}
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
		c := &counting{Table: w.table}
		q.Offset = 40
		page, err := w.process(c, w.vault).List(t.Context(), w.org, q)
		if err != nil {
			t.Fatal(err)
		}
		if tc.rows > 0 && (c.rows.Load() > int64(tc.rows) || c.gets.Load() != int64(len(page))) {
			t.Errorf("%s: a page of %d read %d index rows and %d connections", name, len(page), c.rows.Load(), c.gets.Load())
		}
		if n := c.healths.Load(); n != int64(len(page)) {
			t.Errorf("%s: a page of %d read the health of %d", name, len(page), n)
		}
	}
}

func TestListRefusesAPageTooLarge(t *testing.T) {
	w := newWorld(t)
	emails := strings.Repeat(`"`+strings.Repeat("e", 300)+`",`, 999) + `"e"`
	for range 40 {
		w.create(least + `,"auth":{"emails":[` + emails + `]}}`)
	}
	q := connection.Query{Environment: "Production", Limit: 1000}
	c := &counting{Table: w.table}
	if _, err := w.process(c, w.vault).List(t.Context(), w.org, q); !errors.Is(err, connection.ErrTooLarge) {
		t.Errorf("a page of 12 MB: %v", err)
	}
	if n := c.gets.Load(); n > 32 {
		t.Errorf("%d connections of 300 kB were read to refuse 4 MB", n)
	}
	q.Limit = 10
	if page, err := w.keeper().List(t.Context(), w.org, q); err != nil || len(page) != 10 {
		t.Errorf("%d, %v", len(page), err)
	}
}

// An offset so large that the limit added to it is a negative number: the list
// read an empty environment again and again, for ever.
func TestListFromFarBehindTheEnd(t *testing.T) {
	w := newWorld(t)
	w.create(least + `}`)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for _, env := range []string{"Production", "Nowhere"} {
		c := &counting{Table: w.table}
		page, err := w.process(c, w.vault).List(ctx, w.org, connection.Query{Environment: env, Offset: math.MaxInt, Limit: 100})
		if err != nil || len(page) != 0 || c.rows.Load() > 1 {
			t.Errorf("%s: %d connections of %d rows, %v", env, len(page), c.rows.Load(), err)
		}
	}
}

// Who asks for what was updated since the last that they saw misses no change for
// which the vault took its time, while quick ones went by.
func TestSlowChangeIsListedSince(t *testing.T) {
	for name, slow := range map[string]func(*world, *connection.Keeper, connection.ID) (connection.Connection, error){
		"create": func(w *world, k *connection.Keeper, _ connection.ID) (connection.Connection, error) {
			return k.Create(w.Context(), w.org, connection.ID{}, change(w, ours))
		},
		"update": func(w *world, k *connection.Keeper, id connection.ID) (connection.Connection, error) {
			return k.Update(w.Context(), w.org, id, patch(w, `{"auth":{"access_token":"t2"},"integration_name":"N"}`))
		},
	} {
		w := newWorld(t)
		old := w.create(ours)
		var seen time.Time
		busy := &secrettest.Faulty{Vault: w.vault, Hook: func(c secrettest.Call) secrettest.Fault {
			if c.Method == secrettest.Put {
				w.pass(10 * time.Second)
				seen = w.create(least + `}`).UpdatedAt
				w.pass(10 * time.Second)
			}
			return secrettest.None()
		}}
		c, err := slow(w, w.process(w.table, busy), old.ID)
		if err != nil || seen.IsZero() {
			t.Fatalf("%s: %v", name, err)
		}
		page, err := w.keeper().List(t.Context(), w.org, connection.Query{Environment: c.Environment, UpdatedFrom: seen, Limit: 10})
		if err != nil || !slices.ContainsFunc(page, func(other connection.Connection) bool { return other.ID == c.ID }) {
			t.Errorf("%s: updated at %v, not listed since %v, %v", name, c.UpdatedAt, seen, err)
		}
		w.check()
	}
}

// Names and environments are whatever people write.
func TestStrangeNames(t *testing.T) {
	w := newWorld(t)
	long := strings.Repeat("é", 490)
	for _, s := range []string{"#", "a#b", "ORG#x", "\t", "a\tb", " ", "~", "..", "Å", "\U0010FFFF", long, "%", "\x00"} {
		env := "E" + s
		c, err := w.keeper().Create(t.Context(), w.org, connection.ID{}, connection.Change{
			IntegrationType: text("t" + s), IntegrationName: text(s), ExternalXRef: text("x" + s[:min(len(s), 900)]), Environment: text(env),
			Permissions: connection.Field[[]string]{Sent: true, Value: []string{}}, Categories: connection.Field[[]string]{Sent: true, Value: []string{}},
		})
		if err != nil {
			t.Errorf("%.20q: %v", s, err)
			continue
		}
		for _, q := range []connection.Query{{}, {Sort: connection.ByName}, {ExternalXRef: c.ExternalXRef}} {
			q.Environment, q.Limit = env, 10
			page, err := w.keeper().List(t.Context(), w.org, q)
			if err != nil || len(page) != 1 || page[0].ID != c.ID {
				t.Errorf("%.20q: %d found, %v", s, len(page), err)
			}
		}
		if err := w.keeper().Delete(t.Context(), w.org, c.ID); err != nil {
			t.Error(err)
		}
	}
}

func text(s string) connection.Field[string] { return connection.Field[string]{Sent: true, Value: s} }

func TestDefaultNameGoesWithItsType(t *testing.T) {
	name := func(integrationType string) string {
		s, _ := catalog.BySlug(integrationType)
		return s.Name
	}
	if name("twine") == "" || name("custom_file") == "" || name("twine") == name("custom_file") {
		t.Fatal("the catalogue has other systems now")
	}
	for _, tc := range []struct{ made, patch, want string }{
		{`"integration_type":"twine"`, `{"integration_type":"custom_file"}`, name("custom_file")},
		{`"integration_type":"twine"`, `{"integration_type":"nobody-knows"}`, ""},
		{`"integration_type":"nobody-knows"`, `{"integration_type":"twine"}`, name("twine")},
		{`"integration_type":"twine"`, `{"environment":"Sandbox"}`, name("twine")},
		{`"integration_type":"twine","integration_name":"Ours"`, `{"integration_type":"custom_file"}`, "Ours"},
		{`"integration_type":"twine"`, `{"integration_type":"custom_file","integration_name":"` + name("twine") + `"}`, name("twine")},
		{`"integration_type":"twine","integration_name":"Ours"`, `{"integration_name":null}`, name("twine")},
	} {
		w := newWorld(t)
		c := w.create(`{` + tc.made + `,"permissions":[],"categories":[]}`)
		if got := w.update(c.ID, patch(t, tc.patch)); got.IntegrationName != tc.want {
			t.Errorf("%s, then %s: %q, want %q", tc.made, tc.patch, got.IntegrationName, tc.want)
		}
	}
}

func TestAnotherOrgsConnection(t *testing.T) {
	w := newWorld(t)
	c, rival := w.create(ours), org.NewID()
	_, errGet := w.keeper().Get(t.Context(), rival, c.ID)
	_, errUpdate := w.keeper().Update(t.Context(), rival, c.ID, patch(t, `{"auth":{"token":"x"}}`))
	for i, err := range []error{errGet, errUpdate, w.keeper().Delete(t.Context(), rival, c.ID)} {
		if !errors.Is(err, connection.ErrNotFound) {
			t.Errorf("call %d: %v", i, err)
		}
	}
	if got := w.credential(c.ID); got != was {
		t.Errorf("credential %s", got)
	}
}

func TestHealthState(t *testing.T) {
	now := time.Date(2031, 3, 4, 5, 6, 7, 0, time.UTC)
	ago := func(d time.Duration) time.Time { return now.Add(-d) }
	for want, hs := range map[string][]connection.Health{
		"new":           {{}},
		"healthy":       {{HealthyAt: now}, {HealthyAt: now, UnhealthyAt: ago(time.Hour)}, {HealthyAt: now, UnhealthyAt: now}},
		"unhealthy_now": {{HealthyAt: ago(48 * time.Hour), UnhealthyAt: ago(24 * time.Hour)}},
		"unhealthy":     {{UnhealthyAt: now}, {HealthyAt: ago(48 * time.Hour), UnhealthyAt: ago(25 * time.Hour)}},
	} {
		for _, h := range hs {
			if got := h.State(now); got != want {
				t.Errorf("%+v is %s, want %s", h, got, want)
			}
		}
	}
}

func Example() {
	dir, err := os.MkdirTemp("", "muster")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	tab, errTable := bolt.Open(filepath.Join(dir, "table.db"), time.Now)
	kept, errVault := vault.Open(dir)
	if err := errors.Join(errTable, errVault); err != nil {
		log.Fatal(err)
	}
	defer tab.Close()
	defer kept.Close()

	ctx, acme := context.Background(), org.NewID()
	k := &connection.Keeper{Store: connection.Store{Table: tab, Now: time.Now, Log: slog.Default()}, Vault: kept}
	ch := connection.Change{
		IntegrationType: connection.Field[string]{Sent: true, Value: "hibob"},
		Permissions:     connection.Field[[]string]{Sent: true, Value: []string{"hris_employee_read"}},
		Categories:      connection.Field[[]string]{Sent: true, Value: []string{"hris"}},
	}
	ch.Auth.Sent, ch.Auth.Value = true, map[string]json.RawMessage{"name": json.RawMessage(`"Service user"`), "token": json.RawMessage(`"s3cret"`)}
	c, err := k.Create(ctx, acme, connection.ID{}, ch)
	if err != nil {
		log.Fatal(err)
	}
	_, credential, err := k.Credential(ctx, acme, c.ID)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(c.Auth.Name, credential, string(credential.Reveal()))
	// Output: Service user [redacted] {"token":"s3cret"}
}
