package apitest

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"muster/internal/api"
)

// Call sends a request with the key, and then with headers, name by value, which
// may say otherwise. A body is JSON.
func Call(t testing.TB, server http.Handler, key, method, target, body string, headers ...string) *httptest.ResponseRecorder {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), method, target, strings.NewReader(body))
	r = r.WithContext(api.WithRequestID(r.Context(), "r1"))
	r.Header.Set("Authorization", "Bearer "+key)
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	rec := httptest.NewRecorder()
	server.ServeHTTP(rec, r)
	return rec
}

// Want requires an answer to be of that status and to hold that body, to the byte.
func Want(t testing.TB, rec *httptest.ResponseRecorder, status int, body string) {
	t.Helper()
	if rec.Code != status {
		t.Errorf("status %d, want %d", rec.Code, status)
	}
	if diff := cmp.Diff(body, strings.TrimSpace(rec.Body.String())); diff != "" {
		t.Error(diff)
	}
}

// Pointers are those of the errors of a 400.
func Pointers(t testing.TB, rec *httptest.ResponseRecorder) []string {
	t.Helper()
	var body struct{ Errors []api.Fault }
	if err := json.Unmarshal(rec.Body.Bytes(), &body); err != nil {
		t.Fatal(err)
	}
	var ps []string
	for _, f := range body.Errors {
		ps = append(ps, f.Pointer)
	}
	return ps
}
