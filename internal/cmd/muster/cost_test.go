package main

import (
	"bytes"
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"
)

// TestCost runs the command, and TestCostKnowsTheTemplate holds what it assumes of
// a deployment against template.yaml.
func TestCost(t *testing.T) {
	var out, errs bytes.Buffer
	if code := run(t.Context(), []string{"cost", "--users", "1000", "--orgs", "1"}, &out, &errs); code != 0 {
		t.Fatalf("exit %d: %s", code, &errs)
	}
	for _, want := range []string{`1000 +first +4 `, `1000 +1 % changed +4 `, `1000 +unchanged +4 `, `\n +1 +\d+\.\d+ `, `write request unit`} {
		if !regexp.MustCompile(want).Match(out.Bytes()) {
			t.Errorf("no %s in %s", want, &out)
		}
	}
}

func TestCostKnowsTheTemplate(t *testing.T) {
	readme, err := os.ReadFile("../../../README.md")
	if want := fmt.Sprintf("These are %d custom metrics", metrics); err != nil || !strings.Contains(string(readme), want) {
		t.Errorf("README does not say: %s (%v)", want, err)
	}
	raw, err := os.ReadFile("../../../template.yaml")
	if err != nil {
		t.Fatal(err)
	}
	template := string(raw)
	if n := strings.Count(template, "MetricName: "); n != alarms {
		t.Errorf("the template's alarms look at %d metrics", n)
	}
	for after, memory := range map[string]string{
		"Globals:": "MemorySize: 512", "  PutServicesSyncCustom:": "MemorySize: 3538", "  GetAppsIdappUsers:": "MemorySize: 1769",
	} {
		_, rest, _ := strings.Cut(template, "\n"+after)
		if i, j := strings.Index(rest, memory), strings.Index(rest, "MemorySize:"); i < 0 || i != j {
			t.Errorf("after %s there is no %s", after, memory)
		}
	}
}
