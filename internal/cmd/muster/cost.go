package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"muster/internal/app"
	"muster/internal/cost"
)

// costs counts what syncs do while they do it, and prices that, and a month of a
// deployment.
type costs struct {
	Users []int `default:"1000,100000,1000000" help:"How many users a sync has (${default})."`
	Orgs  []int `default:"100,10000,100000" help:"How many orgs a deployment has (${default})."`
}

// What an org does, for the month. Its syncs are those that are counted here.
const (
	orgUsers = 1000
	orgSyncs = 30 // a month: one a day, 1 % changed
	orgPages = 60 // of a thousand users that it reads
	// How long what a sync leaves is kept, in syncs: an upload 30 days, a snapshot
	// that was replaced 36, the job's rows 400.
	uploadsKept, snapshotsKept, jobsKept = 30, 37, 400
	sweeps                               = 30 * 24 * 60
	// sweepCPU is what a sweep that finds nothing takes of a processor.
	sweepCPU = 10 * time.Millisecond
	// The metrics that the template's alarms look at, each paid for, and those that
	// package aws has at the most.
	alarms, metrics = 10, 48
)

// Validate is called by kong before Run.
func (c *costs) Validate() error {
	return cmp.Or(counts("--users", "users", c.Users), counts("--orgs", "orgs", c.Orgs))
}

// Help implements kong.HelpProvider.
func (c *costs) Help() string {
	return "The syncs run here, over a local backend that counts their calls, and take about a minute; " +
		"nothing of it is sent anywhere. The prices are those of us-east-1, with their sources at the end."
}

func (c *costs) Run(ctx context.Context, e *env) error {
	users := c.Users
	if !slices.Contains(users, orgUsers) {
		users = append([]int{orgUsers}, users...)
	}
	fmt.Fprint(e.out, "One sync, its upload and its report\n\n")
	t := newSheet(e)
	t.row("users", "run", "requests", "GB-s", "read units", "write units", "PUT", "GET", "log kB", "USD for 1,000", "most of it")
	var daily counted
	for _, n := range users {
		all, err := runs(ctx, e, t, n)
		if err != nil {
			return errors.Join(err, t.end())
		}
		for _, r := range all {
			u := r.usage
			t.row(fmt.Sprint(n), r.kind, plain("%.0f", u.Requests), plain("%.2f", u.GBSeconds), plain("%.0f", u.ReadUnits), plain("%.0f", u.WriteUnits),
				plain("%.0f", u.Puts), plain("%.0f", u.Gets), plain("%.1f", u.LogBytes/1e3), plain("%.3f", 1000*u.USD()), most(u))
			if n == orgUsers && r.kind == "1 % changed" {
				daily = r
			}
		}
	}
	if err := t.end(); err != nil {
		return err
	}
	t.at("an org's month")
	read, sweep, err := monthly(ctx, e)
	t.clear()
	if err != nil {
		return err
	}
	fmt.Fprintf(e.out, "\nA month: each org syncs %d users a day, 1 %% of them changed, and reads %d pages of them\n\n", orgUsers, orgPages)
	t = newSheet(e)
	t.row("orgs", "USD", "of an org", "API Gateway", "Lambda", "DynamoDB", "S3", "CloudWatch", "Scheduler")
	for _, n := range c.Orgs {
		month := ofOrg(daily, read).Times(float64(n)).Plus(fixed(sweep))
		cells := []string{fmt.Sprint(n), plain("%.2f", month.USD()), plain("%.4f", month.USD()/float64(n))}
		for _, service := range []string{"API Gateway", "Lambda", "DynamoDB", "S3", "CloudWatch", "Scheduler"} {
			for _, l := range month.Bill() {
				if l.Service == service {
					cells = append(cells, plain("%.2f", l.USD))
				}
			}
		}
		t.row(cells...)
	}
	if err := t.end(); err != nil {
		return err
	}
	return c.prices(e)
}

// prices are what it was reckoned with.
func (c *costs) prices(e *env) error {
	fmt.Fprintf(e.out, `
Not in it: free tiers, discounts, data that leaves AWS, cold starts, calls tried again. Lambda's time is what
this machine's processor took, on the share of one that the function's memory has, and %v for each call of
the table and %v for each request of the bucket beside.

`, tableWait, bucketWait)
	t := newSheet(e)
	t.row("USD", "for", "taken", "published at")
	for _, p := range cost.All {
		t.row(fmt.Sprint(p.USD), fmt.Sprintf("%g %s", p.Per, p.Unit), p.Taken, p.Source)
	}
	return t.end()
}

// most is the service that most of a bill is of.
func most(u cost.Usage) string {
	l := u.Bill()[0]
	return fmt.Sprintf("%s %.0f %%", l.Service, 100*l.USD/u.USD())
}

// ofOrg is an org's month.
func ofOrg(daily counted, read cost.Usage) cost.Usage {
	u := daily.usage.Times(orgSyncs).Plus(read.Times(orgPages))
	u.TableGB = daily.usage.Stored * jobsKept / 1e9
	u.BucketGB = (daily.file*uploadsKept + daily.kept*snapshotsKept) / 1e9
	return u
}

// fixed is what a deployment costs that nobody uses.
func fixed(sweep cost.Usage) cost.Usage {
	one := sweep.Plus(cost.Usage{Ticks: 1, Invocations: 1, GBSeconds: gbSeconds(memoryGB, sweepCPU, sweep), LogBytes: platformLog})
	return one.Times(sweeps).Plus(cost.Usage{Metrics: metrics, Alarms: alarms})
}

// monthly counts the reading of a page of users, and a sweep.
func monthly(ctx context.Context, e *env) (read, sweep cost.Usage, err error) {
	err = inScratch(func(dir string) error {
		m, err := openMetered(ctx, e, filepath.Join(dir, "data"))
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, m.Close()) }()
		number, err := m.client.install(ctx)
		if err != nil {
			return err
		}
		if _, err := m.run(ctx, number, dir, orgUsers, 0, "first"); err != nil {
			return err
		}
		read, err = m.during(func() error {
			var page struct{ Users []struct{} }
			return m.client.call(ctx, "GET", fmt.Sprintf("/v1.0/apps/%d/users?size=1000", number), "", strings.NewReader(""), &page)
		})
		if err != nil {
			return err
		}
		sweep, err = m.during(func() error { return app.Sweep(m.app)(ctx, nil) })
		return err
	})
	return read, sweep, err
}
