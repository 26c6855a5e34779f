package api

import (
	"strconv"
	"time"

	"github.com/danielgtaylor/huma/v2"
)

// What stands in examples where a format says enough.
const (
	exampleID   = "018f5c3e-8a01-7c42-a1f0-5d1b7c0e9a34"
	exampleTime = "2026-01-31T09:30:00Z"
)

// exemplify gives each body of an operation an example, made of those of its
// fields: the tag example:"…" of a field, else its default, the first of its enum,
// or what its format says. So an example cannot lag behind its type.
func exemplify(doc *huma.OpenAPI, op Op, o *huma.Operation) {
	schemas := doc.Components.Schemas
	if o.RequestBody != nil {
		exemplifyAll(schemas, o.RequestBody.Content)
	}
	for code, r := range o.Responses {
		if code == "default" {
			r.Content[contentType].Examples = refusals(op)
			continue
		}
		exemplifyAll(schemas, r.Content)
	}
}

func exemplifyAll(schemas huma.Registry, content map[string]*huma.MediaType) {
	for _, m := range content {
		if m.Schema != nil && m.Example == nil {
			m.Example = exampleOf(schemas, m.Schema)
		}
	}
}

// exampleOf is a value that fits the schema. Schemas here do not nest in
// themselves: they are made of types whose values end.
func exampleOf(schemas huma.Registry, s *huma.Schema) any {
	switch {
	case len(s.Examples) > 0:
		return s.Examples[0]
	case s.Ref != "":
		return exampleOf(schemas, schemas.SchemaFromRef(s.Ref))
	case s.Default != nil:
		return s.Default
	case len(s.Enum) > 0:
		return s.Enum[0]
	}
	switch s.Type {
	case huma.TypeObject:
		object := map[string]any{}
		for name, p := range s.Properties {
			object[name] = exampleOf(schemas, p)
		}
		return object
	case huma.TypeArray:
		return []any{exampleOf(schemas, s.Items)}
	case huma.TypeBoolean:
		return false
	case huma.TypeString:
		return exampleText(s.Format)
	}
	return 1 // a test asks numbers and free text for a tag
}

func exampleText(format string) string {
	switch format {
	case "uuid":
		return exampleID
	case "date-time":
		return exampleTime
	case "binary":
		return "the bytes of the file"
	}
	return "text"
}

// refusals are answers of the operation in the error shape, as its clients will
// meet them.
func refusals(op Op) map[string]*huma.Example {
	errs := map[string]error{"internal": &Error{kind: KindInternal, message: internalText}}
	if !op.Public {
		errs["unauthenticated"] = Unauthenticated(keyText)
	}
	if op.PerMinute > 0 {
		errs["rate_limited"] = op.overLimit(17 * time.Second)
	}
	examples := map[string]*huma.Example{}
	for name, err := range errs {
		b := (&request{id: exampleID}).reply(err)
		examples[name] = &huma.Example{Summary: summaryOf(b), Value: b}
	}
	return examples
}

func summaryOf(b *errorBody) string {
	summary := strconv.Itoa(b.StatusCode) + " " + b.Reason
	if after := b.header.Get("Retry-After"); after != "" {
		summary += ", with Retry-After: " + after
	}
	return summary
}
