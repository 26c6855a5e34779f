package api

import (
	"reflect"

	"github.com/danielgtaylor/huma/v2"
)

// Member is a member of the body of a PATCH, which is a merge patch (RFC 7396):
// left out, null, or a value. Its field is tagged omitzero.
type Member[T any] struct {
	Sent  bool
	Value *T // nil: null
}

func (m *Member[T]) UnmarshalJSON(b []byte) error {
	m.Sent, m.Value = true, nil
	return decode(b, &m.Value)
}

// Schema is the value's, or null.
func (Member[T]) Schema(r huma.Registry) *huma.Schema {
	s := huma.SchemaFromType(r, reflect.TypeFor[T]())
	s.Nullable = true
	return s
}
