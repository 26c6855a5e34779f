package connection_test

import (
	"cmp"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"muster/internal/connection"
)

// expected is what a query answers, done by hand on all connections; its offset
// and limit are left to the caller.
func expected(all []connection.Connection, q connection.Query) (ids []string) {
	kept := slices.DeleteFunc(slices.Clone(all), func(c connection.Connection) bool {
		ofCategory := func(word string) bool { return slices.Contains(c.Categories, word) }
		return c.Environment != q.Environment || c.UpdatedAt.Before(q.UpdatedFrom) ||
			q.ExternalXRef != "" && c.ExternalXRef != q.ExternalXRef ||
			q.Categories != nil && !slices.ContainsFunc(q.Categories, ofCategory)
	})
	slices.SortFunc(kept, func(a, b connection.Connection) int {
		byID := strings.Compare(a.ID.String(), b.ID.String())
		switch {
		case q.Sort == connection.ByName:
			return cmp.Or(strings.Compare(strings.ToLower(a.IntegrationName), strings.ToLower(b.IntegrationName)), byID)
		case q.Sort == connection.ByUpdated, q.Sort == "" && !q.UpdatedFrom.IsZero():
			return cmp.Or(a.UpdatedAt.Compare(b.UpdatedAt), byID)
		}
		return cmp.Or(a.CreatedAt.Compare(b.CreatedAt), byID)
	})
	if q.Descending {
		slices.Reverse(kept)
	}
	for _, c := range kept {
		ids = append(ids, c.ID.String())
	}
	return ids
}

// Whatever was created, changed and deleted: every list answers what a search
// through all connections by hand finds, in every order and from every place.
func TestListsAgreeWithASearchByHand(t *testing.T) {
	for seed := range uint64(3) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			t.Parallel()
			w, r := newWorld(t), rand.New(rand.NewPCG(seed, 0))
			var all []connection.Connection
			for range 2 {
				for range 40 {
					all = w.step(r, all)
				}
				w.check()
				for _, q := range queries(w.now()) {
					w.agrees(q, 0, 1000, all)
					w.agrees(q, r.IntN(len(all)), 1+r.IntN(9), all)
				}
			}
		})
	}
}

// step is a random change, done to the connections and to what is known of them.
func (w *world) step(r *rand.Rand, all []connection.Connection) []connection.Connection {
	w.Helper()
	w.pass(time.Duration(r.IntN(2)) * time.Second)
	i := r.IntN(len(all) + 1)
	switch kind := r.IntN(10); {
	case i == len(all) || kind < 4:
		c := w.create(`{"integration_type":"t","permissions":[],` + fields(r) + `,"auth":{"name":"n","token":"s"}}`)
		return append(all, c)
	case kind < 5:
		all[i] = w.update(all[i].ID, put(w, `{"integration_type":"t","permissions":[],`+fields(r)+`}`))
	case kind < 8:
		all[i] = w.update(all[i].ID, patch(w, `{`+fields(r)+`}`))
	case kind < 9:
		all[i] = w.update(all[i].ID, patch(w, fmt.Sprintf(`{"auth":{"token":"%d"}}`, r.Int())))
	default:
		if err := w.keeper().Delete(w.Context(), w.org, all[i].ID); err != nil {
			w.Fatal(err)
		}
		if _, err := w.keeper().Get(w.Context(), w.org, all[i].ID); !errors.Is(err, connection.ErrNotFound) {
			w.Errorf("after its deletion: %v", err)
		}
		return slices.Delete(all, i, i+1)
	}
	return all
}

var (
	someNames = []string{"", "Ada", "ada", "ADA b", "Ada-b", "Bo", "É", "zz"}
	someUsers = []string{"", "u1", "u2"}
	someWords = []string{"hris", "ats", "crm"}
	someEnvs  = []string{"Production", "Sandbox"}
)

func fields(r *rand.Rand) string {
	of := func(words []string) string { return words[r.IntN(len(words))] }
	var categories []string
	for _, c := range someWords {
		if r.IntN(2) == 0 {
			categories = append(categories, `"`+c+`"`)
		}
	}
	return fmt.Sprintf(`"integration_name":%q,"external_xref":%q,"environment":%q,"categories":[%s]`,
		of(someNames), of(someUsers), of(someEnvs), strings.Join(categories, ","))
}

// queries are all that there are: each filter, with each other one, in each order.
func queries(now time.Time) (qs []connection.Query) {
	for _, env := range someEnvs {
		for _, user := range append(someUsers, "nobody") {
			for _, categories := range [][]string{nil, {"hris"}, {"ats", "crm"}, {"scim"}} {
				for _, from := range []time.Time{{}, now, now.Add(-5 * time.Second), now.Add(time.Hour)} {
					for _, sort := range []connection.Sort{"", connection.ByCreated, connection.ByUpdated, connection.ByName} {
						for _, descending := range []bool{false, true} {
							qs = append(qs, connection.Query{Environment: env, ExternalXRef: user, Categories: categories,
								UpdatedFrom: from, Sort: sort, Descending: descending})
						}
					}
				}
			}
		}
	}
	return qs
}

// agrees requires a page of q to be what is expected of it.
func (w *world) agrees(q connection.Query, offset, limit int, all []connection.Connection) {
	w.Helper()
	want := expected(all, q)
	want = want[min(offset, len(want)):]
	want = want[:min(limit, len(want))]
	q.Offset, q.Limit = offset, limit
	page, err := w.keeper().List(w.Context(), w.org, q)
	if err != nil {
		w.Fatalf("%+v: %v", q, err)
	}
	var got []string
	for _, c := range page {
		got = append(got, c.ID.String())
		if known := w.known(all, c.ID); fmt.Sprintf("%+v", c) != known {
			w.Fatalf("%+v answers\n%+v, which is\n%s", q, c, known)
		}
	}
	if !slices.Equal(got, want) {
		w.Fatalf("%+v answers\n%q, want\n%q", q, got, want)
	}
}

// known is a connection as it was last answered, with all its fields.
func (w *world) known(all []connection.Connection, id connection.ID) string {
	i := slices.IndexFunc(all, func(c connection.Connection) bool { return c.ID == id })
	if i < 0 {
		return "deleted"
	}
	return fmt.Sprintf("%+v", all[i])
}
