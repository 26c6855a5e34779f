package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"syscall"
	"unicode"

	"muster/internal/roster"
	"muster/internal/rosterfile"
	"muster/internal/syncer"
)

// check says what the first sync of a file would report, without a server. Every
// problem is printed as it is found: first those of single records, then those
// that take a look at all of them (an e-mail twice, a licence's user who is none),
// each in the order of the file; memory does not depend on how many there are.
//
// The exit code is 1 where a sync would refuse the file or drop something of it,
// an error; a warning is worth knowing and costs nothing. It is 2 where the file
// could not be read.
type check struct {
	File string `arg:"" help:"The file; - is the standard input."`
	JSON bool   `help:"Print JSON lines: one for each problem, and a last one with the member summary."`
}

// Help implements kong.HelpProvider.
func (c *check) Help() string {
	return `Each problem is printed with line and column as it is found, and at the end what a first sync would make of the file. An error costs a record or a field, or the whole file; a warning costs nothing. On a terminal a bar shows how far the reading of a large file is.

The exit code is 0 without errors, 1 with some, 2 if the file could not be read or the command line is wrong.`
}

func (c *check) Run(ctx context.Context, e *env) error {
	signal.Ignore(syscall.SIGPIPE) // a reader who has seen enough must not leave our scratch files behind
	in, err := openInput(ctx, c.File, e.in)
	if err != nil {
		return &ending{2, err}
	}
	defer in.file.Close()
	p := &printer{out: bufio.NewWriterSize(e.out, 64<<10), name: printable(c.File), json: c.JSON, bar: newProgress(e, in.size)}
	report, err := syncer.Check(ctx, rosterfile.New(func(_ context.Context, offset int64) (io.ReadCloser, error) {
		r := io.Reader(io.NewSectionReader(in.file, offset, in.size-offset))
		if offset == 0 {
			r = &watched{r, p}
		}
		return io.NopCloser(r), nil
	}), "", e.now, p.problem)
	p.bar.clear()
	var fault *roster.Fault
	if err != nil && !errors.As(err, &fault) {
		_ = p.out.Flush()
		if errors.Is(err, syscall.EPIPE) {
			err = nil // who left needs no explanation
		}
		return &ending{2, err}
	}
	p.summary(summary{File: c.File, Accepted: fault == nil, Errors: p.errors, Warnings: p.warnings, Counts: report.Counts, ProblemCounts: report.ProblemCounts})
	if err := p.out.Flush(); err != nil {
		return &ending{2, err}
	}
	if p.errors > 0 {
		return &ending{1, nil}
	}
	return nil
}

// input is a file that can be read from any offset, more than once.
type input struct {
	file *os.File
	size int64
}

// openInput opens the file of that name; what is no regular file, such as a pipe,
// is copied to one that has no name.
func openInput(ctx context.Context, name string, stdin *os.File) (*input, error) {
	f := stdin
	if name != "-" {
		var err error
		if f, err = os.Open(name); err != nil {
			return nil, err
		}
	}
	info, err := f.Stat()
	switch {
	case err != nil:
		return nil, errors.Join(err, f.Close())
	case info.IsDir():
		return nil, errors.Join(fmt.Errorf("%s is a folder", printable(name)), f.Close())
	case info.Mode().IsRegular():
		return &input{f, info.Size()}, nil
	}
	defer f.Close()
	spool, err := os.CreateTemp("", "muster-check-*")
	if err != nil {
		return nil, fmt.Errorf("make a scratch file: %w", err)
	}
	// Before there is anything in it: however we end, no people stay behind.
	if err := os.Remove(spool.Name()); err != nil {
		return nil, errors.Join(err, spool.Close())
	}
	in := &input{file: spool}
	copied := make(chan error, 1)
	go func() {
		var err error
		in.size, err = io.Copy(spool, f)
		copied <- err
	}()
	select {
	case err = <-copied:
	case <-ctx.Done(): // the reading may go on: a producer that stalls does not hear of it
		err = context.Cause(ctx)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("copy %s to a scratch file: %w", printable(name), err), spool.Close())
	}
	return in, nil
}

// watched is the file as it is read: what was found until then is printed, and
// how far it is.
type watched struct {
	io.Reader
	p *printer
}

func (w *watched) Read(b []byte) (int, error) {
	if err := w.p.out.Flush(); err != nil {
		return 0, err
	}
	n, err := w.Reader.Read(b)
	w.p.bar.add(int64(n))
	return n, err
}

// printer prints what a check finds.
type printer struct {
	out              *bufio.Writer // keeps the first error, for who flushes it
	name             string
	json             bool
	bar              *progress
	errors, warnings int64
}

// severity is "warning" where the problem costs nothing: no record, no field.
func severity(r roster.Reason) string {
	switch r {
	case roster.IDShared, roster.LicenseDuplicate, roster.LicenseUserUnmatched, roster.MemberUnknown:
		return "warning"
	}
	return "error"
}

func (p *printer) problem(pr roster.Problem) {
	s := severity(pr.Reason)
	if s == "error" {
		p.errors++
	} else {
		p.warnings++
	}
	p.bar.clear()
	if p.json {
		p.line(struct {
			Severity string `json:"severity"`
			roster.Problem
		}{s, pr})
	} else {
		pointer := printable(pr.Pointer)
		if pointer != "" {
			pointer += ": "
		}
		fmt.Fprintf(p.out, "%s:%d:%d: %s: %s%s (%s)\n", p.name, pr.Line, pr.Column, s, pointer, printable(pr.Detail), pr.Reason)
	}
	if p.bar.shown() { // both may be the same terminal
		_ = p.out.Flush()
	}
}

func (p *printer) line(v any) {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err) // numbers and text
	}
	p.out.Write(append(b, '\n'))
}

// summary is the end of what is printed.
type summary struct {
	File          string                  `json:"file"`
	Accepted      bool                    `json:"accepted"` // a sync would take it
	Errors        int64                   `json:"errors"`
	Warnings      int64                   `json:"warnings"`
	Counts        roster.Counts           `json:"counts"`
	ProblemCounts map[roster.Reason]int64 `json:"problem_counts"`
}

func (p *printer) summary(s summary) {
	if p.json {
		if s.ProblemCounts == nil {
			s.ProblemCounts = map[roster.Reason]int64{}
		}
		p.line(map[string]summary{"summary": s})
		return
	}
	verdict := "a sync would take it"
	if !s.Accepted {
		verdict = "a sync would refuse it"
	}
	fmt.Fprintf(p.out, "%s: %s, %s: %s\n", p.name, several(s.Errors, "error"), several(s.Warnings, "warning"), verdict)
	for _, k := range []struct {
		name string
		roster.Count
	}{{"users", s.Counts.Users}, {"licenses", s.Counts.Licenses}, {"grants", s.Counts.Grants}} {
		fmt.Fprintf(p.out, "  %-8s  received %d, valid %d, skipped %d, duplicates %d\n", k.name, k.Received, k.Valid, k.Skipped, k.Duplicates)
	}
}

func several(n int64, what string) string {
	if n != 1 {
		what += "s"
	}
	return strconv.FormatInt(n, 10) + " " + what
}

// printable keeps a text on its line, and away from the terminal's controls: names
// in a file may be anything.
func printable(s string) string {
	if !strings.ContainsFunc(s, func(r rune) bool { return !unicode.IsPrint(r) || r == unicode.ReplacementChar }) {
		return s
	}
	q := strconv.Quote(s)
	return q[1 : len(q)-1]
}
