package emulator

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync"
	"testing"
)

// Request is a request that a FaultProxy is about to pass on.
type Request struct {
	Method, Path string
	Query        url.Values
	Operation    string // of services that name it in X-Amz-Target: "PutItem"
	Body         []byte
	// Ordinal numbers the requests of one operation (or method, where there is no
	// operation), from 1.
	Ordinal int
}

// Fault is what shall go wrong with a request. The zero Fault is None.
type Fault struct {
	name    string
	status  int // answered by the proxy, unless 0
	body    string
	applied bool // the emulator gets the request
	lost    bool // the client gets no answer
	held    bool // until the client has left
}

// None passes the request on.
func None() Fault { return Fault{} }

// LostReply lets the emulator do what is asked and breaks the connection instead
// of answering.
func LostReply() Fault { return Fault{name: "LostReply", applied: true, lost: true} }

// LostRequest breaks the connection; the emulator never hears of the request.
func LostRequest() Fault { return Fault{name: "LostRequest", lost: true} }

// Stalled lets the client wait for as long as it likes; the emulator never hears of
// the request.
func Stalled() Fault { return Fault{name: "Stalled", lost: true, held: true} }

// StalledReply is Stalled once the emulator has done what is asked.
func StalledReply() Fault { return Fault{name: "StalledReply", applied: true, lost: true, held: true} }

// Refused answers with a status and a body and does nothing. The name is counted.
func Refused(name string, status int, body string) Fault {
	return Fault{name: name, status: status, body: body}
}

// FaultProxy stands before an emulator and does to requests what emulators never
// do. Its URL is the endpoint for clients.
type FaultProxy struct {
	URL string

	pass   *httputil.ReverseProxy
	decide func(Request) Fault

	mu       sync.Mutex
	ordinals map[string]int // by operation
	fired    map[string]int // by the fault's name
	requests []string       // operations, in order
}

// NewFaultProxy starts a proxy before endpoint, for the time of the test. decide
// is asked about each request, one at a time.
func NewFaultProxy(t testing.TB, endpoint string, decide func(Request) Fault) *FaultProxy {
	t.Helper()
	target, err := url.Parse(endpoint)
	if err != nil {
		t.Fatal(err)
	}
	p := &FaultProxy{decide: decide, ordinals: map[string]int{}, fired: map[string]int{}}
	p.pass = &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) {
		r.Out.URL.Scheme, r.Out.URL.Host = target.Scheme, target.Host
		r.Out.Host = r.In.Host // what the client has signed
	}}
	s := httptest.NewServer(p)
	t.Cleanup(s.Close)
	p.URL = s.URL
	return p
}

// Fired is how often the fault of that name met a request ("LostReply", or the
// name given to Refused). A test of a fault asserts that it fired.
func (p *FaultProxy) Fired(name string) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.fired[name]
}

// Requests is the operations asked for so far, in order.
func (p *FaultProxy) Requests() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]string(nil), p.requests...)
}

// ServeHTTP implements http.Handler.
func (p *FaultProxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		panic(http.ErrAbortHandler) // the client has gone
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	f := p.meet(r, body)
	switch {
	case f.lost:
		if f.applied {
			p.pass.ServeHTTP(httptest.NewRecorder(), r)
		}
		if f.held {
			<-r.Context().Done()
		}
		panic(http.ErrAbortHandler) // breaks the connection
	case f.status != 0:
		w.Header().Set("Content-Type", "application/x-amz-json-1.0")
		w.WriteHeader(f.status)
		_, _ = io.WriteString(w, f.body)
	default:
		p.pass.ServeHTTP(w, r)
	}
}

func (p *FaultProxy) meet(r *http.Request, body []byte) Fault {
	p.mu.Lock()
	defer p.mu.Unlock()
	_, operation, _ := strings.Cut(r.Header.Get("X-Amz-Target"), ".")
	name := operation
	if name == "" {
		name = r.Method
	}
	p.ordinals[name]++
	p.requests = append(p.requests, name)
	f := p.decide(Request{Method: r.Method, Path: r.URL.Path, Query: r.URL.Query(), Operation: operation, Body: body, Ordinal: p.ordinals[name]})
	if f != None() {
		p.fired[f.name]++
	}
	return f
}

// On is a decision that meets the first n requests of an operation with f.
func On(operation string, n int, f Fault) func(Request) Fault {
	return func(r Request) Fault {
		if r.Operation == operation && r.Ordinal <= n {
			return f
		}
		return None()
	}
}
