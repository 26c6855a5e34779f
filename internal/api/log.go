package api

import (
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// log writes the one line of a request. Never more of it than this: headers,
// query strings and bodies hold credentials. Its path is its operation's; that of
// a request without an operation is what plain gives of it.
func (s *server) log(r *http.Request, rq *request, a *answer, took time.Duration) {
	level, path := slog.LevelInfo, rq.op.Path
	if path == "" {
		path = plain(r.URL)
	}
	attrs := []slog.Attr{
		slog.String("request_id", rq.id),
		slog.String("operation", rq.op.ID),
		slog.String("method", method(r)),
		slog.String("path", path),
		slog.Int("status", a.status),
		slog.Float64("duration_ms", float64(took.Microseconds())/1000),
		slog.Int64("bytes_in", max(0, r.ContentLength)),
		slog.Int("bytes", a.body.Len()),
	}
	if !rq.caller.Org.IsZero() {
		attrs = append(attrs, slog.String("org", rq.caller.Org.String()), slog.String("key", rq.caller.Key.String()))
	}
	if rq.replayed {
		attrs = append(attrs, slog.Bool("replayed", true))
	}
	if rq.kind != "" {
		attrs = append(attrs, slog.String("kind", string(rq.kind)))
	}
	if rq.job != "" {
		attrs = append(attrs, slog.String("job", rq.job))
	}
	if rq.cause != nil {
		attrs = append(attrs, slog.String("error", rq.cause.Error()))
	}
	if a.status >= http.StatusInternalServerError {
		level = slog.LevelError
	}
	s.Log.LogAttrs(r.Context(), level, "request", attrs...)
}

// method is the request's, if it is one: a client may send any word.
func method(r *http.Request) string {
	switch r.Method {
	case http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodOptions:
		return r.Method
	}
	return hidden
}

const (
	hidden       = "*"
	plainSegment = 24 // bytes that a plain segment has at most
	plainPath    = 10 // segments that are shown at most
)

// plain is a path as it may be logged: the segments that are words of an API stay,
// any other (an id, a key, an e-mail, whatever is escaped) becomes a star, since
// what was sent to no operation may be anything.
func plain(u *url.URL) string {
	segments := strings.Split(strings.TrimPrefix(u.EscapedPath(), "/"), "/")
	if len(segments) > plainPath {
		segments = append(segments[:plainPath], hidden)
	}
	for i, s := range segments {
		if !plainWord(s) {
			segments[i] = hidden
		}
	}
	return "/" + strings.Join(segments, "/")
}

// plainWord: small letters, and - _ . between them; or a version as our paths have
// it. No key, id or address is one.
func plainWord(s string) bool {
	if s == "v1" || s == "v1.0" {
		return true
	}
	return len(s) <= plainSegment && strings.Trim(s, "abcdefghijklmnopqrstuvwxyz-_.") == ""
}
