package aws

import (
	"bytes"
	"context"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"log/slog"
	"os"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"

	"muster/internal/aws/emf"
	"muster/internal/aws/emf/emftest"
)

// What AWS bills is each name with each combination of its dimensions' values. The
// sets of kinds, statuses and reasons are closed; README names the sum.
func TestMetricsCostWhatTheReadmeSays(t *testing.T) {
	values := map[string]int{
		"kind":          constants(t, "../api/errors.go", "Kind"),
		"status":        constants(t, "../job/job.go", "Status") - 1, // no line is of a job that is at work
		"status reason": constants(t, "../job/job.go", "Reason"),     // each of one status, failed
		"":              1,
	}
	names := map[string]bool{}
	billed := 0
	for _, d := range Metrics {
		by := strings.Join(d.Dimensions, " ")
		if values[by] == 0 {
			t.Errorf("%s has the dimensions %q: how many values have they?", d.Message, by)
		}
		for _, m := range append([]emf.Metric{{Name: d.Lines}}, d.Metrics...) {
			if m.Name != "" && !names[by+" "+m.Name] {
				names[by+" "+m.Name] = true
				billed += values[by]
			}
		}
	}
	readme, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	if want := fmt.Sprintf("These are %d custom metrics at the most, %.2f USD a month", billed, 0.30*float64(billed)); !strings.Contains(string(readme), want) {
		t.Errorf("README does not say: %s", want)
	}
}

// constants is how many values a file gives to a type of text.
func constants(t *testing.T, file, of string) (n int) {
	t.Helper()
	parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range parsed.Decls {
		if g, is := d.(*ast.GenDecl); is && g.Tok == token.CONST {
			for _, s := range g.Specs {
				if name, is := s.(*ast.ValueSpec).Type.(*ast.Ident); is && name.Name == of {
					n++
				}
			}
		}
	}
	return n
}

// A try that was repeated is counted on the next line that ends a piece of work,
// once, and its metric is one.
func TestRetriesOnTheLine(t *testing.T) {
	var out bytes.Buffer
	var retries atomic.Int64
	log := slog.New(&counting{emf.Handler(slog.NewJSONHandler(&out, nil), Namespace, Metrics), &retries})
	retries.Store(3)
	for _, message := range []string{"lease was not renewed", "request", "request"} {
		log.WarnContext(context.Background(), message)
	}
	var got [][]string
	for line := range bytes.Lines(out.Bytes()) {
		names, err := emftest.Check(line)
		if err != nil {
			t.Errorf("%v: %s", err, line)
		}
		got = append(got, names)
	}
	if diff := cmp.Diff([][]string{nil, {tableRetries}, nil}, got); diff != "" || !strings.Contains(out.String(), `"table_retries":3`) {
		t.Errorf("%s%s", diff, &out)
	}
}
