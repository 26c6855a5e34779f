package tabletest

import (
	"context"
	"encoding/json"
	"testing"

	"muster/internal/table"
)

// Formatted is tab for one test, which fails where a document is written that does not
// say which format it has: the next version of the program could not tell it from its
// own.
func Formatted(t testing.TB, tab table.Table) table.Table { return formatted{tab, t} }

type formatted struct {
	table.Table
	t testing.TB
}

// Write implements table.Table.
func (f formatted) Write(ctx context.Context, ws ...table.Write) error {
	for _, w := range ws {
		if w.Op == table.OpPut {
			CheckFormat(f.t, w.Key.String(), w.Body)
		}
	}
	return f.Table.Write(ctx, ws...)
}

// CheckFormat reports a document that does not say which format it has.
func CheckFormat(t testing.TB, row string, document []byte) {
	var d struct {
		Format int `json:"format"`
	}
	if err := json.Unmarshal(document, &d); err != nil || d.Format < 1 {
		t.Errorf("row %s says no format: %s (%v)", row, document, err)
	}
}
