package snapshot_test

import (
	"bytes"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/parquet-go/parquet-go"

	"muster/internal/roster"
	"muster/internal/snapshot"
)

func parquetFile(t *testing.T, e *env, r *snapshot.Reader) *parquet.File {
	t.Helper()
	b := content(t, e, r)
	f, err := parquet.OpenFile(bytes.NewReader(b), int64(len(b)))
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// Others read snapshots by these names and types: what is here stays.
func TestSchemaForOthers(t *testing.T) {
	e := newEnv(t)
	_, r := e.sync(t, 1, roster.Batch{Users: []roster.User{user("a@x.se")}})
	const (
		text  = "STRING"
		time  = "TIMESTAMP(isAdjustedToUTC=true,unit=MILLIS)"
		flag  = "BOOLEAN"
		whole = "INT(64,true)"
	)
	want := []string{"email " + text, "license " + text, "status " + text, "status_derived " + flag, "matched " + flag,
		"removed " + flag, "revision " + whole, "first_seen_at " + time, "deleted_at " + time + " optional", "fingerprint " + whole,
		"kind " + text, "id " + text, "first_name " + text, "last_name " + text, "external_status " + text, "roles LIST",
		"last_used_at " + time + " optional", "unassigned " + whole + " optional", "price_per_user " + whole + " optional"}
	var got []string
	for _, f := range parquetFile(t, e, r).Schema().Fields() {
		s := fmt.Sprintf("%s %v", f.Name(), f.Type())
		if f.Optional() {
			s += " optional"
		}
		got = append(got, s)
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("(-want +got)\n%s", d)
	}
}
