package secret

import (
	"bytes"
	"fmt"
	"io"
	"log/slog"
)

// Value is the text of a secret. It prints, logs and encodes as "[redacted]", in
// every verb and encoding; the text is behind two pointers, so that even a struct
// holding a Value in an unexported field, or a panic with it, shows none.
type Value struct{ box *box }

// box is the second pointer. Of an unexported field package fmt asks no method; for
// a verb that a pointer has not, as %s, it prints what is behind the pointer, and
// of a pointer there the address.
type box struct{ text *[]byte }

const redacted = "[redacted]"

// New is a value with a copy of b.
func New(b []byte) Value {
	b = bytes.Clone(b)
	return Value{&box{&b}}
}

// Reveal is the text itself, for the call that needs it; the caller does not
// change it.
func (v Value) Reveal() []byte {
	if v.box == nil {
		return nil
	}
	return *v.box.text
}

// IsZero reports whether there is no value at all.
func (v Value) IsZero() bool { return v.box == nil }

// Equal reports whether two values have the same text.
func (v Value) Equal(w Value) bool { return bytes.Equal(v.Reveal(), w.Reveal()) }

func (v Value) String() string               { return redacted }
func (v Value) Format(f fmt.State, _ rune)   { io.WriteString(f, redacted) }
func (v Value) LogValue() slog.Value         { return slog.StringValue(redacted) }
func (v Value) MarshalText() ([]byte, error) { return []byte(redacted), nil }
