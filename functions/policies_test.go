package functions_test

import (
	"os"
	"path/filepath"
	"slices"
	"testing"

	"gopkg.in/yaml.v3"
)

// TestPoliciesLetCallsBeCounted holds that every function whose calls are limited
// may count them: what it may not, it would not do, with a warning nobody reads.
func TestPoliciesLetCallsBeCounted(t *testing.T) {
	actions := templateActions(t)
	for _, f := range theFunctions(t) {
		if f.op.PerMinute == 0 {
			continue
		}
		for _, need := range []string{"dynamodb:UpdateItem", "dynamodb:PutItem"} {
			if !slices.Contains(actions[f.folder], need) {
				t.Errorf("template.yaml does not allow %s to %s: its calls would not be counted", need, f.folder)
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
