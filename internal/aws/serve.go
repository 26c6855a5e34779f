package aws

import (
	"context"
	"encoding/json"
	"log/slog"
	"os"
	"path/filepath"
	"sync/atomic"
	"time"

	"github.com/aws/aws-lambda-go/lambda"

	"muster/internal/api"
	"muster/internal/app"
	"muster/internal/aws/gateway"
)

// Serve is the main of a function that serves one endpoint, over the table and these
// ports. It does not return.
func Serve(endpoint func(*app.App) api.Route, ports Ports) {
	a := open(ports)
	lambda.StartHandlerFunc(gateway.Handle(a.Serve(endpoint(a))))
}

// Work is the main of a function that events wake. An error of worker makes the
// platform deliver the event again. It does not return.
func Work(worker func(*app.App) func(context.Context, json.RawMessage) error, ports Ports) {
	w := worker(open(ports))
	lambda.StartHandlerFunc(func(ctx context.Context, event json.RawMessage) (any, error) {
		return nil, w(ctx, event)
	})
}

// open makes the app, or ends the process: the runtime reports that as a failed
// start, with what was printed.
func open(ports Ports) *app.App {
	var retries atomic.Int64
	log := newLogger(&retries)
	a, err := newApp(ports, log, &retries)
	if err != nil {
		log.ErrorContext(context.Background(), "cannot start", slog.Any("error", err))
		os.Exit(1)
	}
	return a
}

func newApp(ports Ports, log *slog.Logger, retries *atomic.Int64) (*app.App, error) {
	s, err := settings()
	if err != nil {
		return nil, err
	}
	p, err := Open(context.Background(), ports)
	if err != nil {
		return nil, err
	}
	p.retries, p.config.Logger = retries, sdkLog(log)
	// What a sandbox that crashed left behind would fill the disk of the next.
	temp := filepath.Join(os.TempDir(), "muster")
	if err := os.RemoveAll(temp); err != nil {
		return nil, err
	}
	if err := os.MkdirAll(temp, 0o700); err != nil {
		return nil, err
	}
	return &app.App{Platform: p, Settings: s, Now: time.Now, Log: log, TempDir: temp}, nil
}
