package emf_test

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"muster/internal/aws/emf"
	"muster/internal/aws/emf/emftest"
)

var directives = []emf.Directive{
	{Message: "job", Dimensions: []string{"status"}, Lines: "jobs"},
	{Message: "job", Dimensions: []string{"status", "reason"}, Lines: "jobs"},
	{Message: "job", Metrics: []emf.Metric{{"added", emf.Count}, {"duration_ms", emf.Milliseconds}}},
	{Message: "request", Dimensions: []string{"kind"}, Lines: "requests"},
	{Message: "request", Where: slog.Int("status", 200), Metrics: []emf.Metric{{"bytes", emf.Count}}},
}

// lines is what a logger of ours writes.
func lines(log func(*slog.Logger)) string {
	var out bytes.Buffer
	json := slog.NewJSONHandler(&out, &slog.HandlerOptions{ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
		if a.Key == slog.TimeKey || a.Key == slog.LevelKey {
			return slog.Attr{}
		}
		return a
	}})
	log(slog.New(emf.Handler(json, "Muster", directives)))
	return out.String()
}

func TestLines(t *testing.T) {
	for _, tt := range []struct {
		name    string
		log     func(*slog.Logger)
		metrics []string
		want    string // "" has it as it would be without us
	}{
		{"all of it", func(l *slog.Logger) {
			l.Info("job", slog.String("status", "failed"), slog.String("reason", "file_gone"), slog.Int("added", 3), slog.Int("duration_ms", 12))
		}, []string{"jobs", "jobs", "added", "duration_ms"}, ""},
		{"a dimension is missing", func(l *slog.Logger) { l.Info("job", slog.String("status", "completed")) }, []string{"jobs"}, ""},
		{"a dimension is empty", func(l *slog.Logger) { l.Info("job", slog.String("status", ""), slog.Int("added", 3)) }, []string{"added"}, ""},
		{"no metric of it", func(l *slog.Logger) { l.Info("request", slog.Int("added", 3)) }, nil, `{"msg":"request","added":3}`},
		{"where it is so", func(l *slog.Logger) { l.Info("request", slog.Int("status", 200), slog.Int("bytes", 3)) }, []string{"bytes"}, ""},
		{"where it is not", func(l *slog.Logger) { l.Info("request", slog.Int("status", 201), slog.Int("bytes", 3)) }, nil, `{"msg":"request","status":201,"bytes":3}`},
		{"another message", func(l *slog.Logger) { l.Info("lost", slog.String("kind", "x")) }, nil, `{"msg":"lost","kind":"x"}`},
		{"in a group", func(l *slog.Logger) { l.WithGroup("g").Info("request", slog.String("kind", "x")) }, nil, `{"msg":"request","g":{"kind":"x"}}`},
		{"with what the logger has", func(l *slog.Logger) { l.With(slog.Int("n", 1)).Info("request", slog.String("kind", "x")) }, []string{"requests"}, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := lines(tt.log)
			metrics, err := emftest.Check([]byte(got))
			if diff := cmp.Diff(tt.metrics, metrics); err != nil || diff != "" {
				t.Errorf("%v, %s, of %s", err, diff, got)
			}
			if tt.want != "" && strings.TrimSpace(got) != tt.want {
				t.Errorf("got %s", got)
			}
		})
	}
}

// Handlers may be called at once, and a record's attributes shared.
func TestRecordIsLeftAlone(t *testing.T) {
	r := slog.NewRecord(time.Now(), slog.LevelInfo, "request", 0)
	for range 10 {
		r.AddAttrs(slog.String("kind", "busy"))
	}
	before := r.NumAttrs()
	if err := emf.Handler(slog.DiscardHandler, "Muster", directives).Handle(t.Context(), r); err != nil || r.NumAttrs() != before {
		t.Errorf("%v, %d attributes", err, r.NumAttrs())
	}
}

func ExampleHandler() {
	fmt.Print(lines(func(l *slog.Logger) {
		l.Handler().Handle(context.Background(), record("request", slog.String("kind", "busy")))
	}))
	// Output:
	// {"msg":"request","kind":"busy","requests":1,"_aws":{"Timestamp":1700000000000,"CloudWatchMetrics":[{"Namespace":"Muster","Dimensions":[["kind"]],"Metrics":[{"Name":"requests","Unit":"Count"}]}]}}
}

func record(message string, attrs ...slog.Attr) slog.Record {
	r := slog.NewRecord(time.UnixMilli(1_700_000_000_000), slog.LevelInfo, message, 0)
	r.AddAttrs(attrs...)
	return r
}

// The checker must find what is wrong, or the tests that use it prove nothing.
func TestCheckFinds(t *testing.T) {
	const good = `{"n":1,"d":"x","_aws":{"Timestamp":1700000000000,"CloudWatchMetrics":[{"Namespace":"M","Dimensions":[["d"]],"Metrics":[{"Name":"n","Unit":"Count"}]}]}}`
	if _, err := emftest.Check([]byte(good)); err != nil {
		t.Fatal(err)
	}
	for name, edit := range map[string][2]string{
		"trailing text":        {`]}}`, `]}} x`},
		"seconds":              {`1700000000000`, `1700000000`},
		"no time":              {`"Timestamp":1700000000000,`, ``},
		"no directives":        {`[{"Namespace":"M","Dimensions":[["d"]],"Metrics":[{"Name":"n","Unit":"Count"}]}]`, `[]`},
		"no namespace":         {`"M"`, `""`},
		"no dimension sets":    {`[["d"]]`, `[]`},
		"dimension not there":  {`[["d"]]`, `[["e"]]`},
		"dimension a number":   {`[["d"]]`, `[["n"]]`},
		"dimension empty":      {`"x"`, `""`},
		"ten dimensions":       {`["d"]`, `["d","d","d","d","d","d","d","d","d","d"]`},
		"metric not there":     {`"Name":"n"`, `"Name":"m"`},
		"metric a text":        {`"Name":"n"`, `"Name":"d"`},
		"no metrics":           {`[{"Name":"n","Unit":"Count"}]`, `[]`},
		"unit":                 {`"Count"`, `"Counts"`},
		"resolution":           {`"Count"`, `"Count","StorageResolution":30`},
		"over a hundred":       {`[{"Name":"n","Unit":"Count"}]`, `[` + strings.Repeat(`{"Name":"n"},`, 100) + `{"Name":"n"}]`},
		"a name over 255 long": {`"M"`, `"` + strings.Repeat("M", 256) + `"`},
	} {
		bad := strings.Replace(good, edit[0], edit[1], 1)
		if _, err := emftest.Check([]byte(bad)); err == nil || bad == good {
			t.Errorf("%s is not found", name)
		}
	}
}
