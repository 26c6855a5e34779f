package s3store_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"muster/internal/aws/s3store"
	"muster/internal/blob"
	"muster/internal/emulator"
)

const mib = 1 << 20

// wire stands between the SDK and the gateway. fault looks at each request, and
// n is how many of its operation came before; nil lets it through.
type wire struct {
	fault func(op string, n int) fault

	mu    sync.Mutex
	seen  map[string]int
	fired int
}

// fault is what happens to one request on the wire.
type fault func(req *http.Request) (*http.Response, error)

func (w *wire) Do(req *http.Request) (*http.Response, error) {
	if f := w.meet(operation(req)); f != nil {
		return f(req)
	}
	return http.DefaultClient.Do(req)
}

func (w *wire) meet(op string) fault {
	w.mu.Lock()
	defer w.mu.Unlock()
	n := w.seen[op]
	w.seen[op]++
	f := w.fault(op, n)
	if f != nil {
		w.fired++
	}
	return f
}

func (w *wire) count(op string) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.seen[op]
}

func operation(req *http.Request) string {
	q := req.URL.Query()
	switch {
	case req.Method == "POST" && q.Has("uploads"):
		return "Create"
	case req.Method == "POST" && q.Has("uploadId"):
		return "Complete"
	case req.Method == "PUT" && q.Has("uploadId"):
		return "UploadPart"
	case req.Method == "DELETE" && q.Has("uploadId"):
		return "Abort"
	}
	return req.Method
}

// lostReply lets the request take effect and breaks the connection instead of
// answering.
func lostReply(req *http.Request) (*http.Response, error) {
	resp, err := http.DefaultClient.Do(req)
	if err == nil {
		_, _ = io.Copy(io.Discard, resp.Body)
		_ = resp.Body.Close()
	}
	return nil, fmt.Errorf("read tcp: %w", io.ErrUnexpectedEOF)
}

func neverSent(*http.Request) (*http.Response, error) {
	return nil, errors.New("dial tcp: connection refused")
}

// refused answers as S3 does, without effect.
func refused(status int, code string) fault {
	return func(req *http.Request) (*http.Response, error) {
		return &http.Response{
			StatusCode: status,
			Header:     http.Header{"Content-Type": {"application/xml"}},
			Body:       io.NopCloser(strings.NewReader("<Error><Code>" + code + "</Code><Message>injected</Message></Error>")),
			Request:    req,
		}, nil
	}
}

// cutOff breaks the answer's body after n bytes.
func cutOff(n int64) fault {
	return func(req *http.Request) (*http.Response, error) {
		resp, err := http.DefaultClient.Do(req)
		if err == nil {
			whole := resp.Body
			resp.Body = struct {
				io.Reader
				io.Closer
			}{io.MultiReader(io.LimitReader(whole, n), brokenConnection{}), whole}
		}
		return resp, err
	}
}

type brokenConnection struct{}

func (brokenConnection) Read([]byte) (int, error) {
	return 0, errors.New("read tcp: connection reset by peer")
}

// faulty is a fresh bucket seen over a wire, and seen directly.
func faulty(t *testing.T, f func(op string, n int) fault) (over, direct *s3store.Store, w *wire, bucket string) {
	t.Helper()
	bucket = emulator.Bucket(t)
	w = &wire{fault: f, seen: map[string]int{}}
	client := emulator.S3Client(t, func(o *s3.Options) {
		o.HTTPClient = w
		o.Retryer = retry.NewStandard(func(o *retry.StandardOptions) { o.MaxBackoff = time.Millisecond })
	})
	return s3store.New(client, bucket), s3store.New(emulator.S3Client(t), bucket), w, bucket
}

// first n requests of op meet f.
func first(op string, n int, f fault) func(string, int) fault {
	return func(got string, i int) fault {
		if got == op && i < n {
			return f
		}
		return nil
	}
}

func random(seed byte, n int) []byte {
	b := make([]byte, n)
	_, _ = rand.NewChaCha8([32]byte{seed}).Read(b)
	return b
}

func read(t *testing.T, s *s3store.Store, key string) []byte {
	t.Helper()
	o, err := s.Open(t.Context(), key, "")
	if err != nil {
		t.Fatal(err)
	}
	r := blob.NewReader(o)
	defer r.Close()
	b, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

const always = 1 << 30

// TestPutUnderFaults: nil means that the bytes lie there, ErrExists that another's
// do, and only ErrUnavailable leaves the question open.
func TestPutUnderFaults(t *testing.T) {
	const small, large = 1000, 12 * mib
	tests := []struct {
		name  string
		size  int
		fault func(string, int) fault
		want  error
		there bool // our bytes lie there afterwards
	}{
		{"first answer lost", small, first("PUT", 1, lostReply), nil, true},
		{"every answer lost", small, first("PUT", always, lostReply), nil, true},
		{"never sent", small, first("PUT", always, neverSent), blob.ErrUnavailable, false},
		{"sent at the third try", small, first("PUT", 2, neverSent), nil, true},
		{"throttled twice", small, first("PUT", 2, refused(503, "SlowDown")), nil, true},
		{"throttled for good", small, first("PUT", always, refused(503, "SlowDown")), blob.ErrUnavailable, false},
		{"a conflict with another put", small, first("PUT", 1, refused(409, "ConditionalRequestConflict")), nil, true},
		{"every answer lost, and what lies there cannot be asked", small, func(op string, _ int) fault {
			return map[string]fault{"PUT": lostReply, "HEAD": neverSent}[op]
		}, blob.ErrUnavailable, true},
		{"parts: an answer to a part lost", large, first("UploadPart", 1, lostReply), nil, true},
		{"parts: a part never sent", large, first("UploadPart", always, neverSent), blob.ErrUnavailable, false},
		{"parts: the last part never sent", large, func(op string, n int) fault {
			if op == "UploadPart" && n >= 2 {
				return neverSent
			}
			return nil
		}, blob.ErrUnavailable, false},
		{"parts: not created", large, first("Create", always, neverSent), blob.ErrUnavailable, false},
		{"parts: answer to the completion lost", large, first("Complete", 1, lostReply), nil, true},
		{"parts: every answer to the completion lost", large, first("Complete", always, lostReply), nil, true},
		{"parts: completion never sent", large, first("Complete", always, neverSent), blob.ErrUnavailable, false},
		{"parts: completion in conflict", large, first("Complete", always, refused(409, "ConditionalRequestConflict")), blob.ErrUnavailable, false},
		{"parts: upload gone after a lost answer", large, func(op string, n int) fault {
			switch {
			case op == "Complete" && n == 0:
				return lostReply
			case op == "Complete":
				return refused(404, "NoSuchUpload")
			}
			return nil
		}, nil, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			over, direct, w, bucket := faulty(t, tt.fault)
			body := random(1, tt.size)
			info, err := over.Put(t.Context(), "k", "text/csv", bytes.NewReader(body))
			if w.fired == 0 {
				t.Fatal("no fault fired")
			}
			if !errors.Is(err, tt.want) {
				t.Fatalf("put: %v, want %v", err, tt.want)
			}
			o, openErr := direct.Open(t.Context(), "k", info.Version)
			switch {
			case tt.there && openErr != nil:
				t.Fatal(openErr)
			case tt.there:
				if got := o.Info(); err == nil && (got.Size != info.Size || got.Version != info.Version || got.ContentType != "text/csv") {
					t.Errorf("put says %+v, open %+v", info, got)
				}
				if !bytes.Equal(read(t, direct, "k"), body) {
					t.Error("other bytes lie there")
				}
			case !errors.Is(openErr, blob.ErrNotFound):
				t.Errorf("something is visible: %v", openErr)
			}
			wantNoUploads(t, bucket)
		})
	}
}

// wantNoUploads: parts that nobody completes cost money.
func wantNoUploads(t *testing.T, bucket string) {
	t.Helper()
	out, err := emulator.S3Client(t).ListMultipartUploads(t.Context(), &s3.ListMultipartUploadsInput{Bucket: &bucket})
	if err != nil {
		t.Fatal(err)
	}
	for _, u := range out.Uploads {
		t.Errorf("upload %s of %s was left open", aws.ToString(u.UploadId), aws.ToString(u.Key))
	}
}

// A lost answer must not make another's object look like ours.
func TestPutUnderFaultsKnowsAnothersObject(t *testing.T) {
	for name, size := range map[string]int{"whole": 1000, "in parts": 12 * mib} {
		t.Run(name, func(t *testing.T) {
			final := map[string]string{"whole": "PUT", "in parts": "Complete"}[name]
			over, direct, w, bucket := faulty(t, first(final, always, lostReply))
			body := random(1, size) // the same bytes: only the put's id differs
			if _, err := direct.Put(t.Context(), "k", "text/plain", bytes.NewReader(body)); err != nil {
				t.Fatal(err)
			}
			_, err := over.Put(t.Context(), "k", "text/plain", bytes.NewReader(body))
			if !errors.Is(err, blob.ErrExists) || w.fired == 0 {
				t.Errorf("%v after %d faults", err, w.fired)
			}
			wantNoUploads(t, bucket)
		})
	}
}

func TestPutAbortsWhenItsContextEnds(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	over, direct, w, bucket := faulty(t, func(op string, n int) fault {
		if op == "UploadPart" && n == 1 {
			cancel()
		}
		return nil
	})
	_, err := over.Put(ctx, "k", "text/plain", bytes.NewReader(random(1, 30*mib)))
	if !errors.Is(err, context.Canceled) || errors.Is(err, blob.ErrUnavailable) {
		t.Errorf("put: %v", err)
	}
	if w.count("Abort") == 0 {
		t.Error("the upload was not aborted")
	}
	wantNoUploads(t, bucket)
	if _, err := direct.Open(t.Context(), "k", ""); !errors.Is(err, blob.ErrNotFound) {
		t.Errorf("something is visible: %v", err)
	}
}

func TestReadUnderFaults(t *testing.T) {
	body := random(2, 3*mib)
	tests := []struct {
		name  string
		fault func(string, int) fault
		want  error
	}{
		{"cut off twice", first("GET", 2, cutOff(mib)), nil},
		{"cut off at once", first("GET", 1, cutOff(0)), nil},
		{"cut off for good", first("GET", always, cutOff(1000)), blob.ErrUnavailable},
		{"throttled twice", first("GET", 2, refused(503, "SlowDown")), nil},
		{"throttled for good", first("GET", always, refused(503, "SlowDown")), blob.ErrUnavailable},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			over, direct, w, _ := faulty(t, tt.fault)
			if _, err := direct.Put(t.Context(), "k", "text/plain", bytes.NewReader(body)); err != nil {
				t.Fatal(err)
			}
			o, err := over.Open(t.Context(), "k", "")
			if err != nil {
				t.Fatal(err)
			}
			p := make([]byte, 2*mib)
			n, err := o.ReadAt(p, mib/2)
			if w.fired == 0 {
				t.Fatal("no fault fired")
			}
			if !bytes.Equal(p[:n], body[mib/2:][:n]) {
				t.Error("other bytes")
			}
			if !errors.Is(err, tt.want) {
				t.Errorf("%v, want %v", err, tt.want)
			}
		})
	}
}

// What asking again would not change is no kind of the port: a 500, not a 503.
func TestDenied(t *testing.T) {
	over, direct, w, _ := faulty(t, func(op string, _ int) fault {
		if op == "HEAD" {
			return nil
		}
		return refused(403, "AccessDenied")
	})
	if _, err := direct.Put(t.Context(), "k", "text/plain", strings.NewReader("x")); err != nil {
		t.Fatal(err)
	}
	o, err := over.Open(t.Context(), "k", "")
	if err != nil {
		t.Fatal(err)
	}
	_, readErr := o.ReadAt(make([]byte, 1), 0)
	_, putErr := over.Put(t.Context(), "k2", "text/plain", strings.NewReader("x"))
	for _, err := range []error{readErr, putErr, over.Delete(t.Context(), "k")} {
		for _, kind := range []error{nil, blob.ErrUnavailable, blob.ErrNotFound, blob.ErrExists, blob.ErrChanged} {
			if errors.Is(err, kind) {
				t.Errorf("%v is %v", err, kind)
			}
		}
	}
	if w.fired != 3 {
		t.Errorf("%d faults", w.fired)
	}
}

// A range that breaks off and goes on after a replacement must not be joined of
// two versions.
func TestReadAcrossAReplacement(t *testing.T) {
	var replace func()
	over, direct, w, _ := faulty(t, func(op string, n int) fault {
		if op != "GET" || n > 0 {
			return nil
		}
		return func(req *http.Request) (*http.Response, error) {
			resp, err := cutOff(1000)(req)
			replace()
			return resp, err
		}
	})
	if _, err := direct.Put(t.Context(), "k", "text/plain", bytes.NewReader(random(3, 5000))); err != nil {
		t.Fatal(err)
	}
	replace = func() {
		url, err := direct.SignPut(t.Context(), "k", "text/plain", time.Minute)
		if err != nil {
			t.Error(err)
		}
		req, err := http.NewRequestWithContext(t.Context(), "PUT", url, bytes.NewReader(random(4, 5000)))
		if err != nil {
			t.Error(err)
		}
		req.Header.Set("Content-Type", "text/plain")
		resp, err := http.DefaultClient.Do(req)
		if err != nil || resp.StatusCode != 200 {
			t.Errorf("replace: %v", err)
		}
	}
	o, err := over.Open(t.Context(), "k", "")
	if err != nil {
		t.Fatal(err)
	}
	p := make([]byte, 5000)
	n, err := o.ReadAt(p, 0)
	if !errors.Is(err, blob.ErrChanged) || w.count("GET") < 2 || !bytes.Equal(p[:n], random(3, 5000)[:n]) {
		t.Errorf("%d bytes, %v, after %d requests", n, err, w.count("GET"))
	}
}

// A bucket that is not there is a fault of the deployment: no key is "absent" in it.
func TestMissingBucket(t *testing.T) {
	s := s3store.New(emulator.S3Client(t), "muster-no-such-bucket")
	_, err := s.Put(t.Context(), "k", "text/plain", strings.NewReader("x"))
	errs := map[string]error{"put": err}
	for _, err := range s.List(t.Context(), "") {
		errs["list"] = err
	}
	for op, err := range errs {
		if err == nil || errors.Is(err, blob.ErrNotFound) || errors.Is(err, blob.ErrExists) {
			t.Errorf("%s: %v", op, err)
		}
	}
}

// TestPutMemory: what a put allocates does not grow with its body.
func TestPutMemory(t *testing.T) {
	s := s3store.New(s3.New(s3.Options{
		Region:       "eu-north-1",
		BaseEndpoint: aws.String("http://s3.invalid"),
		UsePathStyle: true,
		HTTPClient:   discard{},
		Credentials:  aws.AnonymousCredentials{},
	}), "bucket")
	allocated := func(size int64) int64 {
		return testing.Benchmark(func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := s.Put(b.Context(), "k", "text/plain", io.LimitReader(zeros{}, size)); err != nil {
					b.Error(err)
				}
			}
		}).AllocedBytesPerOp()
	}
	small, large := allocated(20*mib), allocated(200*mib)
	t.Logf("20 MiB: %d bytes allocated; 200 MiB: %d", small, large)
	// Two buffers of 5 MiB, counted twice under the race detector, and a little for
	// each request.
	if large > small+8*mib || small > 24*mib {
		t.Errorf("20 MiB: %d bytes allocated; 200 MiB: %d", small, large)
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}

// discard answers every step of an upload.
type discard struct{}

func (discard) Do(req *http.Request) (*http.Response, error) {
	if req.Body != nil {
		if _, err := io.Copy(io.Discard, req.Body); err != nil {
			return nil, err
		}
	}
	answer := map[string]string{
		"Create":   "<InitiateMultipartUploadResult><UploadId>u</UploadId></InitiateMultipartUploadResult>",
		"Complete": "<CompleteMultipartUploadResult><ETag>e</ETag></CompleteMultipartUploadResult>",
	}[operation(req)]
	return &http.Response{
		StatusCode: 200,
		Header:     http.Header{"Etag": {`"e"`}},
		Body:       io.NopCloser(strings.NewReader(answer)),
		Request:    req,
	}, nil
}
