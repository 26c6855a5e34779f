package aws

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"sync/atomic"

	"github.com/aws/aws-lambda-go/lambdacontext"
	"github.com/aws/smithy-go/logging"

	"muster/internal/aws/emf"
)

// Namespace has our metrics where no log group names the stack. With one it is
// the group's, muster/<stack>: two stacks of an account do not count together.
const Namespace = "muster"

// Metrics are all metrics that a deployment has of its own. Each name with each
// combination of its dimensions' values costs 0.30 USD a month, by the hour in
// which there was one: so a dimension has few values and never an org, and what
// AWS counts for nothing is not here (invocations, errors and durations by
// function, which is by operation; requests and 5xx of the gateway; throttles of
// the table). README has the sum.
var Metrics = []emf.Directive{
	// What was not answered 2xx: rate_limited is who was throttled by us.
	{Message: "request", Dimensions: []string{"kind"}, Lines: "requests"},
	// Runs by how they ended; pending is one handed over.
	{Message: "job", Dimensions: []string{"status"}, Lines: "jobs"},
	{Message: "job", Dimensions: []string{"status", "reason"}, Lines: "jobs"},
	{Message: "job", Metrics: []emf.Metric{{Name: "duration_ms", Unit: emf.Milliseconds}, {Name: "lease_ms", Unit: emf.Milliseconds}}},
	// Records by what became of them, of runs that were committed to the end.
	{Message: "job", Where: slog.String("status", "completed"), Metrics: []emf.Metric{
		{Name: "received", Unit: emf.Count}, {Name: "added", Unit: emf.Count}, {Name: "changed", Unit: emf.Count},
		{Name: "removed", Unit: emf.Count}, {Name: "unchanged", Unit: emf.Count}, {Name: "skipped", Unit: emf.Count},
	}},
	{Message: "lease was lost", Lines: "leases_lost"},
	{Message: "sweep", Metrics: []emf.Metric{
		{Name: "resent", Unit: emf.Count}, {Name: "restarted", Unit: emf.Count}, {Name: "garbage", Unit: emf.Count},
	}},
	// Calls of the table that were tried again: throttled, collided or unanswered.
	{Message: "request", Metrics: retried}, {Message: "job", Metrics: retried}, {Message: "sweep", Metrics: retried},
}

var retried = []emf.Metric{{Name: tableRetries, Unit: emf.Count}}

const tableRetries = "table_retries"

// newLogger logs as Lambda's JSON format has it. Other formats are for people, and
// have no metrics.
func newLogger(retries *atomic.Int64) *slog.Logger {
	h := lambdacontext.NewLogHandler()
	if os.Getenv("AWS_LAMBDA_LOG_FORMAT") == "JSON" {
		h = emf.Handler(h, cmp.Or(strings.Trim(os.Getenv("AWS_LAMBDA_LOG_GROUP_NAME"), "/"), Namespace), Metrics)
	}
	return slog.New(&counting{h, retries})
}

// sdkLog has what the SDK warns of in our log, where its own lines are no JSON.
func sdkLog(log *slog.Logger) logging.Logger {
	return logging.LoggerFunc(func(c logging.Classification, format string, v ...any) {
		level := slog.LevelDebug
		if c == logging.Warn {
			level = slog.LevelWarn
		}
		log.LogAttrs(context.Background(), level, "sdk", slog.String("detail", fmt.Sprintf(format, v...)))
	})
}

// counting says on the line that ends a piece of work how often the table was
// tried again since the one before: a sandbox does one thing at a time.
type counting struct {
	slog.Handler
	retries *atomic.Int64
}

// Handle implements slog.Handler.
func (c *counting) Handle(ctx context.Context, r slog.Record) error {
	switch r.Message {
	case "request", "job", "sweep":
		if n := c.retries.Swap(0); n > 0 {
			r = r.Clone()
			r.AddAttrs(slog.Int64(tableRetries, n))
		}
	}
	return c.Handler.Handle(ctx, r)
}

// WithAttrs implements slog.Handler.
func (c *counting) WithAttrs(as []slog.Attr) slog.Handler {
	return &counting{c.Handler.WithAttrs(as), c.retries}
}

// WithGroup implements slog.Handler.
func (c *counting) WithGroup(name string) slog.Handler {
	return &counting{c.Handler.WithGroup(name), c.retries}
}
