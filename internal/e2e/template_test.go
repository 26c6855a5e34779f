package e2e

import (
	"testing"

	"muster/internal/samtemplate"
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
	functions []samtemplate.Function
}

func readTemplate(t testing.TB) template {
	t.Helper()
	read, err := samtemplate.Read("../../template.yaml")
	if err != nil {
		t.Fatal(err)
	}
	found := template{}
	if found.functions, err = read.Functions(); err != nil {
		t.Fatal(err)
	}
	for _, f := range found.functions {
		for _, r := range f.Routes {
			found.routes = append(found.routes, route{method: r.Method, path: r.Path, function: f.Folder})
		}
	}
	return found
}
