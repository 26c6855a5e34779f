package api

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"strconv"
	"time"

	"muster/internal/org"
	"muster/internal/table"
)

// limitPatience is how long a request waits to be counted: long enough that a table
// which is only busy counts all (TestLoad), and with the 20 s that a sync has within
// the gateway's 30.
const limitPatience = 5 * time.Second

// window is one key's calls of one operation in one minute of the clock, this
// request the used-th of them.
type window struct {
	limit, used int64
	ends        time.Time
}

// count counts the request and refuses it where its operation's calls of this
// minute are used up. The counter is a row of the table, so that it holds across
// all processes: of limit+n requests at once, exactly n are refused.
//
// It fails open: where the table does not answer, the request goes on uncounted
// and the log says so. What it would do needs the same table, as a rule, and says
// 503 by itself; a limit is no reason to refuse what would have worked.
func (s *server) count(ctx context.Context, rq *request) error {
	if rq.op.PerMinute == 0 || rq.op.Public || s.Table == nil {
		return nil
	}
	now := s.Now()
	w := &window{limit: int64(rq.op.PerMinute), ends: now.Truncate(time.Minute).Add(time.Minute)}
	counting, cancel := context.WithTimeout(ctx, limitPatience)
	defer cancel()
	// If we stop here: a call was counted that was not answered; the client has one
	// less in this minute (TestLimitCountsALostAnswer).
	used, err := s.Table.Add(counting, limitKey(rq.caller, rq.op, w.ends), 1, w.ends.Add(time.Hour))
	if err != nil {
		s.Log.WarnContext(ctx, "request is not counted against its limit", slog.String("request_id", rq.id),
			slog.String("operation", rq.op.ID), slog.String("key", rq.caller.Key.String()), slog.Any("error", err))
		return nil
	}
	w.used, rq.window = used, w
	if used <= w.limit {
		return nil
	}
	return rq.op.overLimit(w.ends.Sub(now))
}

func (op Op) overLimit(wait time.Duration) *Error {
	return RateLimited(fmt.Sprintf("this key has used its %d calls of this operation in this minute; try again after the seconds in Retry-After", op.PerMinute), wait)
}

// limitKey is the counter of one key, operation and minute. Keys lie in
// partitions of their own: one that is hammered slows no other. The row lives an
// hour longer than its minute, which clocks that differ do not; the next minute's
// is another row.
func limitKey(c org.Caller, op Op, ends time.Time) table.Key {
	return c.Org.Key(op.ID+"#"+strconv.FormatInt(ends.Unix(), 10), "LIMIT", c.Key.String())
}

// describe tells the client where it stands.
func (w *window) describe(h http.Header) {
	if w == nil {
		return
	}
	h.Set("X-Rate-Limit-Limit", strconv.FormatInt(w.limit, 10))
	h.Set("X-Rate-Limit-Remaining", strconv.FormatInt(max(0, w.limit-w.used), 10))
	h.Set("X-Rate-Limit-Reset", strconv.FormatInt(w.ends.Unix(), 10))
}
