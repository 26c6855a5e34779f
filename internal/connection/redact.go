package connection

import (
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
)

// redacts is embedded in what holds secrets outside a secret.Value: it prints, logs
// and encodes as "[redacted]", in every verb.
type redacts struct{}

const redacted = "[redacted]"

func (redacts) Format(f fmt.State, _ rune)   { io.WriteString(f, redacted) }
func (redacts) LogValue() slog.Value         { return slog.StringValue(redacted) }
func (redacts) MarshalJSON() ([]byte, error) { return []byte(`"` + redacted + `"`), nil }

// document is an auth object, or its secret half, member by member. It redacts
// itself, as what holds it does: of an unexported field fmt asks no method.
type document map[string]json.RawMessage

func (document) Format(f fmt.State, _ rune)   { io.WriteString(f, redacted) }
func (document) LogValue() slog.Value         { return slog.StringValue(redacted) }
func (document) MarshalJSON() ([]byte, error) { return redacts{}.MarshalJSON() }

// reveal is the document itself, in its members' own words.
func (d document) reveal() ([]byte, error) { return plain(map[string]json.RawMessage(d)) }
