package e2e

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/google/uuid"
)

// deployment runs the built functions as AWS does, as far as they can tell: each
// sandbox is a process that asks a runtime API for its events, and is given one at
// a time.
type deployment struct {
	t       testing.TB
	dir     string // of the binaries
	env     []string
	url     string // of its gateway
	mu      sync.Mutex
	idle    map[string][]*sandbox // by function
	started []*sandbox
	events  sync.WaitGroup // asynchronous invokes under way
	role    roles
}

// deploy builds the functions and puts a gateway and Lambda's own API before them.
func deploy(t testing.TB, s site) *deployment {
	t.Helper()
	dir, err := built.lambdas()
	if err != nil {
		t.Fatal(err)
	}
	d := &deployment{t: t, dir: dir, idle: map[string][]*sandbox{}, role: newRoles(t)}
	invokes := httptest.NewServer(http.HandlerFunc(d.serveInvoke))
	front := httptest.NewServer(d.gateway(t))
	d.url = front.URL
	d.env = append(s.env[:len(s.env):len(s.env)], "AWS_ENDPOINT_URL_LAMBDA="+invokes.URL, "MUSTER_SYNC_FUNCTION=sync")
	t.Cleanup(func() {
		front.Close()
		d.events.Wait()
		invokes.Close()
		for _, s := range d.started {
			s.process.kill()
			s.api.Close()
		}
	})
	return d
}

// invocation is one event on its way through a sandbox.
type invocation struct {
	id       string
	event    []byte
	deadline time.Time
	answer   chan outcome
}

type outcome struct {
	payload []byte
	failed  string // what the function or its start reported as an error
}

type sandbox struct {
	process *process
	api     *httptest.Server
	events  chan invocation
	mu      sync.Mutex
	current invocation
}

// invoke runs a function on an event, in an idle sandbox or a new one.
func (d *deployment) invoke(ctx context.Context, function string, event []byte, timeout time.Duration) outcome {
	s, err := d.sandbox(function)
	if err != nil {
		return outcome{failed: err.Error()}
	}
	in := invocation{id: uuid.NewString(), event: event, deadline: time.Now().Add(timeout), answer: make(chan outcome, 1)}
	select {
	case s.events <- in:
	case <-s.process.ended:
		return outcome{failed: "the sandbox ended: " + s.process.out.String()}
	case <-time.After(timeout):
		return outcome{failed: "the sandbox does not ask for events"}
	}
	select {
	case o := <-in.answer:
		d.mu.Lock()
		d.idle[function] = append(d.idle[function], s)
		d.mu.Unlock()
		return o
	case <-s.process.ended:
		return outcome{failed: "the sandbox ended: " + s.process.out.String()}
	case <-time.After(timeout):
		s.process.kill()
		return outcome{failed: "timed out"}
	}
}

func (d *deployment) sandbox(function string) (*sandbox, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if n := len(d.idle[function]); n > 0 {
		s := d.idle[function][n-1]
		d.idle[function] = d.idle[function][:n-1]
		return s, nil
	}
	binary := filepath.Join(d.dir, filepath.Base(function))
	if _, err := os.Stat(binary); err != nil {
		return nil, fmt.Errorf("there is no function %s", function)
	}
	s := &sandbox{events: make(chan invocation)}
	s.api = httptest.NewServer(s.runtimeAPI())
	s.process = spawn(d.t, append(d.role.environment(filepath.Base(function), d.env),
		"AWS_LAMBDA_RUNTIME_API="+strings.TrimPrefix(s.api.URL, "http://"),
		"AWS_LAMBDA_FUNCTION_NAME="+function, "AWS_LAMBDA_FUNCTION_VERSION=$LATEST", "AWS_LAMBDA_FUNCTION_MEMORY_SIZE=512",
		"_HANDLER=bootstrap", "AWS_LAMBDA_LOG_FORMAT=JSON", "TMPDIR="+d.t.TempDir()), binary)
	d.started = append(d.started, s)
	return s, nil
}

// runtimeAPI is Lambda's, version 2018-06-01.
func (s *sandbox) runtimeAPI() http.Handler {
	mux := http.NewServeMux()
	const base = "/2018-06-01/runtime/"
	mux.HandleFunc("GET "+base+"invocation/next", func(w http.ResponseWriter, r *http.Request) {
		select {
		case in := <-s.events:
			s.mu.Lock()
			s.current = in
			s.mu.Unlock()
			h := w.Header()
			h.Set("Lambda-Runtime-Aws-Request-Id", in.id)
			h.Set("Lambda-Runtime-Deadline-Ms", strconv.FormatInt(in.deadline.UnixMilli(), 10))
			h.Set("Lambda-Runtime-Invoked-Function-Arn", "arn:aws:lambda:us-east-1:000000000000:function:test")
			h.Set("Lambda-Runtime-Trace-Id", "Root=1-00000000-000000000000000000000000;Sampled=0")
			h.Set("Content-Type", "application/json")
			_, _ = w.Write(in.event)
		case <-r.Context().Done():
		}
	})
	mux.HandleFunc("POST "+base+"invocation/{id}/response", func(w http.ResponseWriter, r *http.Request) {
		s.report(w, r, func(body []byte) outcome { return outcome{payload: body} })
	})
	mux.HandleFunc("POST "+base+"invocation/{id}/error", func(w http.ResponseWriter, r *http.Request) {
		s.report(w, r, func(body []byte) outcome { return outcome{failed: string(body)} })
	})
	mux.HandleFunc("POST "+base+"init/error", func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusAccepted) // the process ends, and what it printed says why
	})
	return mux
}

func (s *sandbox) report(w http.ResponseWriter, r *http.Request, as func([]byte) outcome) {
	body, err := io.ReadAll(r.Body)
	s.mu.Lock()
	in := s.current
	s.mu.Unlock()
	if err != nil || in.id != r.PathValue("id") {
		http.Error(w, "no such invocation", http.StatusBadRequest)
		return
	}
	w.WriteHeader(http.StatusAccepted)
	in.answer <- as(body)
}

const (
	gatewayTimeout = 30 * time.Second
	workerTimeout  = 15 * time.Minute
	maxEvent       = 6 << 20 // bytes of a synchronous invoke's event
)

// serveInvoke is Lambda's Invoke, of events alone: it answers at once and delivers
// afterwards, up to three times.
func (d *deployment) serveInvoke(w http.ResponseWriter, r *http.Request) {
	name, isInvoke := strings.CutSuffix(strings.TrimPrefix(r.URL.Path, "/2015-03-31/functions/"), "/invocations")
	if r.Method != http.MethodPost || !isInvoke || r.Header.Get("X-Amz-Invocation-Type") != "Event" {
		http.Error(w, "only asynchronous invokes are answered here", http.StatusBadRequest)
		return
	}
	event, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	d.events.Go(func() {
		for range 3 {
			o := d.invoke(context.WithoutCancel(r.Context()), name, event, workerTimeout)
			if o.failed == "" {
				return
			}
			d.t.Logf("function %s: %s", name, o.failed)
		}
	})
	w.WriteHeader(http.StatusAccepted)
}

// gateway is an HTTP API of API Gateway over the template's routes.
func (d *deployment) gateway(t testing.TB) http.Handler {
	t.Helper()
	mux := http.NewServeMux()
	routes := readTemplate(t).routes
	if !slices.ContainsFunc(routes, func(r route) bool { return r.path == "$default" }) {
		// What the template does not route, the gateway answers in its own words.
		mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) { gatewayError(w, http.StatusNotFound, "Not Found") })
	}
	for _, r := range routes {
		pattern := r.method + " " + r.path
		if r.path == "$default" {
			pattern = "/"
		}
		mux.HandleFunc(pattern, func(w http.ResponseWriter, req *http.Request) { d.route(w, req, r) })
	}
	return mux
}

func (d *deployment) route(w http.ResponseWriter, req *http.Request, r route) {
	body, err := io.ReadAll(req.Body)
	if err != nil {
		return
	}
	event, err := json.Marshal(eventOf(req, body, r))
	if err != nil || len(event) > maxEvent {
		gatewayError(w, http.StatusRequestEntityTooLarge, "Request Too Long")
		return
	}
	o := d.invoke(req.Context(), r.function, event, gatewayTimeout)
	var answer events.APIGatewayV2HTTPResponse
	if o.failed != "" || json.Unmarshal(o.payload, &answer) != nil || answer.StatusCode == 0 {
		d.t.Logf("function %s: %s%s", r.function, o.failed, o.payload)
		gatewayError(w, http.StatusInternalServerError, "Internal Server Error")
		return
	}
	send(w, answer)
}

// gatewayError is an answer in the gateway's own words. No conversation expects
// one.
func gatewayError(w http.ResponseWriter, status int, message string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(map[string]string{"message": message})
}

// eventOf is a request as payload format 2.0 has it.
func eventOf(req *http.Request, body []byte, r route) events.APIGatewayV2HTTPRequest {
	e := events.APIGatewayV2HTTPRequest{
		Version: "2.0", RouteKey: r.key(), RawPath: req.URL.EscapedPath(), RawQueryString: req.URL.RawQuery,
		Headers: map[string]string{"host": req.Host},
	}
	for name, values := range req.Header {
		if name == "Cookie" {
			e.Cookies = strings.Split(strings.Join(values, "; "), "; ")
			continue
		}
		e.Headers[strings.ToLower(name)] = strings.Join(values, ",")
	}
	if len(body) > 0 {
		e.Headers["content-length"] = strconv.Itoa(len(body))
	}
	for name, values := range req.URL.Query() {
		if e.QueryStringParameters == nil {
			e.QueryStringParameters = map[string]string{}
		}
		e.QueryStringParameters[name] = strings.Join(values, ",")
	}
	now := time.Now()
	e.RequestContext = events.APIGatewayV2HTTPRequestContext{
		RouteKey: r.key(), AccountID: "000000000000", APIID: "test", Stage: "$default", RequestID: uuid.NewString(), DomainName: req.Host,
		Time: now.Format("02/Jan/2006:15:04:05 -0700"), TimeEpoch: now.UnixMilli(),
		HTTP: events.APIGatewayV2HTTPRequestContextHTTPDescription{
			Method: req.Method, Path: req.URL.Path, Protocol: req.Proto, SourceIP: "127.0.0.1", UserAgent: req.UserAgent(),
		},
	}
	if e.IsBase64Encoded = !isText(req.Header.Get("Content-Type")); e.IsBase64Encoded {
		e.Body = base64.StdEncoding.EncodeToString(body)
	} else {
		e.Body = string(body)
	}
	return e
}

// isText: what the gateway passes on as it is.
func isText(contentType string) bool {
	ct, _, _ := mime.ParseMediaType(contentType)
	switch ct {
	case "application/json", "application/xml", "application/javascript":
		return true
	}
	return strings.HasPrefix(ct, "text/")
}

func send(w http.ResponseWriter, answer events.APIGatewayV2HTTPResponse) {
	for name, value := range answer.Headers {
		w.Header().Set(name, value)
	}
	for _, c := range answer.Cookies {
		w.Header().Add("Set-Cookie", c)
	}
	body := []byte(answer.Body)
	if answer.IsBase64Encoded {
		body, _ = base64.StdEncoding.DecodeString(answer.Body)
	}
	w.WriteHeader(answer.StatusCode)
	_, _ = w.Write(body)
}
