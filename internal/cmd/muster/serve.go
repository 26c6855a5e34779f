package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"muster/internal/api"
	"muster/internal/app"
	"muster/internal/app/dataplane"
	"muster/internal/job"
	"muster/internal/local"
	"muster/internal/org"
)

type serve struct {
	backend
	Addr           string `default:"127.0.0.1:3000" placeholder:"HOST:PORT" help:"Where to listen (${default}); port 0 takes a free one."`
	BaseURL        string `placeholder:"URL" help:"How clients reach the server, for signed URLs; its own address if left out."`
	Demo           bool   `help:"On the first start, upload a sample file, sync it and show what came of it."`
	MaxUploadBytes int64  `default:"1073741824" env:"MUSTER_MAX_UPLOAD_BYTES" help:"Largest file that may be registered (${default})."`
	InRequestBytes int64  `default:"256000000" env:"MUSTER_IN_REQUEST_BYTES" help:"Largest file that is synced inside its request (${default})."`
	RunningJobs    int64  `default:"0" env:"MUSTER_RUNNING_JOBS" help:"How many syncs of one organisation may run at once; 0: any number."`
}

// How often a laptop sweeps, and how long running requests have to end. On AWS a
// schedule wakes the sweep every minute.
const (
	sweepEvery  = 15 * time.Second
	expireEvery = time.Hour // of objects, by their age
	drainTime   = 25 * time.Second
)

func (c *serve) Run(ctx context.Context, e *env) (err error) {
	if c.MaxUploadBytes <= 0 || c.InRequestBytes <= 0 {
		return errors.New("--max-upload-bytes and --in-request-bytes must be above 0")
	}
	if c.RunningJobs < 0 || c.RunningJobs > app.MostRunningJobs {
		return fmt.Errorf("--running-jobs must be 0, for any number, or up to %d", app.MostRunningJobs)
	}
	if u, err := url.Parse(c.BaseURL); c.BaseURL != "" && (err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https") {
		return errors.New("--base-url must be a URL, such as https://muster.example.com: signed URLs begin with it")
	}
	ln, err := net.Listen("tcp", c.Addr)
	if err != nil {
		return fmt.Errorf("cannot listen: %w; give another address with --addr, such as 127.0.0.1:3001", err)
	}
	defer ln.Close()
	base := baseURL(c.BaseURL, ln.Addr())
	p, temp, done, err := c.open(ctx, e, func() string { return base })
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, done()) }()

	drain := make(chan struct{})
	workers := local.NewStarter()
	a := &app.App{
		Platform: inProcess{p, workers, drain}, Now: e.now, Log: e.log, TempDir: temp, Drain: drain,
		Settings: app.Settings{MaxUploadBytes: c.MaxUploadBytes, InRequestBytes: c.InRequestBytes, RunningJobs: c.RunningJobs},
	}
	syncer := dataplane.Syncer(a)
	workers.Serve(func(ctx context.Context, st job.Start) {
		if err := syncer.Run(ctx, st); err != nil {
			e.log.ErrorContext(ctx, "worker stopped", slog.String("job", st.Job.String()), slog.Any("error", err))
		}
	})
	demo, err := c.firstStart(ctx, e, a)
	if err != nil {
		return err
	}
	srv := &http.Server{Handler: gateway(a, p), ReadHeaderTimeout: 10 * time.Second}
	failed := make(chan error, 1)
	go func() { failed <- srv.Serve(ln) }()
	swept := c.sweepUntil(ctx, e, a, p)
	fmt.Fprintf(e.out, "listening on %s\n", base)
	if demo != nil {
		if err := demo.run(ctx, base); err != nil {
			e.log.ErrorContext(ctx, "demo", slog.Any("error", err))
		}
	}

	select {
	case err = <-failed:
	case <-ctx.Done():
	}
	// Running jobs park first, so that the requests that wait for them end.
	close(drain)
	stopping, cancel := context.WithTimeout(context.WithoutCancel(ctx), drainTime)
	defer cancel()
	err = errors.Join(err, srv.Shutdown(stopping))
	workers.Close()
	<-swept
	return err
}

// baseURL is how clients reach a server that listens on addr, unless they were
// told otherwise. No address at all ([::]) is this machine's.
func baseURL(given string, addr net.Addr) string {
	if given != "" {
		return strings.TrimRight(given, "/")
	}
	host, port, err := net.SplitHostPort(addr.String())
	if ip := net.ParseIP(host); err == nil && ip != nil && ip.IsUnspecified() {
		return "http://" + net.JoinHostPort("localhost", port)
	}
	return "http://" + addr.String()
}

// gateway serves all endpoints, and the local backend's signed URLs.
func gateway(a *app.App, p app.Platform) http.Handler {
	var routes []api.Route
	for _, endpoint := range slices.Concat(app.Endpoints, dataplane.Endpoints) {
		routes = append(routes, endpoint(a))
	}
	calls := a.Serve(routes...)
	l, ok := p.(*local.Platform)
	if !ok {
		return calls
	}
	// No mux: it would answer some paths with a redirect, which the API does not.
	signed := signedURLs(l, a)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, l.SignedPrefix()) {
			signed.ServeHTTP(w, r)
			return
		}
		calls.ServeHTTP(w, r)
	})
}

// sweepUntil sweeps until ctx ends; the channel closes when the last sweep has.
func (c *serve) sweepUntil(ctx context.Context, e *env, a *app.App, p app.Platform) <-chan struct{} {
	done := make(chan struct{})
	sweep := app.Sweep(a)
	go func() {
		defer close(done)
		tick := time.NewTicker(sweepEvery)
		defer tick.Stop()
		for n := 0; ; n++ {
			err := sweep(ctx, nil)
			if l, ok := p.(*local.Platform); ok && n%int(expireEvery/sweepEvery) == 0 {
				err = errors.Join(err, l.Sweep(ctx, e.now()))
			}
			if err != nil && ctx.Err() == nil {
				e.log.ErrorContext(ctx, "sweep", slog.Any("error", err))
			}
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
			}
		}
	}()
	return done
}

// firstStart makes the org demo and its admin key in an empty folder. What it
// answers, if not nil, is to run once the server listens. Over AWS it does
// nothing: there, orgs are made by their operator.
func (c *serve) firstStart(ctx context.Context, e *env, a *app.App) (*demo, error) {
	if c.Backend != "local" {
		return nil, nil
	}
	var tenant org.Org
	for o, err := range a.Orgs().List(ctx) {
		if err != nil {
			return nil, err
		}
		if tenant = o; o.CompanyName != "demo" {
			return nil, nil
		}
	}
	if tenant.ID.IsZero() {
		var err error
		if tenant, err = a.CreateOrg(ctx, "demo", ""); err != nil {
			return nil, err
		}
	}
	path := filepath.Join(c.Data, "api-key")
	for _, err := range a.Orgs().Keys(ctx, tenant.ID) {
		if err == nil { // it has a key: this is not the first start
			fmt.Fprintf(e.out, "the admin key of org demo is in %s\n", path)
		}
		return nil, err
	}
	secret, err := a.CreateKey(ctx, tenant.ID.String(), string(org.Admin))
	if err != nil {
		return nil, err
	}
	// If we stop here: the org has a key that nobody knows; `muster key create`
	// makes another.
	if err := os.WriteFile(path, []byte(secret.Reveal()+"\n"), 0o600); err != nil {
		return nil, fmt.Errorf("writing the new key: %w", err)
	}
	fmt.Fprintf(e.out, "made org demo (%s)\nits admin key, shown once and kept in %s:\n  %s\n", tenant.ID, path, secret.Reveal())
	if !c.Demo {
		return nil, nil
	}
	return &demo{out: e.out, key: secret.Reveal(), keyFile: path}, nil
}
