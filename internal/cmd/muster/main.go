package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"runtime"
	"runtime/debug"
	"strings"
	"syscall"
	"time"

	"github.com/alecthomas/kong"
)

// cli is the command line: the flags' help is their reference.
type cli struct {
	Serve serve `cmd:"" help:"Serve the whole API, run its workers and its sweep."`
	Org   struct {
		Create orgCreate `cmd:"" help:"Make an org with its hub integration and print its id."`
		List   orgList   `cmd:"" help:"List the orgs with their settings."`
		Set    orgSet    `cmd:"" help:"Change an org's settings and print what it is then."`
	} `cmd:"" help:"Tenants."`
	Key struct {
		Create keyCreate `cmd:"" help:"Make an API key of an org and print its secret, once."`
		List   keyList   `cmd:"" help:"List an org's keys: id, role, when it was made."`
		Revoke keyRevoke `cmd:"" help:"Make a key work no more, within a minute everywhere."`
	} `cmd:"" help:"API keys."`
	Check   check        `cmd:"" help:"Say what a sync of a file would report, without a server."`
	OpenAPI openapiPrint `cmd:"" name:"openapi" help:"Print the OpenAPI document of all calls."`
	Bench   bench        `cmd:"" help:"Measure what has a budget, each beside its floor."`
	Cost    costs        `cmd:"" help:"Count what syncs do and say what that costs on AWS."`
	Floor   floor        `cmd:"" hidden:"" help:"Decode a file and nothing else."`

	Version kong.VersionFlag `help:"Print the version."`
}

// env is what of the process the commands may touch.
type env struct {
	in       *os.File
	out, err io.Writer
	now      func() time.Time
	log      *slog.Logger
}

func main() {
	// A second signal ends the process at once.
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop)
	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

// Exit codes that are no command's own: a script must be able to tell them from its 1.
const (
	misused     = 2   // the command line is wrong, and no command was run
	interrupted = 130 // as shells have it
)

// run runs one command and answers the process's exit code.
func run(ctx context.Context, args []string, out, errout io.Writer) int {
	e := &env{in: os.Stdin, out: out, err: errout, now: time.Now, log: slog.New(slog.NewJSONHandler(errout, nil))}
	var c cli
	exit := -1
	parser := kong.Must(&c, kong.Name("muster"), kong.Description("An integration hub for people data."),
		kong.Vars{"version": version()}, kong.Writers(out, errout), kong.Exit(func(code int) { exit = code }),
		kong.BindTo(ctx, (*context.Context)(nil)), kong.Bind(e))
	k, err := parser.Parse(args)
	if exit >= 0 {
		return exit // help was asked for, or the version
	}
	if err != nil {
		err = &ending{misused, fmt.Errorf("%w; %s --help says more", err, commandOf(err))}
	} else {
		err = k.Run()
	}
	code := 0
	var with *ending
	switch {
	case ctx.Err() != nil && (errors.Is(err, ctx.Err()) || errors.Is(err, context.Cause(ctx))):
		code, err = interrupted, errors.New("interrupted")
	case errors.As(err, &with):
		code, err = with.code, with.err
	case err != nil:
		code = 1
	}
	if err != nil {
		fmt.Fprintf(errout, "muster: %v\n", err)
	}
	return code
}

// commandOf is the command whose line could not be read, as far as it was.
func commandOf(err error) string {
	var of *kong.ParseError
	if errors.As(err, &of) && of.Context.Selected() != nil {
		return of.Context.Selected().FullPath()
	}
	return "muster"
}

// version is what this program was built of.
func version() string {
	of := "of unknown version"
	if info, ok := debug.ReadBuildInfo(); ok {
		of = strings.Trim(info.Main.Version, "()") // "(devel)" where it was built of no commit
	}
	return fmt.Sprintf("muster %s (%s, %s/%s)", of, runtime.Version(), runtime.GOOS, runtime.GOARCH)
}

// ending is the error of a command that says its exit code; err may be nil, where
// all was said.
type ending struct {
	code int
	err  error
}

func (e *ending) Error() string { return fmt.Sprintf("exit code %d: %v", e.code, e.err) }

func (e *ending) Unwrap() error { return e.err }
