package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
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
	Demo           bool   `help:"On the first start, upload a sample file, sync it and show what came of it."`
	MaxUploadBytes int64  `default:"1073741824" env:"MUSTER_MAX_UPLOAD_BYTES" help:"Largest file that may be registered (${default})."`
	InRequestBytes int64  `default:"256000000" env:"MUSTER_IN_REQUEST_BYTES" help:"Largest file that is synced inside its request (${default})."`
}

// How often a laptop sweeps, and how long running requests have to end. On AWS a
// schedule wakes the sweep every minute.
const (
	sweepEvery = 15 * time.Second
	drainTime  = 25 * time.Second
)

func (c *serve) Run(ctx context.Context, e *env) (err error) {
	ln, err := net.Listen("tcp", c.Addr)
	if err != nil {
		return fmt.Errorf("cannot listen: %w", err)
	}
	defer ln.Close()
	base := "http://" + ln.Addr().String()
	p, temp, done, err := c.open(ctx, e, func() string { return base })
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, done()) }()

	drain := make(chan struct{})
	workers := local.NewStarter()
	a := &app.App{
		Platform: inProcess{p, workers, drain}, Now: e.now, Log: e.log, TempDir: temp, Drain: drain,
		Settings: app.Settings{MaxUploadBytes: c.MaxUploadBytes, InRequestBytes: c.InRequestBytes},
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

// gateway serves all endpoints, and the local backend's signed URLs.
func gateway(a *app.App, p app.Platform) http.Handler {
	var routes []api.Route
	for _, endpoint := range slices.Concat(app.Endpoints, dataplane.Endpoints) {
		routes = append(routes, endpoint(a))
	}
	mux := http.NewServeMux()
	mux.Handle("/", a.Serve(routes...))
	if l, ok := p.(*local.Platform); ok {
		mux.Handle(l.SignedPrefix(), l.SignedURLs())
	}
	return mux
}

// sweepUntil sweeps until ctx ends; the channel closes when the last sweep has.
func (c *serve) sweepUntil(ctx context.Context, e *env, a *app.App, p app.Platform) <-chan struct{} {
	done := make(chan struct{})
	sweep := app.Sweep(a)
	go func() {
		defer close(done)
		tick := time.NewTicker(sweepEvery)
		defer tick.Stop()
		for {
			err := sweep(ctx, nil)
			if l, ok := p.(*local.Platform); ok {
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
	for _, err := range a.Orgs().Keys(ctx, tenant.ID) {
		return nil, err // it has a key: this is not the first start
	}
	secret, err := a.CreateKey(ctx, tenant.ID.String(), string(org.Admin))
	if err != nil {
		return nil, err
	}
	path := filepath.Join(c.Data, "api-key")
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
