package main

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"time"

	"muster/internal/app"
	"muster/internal/aws"
	"muster/internal/aws/emf"
	"muster/internal/blob"
	"muster/internal/cost"
	"muster/internal/local"
	"muster/internal/table"
)

// metered is a server in this process, over a local backend, that counts what it
// does as AWS would bill it: each request one of the gateway and an invocation of
// the function that template.yaml has for it.
type metered struct {
	cost.Meter
	app    *app.App
	local  *local.Platform
	client client
	srv    *http.Server
}

// What template.yaml gives to functions, and what the measured time of a processor
// has no part in: how long the network's answers take there.
const (
	memoryGB     = 512.0 / 1024
	syncMemoryGB = 3538.0 / 1024
	usersGB      = 1769.0 / 1024
	cpuGB        = 1769.0 / 1024
	tableWait    = 5 * time.Millisecond  // of each call
	bucketWait   = 25 * time.Millisecond // of each request
	// platformLog is what Lambda itself logs of an invocation in JSON: its start and
	// its report, some 350 bytes each.
	platformLog = 700
)

func openMetered(ctx context.Context, e *env, dir string) (m *metered, err error) {
	ln, err := listenLoopback()
	if err != nil {
		return nil, err
	}
	m = &metered{client: client{base: "http://" + ln.Addr().String()}}
	m.local, err = local.Open(dir, func() string { return m.client.base }, e.now)
	if err != nil {
		return nil, errors.Join(err, ln.Close())
	}
	settings := app.DefaultSettings
	settings.RequestTime = time.Hour // of a machine as busy as it may be
	log := emf.Handler(slog.NewJSONHandler(logged{&m.Meter}, nil), aws.Namespace, aws.Metrics)
	m.app = &app.App{
		Platform: &meteredPlatform{m.local, m.Table(m.local.Table()), m.Blobs(m.local.Blobs())},
		Settings: settings, Now: e.now, Log: slog.New(log), TempDir: m.local.TempDir(),
	}
	m.srv = &http.Server{Handler: m.billed(gateway(m.app, m.local)), ReadHeaderTimeout: 10 * time.Second}
	go m.srv.Serve(ln)
	o, err := m.app.CreateOrg(ctx, "metered", "")
	if err == nil {
		secret, kerr := m.app.CreateKey(ctx, o.ID.String(), "admin")
		m.client.key, err = secret.Reveal(), kerr
	}
	if err != nil {
		return nil, errors.Join(err, m.Close())
	}
	return m, nil
}

// listenLoopback takes a free port.
func listenLoopback() (net.Listener, error) { return net.Listen("tcp", "127.0.0.1:0") }

func (m *metered) Close() error { return errors.Join(m.srv.Close(), m.local.Close()) }

// billed counts the requests: those of a signed URL are the bucket's.
func (m *metered) billed(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, m.local.SignedPrefix()) {
			if m.Add(cost.Usage{Puts: 1}); r.Method == http.MethodGet {
				m.Add(cost.Usage{Puts: -1, Gets: 1})
			}
			next.ServeHTTP(w, r)
			return
		}
		before, began := m.Usage(), cpuTime()
		next.ServeHTTP(w, r)
		u := m.Usage().Plus(before.Times(-1))
		m.Add(cost.Usage{Requests: 1, Invocations: 1, GBSeconds: gbSeconds(memoryOf(r), cpuTime()-began, u), LogBytes: platformLog})
	})
}

// gbSeconds is what a function of so much memory is billed for work that took so
// long a time of a processor. With 1,769 MB it has one; what it has beyond that is
// left out, as if nothing were done at once.
func gbSeconds(memory float64, cpu time.Duration, did cost.Usage) float64 {
	return memory * (cpu.Seconds()/min(1, memory/cpuGB) + waits(did))
}

// waits is how long the network would have taken. Ranges are read three at a time.
func waits(u cost.Usage) float64 {
	return (u.TableReads+u.TableWrites)*tableWait.Seconds() + (u.Puts+u.Gets/3)*bucketWait.Seconds()
}

func memoryOf(r *http.Request) float64 {
	switch {
	case strings.HasSuffix(r.URL.Path, "/sync/custom"):
		return syncMemoryGB
	case strings.HasPrefix(r.URL.Path, "/v1.0/apps"):
		return usersGB
	}
	return memoryGB
}

// during is what was done while do ran.
func (m *metered) during(do func() error) (cost.Usage, error) {
	before := m.Usage()
	err := do()
	return m.Usage().Plus(before.Times(-1)), err
}

// meteredPlatform is the local one with two ports that are counted. What it signs
// is not: a signature is no request.
type meteredPlatform struct {
	*local.Platform
	table table.Table
	blobs blob.Store
}

func (p *meteredPlatform) Table() table.Table { return p.table }
func (p *meteredPlatform) Blobs() blob.Store  { return p.blobs }

// logged counts the bytes of log lines.
type logged struct{ meter *cost.Meter }

func (l logged) Write(p []byte) (int, error) {
	l.meter.Add(cost.Usage{LogBytes: float64(len(p))})
	return len(p), nil
}

var _ io.Writer = logged{}
