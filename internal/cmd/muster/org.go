package main

import (
	"context"
	"errors"
	"fmt"
	"io"

	"muster/internal/app"
	"muster/internal/org"
)

type orgList struct{ backend }

func (c *orgList) Run(ctx context.Context, e *env) error {
	return c.withData(ctx, e, func(a *app.App) error {
		orgs, err := a.ListOrgs(ctx)
		for _, o := range orgs {
			printOrg(e.out, o)
		}
		return err
	})
}

type orgSet struct {
	backend
	Org             string `arg:"" help:"The org's id, as org list prints it."`
	DisplayCurrency string `placeholder:"CODE" help:"Currency of the prices in uploaded files, by ISO 4217. Prices that are there are not converted."`
	RetentionDays   *int   `placeholder:"DAYS" help:"How long people no longer listed are kept, 1 to 3650 days. A shorter time lets go those whose time is over."`
	BreakerFailures *int   `placeholder:"N" help:"Calls of a connection that fail in a row until it is paused; 0 pauses none. 10 unless set."`
	MonthlySyncs    *int   `placeholder:"N" help:"Sync runs that may begin in a calendar month, in UTC, counted from when this is set; 0 is no quota, which is so unless set."`
}

func (c *orgSet) Run(ctx context.Context, e *env) error {
	change := org.Change{DisplayCurrency: c.DisplayCurrency, BreakerFailures: c.BreakerFailures, MonthlySyncs: c.MonthlySyncs}
	if c.RetentionDays != nil {
		if change.RetentionDays = *c.RetentionDays; change.RetentionDays == 0 {
			return errors.New("--retention-days must be 1 to 3650") // 0 leaves it as it is
		}
	}
	return c.withData(ctx, e, func(a *app.App) error {
		o, err := a.SetOrg(ctx, c.Org, change)
		if err != nil {
			return err
		}
		printOrg(e.out, o)
		return nil
	})
}

// printOrg prints an org on one line, its name last.
func printOrg(w io.Writer, o org.Org) {
	s := o.Settings
	fmt.Fprintf(w, "%s number=%d display-currency=%s retention-days=%d breaker-failures=%d monthly-syncs=%d name=%q\n",
		o.ID, o.Number, s.DisplayCurrency, s.RetentionDays, s.BreakerFailures, s.MonthlySyncs, o.CompanyName)
}
