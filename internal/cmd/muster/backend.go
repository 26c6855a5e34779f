package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"

	"muster/internal/app"
	"muster/internal/aws"
	"muster/internal/aws/invoke"
	"muster/internal/aws/s3store"
	"muster/internal/aws/secrets"
	"muster/internal/job"
	"muster/internal/local"
	"muster/internal/org"
)

// backend says where the data is: the same two flags for every command.
type backend struct {
	Data    string `default:".muster" placeholder:"DIR" help:"Folder of the local backend's data (${default})."`
	Backend string `default:"local" enum:"local,aws" help:"Where the data is: local, or aws for the table and bucket that MUSTER_TABLE and MUSTER_BUCKET name."`
}

// open opens the backend. temp is a folder for scratch files, "" the system's.
func (b backend) open(ctx context.Context, e *env, baseURL func() string) (p app.Platform, temp string, done func() error, err error) {
	if b.Backend == "aws" {
		p, err := aws.Open(ctx, aws.Ports{Bucket: s3store.Open, Vault: secrets.Open, Starter: invoke.Open})
		if err != nil {
			return nil, "", nil, err
		}
		return p, "", func() error { return nil }, nil
	}
	l, err := local.Open(b.Data, baseURL, e.now)
	if err != nil {
		return nil, "", nil, err
	}
	return l, l.TempDir(), l.Close, nil
}

// withApp runs f over the backend's services, without workers.
func (b backend) withApp(ctx context.Context, e *env, f func(*app.App) error) (err error) {
	p, temp, done, err := b.open(ctx, e, func() string { return "" })
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, done()) }()
	return f(&app.App{Platform: p, Settings: app.DefaultSettings, Now: e.now, Log: e.log, TempDir: temp})
}

// withData is withApp where there is data already: to make a folder for who mistyped
// its name would say that their org is gone.
func (b backend) withData(ctx context.Context, e *env, f func(*app.App) error) error {
	if _, err := os.Stat(b.Data); b.Backend == "local" && errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("there is no data in %s: --data names the folder that serve or org create made", b.Data)
	}
	err := b.withApp(ctx, e, f)
	if errors.Is(err, org.ErrNotFound) {
		return fmt.Errorf("%w; org list shows the orgs, key list an org's keys", err)
	}
	return err
}

// inProcess is a platform whose starts run in this process, as all of the local
// one's do, until drain closes: what a job that parks then leaves is for the next
// process. Taken here, it would park again at once, and again, up to the number of
// hand-overs that a job may have.
type inProcess struct {
	app.Platform
	workers *local.Starter
	drain   <-chan struct{}
}

func (p inProcess) Starter() job.Starter { return p }

// Start implements job.Starter.
func (p inProcess) Start(ctx context.Context, st job.Start) error {
	select {
	case <-p.drain:
		return errors.New("this process is ending; the next one goes on with the job")
	default:
		return p.workers.Start(ctx, st)
	}
}

type orgCreate struct {
	backend
	Name   string `arg:"" help:"The company's name."`
	Domain string `placeholder:"DOMAIN" help:"The company's domain."`
}

func (c *orgCreate) Run(ctx context.Context, e *env) error {
	return c.withApp(ctx, e, func(a *app.App) error {
		o, err := a.CreateOrg(ctx, c.Name, c.Domain)
		if err != nil {
			return err
		}
		fmt.Fprintln(e.out, o.ID)
		return nil
	})
}

type keyCreate struct {
	backend
	Org  string `arg:"" help:"The org's id, as org create printed it."`
	Role string `default:"admin" enum:"read,write,admin" help:"read looks; write changes, but no settings or keys; admin does everything."`
}

func (c *keyCreate) Run(ctx context.Context, e *env) error {
	return c.withData(ctx, e, func(a *app.App) error {
		secret, err := a.CreateKey(ctx, c.Org, c.Role)
		if err != nil {
			return err
		}
		fmt.Fprintln(e.out, secret.Reveal())
		return nil
	})
}

type keyList struct {
	backend
	Org string `arg:"" help:"The org's id."`
}

func (c *keyList) Run(ctx context.Context, e *env) error {
	return c.withData(ctx, e, func(a *app.App) error {
		keys, err := a.Keys(ctx, c.Org)
		for _, k := range keys {
			fmt.Fprintln(e.out, k.ID, k.Role, k.CreatedAt.UTC().Format(time.RFC3339))
		}
		return err
	})
}

type keyRevoke struct {
	backend
	Org string `arg:"" help:"The org's id."`
	Key string `arg:"" help:"The key's id, as key list prints it."`
}

func (c *keyRevoke) Run(ctx context.Context, e *env) error {
	return c.withData(ctx, e, func(a *app.App) error { return a.RevokeKey(ctx, c.Org, c.Key) })
}
