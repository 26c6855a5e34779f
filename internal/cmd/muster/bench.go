package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"slices"
	"strings"
	"text/tabwriter"
)

// bench measures what has a budget, each beside its floor and in the same run: what
// counts on a machine of another speed is the ratio. A figure over its budget is
// marked and no error: one measurement on a busy machine is not a verdict.
type bench struct {
	Users []int    `default:"10000,100000,1000000" help:"How many users (${default})."`
	Only  []string `enum:"sync,calls,cold,size" default:"sync,calls,cold,size" help:"Which parts: sync, the way of a file from PUT to commit beside a program that only decodes it; calls, what each run asks of the table and the bucket; cold, each function's start beside one that only makes the same AWS clients; size, each binary as it is deployed (${default})."`
}

// part is one of bench's, by its name.
type part struct {
	name, title string
	run         func(context.Context, *env, *sheet) error
}

// Validate is called by kong before Run.
func (c *bench) Validate() error { return counts("--users", "users", c.Users) }

// counts refuses numbers of things of which there is not one.
func counts(flag, things string, ns []int) error {
	for _, n := range ns {
		if n < 1 {
			return fmt.Errorf("%s: %d is no number of %s, which is at least 1", flag, n, things)
		}
	}
	return nil
}

// Help implements kong.HelpProvider.
func (c *bench) Help() string {
	return "The parts cold and size build the functions: run them in the source tree. All of it takes some minutes; " +
		"on a terminal a line says what is measured now. What is over its budget is marked, and no error."
}

func (c *bench) Run(ctx context.Context, e *env) error {
	fmt.Fprintf(e.out, "%s/%s, %d CPUs, %s. What is over its budget has a ! and the budget.\n",
		runtime.GOOS, runtime.GOARCH, runtime.NumCPU(), runtime.Version())
	for _, p := range []part{
		{"sync", "From the PUT of a file to its commit, in a server of its own; the floor only decodes the file (budget at 1,000,000: ratio 2.5, 100 MB)", c.syncs},
		{"calls", "Calls of one sync, its upload and its report (budget unchanged: 12 table writes and no object kept)", c.calls},
		{"cold", "From exec to the first poll of the runtime API, the best of several; the floor only makes the same AWS clients (budget: ratio 1.5)", cold},
		{"size", "Binaries for arm64, as they are deployed (budget: 12 MB, with Parquet 16)", sizes},
	} {
		if !slices.Contains(c.Only, p.name) {
			continue
		}
		fmt.Fprintf(e.out, "\n%s\n\n", p.title)
		t := newSheet(e)
		err := p.run(ctx, e, t)
		if err := errors.Join(err, ctx.Err(), t.end()); err != nil { // what was started may say less of why it ended
			return err
		}
	}
	return nil
}

func (c *bench) syncs(ctx context.Context, e *env, t *sheet) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	t.row("users", "order", "run", "floor s", "seconds", "users/s", "ratio", "peak MB")
	for _, n := range c.Users {
		for _, shuffled := range []bool{false, true} {
			if err := c.rosters(ctx, e, t, self, n, shuffled); err != nil {
				return err
			}
		}
	}
	return nil
}

// sheet is a table that is printed when it is whole: its columns are as wide as what is
// in them. Until then its status says what is being done.
type sheet struct {
	*status
	w *tabwriter.Writer
}

func newSheet(e *env) *sheet {
	return &sheet{newStatus(e), tabwriter.NewWriter(e.out, 0, 0, 2, ' ', tabwriter.AlignRight)}
}

// end prints the rows that there are.
func (t *sheet) end() error {
	t.clear()
	return t.w.Flush()
}

// row is flushed at the end, whose error is that of all rows.
func (t *sheet) row(cells ...string) { fmt.Fprintln(t.w, strings.Join(cells, "\t")+"\t") }

func plain(format string, v float64) string { return fmt.Sprintf(format, v) }

// within marks what is over its budget.
func within(format string, v, budget float64) string {
	if v > budget {
		return fmt.Sprintf("!"+format+" > %g", v, budget)
	}
	return plain(format, v)
}
