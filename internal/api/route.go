package api

import (
	"context"
	"encoding"
	"fmt"
	"net/http"
	"reflect"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"muster/internal/org"
)

// Op declares an operation. Handle panics on one that cannot be: it is a mistake
// in the program, and every test that makes the route meets it.
type Op struct {
	ID          string // the contract's own, as putServicesSyncCustom
	Method      string
	Path        string // with {name} for a parameter
	Tag         string
	Summary     string
	Description string
	Role        org.Role // the least role that may call it
	Public      bool     // no key is needed; instead of Role
	Status      int      // on success; 0: 200, or 204 without a body
	PerMinute   int      // calls allowed per key and minute; 0: no limit of its own
	MaxBody     int64    // bytes of the request's body; 0: DefaultMaxBody
	TooLarge    string   // added to the 413: what to do with more
}

// DefaultMaxBody is enough for any document that is not a file.
const DefaultMaxBody = 1 << 20

// Route is an operation with its handler.
type Route struct {
	Op       Op
	register func(huma.API, huma.Operation)
	knows    func() []string // nil: of itself

	input, output reflect.Type
}

// Knowing is the route where others are served elsewhere: a path of theirs with a
// method that none takes is 405 beside it, and not 404. patterns are theirs, as
// "GET /files/{id}"; it is called when there is such a request, once.
func (r Route) Knowing(patterns func() []string) Route {
	r.knows = patterns
	return r
}

// Handle makes a route. I and O are structs by huma's rules: fields of I are
// tagged path:"…", query:"…", header:"…", and Body or RawBody is the body; O has
// Body, Status and header:"…". A field of a JSON body that may be left out has
// omitempty.
//
// Call it in a plain function, func GetThing(s Service) api.Route, and never at
// package level: what hangs on a package's variable is linked into every Lambda
// function.
func Handle[I, O any](op Op, handler func(context.Context, *I) (*O, error)) Route {
	input, output := reflect.TypeFor[I](), reflect.TypeFor[O]()
	op.check(input)
	return Route{Op: op, input: input, output: output, register: func(a huma.API, o huma.Operation) {
		huma.Register(a, o, func(ctx context.Context, in *I) (*O, error) {
			out, err := handler(ctx, in)
			if err != nil {
				rq := requestOf(ctx)
				return nil, rq.reply(err)
			}
			return out, nil
		})
	}}
}

func (op Op) check(input reflect.Type) {
	switch {
	case op.ID == "" || op.Method == "" || !strings.HasPrefix(op.Path, "/"):
		panic(fmt.Sprintf("api: operation %q without id, method or path", op.ID))
	case op.Public == op.Role.Valid():
		panic(fmt.Sprintf("api: operation %s must name the role it needs, or be public", op.ID))
	}
	checkParams(op.ID, input)
}

// checkParams refuses two types of parameter that huma reads wrongly without a
// word: a narrow integer is cut (4294967297 would name what 1 does), and a string
// type's UnmarshalText is not called.
func checkParams(id string, t reflect.Type) {
	if t.Kind() != reflect.Struct {
		return
	}
	for f := range t.Fields() {
		if f.Anonymous {
			checkParams(id, f.Type)
			continue
		}
		if f.Tag.Get("path")+f.Tag.Get("query")+f.Tag.Get("header") == "" {
			continue
		}
		switch f.Type.Kind() {
		case reflect.Int8, reflect.Int16, reflect.Int32, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Float32:
			panic(fmt.Sprintf("api: operation %s: parameter %s: use a 64-bit type with minimum and maximum", id, f.Name))
		case reflect.Struct:
		default:
			if reflect.PointerTo(f.Type).Implements(reflect.TypeFor[encoding.TextUnmarshaler]()) {
				panic(fmt.Sprintf("api: operation %s: parameter %s: make its type a struct, or its UnmarshalText is not called", id, f.Name))
			}
		}
	}
}

// maxBody is the limit of the request's body.
func (op Op) maxBody() int64 {
	if op.MaxBody > 0 {
		return op.MaxBody
	}
	return DefaultMaxBody
}

func (op Op) tooLarge() *Error {
	msg := fmt.Sprintf("the request's body is over the limit of %d bytes", op.maxBody())
	if op.TooLarge != "" {
		msg += "; " + op.TooLarge
	}
	return TooLarge(msg)
}

// operation is the same for huma.
func (op Op) operation() huma.Operation {
	o := huma.Operation{
		OperationID: op.ID, Method: op.Method, Path: op.Path, Summary: op.Summary, Description: op.Description,
		DefaultStatus: op.Status,
		MaxBodyBytes:  -1, // the limit is ours: huma's is off by one and covers no form
	}
	if op.Tag != "" {
		o.Tags = []string{op.Tag}
	}
	if op.PerMinute > 0 {
		o.Extensions = map[string]any{"x-rate-limit-per-minute": op.PerMinute}
	}
	if op.keyed() {
		o.Parameters = []*huma.Param{{
			Name: idempotencyHeader, In: "header", Schema: &huma.Schema{Type: huma.TypeString, MinLength: new(1), MaxLength: new(255), Examples: []any{exampleID}},
			Description: "Names what is asked for: sent again with the same key within 24 hours, the request is not done again and the answer is the same. Draw one for each thing to do",
		}}
	}
	if !op.Public {
		o.Security = []map[string][]string{{securityScheme: {}}}
	}
	return o
}

// allow is the role check.
func (op Op) allow(c org.Caller) error {
	if c.Role.Allows(op.Role) {
		return nil
	}
	return Forbidden(fmt.Sprintf("this needs a key with the role %s; this key's is %s", op.Role, c.Role))
}

// bearer is the key of a request. Unified.to's SDK sends it without a scheme.
func bearer(h http.Header) string {
	v := strings.TrimSpace(h.Get("Authorization"))
	if scheme, key, ok := strings.Cut(v, " "); ok && strings.EqualFold(scheme, "Bearer") {
		return strings.TrimSpace(key)
	}
	return v
}
