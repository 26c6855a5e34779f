package secret

import (
	"bytes"
	"fmt"
	"io"
	"log/slog"
)

// Value is the text of a secret. It prints, logs and encodes as "[redacted]", in
// every verb and encoding; the text is behind a pointer, so that even a struct
// holding a Value in an unexported field, or a panic with it, shows none.
type Value struct{ text *[]byte }

const redacted = "[redacted]"

// New is a value with a copy of b.
func New(b []byte) Value {
	b = bytes.Clone(b)
	return Value{&b}
}

// Reveal is the text itself, for the call that needs it; the caller does not
// change it.
func (v Value) Reveal() []byte {
	if v.text == nil {
		return nil
	}
	return *v.text
}

// IsZero reports whether there is no value at all.
func (v Value) IsZero() bool { return v.text == nil }

// Equal reports whether two values have the same text.
func (v Value) Equal(w Value) bool { return bytes.Equal(v.Reveal(), w.Reveal()) }

func (v Value) String() string               { return redacted }
func (v Value) Format(f fmt.State, _ rune)   { io.WriteString(f, redacted) }
func (v Value) LogValue() slog.Value         { return slog.StringValue(redacted) }
func (v Value) MarshalText() ([]byte, error) { return []byte(redacted), nil }
