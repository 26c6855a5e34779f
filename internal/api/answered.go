package api

import (
	"reflect"

	"github.com/danielgtaylor/huma/v2"
)

// forgetAnswers makes huma build no schema of what these routes only ever answer:
// it validates requests, and the document of all routes is written elsewhere. Schemas
// are made of tags, field by field: those of errors and answers took up to a quarter
// of a function's start. What a request may hold, too, keeps its schema.
func forgetAnswers(schemas huma.Registry, routes []Route) {
	forget := func(t reflect.Type) { schemas.RegisterTypeAlias(t, reflect.TypeFor[bool]()) }
	forget(reflect.TypeFor[errorBody]())
	for _, r := range routes {
		body, ok := r.output.FieldByName("Body")
		if ok && !taken(routes, body.Type) {
			forget(body.Type)
		}
	}
}

func taken(routes []Route, t reflect.Type) bool {
	for _, r := range routes {
		if holds(r.input, t) {
			return true
		}
	}
	return false
}

// holds reports whether values of type t may have one of type part in them. Types
// here do not nest in themselves.
func holds(t, part reflect.Type) bool {
	switch {
	case t == part:
		return true
	case t.Kind() == reflect.Map:
		return holds(t.Key(), part) || holds(t.Elem(), part)
	case t.Kind() == reflect.Pointer || t.Kind() == reflect.Slice || t.Kind() == reflect.Array:
		return holds(t.Elem(), part)
	case t.Kind() == reflect.Struct:
		for f := range t.Fields() {
			if holds(f.Type, part) {
				return true
			}
		}
	}
	return false
}
