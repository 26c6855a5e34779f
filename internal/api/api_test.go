package api_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"muster/internal/api"
	"muster/internal/blob"
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

type thing struct {
	Name  string   `json:"name" minLength:"2" maxLength:"8"`
	Color string   `json:"color,omitempty" enum:"red,green"`
	Count int32    `json:"count,omitempty"`
	Link  string   `json:"link,omitempty" format:"uri"`
	Ref   string   `json:"ref,omitempty" format:"uuid"`
	Mail  string   `json:"mail,omitempty" format:"email"`
	When  digits   `json:"when,omitempty"`
	Parts []part   `json:"parts,omitempty"`
	Tags  []string `json:"tags,omitempty"`
}

type part struct {
	Size int `json:"size" minimum:"1"`
}

// digits reads itself, and says what it wants.
type digits string

func (d *digits) UnmarshalText(b []byte) error {
	if strings.Trim(string(b), "0123456789") != "" {
		return &api.Fault{Detail: "must be digits"}
	}
	*d = digits(b)
	return nil
}

// number is the same for a parameter.
type number struct{ text digits }

func (n *number) UnmarshalText(b []byte) error { return n.text.UnmarshalText(b) }

type (
	putInput struct {
		ID    number `path:"id"`
		Limit int    `query:"limit" minimum:"1" maximum:"10"`
		Body  thing
	}
	putOutput struct{ Body thing }
)

func putThing() api.Route {
	return api.Handle(api.Op{ID: "putThing", Method: "PUT", Path: "/things/{id}", Tag: "Things", Summary: "Put a thing", Role: org.Write, PerMinute: 200, MaxBody: 4096, TooLarge: "send less"},
		func(_ context.Context, in *putInput) (*putOutput, error) { return &putOutput{in.Body}, nil })
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

func TestUnknownMembersAreIgnored(t *testing.T) {
	w := serve(putThing()).call("PUT", "/things/1", `{"name":"abc","$schema":"x","more":{"deep":[1]},"parts":[{"size":1,"more":2}]}`)
	if got := strings.TrimSpace(w.Body.String()); w.Code != 200 || got != `{"name":"abc","parts":[{"size":1}]}` {
		t.Errorf("%d %s", w.Code, got)
	}
}

func TestEveryFaultIsNamed(t *testing.T) {
	w := serve(putThing()).call("PUT", "/things/x?limit=99", `{"color":"blue","parts":[{"size":1},{"size":0},{}],"tags":"no"}`)
	f := want(t, w, 400, api.KindInvalid)
	slices.SortFunc(f.Errors, func(a, b api.Fault) int { return strings.Compare(a.Pointer, b.Pointer) })
	diff := cmp.Diff([]api.Fault{
		{Pointer: "/color", Detail: `expected value to be one of "red, green"`},
		{Pointer: "/name", Detail: "is required"},
		{Pointer: "/parts/1/size", Detail: "expected number >= 1"},
		{Pointer: "/parts/2/size", Detail: "is required"},
		{Pointer: "/tags", Detail: "expected array"},
		{Pointer: "path.id", Detail: "must be digits"},
		{Pointer: "query.limit", Detail: "expected number <= 10"},
	}, f.Errors)
	if diff != "" {
		t.Error(diff)
	}
}

func TestManyFaultsStayASmallAnswer(t *testing.T) {
	w := serve(putThing()).call("PUT", "/things/1", `{"name":"abc","parts":[`+strings.Repeat(`{},`, 1000)+`{}]}`)
	if f := want(t, w, 400, api.KindInvalid); len(f.Errors) != 100 || !strings.Contains(f.Message, "100 of 1001") {
		t.Errorf("%d faults, %q", len(f.Errors), f.Message)
	}
}

// A refused value may be a credential: no answer and no log line repeats it.
func TestI6_RefusedValuesAreNotRepeated(t *testing.T) {
	const canary = "hunter2"
	for name, body := range map[string]string{
		"wrong type":          `{"name":"abc","parts":"hunter2"}`,
		"too long":            `{"name":"hunter2hunter2"}`,
		"not in the enum":     `{"name":"abc","color":"hunter2"}`,
		"no URI":              `{"name":"abc","link":"http://hunter2:hunter2@%zz"}`,
		"no UUID":             `{"name":"abc","ref":"urn:xxxx:hunter2-hunter2-hunter2-hunter2-huntr"}`,
		"no e-mail":           `{"name":"abc","mail":"hunter2@hunter2@"}`,
		"own type":            `{"name":"abc","when":"hunter2"}`,
		"missing":             `{"hunter2":"hunter2"}`,
		"broken off":          `{"name":"hunter2`,
		"not JSON":            `hunter2`,
		"trailing":            `{"name":"abc"} hunter2`,
		"two cases":           `{"name":"abc","NAME":"hunter2"}`,
		"not UTF-8":           "{\"name\":\"hunter2\xff\"}",
		"a string at the top": `"hunter2"`,
		"number too large":    `{"name":"abc","count":4294967297}`,
	} {
		t.Run(name, func(t *testing.T) {
			h := serve(putThing())
			w := h.call("PUT", "/things/1", body)
			for _, secret := range []string{canary, "4294967297", "huntr"} {
				if strings.Contains(w.Body.String()+h.log.String(), secret) {
					t.Errorf("repeated: %s\n%s", w.Body, h.log.String())
				}
			}
			if f := want(t, w, 400, api.KindInvalid); len(f.Errors) == 0 {
				t.Errorf("no fault: %+v", f)
			}
		})
	}
	for name, target := range map[string]string{
		"path":  "/things/hunter2",
		"query": "/things/1?limit=hunter2",
	} {
		t.Run(name, func(t *testing.T) {
			h := serve(putThing())
			w := h.call("PUT", target, `{"name":"abc"}`)
			if strings.Contains(w.Body.String()+h.log.String(), canary) {
				t.Errorf("repeated: %s\n%s", w.Body, h.log.String())
			}
			want(t, w, 400, api.KindInvalid)
		})
	}
}

func TestFaultsInJSON(t *testing.T) {
	for name, tc := range map[string]struct {
		body string
		want api.Fault
	}{
		"syntax":     {`{"name":}`, api.Fault{Detail: "the body is not JSON, at byte 9"}},
		"own words":  {`{"name":"abc","when":"x"}`, api.Fault{Detail: "must be digits"}},
		"overflow":   {`{"name":"abc","count":4294967297}`, api.Fault{Pointer: "/count", Detail: "expected what fits int32"}},
		"two cases":  {`{"name":"abc","color":"red","Color":"mauve"}`, api.Fault{Detail: "two members of an object differ in case alone"}},
		"other fold": {`{"name":"abc","tags":[],"tag` + "\u017f" + `":[]}`, api.Fault{Detail: "two members of an object differ in case alone"}},
		"not UTF-8":  {"{\"name\":\"\xff\xff\"}", api.Fault{Detail: "the body is not UTF-8"}},
	} {
		t.Run(name, func(t *testing.T) {
			f := want(t, serve(putThing()).call("PUT", "/things/1", tc.body), 400, api.KindInvalid)
			if diff := cmp.Diff([]api.Fault{tc.want}, f.Errors); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestContentTypes(t *testing.T) {
	for ct, status := range map[string]int{
		"application/json":                  200,
		"application/json; charset=utf-8":   200,
		"application/json;charset=UTF-8":    200,
		"Application/JSON ; charset=utf-8":  200,
		"application/merge-patch+json":      200,
		"":                                  200,
		"text/plain":                        400,
		"application/x-www-form-urlencoded": 400,
		"application/cbor":                  400,
		"nonsense/;;":                       400,
	} {
		w := serve(putThing()).call("PUT", "/things/1", `{"name":"abc"}`, "Content-Type", ct)
		if w.Code != status {
			t.Errorf("%q: %d %s", ct, w.Code, w.Body)
		}
	}
	if f := want(t, serve(putThing()).call("PUT", "/things/1", ``), 400, api.KindInvalid); !strings.Contains(f.Message, "body is required") {
		t.Errorf("no body: %q", f.Message)
	}
}

func TestBodyLimit(t *testing.T) {
	exactly := func(n int) string { return `{"name":"abc"` + strings.Repeat(" ", n-14) + `}` }
	if w := serve(putThing()).call("PUT", "/things/1", exactly(4096)); w.Code != 200 {
		t.Errorf("at the limit: %d %s", w.Code, w.Body)
	}
	for name, known := range map[string]bool{"length announced": true, "length unknown": false} {
		t.Run(name, func(t *testing.T) {
			r := httptest.NewRequest("PUT", "/things/1", strings.NewReader(exactly(4097)))
			if !known {
				r.ContentLength = -1
			}
			r.Header.Set("Authorization", "admin")
			w := httptest.NewRecorder()
			serve(putThing()).ServeHTTP(w, r)
			if f := want(t, w, 413, api.KindTooLarge); !strings.Contains(f.Message, "4096 bytes; send less") {
				t.Errorf("message %q", f.Message)
			}
		})
	}
	r := httptest.NewRequest("PUT", "/things/1", io.MultiReader(strings.NewReader(`{"name"`), errReader{}))
	r.Header.Set("Authorization", "admin")
	w := httptest.NewRecorder()
	serve(putThing()).ServeHTTP(w, r)
	want(t, w, 400, api.KindInvalid)
}

type errReader struct{}

func (errReader) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }

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

func TestPanicIsA500(t *testing.T) {
	h := serve(get(org.Read, func(context.Context) (string, error) { panic("lost my marbles") }))
	f := want(t, h.call("GET", "/get", ""), 500, api.KindInternal)
	if strings.Contains(f.Message, "marbles") || !strings.Contains(h.log.String(), "marbles") {
		t.Errorf("%q, log %s", f.Message, h.log.String())
	}
}

func TestAnswerThatIsNoJSONIsA500(t *testing.T) {
	type out struct{ Body map[string]float64 }
	r := api.Handle(api.Op{ID: "nan", Method: "GET", Path: "/nan", Role: org.Read}, func(context.Context, *noInput) (*out, error) {
		return &out{map[string]float64{"x": math.NaN()}}, nil
	})
	want(t, serve(r).call("GET", "/nan", ""), 500, api.KindInternal)
}

func TestPathsAndMethods(t *testing.T) {
	h := serve(putThing(), get(org.Read, func(context.Context) (string, error) { return "x", nil }))
	for target, allow := range map[string]string{
		"POST /get":             "GET, HEAD",
		"OPTIONS /get":          "GET, HEAD",
		"GET /things/1":         "PUT",
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
			if allow == "" {
				want(t, w, 404, api.KindNotFound)
				return
			}
			if f := want(t, w, 405, api.KindNotFound); w.Header().Get("Allow") != allow || !strings.Contains(f.Message, allow) {
				t.Errorf("Allow %q, %q", w.Header().Get("Allow"), f.Message)
			}
		})
	}
	w := h.call("HEAD", "/get", "")
	if w.Code != 200 || w.Body.Len() != 0 || w.Header().Get("Content-Length") != "13" {
		t.Errorf("HEAD: %d %q %v", w.Code, w.Body, w.Header())
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
		"status": 200.0, "took": 0.0, "bytes": 15.0, "org": acme.String(), "key": key.String(),
	}, line)
	if diff != "" || len(id) != 36 {
		t.Errorf("id %q, %s", id, diff)
	}

	h = serve(putThing())
	r := httptest.NewRequest("GET", "/secret-in-a-path", nil)
	h.ServeHTTP(httptest.NewRecorder(), r.WithContext(api.WithRequestID(r.Context(), "from-the-gateway")))
	if s := h.log.String(); !strings.Contains(s, `"kind":"not_found"`) || !strings.Contains(s, "from-the-gateway") || strings.Contains(s, "secret-in-a-path") {
		t.Error(s)
	}
}

type pageInput struct{ api.Page }

type pageOutput struct {
	Body struct {
		Limit    int          `json:"limit"`
		Cursor   string       `json:"cursor"`
		Backward bool         `json:"backward"`
		Page     api.PageInfo `json:"pagination"`
	}
}

func listThings() api.Route {
	return api.Handle(api.Op{ID: "listThings", Method: "GET", Path: "/v1/things", Role: org.Read}, func(_ context.Context, in *pageInput) (*pageOutput, error) {
		out := &pageOutput{}
		out.Body.Limit, out.Body.Cursor, out.Body.Backward = in.Limit(), in.Cursor(), in.Backward()
		out.Body.Page = in.Info("a", "b", true)
		return out, nil
	})
}

func TestPage(t *testing.T) {
	for query, want := range map[string]string{
		"":                     `{"limit":100,"cursor":"","backward":false,"pagination":{"start_cursor":"a","end_cursor":"b","has_next_page":true,"has_previous_page":false}}`,
		"?pagination[first]=7": `{"limit":7,"cursor":"","backward":false,"pagination":{"start_cursor":"a","end_cursor":"b","has_next_page":true,"has_previous_page":false}}`,
		"?pagination%5Bfirst%5D=1000&pagination%5Bafter%5D=a%2Bb%3D": `{"limit":1000,"cursor":"a+b=","backward":false,"pagination":{"start_cursor":"a","end_cursor":"b","has_next_page":true,"has_previous_page":true}}`,
		"?pagination[last]=3&pagination[before]=x":                   `{"limit":3,"cursor":"x","backward":true,"pagination":{"start_cursor":"a","end_cursor":"b","has_next_page":true,"has_previous_page":true}}`,
		"?pagination[last]=3":                                        `{"limit":3,"cursor":"","backward":true,"pagination":{"start_cursor":"a","end_cursor":"b","has_next_page":false,"has_previous_page":true}}`,
	} {
		w := serve(listThings()).call("GET", "/v1/things"+query, "")
		if diff := cmp.Diff(want, strings.TrimSpace(w.Body.String())); diff != "" {
			t.Errorf("%s: %d %s", query, w.Code, diff)
		}
	}
	for query, pointer := range map[string]string{
		"?pagination[first]=0":                      "query.pagination[first]",
		"?pagination[first]=1001":                   "query.pagination[first]",
		"?pagination[last]=x":                       "query.pagination[last]",
		"?pagination[first]=1&pagination[last]=1":   "query.pagination",
		"?pagination[after]=x&pagination[before]=x": "query.pagination",
	} {
		f := want(t, serve(listThings()).call("GET", "/v1/things"+query, ""), 400, api.KindInvalid)
		if len(f.Errors) != 1 || f.Errors[0].Pointer != pointer {
			t.Errorf("%s: %+v", query, f.Errors)
		}
	}
	p := api.Page{}
	if got := p.Info("", "", false); got != (api.PageInfo{}) {
		t.Errorf("an empty page: %+v", got)
	}
}

type keys struct {
	Name string `json:"n"`
	ID   int64  `json:"i"`
}

func TestCursor(t *testing.T) {
	in := keys{"Åsa>?>?", math.MaxInt64}
	text := api.EncodeCursor(in)
	for name, sent := range map[string]string{"as given": text, "plus not escaped": strings.ReplaceAll(text, "+", " ")} {
		var out keys
		if err := api.DecodeCursor(sent, &out); err != nil || out != in {
			t.Errorf("%s: %+v, %v", name, out, err)
		}
	}
	for name, s := range map[string]string{
		"empty":          "",
		"not base64":     "%%%",
		"not JSON":       "aGVsbG8=",
		"no padding":     "eyJ2IjoxLCJrIjp7fX0",  // {"v":1,"k":{}}
		"another format": "eyJ2IjoyLCJrIjp7fX0=", // {"v":2,"k":{}}
		"no keys":        "eyJ2IjoxfQ==",         // {"v":1}
		"another list's": api.EncodeCursor(struct{ Other string }{"x"}),
		"too long":       strings.Repeat("A", 8192),
	} {
		var out keys
		var e *api.Error
		if err := api.DecodeCursor(s, &out); !errors.As(err, &e) || e.Kind() != api.KindInvalid {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func FuzzDecodeCursor(f *testing.F) {
	f.Add(api.EncodeCursor(keys{"a", 1}))
	f.Add("eyJ2IjoxLCJrIjp7fX0=")
	f.Fuzz(func(t *testing.T, s string) {
		var a, b keys
		if api.DecodeCursor(s, &a) != nil {
			return
		}
		if err := api.DecodeCursor(api.EncodeCursor(a), &b); err != nil || a != b {
			t.Errorf("%+v came back as %+v, %v", a, b, err)
		}
	})
}

// What a family needs for a file in a form: fields in any order, the file's own
// content type ignored, an exact limit.
type (
	uploadForm struct {
		Type string        `form:"type" enum:"attachment,plugin"`
		File huma.FormFile `form:"file"`
	}
	uploadInput struct {
		RawBody huma.MultipartFormFiles[uploadForm]
	}
	uploadOutput struct {
		Body struct {
			Size int64  `json:"size"`
			Type string `json:"type"`
			Name string `json:"name"`
		}
	}
)

const maxFile = 3 << 20

func upload() api.Route {
	op := api.Op{ID: "upload", Method: "POST", Path: "/upload", Role: org.Write, MaxBody: maxFile + 64<<10, TooLarge: "use the large way"}
	return api.Handle(op, func(_ context.Context, in *uploadInput) (*uploadOutput, error) {
		form := in.RawBody.Data()
		if form.File.Size > maxFile {
			return nil, api.TooLarge("over 3145728 bytes; use the large way")
		}
		n, err := io.Copy(io.Discard, form.File)
		if err != nil || n != form.File.Size {
			return nil, fmt.Errorf("read %d of %d bytes: %w", n, form.File.Size, err)
		}
		out := &uploadOutput{}
		out.Body.Size, out.Body.Type, out.Body.Name = n, form.Type, form.File.Filename
		return out, nil
	})
}

func form(t *testing.T, size int, fileFirst bool) (body, ct string) {
	t.Helper()
	var b bytes.Buffer
	m := multipart.NewWriter(&b)
	file := func() {
		p, err := m.CreatePart(map[string][]string{"Content-Disposition": {`form-data; name="file"; filename="a.json"`}, "Content-Type": {"image/nonsense"}})
		if err != nil {
			t.Fatal(err)
		}
		p.Write(bytes.Repeat([]byte{'x'}, size))
	}
	if fileFirst {
		file()
	}
	m.WriteField("type", "plugin")
	if !fileFirst {
		file()
	}
	m.Close()
	return b.String(), m.FormDataContentType()
}

func TestUploadOfAForm(t *testing.T) {
	for _, fileFirst := range []bool{true, false} {
		body, ct := form(t, maxFile, fileFirst)
		w := serve(upload()).call("POST", "/upload", body, "Content-Type", ct)
		if got := strings.TrimSpace(w.Body.String()); w.Code != 200 || got != `{"size":3145728,"type":"plugin","name":"a.json"}` {
			t.Errorf("file first %v: %d %s", fileFirst, w.Code, got)
		}
		body, ct = form(t, maxFile+1, fileFirst)
		want(t, serve(upload()).call("POST", "/upload", body, "Content-Type", ct), 413, api.KindTooLarge)
	}
	body, ct := form(t, maxFile+1<<20, true)
	r := httptest.NewRequest("POST", "/upload", strings.NewReader(body))
	r.ContentLength = -1
	r.Header.Set("Authorization", "admin")
	r.Header.Set("Content-Type", ct)
	w := httptest.NewRecorder()
	serve(upload()).ServeHTTP(w, r)
	if f := want(t, w, 413, api.KindTooLarge); !strings.Contains(f.Message, "use the large way") {
		t.Error(f.Message)
	}
}

func TestUploadFaults(t *testing.T) {
	const b = "multipart/form-data; boundary=b"
	for name, tc := range map[string]struct{ body, ct, pointer string }{
		"no file":     {"--b\r\nContent-Disposition: form-data; name=\"type\"\r\n\r\nplugin\r\n--b--\r\n", b, "form.file"},
		"no type":     {"--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a\"\r\n\r\nx\r\n--b--\r\n", b, "form.type"},
		"wrong type":  {"--b\r\nContent-Disposition: form-data; name=\"type\"\r\n\r\nhunter2\r\n--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a\"\r\n\r\nx\r\n--b--\r\n", b, "form.type"},
		"broken off":  {"--b\r\nContent-Disposition: form-data; name=\"type\"\r\n\r\nplu", b, ""},
		"no boundary": {"x", "multipart/form-data", ""},
		"no form":     {"{}", "application/json", ""},
	} {
		t.Run(name, func(t *testing.T) {
			w := serve(upload()).call("POST", "/upload", tc.body, "Content-Type", tc.ct)
			if strings.Contains(w.Body.String(), "hunter2") {
				t.Error("repeated")
			}
			f := want(t, w, 400, api.KindInvalid)
			if len(f.Errors) == 0 || f.Errors[0].Pointer != tc.pointer {
				t.Errorf("%+v", f.Errors)
			}
		})
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

func TestHandleRefusesWhatCannotBe(t *testing.T) {
	type narrow struct {
		ID int32 `path:"id"`
	}
	type embedded struct{ narrow }
	type unread struct {
		ID digits `path:"id"` // huma would take the string and never call UnmarshalText
	}
	ok := api.Op{ID: "x", Method: "GET", Path: "/x/{id}", Role: org.Read}
	for name, f := range map[string]func(){
		"no role":    func() { op := ok; op.Role = ""; handle[noInput](op) },
		"bad role":   func() { op := ok; op.Role = "root"; handle[noInput](op) },
		"two minds":  func() { op := ok; op.Public = true; handle[noInput](op) },
		"no id":      func() { op := ok; op.ID = ""; handle[noInput](op) },
		"narrow int": func() { handle[narrow](ok) },
		"embedded":   func() { handle[embedded](ok) },
		"unread":     func() { handle[unread](ok) },
	} {
		t.Run(name, func(t *testing.T) {
			defer func() {
				if recover() == nil {
					t.Error("took it")
				}
			}()
			f()
		})
	}
}

func handle[I any](op api.Op) {
	api.Handle(op, func(context.Context, *I) (*struct{}, error) { return nil, nil })
}

func TestOpenAPI(t *testing.T) {
	info := api.Info{Title: "Muster", Version: "1"}
	doc, err := api.OpenAPI(info, putThing(), listThings(), upload())
	if err != nil {
		t.Fatal(err)
	}
	again, _ := api.OpenAPI(info, putThing(), listThings(), upload())
	if !bytes.Equal(doc, again) {
		t.Error("not the same twice")
	}
	var d struct {
		OpenAPI string
		Paths   map[string]map[string]struct {
			OperationID string
			Tags        []string
			Parameters  []struct{ Name string }
			RequestBody struct {
				Content map[string]struct{ Schema map[string]any }
			}
			Responses map[string]struct {
				Content map[string]struct{ Schema map[string]any }
			}
			Rate int `json:"x-rate-limit-per-minute"`
		}
		Components struct {
			Schemas map[string]struct {
				Properties           map[string]any
				Required             []string
				AdditionalProperties any
			}
		}
	}
	if err := json.Unmarshal(doc, &d); err != nil {
		t.Fatal(err)
	}
	put := d.Paths["/things/{id}"]["put"]
	if put.OperationID != "putThing" || put.Rate != 200 || put.Tags[0] != "Things" {
		t.Errorf("%+v", put)
	}
	if ref := put.Responses["default"].Content["application/json"].Schema["$ref"]; ref != "#/components/schemas/ErrorBody" {
		t.Errorf("errors are %v", put.Responses)
	}
	if e := d.Components.Schemas["ErrorBody"]; e.Properties["statusCode"] == nil || e.Properties["error"] == nil || e.Properties["$schema"] != nil || e.AdditionalProperties == false {
		t.Errorf("%+v", e)
	}
	if diff := cmp.Diff([]string{"name"}, d.Components.Schemas["Thing"].Required); diff != "" {
		t.Error(diff)
	}
	if names := d.Paths["/v1/things"]["get"].Parameters; len(names) != 4 || names[0].Name != "pagination[first]" {
		t.Errorf("%+v", names)
	}
	if form := d.Paths["/upload"]["post"].RequestBody.Content["multipart/form-data"].Schema; form["properties"] == nil {
		t.Errorf("%+v", form)
	}
	if _, ok := d.Paths["/openapi.json"]; ok || strings.Contains(string(doc), "422") || strings.Contains(string(doc), "problem+json") {
		t.Error("huma's own")
	}
}

func TestHumaServesNothingOfItsOwn(t *testing.T) {
	h := serve(putThing())
	for _, p := range []string{"/docs", "/openapi.json", "/openapi.yaml", "/openapi-3.0.json", "/schemas/Thing.json"} {
		want(t, h.call("GET", p, ""), 404, api.KindNotFound)
	}
}

func Example() {
	type input struct {
		Name string `path:"name"`
	}
	type output struct {
		Body struct {
			Hello string `json:"hello"`
		}
	}
	hello := api.Handle(api.Op{ID: "getHello", Method: "GET", Path: "/hello/{name}", Public: true},
		func(_ context.Context, in *input) (*output, error) {
			if in.Name == "nobody" {
				return nil, api.NotFound("there is nobody here")
			}
			out := &output{}
			out.Body.Hello = in.Name
			return out, nil
		})
	h := api.New(api.Config{Log: slog.New(slog.DiscardHandler), Now: time.Now}, hello)
	for _, name := range []string{"ada", "nobody"} {
		w := httptest.NewRecorder()
		r := httptest.NewRequest("GET", "/hello/"+name, nil)
		h.ServeHTTP(w, r.WithContext(api.WithRequestID(r.Context(), "r1")))
		fmt.Print(w.Code, " ", w.Body)
	}
	// Output:
	// 200 {"hello":"ada"}
	// 404 {"statusCode":404,"error":"Not Found","kind":"not_found","message":"there is nobody here","request_id":"r1"}
}
