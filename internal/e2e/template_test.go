package e2e

import (
	"os"
	"path/filepath"
	"testing"

	"gopkg.in/yaml.v3"
)

// route is a route of the deployed API.
type route struct {
	method, path string // path is $default for what no other route takes
	function     string
}

func (r route) key() string {
	if r.path == "$default" {
		return r.path
	}
	return r.method + " " + r.path
}

// template is what of template.yaml a deployment on this machine needs.
type template struct {
	routes    []route
	functions []string
}

func readTemplate(t testing.TB) template {
	t.Helper()
	raw, err := os.ReadFile("../../template.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var doc struct {
		Resources map[string]struct {
			Type       string `yaml:"Type"`
			Properties struct {
				CodeURI string `yaml:"CodeUri"`
				Events  map[string]struct {
					Type       string `yaml:"Type"`
					Properties struct {
						Method string `yaml:"Method"`
						Path   string `yaml:"Path"`
					} `yaml:"Properties"`
				} `yaml:"Events"`
			} `yaml:"Properties"`
		} `yaml:"Resources"`
	}
	if err := yaml.Unmarshal(raw, &doc); err != nil {
		t.Fatalf("template.yaml: %v", err)
	}
	var found template
	for _, r := range doc.Resources {
		if r.Type != "AWS::Serverless::Function" {
			continue
		}
		function := filepath.Base(r.Properties.CodeURI)
		found.functions = append(found.functions, function)
		for _, e := range r.Properties.Events {
			if e.Type != "HttpApi" {
				continue
			}
			at := route{method: e.Properties.Method, path: e.Properties.Path, function: function}
			if at.path == "" {
				at.path = "$default"
			}
			found.routes = append(found.routes, at)
		}
	}
	return found
}
