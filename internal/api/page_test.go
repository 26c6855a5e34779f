package api_test

import (
	"context"
	"errors"
	"math"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"muster/internal/api"
	"muster/internal/org"
)

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
