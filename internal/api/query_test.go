package api_test

import (
	"context"
	"strings"
	"testing"

	"muster/internal/api"
	"muster/internal/org"
)

type asked struct {
	Try  bool   `query:"try"`
	Much bool   `query:"much"`
	Q    string `query:"q"`
	Size int    `query:"size"`
}

// ask answers with what it understood of the query.
func ask() api.Route {
	type out struct{ Body asked }
	return api.Handle(api.Op{ID: "ask", Method: "GET", Path: "/ask", Tag: "Things", Summary: "Ask", Role: org.Read},
		func(_ context.Context, in *asked) (*out, error) { return &out{*in}, nil })
}

// Each parameter is read as it is written, wherever it stands.
func TestQuery(t *testing.T) {
	for query, answer := range map[string]string{
		"":                       `{"Try":false,"Much":false,"Q":"","Size":0}`,
		"try":                    `{"Try":true,"Much":false,"Q":"","Size":0}`,
		"try&much=true":          `{"Try":true,"Much":true,"Q":"","Size":0}`,
		"much=true&try":          `{"Try":true,"Much":true,"Q":"","Size":0}`,
		"try&much&size=2":        `{"Try":true,"Much":true,"Q":"","Size":2}`,
		"&try&&size=2&":          `{"Try":true,"Much":false,"Q":"","Size":2}`,
		"other&try=true":         `{"Try":true,"Much":false,"Q":"","Size":0}`,
		"q=a%20b+c%26try%3Dtrue": `{"Try":false,"Much":false,"Q":"a b c&try=true","Size":0}`,
		"q=a;b&tr%79":            `{"Try":true,"Much":false,"Q":"a;b","Size":0}`,
		"q=50%25":                `{"Try":false,"Much":false,"Q":"50%","Size":0}`,
	} {
		w := serve(ask()).call("GET", "/ask?"+query, "")
		if got := strings.TrimSpace(w.Body.String()); w.Code != 200 || got != answer {
			t.Errorf("%s: %d %s, want %s", query, w.Code, got, answer)
		}
	}
}

// A value that cannot be read is not one that was left out: it would be answered
// with everybody, or done in earnest.
func TestBrokenQuery(t *testing.T) {
	for _, query := range []string{"q=50%&size=2", "try=%zz", "%=1", "size=2&x=%f"} {
		h := serve(ask())
		f := want(t, h.call("GET", "/ask?"+query, ""), 400, api.KindInvalid)
		if !strings.Contains(f.Message, "%25") || strings.Contains(f.Message+h.log.String(), "zz") {
			t.Errorf("%s: %q\n%s", query, f.Message, h.log.String())
		}
	}
}
