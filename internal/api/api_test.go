package api_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"muster/internal/api"
	"muster/internal/org"
	"muster/internal/table"
)

var (
	acme = org.NewID()
	key  = uuid.MustParse("01890000-0000-7000-8000-000000000001")
	noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
)

// auth knows one key for each role, named like it.
type auth struct{ err error }

func (a auth) Authenticate(_ context.Context, secret string) (org.Caller, error) {
	if a.err != nil {
		return org.Caller{}, a.err
	}
	role, err := org.ParseRole(secret)
	if err != nil {
		return org.Caller{}, org.ErrUnknownKey
	}
	return org.Caller{Org: acme, Key: key, Role: role}, nil
}

// harness is an API under test, with what it logged.
type harness struct {
	http.Handler
	log bytes.Buffer
}

func serve(routes ...api.Route) *harness {
	h := &harness{}
	h.Handler = api.New(api.Config{Auth: auth{}, Log: slog.New(slog.NewJSONHandler(&h.log, nil)), Now: func() time.Time { return noon }}, routes...)
	return h
}

// call sends a request with the key admin, unless headers say otherwise.
func (h *harness) call(method, target, body string, headers ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, target, strings.NewReader(body))
	r.Header.Set("Authorization", "Bearer admin")
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

type failure struct {
	StatusCode     int           `json:"statusCode"`
	Error          string        `json:"error"`
	Kind           string        `json:"kind"`
	Message        string        `json:"message"`
	Errors         []api.Fault   `json:"errors"`
	RequestID      string        `json:"request_id"`
	Job            *api.JobRef   `json:"job"`
	LeaseExpiresAt string        `json:"lease_expires_at"`
	Removals       *api.Removals `json:"removals"`
	JobID          string        `json:"job_id"`
}

// want checks that an answer is an error in our shape.
func want(t *testing.T, w *httptest.ResponseRecorder, status int, kind api.Kind) failure {
	t.Helper()
	var f failure
	d := json.NewDecoder(w.Body)
	d.DisallowUnknownFields()
	if err := d.Decode(&f); err != nil {
		t.Fatalf("status %d, body is not the error shape: %v", w.Code, err)
	}
	if w.Code != status || f.StatusCode != status || f.Error != http.StatusText(status) || f.Kind != string(kind) {
		t.Errorf("got %d %+v, want %d %s", w.Code, f, status, kind)
	}
	if ct := w.Header().Get("Content-Type"); ct != "application/json" {
		t.Errorf("Content-Type %q", ct)
	}
	if f.RequestID == "" || f.RequestID != w.Header().Get("X-Request-Id") {
		t.Errorf("request_id %q, X-Request-Id %q", f.RequestID, w.Header().Get("X-Request-Id"))
	}
	return f
}

type noInput struct{}

type textOutput struct {
	Body struct {
		Text string `json:"text"`
	}
}

// get is a route GET /get that answers with what f returns.
func get(role org.Role, f func(context.Context) (string, error)) api.Route {
	return api.Handle(api.Op{ID: "get", Method: "GET", Path: "/get", Role: role, Public: role == ""},
		func(ctx context.Context, _ *noInput) (*textOutput, error) {
			out := &textOutput{}
			var err error
			out.Body.Text, err = f(ctx)
			return out, err
		})
}

func TestAnswerIsPlainJSON(t *testing.T) {
	w := serve(get(org.Read, func(context.Context) (string, error) { return "a<b>&c", nil })).call("GET", "/get", "", "Accept", "text/html, application/problem+json;q=0.5")
	if got := strings.TrimSpace(w.Body.String()); w.Code != 200 || got != `{"text":"a<b>&c"}` {
		t.Errorf("%d %s", w.Code, got)
	}
	for h, v := range map[string]string{"Content-Type": "application/json", "Cache-Control": "no-store", "X-Content-Type-Options": "nosniff", "Link": ""} {
		if got := w.Header().Get(h); got != v {
			t.Errorf("%s: %q, want %q", h, got, v)
		}
	}
}

func TestAuth(t *testing.T) {
	r := get(org.Write, func(ctx context.Context) (string, error) {
		c := api.Caller(ctx)
		if c.Org != acme || c.Key != key {
			t.Errorf("caller %+v", c)
		}
		return string(c.Role), nil
	})
	for header, status := range map[string]int{
		"Bearer write": 200, "bearer write": 200, "BEARER  write ": 200, "write": 200, "Bearer admin": 200,
		"": 401, "Bearer": 401, "Bearer ": 401, "Bearer nobody": 401, "Basic write": 401, "Bearer write extra": 401,
		"Bearer read": 403,
	} {
		t.Run(header, func(t *testing.T) {
			w := serve(r).call("GET", "/get", "", "Authorization", header)
			switch status {
			case 200:
				if w.Code != 200 {
					t.Errorf("%d %s", w.Code, w.Body)
				}
			case 401:
				f := want(t, w, 401, api.KindUnauthenticated)
				if !strings.Contains(f.Message, "Authorization: Bearer") || w.Header().Get("WWW-Authenticate") != "Bearer" {
					t.Errorf("%q, %v", f.Message, w.Header())
				}
			case 403:
				if f := want(t, w, 403, api.KindForbidden); !strings.Contains(f.Message, "role write") {
					t.Errorf("%q", f.Message)
				}
			}
		})
	}
}

func TestPublicNeedsNoKey(t *testing.T) {
	h := api.New(api.Config{Auth: auth{errors.New("must not be asked")}, Log: slog.New(slog.DiscardHandler), Now: time.Now},
		get("", func(ctx context.Context) (string, error) { return api.Caller(ctx).Org.String(), nil }))
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest("GET", "/get", nil))
	if w.Code != 200 {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}

func TestKeysCannotBeLookedUp(t *testing.T) {
	h := api.New(api.Config{Auth: auth{fmt.Errorf("authenticate: %w", table.ErrUnavailable)}, Log: slog.New(slog.DiscardHandler), Now: time.Now},
		get(org.Read, func(context.Context) (string, error) { return "", nil }))
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest("GET", "/get", nil))
	want(t, w, 503, api.KindUnavailable)
}

func TestPathsAndMethods(t *testing.T) {
	elsewhere := func() []string { return []string{"GET /elsewhere/{id}", "DELETE /elsewhere/{name}", "GET /get"} }
	h := serve(putThing(), get(org.Read, func(context.Context) (string, error) { return "x", nil }).Knowing(elsewhere))
	for target, allow := range map[string]string{
		"POST /get":             "GET",
		"OPTIONS /get":          "GET",
		"HEAD /get":             "GET",
		"GET /things/1":         "PUT",
		"POST /elsewhere/1":     "DELETE, GET",
		"HEAD /elsewhere/1":     "DELETE, GET",
		"GET /elsewhere/1":      "", // who sends it here has no route for it
		"GET /elsewhere":        "",
		"GET /":                 "",
		"GET /nothing":          "",
		"GET /get/":             "",
		"GET //get":             "",
		"GET /x/../get":         "",
		"PUT /things/1/":        "",
		"PUT /things/":          "",
		"PUT /things/../things": "",
		"GET /%67et/":           "",
	} {
		t.Run(target, func(t *testing.T) {
			method, path, _ := strings.Cut(target, " ")
			w := h.call(method, path, "")
			switch {
			case allow == "":
				want(t, w, 404, api.KindNotFound)
				return
			case method == "HEAD":
				if w.Code != 405 || w.Header().Get("Allow") != allow || w.Body.Len() != 0 || w.Header().Get("Content-Length") == "0" {
					t.Errorf("%d %q %v", w.Code, w.Body, w.Header())
				}
				return
			}
			if f := want(t, w, 405, api.KindNotFound); w.Header().Get("Allow") != allow || !strings.Contains(f.Message, allow) {
				t.Errorf("Allow %q, %q", w.Header().Get("Allow"), f.Message)
			}
		})
	}
}

func TestLogLine(t *testing.T) {
	h := serve(putThing())
	h.call("PUT", "/things/17?limit=3&token=hunter2", `{"name":"abc"}`, "X-Request-Id", "forged", "Cookie", "hunter2")
	var line map[string]any
	if err := json.Unmarshal(h.log.Bytes(), &line); err != nil {
		t.Fatal(err) // also if there is more than one
	}
	id, _ := line["request_id"].(string)
	delete(line, "time")
	delete(line, "request_id")
	diff := cmp.Diff(map[string]any{
		"level": "INFO", "msg": "request", "operation": "putThing", "method": "PUT", "path": "/things/{id}",
		"status": 200.0, "duration_ms": 0.0, "bytes_in": 14.0, "bytes": 15.0, "org": acme.String(), "key": key.String(),
	}, line)
	if diff != "" || len(id) != 36 {
		t.Errorf("id %q, %s", id, diff)
	}

	h = serve(putThing())
	r := httptest.NewRequest("GET", "/nothing", nil)
	h.ServeHTTP(httptest.NewRecorder(), r.WithContext(api.WithRequestID(r.Context(), "from-the-gateway")))
	if s := h.log.String(); !strings.Contains(s, `"kind":"not_found"`) || !strings.Contains(s, "from-the-gateway") {
		t.Error(s)
	}
}

// What has no operation is logged by its words; what may be a secret is not.
func TestLogOfWhatHasNoRoute(t *testing.T) {
	for target, path := range map[string]string{
		"/v1.0/service/sync/custom?token=hunter2": "/v1.0/service/sync/custom",
		"/": "/",
		"/v1/org/jobs/018f5c3e-8a01-7c42-a1f0-66696c65": "/v1/org/jobs/*",
		"/v1/employees/ada@example.com/edit":            "/v1/employees/*/edit",
		"/v1/a%2Fb/%61/A/b2":                            "/v1/*/*/*/*",
		"//evil/../x":                                   "//evil/../x",
		"/" + strings.Repeat("a/", 100):                 "/a/a/a/a/a/a/a/a/a/a/*",
		"/" + strings.Repeat("a", 25):                   "/*",
		"/v2":                                           "/*",
		"/line%0Abreak":                                 "/*",
	} {
		h := serve(putThing())
		h.call("GET", target, "")
		var line struct{ Path string }
		if err := json.Unmarshal(h.log.Bytes(), &line); err != nil || line.Path != path {
			t.Errorf("%s is logged as %q, %v; want %q", target, line.Path, err, path)
		}
	}
	h := serve(putThing())
	h.call("HUNTER2", "/nothing", "")
	if strings.Contains(h.log.String(), "HUNTER2") {
		t.Error(h.log.String())
	}
}

func TestNoContentAndRedirect(t *testing.T) {
	type redirect struct {
		Status   int
		Location string `header:"Location"`
	}
	h := serve(
		api.Handle(api.Op{ID: "del", Method: "DELETE", Path: "/thing", Role: org.Admin}, func(context.Context, *noInput) (*struct{}, error) { return nil, nil }),
		api.Handle(api.Op{ID: "go", Method: "GET", Path: "/thing", Role: org.Read, Status: 302}, func(context.Context, *noInput) (*redirect, error) {
			return &redirect{302, "https://files.example/a"}, nil
		}))
	if w := h.call("DELETE", "/thing", ""); w.Code != 204 || w.Body.Len() > 0 || w.Header().Get("Content-Length") != "" {
		t.Errorf("%d %v", w.Code, w.Header())
	}
	if w := h.call("GET", "/thing", ""); w.Code != 302 || w.Header().Get("Location") != "https://files.example/a" {
		t.Errorf("%d %v", w.Code, w.Header())
	}
}

func TestHumaServesNothingOfItsOwn(t *testing.T) {
	h := serve(putThing())
	for _, p := range []string{"/docs", "/openapi.json", "/openapi.yaml", "/openapi-3.0.json", "/schemas/Thing.json"} {
		want(t, h.call("GET", p, ""), 404, api.KindNotFound)
	}
}
