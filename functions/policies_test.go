package functions_test

import (
	"os"
	"path/filepath"
	"slices"
	"testing"

	"gopkg.in/yaml.v3"
)

// TestPoliciesAllowLimitsAndKeys holds that every function may count its calls and
// keep idempotency keys: a count that is not allowed would be left out, with a
// warning that nobody reads.
func TestPoliciesAllowLimitsAndKeys(t *testing.T) {
	actions := templateActions(t)
	for _, f := range theFunctions(t) {
		var needs []string
		if f.op.PerMinute > 0 {
			needs = append(needs, "dynamodb:UpdateItem", "dynamodb:PutItem")
		}
		if f.op.Method == "POST" || f.op.Method == "PUT" {
			needs = append(needs, "dynamodb:PutItem", "dynamodb:GetItem")
		}
		for _, need := range needs {
			if !slices.Contains(actions[f.folder], need) {
				t.Errorf("template.yaml does not allow %s to %s", need, f.folder)
			}
		}
	}
}

// templateActions are what template.yaml allows each function, by its folder.
func templateActions(t *testing.T) map[string][]string {
	t.Helper()
	raw, err := os.ReadFile("../template.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var doc struct {
		Resources map[string]struct {
			Properties struct {
				CodeURI  string    `yaml:"CodeUri"`
				Policies yaml.Node `yaml:"Policies"`
			} `yaml:"Properties"`
		} `yaml:"Resources"`
	}
	if err := yaml.Unmarshal(raw, &doc); err != nil {
		t.Fatalf("template.yaml: %v", err)
	}
	allowed := map[string][]string{}
	for name, r := range doc.Resources {
		if r.Properties.CodeURI == "" || r.Properties.Policies.Kind == 0 {
			continue
		}
		var policies []struct {
			Statement []struct {
				Action yaml.Node `yaml:"Action"`
			} `yaml:"Statement"`
		}
		if err := r.Properties.Policies.Decode(&policies); err != nil {
			t.Fatalf("template.yaml: %s: %v", name, err)
		}
		for _, p := range policies {
			for _, s := range p.Statement {
				actions := []string{s.Action.Value}
				if s.Action.Kind == yaml.SequenceNode {
					actions = nil
					if err := s.Action.Decode(&actions); err != nil {
						t.Fatalf("template.yaml: %s: %v", name, err)
					}
				}
				folder := filepath.Base(r.Properties.CodeURI)
				allowed[folder] = append(allowed[folder], actions...)
			}
		}
	}
	return allowed
}
