package api

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"
	"github.com/danielgtaylor/huma/v2/validation"
	jsonx "github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

const contentType = "application/json"

// huma is told these things once for the process.
func init() {
	// Only ever called for its type, which becomes the document's error schema.
	huma.NewError = func(code int, _ string, _ ...error) huma.StatusError {
		return &errorBody{StatusCode: code}
	}
	huma.NewErrorWithContext = refuse
	// A list in our answers is [] and never null, and the document says so.
	huma.DefaultArrayNullable = false
	// Names that differ in case are two, as unmarshal reads them.
	huma.ValidateStrictCasing = true
	validation.MsgExpectedOneOf = "expected one of %s"             // in quotes, the list would look like one word
	validation.MsgExpectedMaximumNumber = "expected number <= %.f" // ours are whole; 9.99999999999e+11 is no number to type
	// A form lies in memory: its size is bounded by Op.MaxBody, and a Lambda that
	// spills to disk would have to clean up.
	humago.MultipartMaxMemory = 64 << 20
}

// newHuma is huma without what it registers and adds by itself (documentation
// pages, $schema in answers, unknown members of bodies refused).
func newHuma(mux humago.Mux, info Info) huma.API {
	format := huma.Format{Marshal: marshal, Unmarshal: unmarshal}
	cfg := huma.Config{
		OpenAPI:       info.document(),
		Formats:       map[string]huma.Format{contentType: format, "json": format},
		DefaultFormat: contentType,
	}
	cfg.AllowAdditionalPropertiesByDefault = true
	return humago.New(mux, cfg)
}

// refuse answers what huma found wrong before the handler was called: always 400,
// with every fault, whatever status huma thought of; 413 where the body's limit
// cut the read short.
func refuse(ctx huma.Context, status int, _ string, errs ...error) huma.StatusError {
	rq := requestOf(ctx.Context())
	return rq.reply(rq.refusal(status, errs))
}

func (rq *request) refusal(status int, errs []error) error {
	switch {
	case rq.overLimit:
		return rq.op.tooLarge()
	case errors.Is(errors.Join(errs...), context.DeadlineExceeded):
		return context.DeadlineExceeded
	case status == http.StatusUnsupportedMediaType:
		return Invalid("the Content-Type is not one that this takes; send the body as " + contentType)
	case len(errs) == 0:
		return Invalid("a request body is required")
	case status == http.StatusInternalServerError, status == http.StatusRequestTimeout:
		return Invalid("the request's body ended before its end")
	}
	faults := make([]Fault, len(errs))
	for i, err := range errs {
		faults[i] = faultOf(err)
	}
	return Invalid(firstOf(faults), faults...)
}

// firstOf is a message for clients that show it and know nothing of the list.
func firstOf(faults []Fault) string {
	message := strings.TrimPrefix(faults[0].Pointer+": "+faults[0].Detail, ": ") // "" points to the whole body
	if more := len(faults) - 1; more > 0 {
		message += fmt.Sprintf("; and %d more, see errors", more)
	}
	return message
}

// faultOf keeps of an error of huma's only what we say and nothing of what was
// sent: the refused value is dropped, and so is what follows a colon, where huma
// puts the errors of parsers that quote their input.
func faultOf(err error) Fault {
	if f, ok := errors.AsType[*Fault](err); ok {
		return *f
	}
	var d huma.ErrorDetailer
	if !errors.As(err, &d) {
		return Fault{Detail: "is not what is expected here"}
	}
	f := Fault{Pointer: pointer(d.ErrorDetail().Location), Detail: d.ErrorDetail().Message}
	if _, carried, ok := strings.Cut(f.Detail, mark); ok {
		at, detail, _ := strings.Cut(carried, mark)
		return Fault{Pointer: f.Pointer + at, Detail: detail}
	}
	f.Detail, _, _ = strings.Cut(f.Detail, ": ")
	f.Detail = cmp.Or(ourWords[f.Detail], f.Detail)
	before, after, _ := strings.Cut(validation.MsgExpectedRequiredProperty, "%s")
	if name, ok := strings.CutPrefix(f.Detail, before); ok && strings.HasSuffix(name, after) {
		f.Pointer += "/" + strings.TrimSuffix(name, after)
		f.Detail = "is required"
	}
	if f == (Fault{Detail: "expected object"}) {
		f.Detail = "the body must be an object" // where nothing points to a place, the words do
	}
	return f
}

// ourWords are ours for those of huma that name a parser or a specification, and
// not what to send.
var ourWords = map[string]string{
	"invalid boolean":                     "expected true or false",
	"invalid integer":                     "expected a whole number",
	"required query parameter is missing": "is required",
	"required form parameter is missing":  "is required",
	"File required":                       "is required: the form's part with the file",
	"cannot read multipart form":          "the body is no whole form: send it as multipart/form-data (with curl: -F)",
	"expected string to be RFC 4122 uuid": "expected a UUID, such as 018f5c3e-8a00-7b1d-9d5e-6d7573746572",
}

// pointer turns huma's body.users[3].email into /users/3/email. A parameter keeps
// its place before its name. A dot within a member's name is taken for a step:
// our own names have none, and a free-form map's are only where, not what.
func pointer(location string) string {
	body, ok := strings.CutPrefix(location, "body")
	if !ok || body != "" && body[0] != '.' && body[0] != '[' {
		if !strings.Contains(location, ".") {
			return "form." + location
		}
		return location
	}
	return strings.NewReplacer("~", "~0", "/", "~1", ".", "/", "[", "/", "]", "").Replace(body)
}

func marshal(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	return e.Encode(v)
}

// unmarshal reads JSON. Its errors hold nothing of the document: it may be full
// of credentials. huma calls it twice: into *any, which it validates, and into
// the handler's own type.
func unmarshal(data []byte, v any) error {
	if !utf8.Valid(data) {
		return &Fault{Detail: "the body is not UTF-8"}
	}
	err := decode(data, v)
	if err == nil {
		return nil
	}
	f := jsonFault(err)
	if _, all := v.(*any); all {
		f.Pointer = "" // its names are not ours
	}
	return f
}

// decode reads names as they are written, where encoding/json takes AUTH for auth:
// the validation, which does not, would have let it pass. Of a name that is there
// twice the last counts.
func decode(data []byte, v any) error {
	return jsonx.Unmarshal(data, v, jsontext.AllowDuplicateNames(true))
}

func jsonFault(err error) *Fault {
	if f, ok := errors.AsType[*Fault](err); ok {
		return f
	}
	if e, ok := errors.AsType[*jsontext.SyntacticError](err); ok {
		return &Fault{Detail: fmt.Sprintf("the body is not JSON, at byte %d", e.ByteOffset+1)}
	}
	f, of := &Fault{Detail: "a member does not have the form that it needs"}, err
	for e, ok := errors.AsType[*jsonx.SemanticError](of); ok; e, ok = errors.AsType[*jsonx.SemanticError](of) {
		f.Pointer, of = f.Pointer+string(e.JSONPointer), e.Err
		if own := of == nil || errors.Is(of, strconv.ErrRange) || errors.Is(of, strconv.ErrSyntax); own && e.GoType != nil {
			f.Detail = "expected what fits " + e.GoType.Kind().String()
		}
	}
	return f
}

var _ interface {
	huma.StatusError
	huma.HeadersError
} = (*errorBody)(nil)
