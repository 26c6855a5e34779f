package e2e

import (
	"context"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"muster/internal/api"
	"muster/internal/app"
	"muster/internal/app/dataplane"
	"muster/internal/blob"
	"muster/internal/emulator"
	"muster/internal/local"
)

// TestTwoAtOnce holds one sync open in its read and asks for another of the same
// integration, over HTTP, again and again: always one 200 and one 409.
func TestTwoAtOnce(t *testing.T) {
	t.Run("local", func(t *testing.T) {
		h := &hold{}
		twoAtOnce(t, h, inProcess(t, h))
	})
	t.Run("aws", func(t *testing.T) {
		h := &hold{}
		s := awsSite(t).with("AWS_ENDPOINT_URL_S3=" + stallingS3(t, h))
		org, _ := s.newOrg(t, "Acme", "acme.example")
		base := s.serve(t).base
		var keys []string
		for range callers {
			keys = append(keys, s.newKey(t, org, "write"))
		}
		twoAtOnce(t, h, place{base, keys})
	})
}

const (
	rounds  = 100
	callers = 4 // keys, to stay within the calls that one may make in a minute
)

// place is a Muster with keys of one org.
type place struct {
	base string
	keys []string
}

// hold stops whoever passes while it is closed.
type hold struct {
	mu      sync.Mutex
	release chan struct{} // nil: open
	arrived chan struct{}
}

func (h *hold) close() (arrived <-chan struct{}, release func()) {
	h.mu.Lock()
	defer h.mu.Unlock()
	gate, came := make(chan struct{}), make(chan struct{})
	h.release, h.arrived = gate, came
	return came, func() {
		h.mu.Lock()
		defer h.mu.Unlock()
		h.release = nil
		close(gate)
	}
}

func (h *hold) pass() {
	h.mu.Lock()
	gate := h.release
	if gate != nil && h.arrived != nil {
		close(h.arrived)
		h.arrived = nil
	}
	h.mu.Unlock()
	if gate != nil {
		<-gate
	}
}

type refusal struct {
	StatusCode     int       `json:"statusCode"`
	Kind           string    `json:"kind"`
	LeaseExpiresAt time.Time `json:"lease_expires_at"`
	Job            struct {
		ID, Status string
		StartedBy  string    `json:"started_by"`
		StartedAt  time.Time `json:"started_at"`
	}
}

func twoAtOnce(t *testing.T, h *hold, p place) {
	first := caller{p.base, p.keys[0]}
	_, number := first.account(t)
	users := `{"users": [{"email": "adam@example.com"}]}`
	file := first.upload(t, strings.NewReader(users), int64(len(users)))
	order := map[string]any{"idFile": file, "idAppAccount": number}

	for round := range rounds {
		c := caller{p.base, p.keys[round%len(p.keys)]}
		arrived, release := h.close()
		done := make(chan string, 1)
		go func() {
			status, _, body, err := c.try("PUT", "/v1.0/services/sync/custom", order)
			if err != nil || status != http.StatusOK {
				t.Errorf("round %d: the first was answered %d: %s (%v)", round, status, body, err)
			}
			done <- jobOf(body)
		}()
		select {
		case <-arrived:
		case <-time.After(30 * time.Second):
			release()
			t.Fatalf("round %d: the first sync does not read its file", round)
		}
		var refused refusal
		status, header := c.call(t, "PUT", "/v1.0/services/sync/custom", order, &refused)
		release()
		job := <-done
		if status != http.StatusConflict || refused.Kind != "busy" || refused.Job.ID != job || refused.Job.Status != "processing" || refused.Job.StartedBy != "file" {
			t.Fatalf("round %d: the second was answered %d %+v, beside job %s", round, status, refused, job)
		}
		wait, err := strconv.Atoi(header.Get("Retry-After"))
		left := time.Until(refused.LeaseExpiresAt)
		if err != nil || wait < 1 || wait > 60 || left < 30*time.Second || left > 61*time.Second || time.Since(refused.Job.StartedAt) > time.Minute {
			t.Fatalf("round %d: Retry-After %q, lease for %v, started at %v", round, header.Get("Retry-After"), left, refused.Job.StartedAt)
		}
	}
}

func jobOf(body []byte) string {
	_, rest, _ := strings.Cut(string(body), `"job_id":"`)
	id, _, _ := strings.Cut(rest, `"`)
	return id
}

// stallingS3 is versitygw behind a proxy that holds the reads of uploads.
func stallingS3(t *testing.T, h *hold) string {
	target, err := url.Parse(emulator.S3(t))
	if err != nil {
		t.Fatal(err)
	}
	pass := &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) {
		r.Out.URL.Scheme, r.Out.URL.Host = target.Scheme, target.Host
		r.Out.Host = r.In.Host // what the client has signed
	}}
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodGet && strings.Contains(r.URL.Path, "/uploads/") {
			h.pass()
		}
		pass.ServeHTTP(w, r)
	}))
	t.Cleanup(proxy.Close)
	return proxy.URL
}

// holding is a platform whose uploads are read when the hold lets them.
type holding struct {
	*local.Platform
	hold *hold
}

func (p holding) Blobs() blob.Store { return heldBlobs{p.Platform.Blobs(), p.hold} }

type heldBlobs struct {
	blob.Store
	hold *hold
}

func (b heldBlobs) Open(ctx context.Context, key, version string) (blob.Object, error) {
	if strings.HasPrefix(key, "uploads/") && version != "" { // with a version it is read, not registered
		b.hold.pass()
	}
	return b.Store.Open(ctx, key, version)
}

// inProcess serves the local platform in this process, since a real server's disk
// cannot be held.
func inProcess(t *testing.T, h *hold) place {
	var base string
	l, err := local.Open(filepath.Join(t.TempDir(), "data"), func() string { return base }, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	p := holding{Platform: l, hold: h}
	a := &app.App{Platform: p, Settings: app.DefaultSettings, Now: time.Now, Log: slog.New(slog.DiscardHandler), TempDir: l.TempDir()}
	server := httptest.NewServer(handler(a, l))
	t.Cleanup(server.Close)
	base = server.URL
	org, err := a.CreateOrg(t.Context(), "Acme", "acme.example")
	if err != nil {
		t.Fatal(err)
	}
	var keys []string
	for range callers {
		secret, err := a.CreateKey(t.Context(), org.ID.String(), "write")
		if err != nil {
			t.Fatal(err)
		}
		keys = append(keys, secret.Reveal())
	}
	return place{base, keys}
}

// handler serves all endpoints and the platform's signed URLs, as serve does.
func handler(a *app.App, l *local.Platform) http.Handler {
	var routes []api.Route
	for _, endpoint := range slices.Concat(app.Endpoints, dataplane.Endpoints) {
		routes = append(routes, endpoint(a))
	}
	mux := http.NewServeMux()
	mux.Handle("/", a.Serve(routes...))
	mux.Handle(l.SignedPrefix(), l.SignedURLs())
	return mux
}
