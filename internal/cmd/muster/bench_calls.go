package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"muster/internal/cost"
	"muster/internal/rosterfile/rostergen"
)

// kinds of run, in the order in which they are made of one app account.
var kinds = []string{"first", "1 % changed", "unchanged"}

// counted is one sync and what it did.
type counted struct {
	users int
	kind  string
	usage cost.Usage
	file  float64 // bytes of it
	kept  float64 // bytes of the bucket that this run left, but for the upload
}

// runs syncs n users in each kind.
func runs(ctx context.Context, e *env, t *sheet, n int) (all []counted, err error) {
	err = inScratch(func(dir string) error {
		m, err := openMetered(ctx, e, filepath.Join(dir, "data"))
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, m.Close()) }()
		app, err := m.client.install(ctx)
		if err != nil {
			return err
		}
		for i, kind := range kinds {
			t.at("%d users, %s sync", n, kind)
			changed := min(i, 1) * max(1, n/100)
			r, err := m.run(ctx, app, dir, n, changed, kind)
			if err != nil {
				return fmt.Errorf("%s sync of %d users: %w", kind, n, err)
			}
			all = append(all, r)
		}
		return nil
	})
	return all, err
}

// run is one sync of a new file, from its upload to the reading of its report.
func (m *metered) run(ctx context.Context, app int32, dir string, n, changed int, kind string) (r counted, err error) {
	file := filepath.Join(dir, "users.json")
	if err := generate(file, n, rostergen.Options{Seed: 1, Changed: changed}); err != nil {
		return r, err
	}
	info, err := os.Stat(file)
	if err != nil {
		return r, err
	}
	r = counted{users: n, kind: kind, file: float64(info.Size())}
	var done synced
	r.usage, err = m.during(func() (err error) { done, err = m.client.sync(ctx, app, file); return err })
	if err != nil {
		return r, err
	}
	r.kept = r.usage.BytesOut
	want := map[string]int{"first": n, "1 % changed": changed}[kind]
	if users := done.Counts.Users; users.Received != n || users.Added+users.Changed != want {
		return r, fmt.Errorf("it came to %+v", users)
	}
	return r, nil
}

func (c *bench) calls(ctx context.Context, e *env, t *sheet) error {
	t.row("users", "run", "table reads", "writes", "rows", "read units", "write units", "bucket PUT", "GET", "kB put", "kB got")
	for _, n := range c.Users {
		all, err := runs(ctx, e, t, n)
		if err != nil {
			return err
		}
		for _, r := range all {
			u := r.usage
			writes, put := plain("%.0f", u.TableWrites), plain("%.0f", u.BytesOut/1e3)
			if r.kind == "unchanged" {
				writes, put = within("%.0f", u.TableWrites, 12), within("%.0f", u.BytesOut/1e3, 0)
			}
			t.row(fmt.Sprint(n), r.kind, plain("%.0f", u.TableReads), writes, plain("%.0f", u.Rows), plain("%.0f", u.ReadUnits),
				plain("%.0f", u.WriteUnits), plain("%.0f", u.Puts), plain("%.0f", u.Gets), put, plain("%.0f", u.BytesIn/1e3))
		}
	}
	return nil
}
