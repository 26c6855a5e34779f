package api_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net/http"
	"strings"
	"testing"
	"time"

	"muster/internal/api"
	"muster/internal/blob"
	"muster/internal/org"
	"muster/internal/table"
)

func TestErrors(t *testing.T) {
	busy := api.Busy(api.JobRef{ID: "j1", Status: "processing", StartedBy: "file", StartedAt: noon.Add(-time.Minute + time.Millisecond)}, noon.Add(41500*time.Millisecond))
	for name, tc := range map[string]struct {
		err    error
		status int
		kind   api.Kind
		check  func(*testing.T, failure, http.Header)
	}{
		"invalid":           {api.Invalid("m", api.Fault{Pointer: "/a", Detail: "d"}), 400, api.KindInvalid, nil},
		"unauthenticated":   {api.Unauthenticated("m"), 401, api.KindUnauthenticated, nil},
		"payment required":  {api.PaymentRequired("m"), 402, api.KindPaymentRequired, nil},
		"quota spent":       {fmt.Errorf("op: %w", &org.Spent{Limit: 5, Resumes: noon}), 402, api.KindPaymentRequired, nil},
		"forbidden":         {api.Forbidden("m"), 403, api.KindForbidden, nil},
		"not found":         {api.NotFound("m"), 404, api.KindNotFound, nil},
		"gone":              {api.Gone("m"), 410, api.KindGone, nil},
		"too large":         {api.TooLarge("m"), 413, api.KindTooLarge, nil},
		"in progress":       {api.InProgress("m"), 409, api.KindInProgress, nil},
		"conflict":          {api.Conflict("m"), 409, api.KindConflict, nil},
		"cancelled":         {api.Cancelled("m"), 409, api.KindCancelled, nil},
		"wrapped":           {fmt.Errorf("op: %w", api.Gone("m")), 410, api.KindGone, nil},
		"table unavailable": {fmt.Errorf("op: %w", table.ErrUnavailable), 503, api.KindUnavailable, nil},
		"blob unavailable":  {fmt.Errorf("op: %w", blob.ErrUnavailable), 503, api.KindUnavailable, nil},
		"deadline":          {fmt.Errorf("op: %w", context.DeadlineExceeded), 503, api.KindUnavailable, nil},
		"unknown":           {errors.New("disk on fire"), 500, api.KindInternal, nil},
		"a row is missing":  {table.ErrNotFound, 500, api.KindInternal, nil},
		"rate limited": {api.RateLimited("m", 1500*time.Millisecond), 429, api.KindRateLimited, func(t *testing.T, _ failure, h http.Header) {
			if h.Get("Retry-After") != "2" {
				t.Error(h)
			}
		}},
		"unavailable": {api.Unavailable("m"), 503, api.KindUnavailable, func(t *testing.T, _ failure, h http.Header) {
			if h.Get("Retry-After") != "1" {
				t.Error(h)
			}
		}},
		"too many removals": {api.TooManyRemovals("m", api.Removals{WouldRemove: 812, Live: 900}), 409, api.KindTooManyRemovals, func(t *testing.T, f failure, _ http.Header) {
			if f.Removals == nil || *f.Removals != (api.Removals{WouldRemove: 812, Live: 900}) {
				t.Error(f.Removals)
			}
		}},
		"busy": {busy, 409, api.KindBusy, func(t *testing.T, f failure, h http.Header) {
			if h.Get("Retry-After") != "42" || f.LeaseExpiresAt != "2026-03-01T12:00:41Z" || f.Job.ID != "j1" || !f.Job.StartedAt.Equal(noon.Add(-time.Minute)) {
				t.Errorf("%+v %v", f, h)
			}
		}},
		"busy, run out": {api.Busy(api.JobRef{ID: "j"}, noon.Add(-time.Hour)), 409, api.KindBusy, func(t *testing.T, _ failure, h http.Header) {
			if h.Get("Retry-After") != "1" {
				t.Error(h)
			}
		}},
		"busy, parked": {api.Busy(api.JobRef{ID: "j"}, noon.Add(16*time.Minute)), 409, api.KindBusy, func(t *testing.T, _ failure, h http.Header) {
			if h.Get("Retry-After") != "60" {
				t.Error(h)
			}
		}},
		"of a job": {fmt.Errorf("op: %w", api.ForJob(api.Invalid("m"), "j7")), 400, api.KindInvalid, func(t *testing.T, f failure, _ http.Header) {
			if f.JobID != "j7" {
				t.Error(f)
			}
		}},
		"unknown, of a job": {api.ForJob(errors.New("disk on fire"), "j7"), 500, api.KindInternal, func(t *testing.T, f failure, _ http.Header) {
			if f.JobID != "j7" {
				t.Error(f)
			}
		}},
	} {
		t.Run(name, func(t *testing.T) {
			h := serve(get(org.Read, func(context.Context) (string, error) { return "", tc.err }))
			w := h.call("GET", "/get", "")
			f := want(t, w, tc.status, tc.kind)
			if strings.Contains(f.Message, "fire") {
				t.Errorf("shows its cause: %s", f.Message)
			}
			if tc.check != nil {
				tc.check(t, f, w.Header())
			}
		})
	}
	if api.ForJob(nil, "j") != nil {
		t.Error("no error became one")
	}
}

func TestCauseIsLoggedAndNotShown(t *testing.T) {
	cause := errors.New("disk on fire")
	for name, err := range map[string]error{"unknown": cause, "because": api.Gone("no longer here").Because(cause)} {
		t.Run(name, func(t *testing.T) {
			h := serve(get(org.Read, func(context.Context) (string, error) { return "", err }))
			w := h.call("GET", "/get", "")
			if strings.Contains(w.Body.String(), "fire") || !strings.Contains(h.log.String(), "disk on fire") {
				t.Errorf("answer %s, log %s", w.Body, h.log.String())
			}
		})
	}
}

// The log of a panic leads to where it was. What it was given may be what was sent:
// of that it has the runtime's own words alone.
func TestPanicIsA500(t *testing.T) {
	var none []int
	for name, c := range map[string]struct {
		handler func(context.Context) (string, error)
		logged  string
	}{
		"a text":     {func(context.Context) (string, error) { panic("lost my marbles") }, "panic: a string"},
		"an error":   {func(context.Context) (string, error) { panic(errors.New("lost my marbles")) }, "panic: a *errors.errorString"},
		"of runtime": {func(context.Context) (string, error) { return "", fmt.Errorf("%d", none[7]) }, "index out of range [7]"},
	} {
		t.Run(name, func(t *testing.T) {
			h := serve(get(org.Read, c.handler))
			f, log := want(t, h.call("GET", "/get", ""), 500, api.KindInternal), h.log.String()
			if strings.Contains(f.Message+log, "marbles") || strings.Contains(f.Message, "index") {
				t.Errorf("%q, log %s", f.Message, log)
			}
			if !strings.Contains(log, c.logged) || !strings.Contains(log, "errors_test.go") {
				t.Errorf("the log does not say where: %s", log)
			}
		})
	}
}

func TestAnswerThatIsNoJSONIsA500(t *testing.T) {
	type out struct{ Body map[string]float64 }
	r := api.Handle(api.Op{ID: "nan", Method: "GET", Path: "/nan", Role: org.Read}, func(context.Context, *noInput) (*out, error) {
		return &out{map[string]float64{"x": math.NaN()}}, nil
	})
	want(t, serve(r).call("GET", "/nan", ""), 500, api.KindInternal)
}
