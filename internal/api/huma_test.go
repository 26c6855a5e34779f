package api_test

import (
	"context"
	"io"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"muster/internal/api"
	"muster/internal/org"
)

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

	Limits api.Member[limits] `json:"limits,omitzero"`
}

type limits struct {
	Most api.Member[int8] `json:"most,omitzero"`
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

// What is only answered needs no schema; what another route takes, or has within what
// it takes, is checked there.
func TestWhatIsAnsweredToo(t *testing.T) {
	getPart := api.Handle(api.Op{ID: "getPart", Method: "GET", Path: "/parts", Role: org.Read},
		func(context.Context, *struct{}) (*struct{ Body part }, error) { return &struct{ Body part }{}, nil })
	for _, body := range []string{`{"name":"abc","parts":[{"size":0}]}`, `{"name":"abc","parts":[true]}`, `{"name":"a"}`, `true`} {
		if w := serve(getPart, putThing()).call("PUT", "/things/1", body); w.Code != 400 {
			t.Errorf("%s is answered %d %s", body, w.Code, w.Body)
		}
	}
	if w := serve(getPart, putThing()).call("GET", "/parts", ""); w.Code != 200 || strings.TrimSpace(w.Body.String()) != `{"size":0}` {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}

func TestUnknownMembersAreIgnored(t *testing.T) {
	w := serve(putThing()).call("PUT", "/things/1", `{"name":"abc","$schema":"x","more":{"deep":[1]},"parts":[{"size":1,"more":2}]}`)
	if got := strings.TrimSpace(w.Body.String()); w.Code != 200 || got != `{"name":"abc","parts":[{"size":1}]}` {
		t.Errorf("%d %s", w.Code, got)
	}
}

// A name in another case is another member: it gets past no check of this one.
func TestNamesAreCaseSensitive(t *testing.T) {
	for body, answer := range map[string]string{
		`{"name":"abc","Color":"mauve","TAGS":5}`:                  `{"name":"abc"}`,
		`{"name":"abc","color":"red","Color":"mauve"}`:             `{"name":"abc","color":"red"}`,
		`{"name":"abc","tags":["a"],"tag` + "\u017f" + `":["b"]}`:  `{"name":"abc","tags":["a"]}`,
		`{"name":"abc","parts":[{"size":1,"SIZE":0}],"parts_":[]}`: `{"name":"abc","parts":[{"size":1}]}`,
		`{"name":"abc","limits":{"MOST":300}}`:                     `{"name":"abc","limits":{"Sent":true,"Value":{}}}`,
		`{"name":"no","name":"abc"}`:                               `{"name":"abc"}`,
	} {
		w := serve(putThing()).call("PUT", "/things/1", body)
		if got := strings.TrimSpace(w.Body.String()); w.Code != 200 || got != answer {
			t.Errorf("%s: %d %s, want %s", body, w.Code, got, answer)
		}
	}
	f := want(t, serve(putThing()).call("PUT", "/things/1", `{"NAME":"abc"}`), 400, api.KindInvalid)
	if diff := cmp.Diff([]api.Fault{{Pointer: "/name", Detail: "is required"}}, f.Errors); diff != "" {
		t.Error(diff)
	}
}

func TestEveryFaultIsNamed(t *testing.T) {
	w := serve(putThing()).call("PUT", "/things/x?limit=99", `{"color":"blue","parts":[{"size":1},{"size":0},{}],"tags":"no"}`)
	f := want(t, w, 400, api.KindInvalid)
	slices.SortFunc(f.Errors, func(a, b api.Fault) int { return strings.Compare(a.Pointer, b.Pointer) })
	diff := cmp.Diff([]api.Fault{
		{Pointer: "/color", Detail: "expected one of red, green"},
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

// The message names what it can: the body as a whole has no pointer to begin with.
func TestFaultOfTheWholeBody(t *testing.T) {
	for body, message := range map[string]string{"null": "the body must be an object", "[]": "the body must be an object", `{"name":"a"}`: "/name: expected length >= 2"} {
		if f := want(t, serve(putThing()).call("PUT", "/things/1", body), 400, api.KindInvalid); f.Message != message {
			t.Errorf("%s: %q, want %q", body, f.Message, message)
		}
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
		"another case":        `{"NAME":"hunter2"}`,
		"number out of range": `{"name":"abc","hunter2":[1e4294967297]}`,
		"broken in a member":  `{"name":"abc","hunter2":{"hunter2":tru}}`,
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
		"in a list":  {`{"name":"abc","parts":[{"size":1},{"size":99999999999999999999}]}`, api.Fault{Pointer: "/parts/1/size", Detail: "expected what fits int"}},
		"in members": {`{"name":"abc","limits":{"most":300}}`, api.Fault{Pointer: "/limits/most", Detail: "expected what fits int8"}},
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
