package gateway

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strings"
	"unicode/utf8"

	"github.com/aws/aws-lambda-go/events"

	"muster/internal/api"
)

// Handle makes of h the function that lambda.Start takes. Its error is always nil.
func Handle(h http.Handler) func(context.Context, events.APIGatewayV2HTTPRequest) (events.APIGatewayV2HTTPResponse, error) {
	return func(ctx context.Context, e events.APIGatewayV2HTTPRequest) (events.APIGatewayV2HTTPResponse, error) {
		w := &recorder{header: http.Header{}}
		h.ServeHTTP(w, request(api.WithRequestID(ctx, e.RequestContext.RequestID), e))
		return w.response(), nil
	}
}

func request(ctx context.Context, e events.APIGatewayV2HTTPRequest) *http.Request {
	u := address(e)
	r := &http.Request{
		Method: e.RequestContext.HTTP.Method, URL: u, Host: e.RequestContext.DomainName,
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: make(http.Header, len(e.Headers)+1), RemoteAddr: e.RequestContext.HTTP.SourceIP, RequestURI: u.RequestURI(),
	}
	for k, v := range e.Headers {
		r.Header.Set(k, v)
	}
	if host := r.Header.Get("Host"); host != "" {
		r.Host = host
		r.Header.Del("Host")
	}
	if len(e.Cookies) > 0 {
		r.Header.Set("Cookie", strings.Join(e.Cookies, "; "))
	}
	r.Body, r.ContentLength = body(e)
	return r.WithContext(ctx)
}

// address is the event's path and query. A path that is none (%zz, or without a
// slash) becomes an empty one, which no handler has.
func address(e events.APIGatewayV2HTTPRequest) *url.URL {
	raw := e.RawPath
	if s := e.RequestContext.Stage; s != "" && s != "$default" {
		if rest, ok := strings.CutPrefix(raw, "/"+s); ok && (rest == "" || rest[0] == '/') {
			raw = "/" + strings.TrimPrefix(rest, "/")
		}
	}
	path, err := url.PathUnescape(raw)
	if err != nil || !strings.HasPrefix(path, "/") {
		return &url.URL{RawQuery: e.RawQueryString}
	}
	return &url.URL{Path: path, RawPath: raw, RawQuery: e.RawQueryString}
}

func body(e events.APIGatewayV2HTTPRequest) (io.ReadCloser, int64) {
	if e.Body == "" {
		return http.NoBody, 0
	}
	if !e.IsBase64Encoded {
		return io.NopCloser(strings.NewReader(e.Body)), int64(len(e.Body))
	}
	b, err := base64.StdEncoding.DecodeString(e.Body)
	if err != nil {
		return io.NopCloser(broken{}), -1
	}
	return io.NopCloser(bytes.NewReader(b)), int64(len(b))
}

// broken is the body of an event that says base64 and is not.
type broken struct{}

func (broken) Read([]byte) (int, error) { return 0, errors.New("gateway: body is not base64") }

// recorder is a response as the handler writes it.
type recorder struct {
	header http.Header
	status int
	body   bytes.Buffer
}

func (w *recorder) Header() http.Header { return w.header }

func (w *recorder) WriteHeader(code int) {
	if w.status == 0 {
		w.status = code
	}
}

func (w *recorder) Write(p []byte) (int, error) {
	w.WriteHeader(http.StatusOK)
	return w.body.Write(p)
}

func (w *recorder) response() events.APIGatewayV2HTTPResponse {
	w.WriteHeader(http.StatusOK)
	res := events.APIGatewayV2HTTPResponse{StatusCode: w.status, Headers: make(map[string]string, len(w.header))}
	for k, vs := range w.header {
		if k == "Set-Cookie" { // the one header whose values cannot be joined
			res.Cookies = vs
			continue
		}
		res.Headers[k] = strings.Join(vs, ",")
	}
	if res.IsBase64Encoded = !w.text(); res.IsBase64Encoded {
		res.Body = base64.StdEncoding.EncodeToString(w.body.Bytes())
	} else {
		res.Body = w.body.String()
	}
	return res
}

// text reports whether the body can travel as a JSON string, byte for byte.
func (w *recorder) text() bool {
	if w.header.Get("Content-Encoding") != "" {
		return false
	}
	ct, _, _ := mime.ParseMediaType(w.header.Get("Content-Type"))
	isText := w.body.Len() == 0 || strings.HasPrefix(ct, "text/") || ct == "application/json" || strings.HasSuffix(ct, "+json")
	return isText && utf8.Valid(w.body.Bytes()) && !w.swells()
}

// swells reports whether a large body is longer as a JSON string, where quotes and
// backslashes count twice, than in base64: it may pass Lambda's limit in the one alone.
func (w *recorder) swells() bool {
	b := w.body.Bytes()
	return len(b) > 1<<20 && bytes.Count(b, []byte{'"'})+bytes.Count(b, []byte{'\\'}) > len(b)/3
}
