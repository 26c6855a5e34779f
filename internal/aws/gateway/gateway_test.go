package gateway_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/aws/aws-lambda-go/events"
	"github.com/google/go-cmp/cmp"

	"muster/internal/api"
	"muster/internal/aws/gateway"
)

// event is what API Gateway sends for a request with these parts.
func event(method, rawPath, rawQuery string) events.APIGatewayV2HTTPRequest {
	e := events.APIGatewayV2HTTPRequest{Version: "2.0", RouteKey: "$default", RawPath: rawPath, RawQueryString: rawQuery, Headers: map[string]string{}}
	e.RequestContext.Stage = "$default"
	e.RequestContext.RequestID = "JKJaXmPLvHcESHA="
	e.RequestContext.DomainName = "api.example.com"
	e.RequestContext.HTTP.Method = method
	e.RequestContext.HTTP.SourceIP = "192.0.2.1"
	return e
}

func invoke(t testing.TB, h http.Handler, e events.APIGatewayV2HTTPRequest) events.APIGatewayV2HTTPResponse {
	t.Helper()
	res, err := gateway.Handle(h)(context.Background(), e)
	if err != nil {
		t.Fatalf("returned an error: %v", err)
	}
	return res
}

func TestRequest(t *testing.T) {
	for name, tc := range map[string]struct {
		change func(*events.APIGatewayV2HTTPRequest)
		check  func(*http.Request) (got, want any)
	}{
		"path": {
			func(e *events.APIGatewayV2HTTPRequest) { e.RawPath = "/a/b%2Fc%20d" },
			func(r *http.Request) (any, any) {
				return []string{r.URL.Path, r.URL.EscapedPath()}, []string{"/a/b/c d", "/a/b%2Fc%20d"}
			},
		},
		"path with a space": {
			func(e *events.APIGatewayV2HTTPRequest) { e.RawPath = "/a b/ü" },
			func(r *http.Request) (any, any) {
				return []string{r.URL.Path, r.URL.EscapedPath()}, []string{"/a b/ü", "/a%20b/%C3%BC"}
			},
		},
		"path with a question mark": {
			func(e *events.APIGatewayV2HTTPRequest) { e.RawPath = "/a?b" },
			func(r *http.Request) (any, any) { return r.URL.Path + "|" + r.URL.RawQuery, "/a?b|" },
		},
		"query as it is": {
			func(e *events.APIGatewayV2HTTPRequest) {
				e.RawQueryString = "a=1&a=2&p%5Bfirst%5D=3&p[x]=a+b%zz"
			},
			func(r *http.Request) (any, any) { return r.URL.RawQuery, "a=1&a=2&p%5Bfirst%5D=3&p[x]=a+b%zz" },
		},
		"named stage": {
			func(e *events.APIGatewayV2HTTPRequest) {
				e.RequestContext.Stage, e.RawPath = "prod", "/prod/v1/things"
			},
			func(r *http.Request) (any, any) { return r.URL.EscapedPath(), "/v1/things" },
		},
		"named stage alone": {
			func(e *events.APIGatewayV2HTTPRequest) { e.RequestContext.Stage, e.RawPath = "prod", "/prod" },
			func(r *http.Request) (any, any) { return r.URL.Path, "/" },
		},
		"named stage behind a domain": {
			func(e *events.APIGatewayV2HTTPRequest) {
				e.RequestContext.Stage, e.RawPath = "prod", "/production/things"
			},
			func(r *http.Request) (any, any) { return r.URL.Path, "/production/things" },
		},
		"headers": {
			func(e *events.APIGatewayV2HTTPRequest) {
				e.Headers["x-many"], e.Headers["x-forwarded-proto"] = "a,b", "https"
			},
			func(r *http.Request) (any, any) {
				return r.Header.Get("X-Many") + r.Header.Get("X-Forwarded-Proto"), "a,bhttps"
			},
		},
		"cookies": {
			func(e *events.APIGatewayV2HTTPRequest) { e.Cookies = []string{"a=1", "b=2"} },
			func(r *http.Request) (any, any) {
				c, _ := r.Cookie("b")
				return c.Value + r.Header.Get("Cookie"), "2a=1; b=2"
			},
		},
		"host of the domain": {
			func(*events.APIGatewayV2HTTPRequest) {},
			func(r *http.Request) (any, any) { return r.Host + r.RemoteAddr, "api.example.com192.0.2.1" },
		},
		"host of the header": {
			func(e *events.APIGatewayV2HTTPRequest) { e.Headers["host"] = "hub.example" },
			func(r *http.Request) (any, any) { return r.Host + r.Header.Get("Host"), "hub.example" },
		},
		"plain body": {
			func(e *events.APIGatewayV2HTTPRequest) { e.Body = `{"å":1}` },
			func(r *http.Request) (any, any) {
				b, _ := io.ReadAll(r.Body)
				return fmt.Sprint(string(b), r.ContentLength), `{"å":1}8`
			},
		},
		"binary body": {
			func(e *events.APIGatewayV2HTTPRequest) {
				e.Body, e.IsBase64Encoded = base64.StdEncoding.EncodeToString([]byte{0, 255, 1}), true
			},
			func(r *http.Request) (any, any) {
				b, _ := io.ReadAll(r.Body)
				return fmt.Sprint(b, r.ContentLength), "[0 255 1] 3"
			},
		},
		"body that is not base64": {
			func(e *events.APIGatewayV2HTTPRequest) { e.Body, e.IsBase64Encoded = "!", true },
			func(r *http.Request) (any, any) { _, err := io.ReadAll(r.Body); return err != nil, true },
		},
		"request id": {
			func(*events.APIGatewayV2HTTPRequest) {},
			func(r *http.Request) (any, any) {
				w := httptest.NewRecorder()
				api.New(api.Config{Log: slog.New(slog.DiscardHandler), Now: time.Now}).ServeHTTP(w, r)
				return w.Header().Get("X-Request-Id"), "JKJaXmPLvHcESHA="
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			e := event("POST", "/a", "")
			tc.change(&e)
			called := false
			invoke(t, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
				called = true
				got, want := tc.check(r)
				if diff := cmp.Diff(want, got); diff != "" {
					t.Error(diff)
				}
			}), e)
			if !called {
				t.Error("handler was not called")
			}
		})
	}
}

func TestResponse(t *testing.T) {
	for name, tc := range map[string]struct {
		handler http.HandlerFunc
		want    events.APIGatewayV2HTTPResponse
	}{
		"nothing": {
			func(http.ResponseWriter, *http.Request) {},
			events.APIGatewayV2HTTPResponse{StatusCode: 200, Headers: map[string]string{}},
		},
		"JSON": {
			func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Type", "application/json; charset=utf-8")
				w.WriteHeader(409)
				w.WriteHeader(200)
				io.WriteString(w, `{"å":1}`)
			},
			events.APIGatewayV2HTTPResponse{StatusCode: 409, Headers: map[string]string{"Content-Type": "application/json; charset=utf-8"}, Body: `{"å":1}`},
		},
		"binary": {
			func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Type", "application/octet-stream")
				w.Write([]byte{0, 255})
			},
			events.APIGatewayV2HTTPResponse{StatusCode: 200, Headers: map[string]string{"Content-Type": "application/octet-stream"}, Body: "AP8=", IsBase64Encoded: true},
		},
		"text that is not UTF-8": {
			func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Type", "text/plain")
				w.Write([]byte{'a', 255})
			},
			events.APIGatewayV2HTTPResponse{StatusCode: 200, Headers: map[string]string{"Content-Type": "text/plain"}, Body: "Yf8=", IsBase64Encoded: true},
		},
		"compressed": {
			func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Type", "text/plain")
				w.Header().Set("Content-Encoding", "gzip")
				io.WriteString(w, "a")
			},
			events.APIGatewayV2HTTPResponse{StatusCode: 200, Headers: map[string]string{"Content-Type": "text/plain", "Content-Encoding": "gzip"}, Body: "YQ==", IsBase64Encoded: true},
		},
		"many values, cookies": {
			func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Add("X-Many", "a")
				w.Header().Add("X-Many", "b")
				http.SetCookie(w, &http.Cookie{Name: "c", Value: "1"})
				http.SetCookie(w, &http.Cookie{Name: "d", Value: "2"})
				w.WriteHeader(204)
			},
			events.APIGatewayV2HTTPResponse{StatusCode: 204, Headers: map[string]string{"X-Many": "a,b"}, Cookies: []string{"c=1", "d=2"}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(tc.want, invoke(t, tc.handler, event("GET", "/", ""))); diff != "" {
				t.Error(diff)
			}
		})
	}
}

type echoInput struct {
	Name  string `path:"name"`
	Limit int    `query:"limit"`
	Body  struct {
		Text string `json:"text"`
	}
}

type echoOutput struct {
	Body struct {
		Name string `json:"name"`
		Text string `json:"text"`
	}
}

// An answer of 4 MiB, the most that a list may be, passes Lambda's 6 MB whatever it
// holds: as a JSON string one full of quotes would be twice as long.
func TestLargeResponse(t *testing.T) {
	const most = 4 << 20
	for name, tc := range map[string]struct {
		fill   string
		base64 bool
	}{
		"short strings": {`"a",`, true},
		"quoted quotes": {`\"`, true},
		"prose":         {"abc ", false},
	} {
		res := invoke(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			io.WriteString(w, strings.Repeat(tc.fill, most/len(tc.fill)))
		}), event("GET", "/", ""))
		b, err := json.Marshal(res)
		if err != nil || len(b) > 6<<20 || res.IsBase64Encoded != tc.base64 {
			t.Errorf("%s: %d bytes, base64 %t, %v", name, len(b), res.IsBase64Encoded, err)
		}
	}
}

// echo is a whole API with one operation.
func echo() http.Handler {
	return api.New(api.Config{Log: slog.New(slog.DiscardHandler), Now: time.Now},
		api.Handle(api.Op{ID: "echo", Method: "POST", Path: "/echo/{name}", Public: true}, func(_ context.Context, in *echoInput) (*echoOutput, error) {
			out := &echoOutput{}
			out.Body.Name, out.Body.Text = in.Name, in.Body.Text
			return out, nil
		}))
}

func TestOfAWholeAPI(t *testing.T) {
	for name, tc := range map[string]struct {
		path   string
		status int
		body   string
	}{
		"plain":            {"/echo/ada", 200, `{"name":"ada","text":"hi"}`},
		"escaped":          {"/echo/a%2Fb%25%20c", 200, `{"name":"a/b% c","text":"hi"}`},
		"not escaped":      {"/echo/a b", 200, `{"name":"a b","text":"hi"}`},
		"a broken escape":  {"/echo/%zz", 400, "two hexadecimal digits"},
		"a lone percent":   {"/echo/100%", 400, "two hexadecimal digits"},
		"no slash":         {"echo/ada", 400, "two hexadecimal digits"},
		"nothing":          {"", 400, "two hexadecimal digits"},
		"a slash too many": {"/echo/ada/", 404, "not_found"},
		"unknown":          {"/none", 404, "not_found"},
	} {
		t.Run(name, func(t *testing.T) {
			e := event("POST", tc.path, "")
			e.Body = `{"text":"hi"}`
			res := invoke(t, echo(), e)
			if res.StatusCode != tc.status || !strings.Contains(res.Body, tc.body) || res.Headers["Content-Type"] != "application/json" {
				t.Errorf("%d %s %v", res.StatusCode, res.Body, res.Headers)
			}
		})
	}
	e := event("POST", "/echo/ada", "")
	e.Body, e.IsBase64Encoded = "!", true
	if res := invoke(t, echo(), e); res.StatusCode != 400 {
		t.Errorf("a body that is not base64: %d %s", res.StatusCode, res.Body)
	}
}

func FuzzHandle(f *testing.F) {
	for _, e := range []events.APIGatewayV2HTTPRequest{
		event("POST", "/echo/ada", "limit=1"), event("", "", ""), event("GET", "/%zz", "%zz"), event("CONNECT", "//", ""), event("OPTIONS", "*", "*"),
	} {
		e.Body, e.Cookies = `{"text":"hi"}`, []string{"a=b"}
		b, err := json.Marshal(e)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Add([]byte(`{"rawPath":"/echo/x","isBase64Encoded":true,"body":"!","headers":{"":"","\n":"\n","host":"\u0000"},"requestContext":{"stage":"x","http":{"method":"POST\n"}}}`))
	h := echo()
	f.Fuzz(func(t *testing.T, b []byte) {
		var e events.APIGatewayV2HTTPRequest
		if json.Unmarshal(b, &e) != nil {
			return
		}
		res := invoke(t, h, e)
		if res.StatusCode < 200 || res.StatusCode > 599 || !utf8.ValidString(res.Body) {
			t.Errorf("status %d, body %q", res.StatusCode, res.Body)
		}
		if res.StatusCode >= 400 && !json.Valid([]byte(res.Body)) && e.RequestContext.HTTP.Method != http.MethodHead {
			t.Errorf("an error that is not in our shape: %q", res.Body)
		}
		if res.StatusCode >= 500 {
			t.Errorf("our fault: %s", res.Body)
		}
	})
}

func ExampleHandle() {
	h := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/plain")
		fmt.Fprintf(w, "%s %s", r.Method, r.URL.Path)
	})
	res, err := gateway.Handle(h)(context.Background(), event("GET", "/v1/things", ""))
	fmt.Println(res.StatusCode, res.Body, err)
	// Output: 200 GET /v1/things <nil>
}
