package api

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"mime"
	"net/http"
	"path"
	"runtime"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"
	"github.com/google/uuid"

	"muster/internal/org"
	"muster/internal/table"
)

// Authenticator says whose key a secret is: org.ErrUnknownKey, or that it could
// not find out. *org.Store is one.
type Authenticator interface {
	Authenticate(ctx context.Context, secret string) (org.Caller, error)
}

// Config is what New needs. Now is time.Now outside tests.
type Config struct {
	Auth  Authenticator
	Table table.Table // has limits and idempotency keys; nil: there are none
	Log   *slog.Logger
	Now   func() time.Time
}

// New serves the routes. It answers every request, whatever happens: an unknown
// path 404, a known one with another method 405, a panic 500, all in the one
// error shape. HEAD is another method than GET: API Gateway's routes say so. It
// panics if two routes share an id or a path, or if two types that they take have
// one name.
func New(c Config, routes ...Route) http.Handler {
	s := &server{Config: c, mux: http.NewServeMux(), known: sync.OnceValue(func() *http.ServeMux { return known(routes) })}
	h := newHuma(s.mux, Info{})
	forgetAnswers(h.OpenAPI().Components.Schemas, routes)
	for _, r := range routes {
		o := r.Op.operation()
		o.Middlewares = huma.Middlewares{s.admit(r.Op)}
		r.register(h, o)
	}
	return s
}

type server struct {
	Config
	mux   *http.ServeMux
	known func() *http.ServeMux // of what is served here and elsewhere; its handlers do nothing
}

// known has the patterns of the routes, and of those that they know.
func known(routes []Route) *http.ServeMux {
	mux, has := http.NewServeMux(), map[string]bool{}
	add := func(pattern string) {
		if !has[pattern] {
			has[pattern] = true
			mux.Handle(pattern, http.NotFoundHandler())
		}
	}
	for _, r := range routes {
		add(r.Op.Method + " " + r.Op.Path)
		if r.knows != nil {
			for _, pattern := range r.knows() {
				add(pattern)
			}
		}
	}
	return mux
}

// request is what is known of a request so far, for its answer and its log line.
// Its goroutine alone touches it.
type request struct {
	id        string
	op        Op
	caller    org.Caller
	now       func() time.Time
	window    *window   // nil: not counted
	chosen    uuid.UUID // zero: no idempotency key
	replayed  bool
	overLimit bool // the body's limit was met
	kind      Kind // of the error that it was answered with
	cause     error
	job       string // that the error's answer names
}

type contextKey struct{ name string }

var requestKey, idKey = contextKey{"request"}, contextKey{"request id"}

func requestOf(ctx context.Context) *request {
	if rq, ok := ctx.Value(requestKey).(*request); ok {
		return rq
	}
	return &request{now: func() time.Time { return time.Time{} }} // not under New: nobody called
}

// Caller is who sent the request; the zero Caller where the operation is public.
func Caller(ctx context.Context) org.Caller { return requestOf(ctx).caller }

// WithRequestID makes the requests under ctx carry the id that a gateway gave.
// What a client sends as an id is never taken.
func WithRequestID(ctx context.Context, id string) context.Context {
	return context.WithValue(ctx, idKey, id)
}

func (s *server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	start := s.Now()
	rq := &request{now: s.Now}
	if rq.id, _ = r.Context().Value(idKey).(string); rq.id == "" {
		rq.id = uuid.Must(uuid.NewV7()).String()
	}
	r = r.WithContext(context.WithValue(r.Context(), requestKey, rq))
	own := *r.URL // whoever calls keeps theirs as it came
	r.URL = &own
	a := &answer{header: http.Header{}}
	s.serve(a, r, rq)
	a.header.Set("X-Request-Id", rq.id)
	rq.window.describe(a.header)
	a.send(w, r.Method == http.MethodHead)
	s.log(r, rq, a, s.Now().Sub(start))
}

// serve finds the route and calls it. The answer is held back until it is whole,
// so that a panic leaves no half of one.
func (s *server) serve(a *answer, r *http.Request, rq *request) {
	defer func() {
		if p := recover(); p != nil {
			*a = answer{header: http.Header{}}
			rq.fail(a, fmt.Errorf("panic: %s\n%s", panicked(p), debug.Stack()))
		}
	}()
	_, pattern := s.mux.Handler(r)
	switch p := r.URL.EscapedPath(); {
	case !strings.HasPrefix(p, "/"): // what a gateway makes of a broken one
		rq.fail(a, Invalid("the path is not a path: after each % in it, two hexadecimal digits must follow"))
	case path.Clean(p) != p: // the mux would redirect, and a PUT would lose its body
		rq.fail(a, NotFound("there is nothing at this path; note that a path has no slash at its end and no two in a row"))
	case pattern == "", r.Method == http.MethodHead:
		s.unrouted(a, r, rq)
	default:
		normalize(r.Header)
		s.mux.ServeHTTP(a, r)
	}
}

// panicked is what may be logged of a panic: the runtime's own words, which quote
// nothing but indices and types. Any other value may hold what was sent.
func panicked(p any) string {
	if err, ok := p.(runtime.Error); ok {
		return err.Error()
	}
	return fmt.Sprintf("a %T", p)
}

// unrouted answers what there is no route for. 405 has no kind of its own: to
// clients that switch on it, there is nothing here.
func (s *server) unrouted(a *answer, r *http.Request, rq *request) {
	var methods []string
	for _, m := range []string{http.MethodDelete, http.MethodGet, http.MethodPatch, http.MethodPost, http.MethodPut} {
		probe := *r
		probe.Method = m
		if _, pattern := s.known().Handler(&probe); pattern != "" {
			methods = append(methods, m)
		}
	}
	if methods == nil || slices.Contains(methods, r.Method) {
		rq.fail(a, NotFound("there is nothing at this path"))
		return
	}
	allow := strings.Join(methods, ", ")
	b := rq.reply(NotFound("this path takes " + allow + " only"))
	b.setStatus(http.StatusMethodNotAllowed)
	b.header.Set("Allow", allow)
	b.write(a)
}

// normalize takes out of the headers what would make huma answer otherwise than
// in JSON, and makes every spelling of a Content-Type the one that it compares.
func normalize(h http.Header) {
	h.Del("Accept")
	if ct, params, err := mime.ParseMediaType(h.Get("Content-Type")); err == nil {
		h.Set("Content-Type", mime.FormatMediaType(ct, params))
	}
}

// admit stands before an operation: the key, its role, its calls in this minute,
// the query, the body's limit, and whether the request was done before.
func (s *server) admit(op Op) func(huma.Context, func(huma.Context)) {
	return func(ctx huma.Context, next func(huma.Context)) {
		r, w := humago.Unwrap(ctx)
		rq := requestOf(r.Context())
		rq.op = op
		err := s.authorize(r, rq)
		if err == nil {
			err = s.count(r.Context(), rq)
		}
		if err == nil {
			r.URL.RawQuery, err = plainQuery(r.URL.RawQuery)
		}
		if err != nil {
			rq.fail(w, err)
			return
		}
		if r.ContentLength > op.maxBody() {
			rq.overLimit = true
			rq.fail(w, op.tooLarge())
			return
		}
		if r.Body == nil {
			r.Body = http.NoBody
		}
		r.Body = &limited{http.MaxBytesReader(w, r.Body, op.maxBody()), rq}
		s.once(r, rq, w.(*answer), func() { next(ctx) })
	}
}

func (s *server) authorize(r *http.Request, rq *request) (err error) {
	if rq.op.Public {
		return nil
	}
	if rq.caller, err = s.Auth.Authenticate(r.Context(), bearer(r.Header)); err != nil {
		return err
	}
	return rq.op.allow(rq.caller)
}

// limited notes that the limit was met: what the reader makes of the error is
// not always an error that still says so.
type limited struct {
	io.ReadCloser
	rq *request
}

func (l *limited) Read(p []byte) (int, error) {
	n, err := l.ReadCloser.Read(p)
	var over *http.MaxBytesError
	if errors.As(err, &over) {
		l.rq.overLimit = true
	}
	return n, err
}

// answer holds a response back until it is whole.
type answer struct {
	header http.Header
	status int
	body   bytes.Buffer
}

func (a *answer) Header() http.Header { return a.header }

func (a *answer) WriteHeader(code int) {
	if a.status == 0 {
		a.status = code
	}
}

func (a *answer) Write(p []byte) (int, error) {
	a.WriteHeader(http.StatusOK)
	return a.body.Write(p)
}

func (a *answer) send(w http.ResponseWriter, head bool) {
	a.WriteHeader(http.StatusOK)
	for k, vs := range a.header {
		w.Header()[k] = vs
	}
	h := w.Header()
	h.Set("X-Content-Type-Options", "nosniff")
	if h.Get("Cache-Control") == "" {
		h.Set("Cache-Control", "no-store")
	}
	if a.status != http.StatusNoContent && a.status != http.StatusNotModified {
		h.Set("Content-Length", strconv.Itoa(a.body.Len()))
	}
	w.WriteHeader(a.status)
	if !head {
		w.Write(a.body.Bytes())
	}
}
