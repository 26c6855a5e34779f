package samtemplate

import (
	"fmt"
	"maps"
	"os"
	"path"
	"slices"
	"strconv"
	"strings"

	"gopkg.in/yaml.v3"
)

// Template is a SAM template: maps, lists and strings, with intrinsic functions in
// their long form ({"Fn::Sub": …}).
type Template struct{ doc map[string]any }

// Function is a Lambda function of a template.
type Function struct {
	ID          string // GetFilesURL
	Folder      string // get-files-url, the last element of CodeURI
	CodeURI     string
	Environment map[string]string // the globals' and its own, resolved
	Routes      []Route
	Schedules   []string // expressions of what wakes it
	Statements  []Statement
}

// Route is a route of the HTTP API; "$default" is the Path of what no other takes.
type Route struct{ Method, Path string }

// Default says whether the route is that of what no other takes.
func (r Route) Default() bool { return r.Path == "$default" }

// String is the route's key: "GET /health", "$default".
func (r Route) String() string { return strings.TrimSpace(r.Method + " " + r.Path) }

// Read reads the template in a file.
func Read(file string) (Template, error) {
	raw, err := os.ReadFile(file)
	if err != nil {
		return Template{}, err
	}
	t, err := Parse(raw)
	if err != nil {
		return t, fmt.Errorf("%s: %w", file, err)
	}
	return t, nil
}

// Parse reads a template in YAML.
func Parse(raw []byte) (Template, error) {
	var node yaml.Node
	if err := yaml.Unmarshal(raw, &node); err != nil {
		return Template{}, err
	}
	if len(node.Content) != 1 {
		return Template{}, fmt.Errorf("samtemplate: there is no document")
	}
	doc, err := long(node.Content[0])
	if err != nil {
		return Template{}, err
	}
	m, ok := doc.(map[string]any)
	if !ok {
		return Template{}, fmt.Errorf("samtemplate: a template is a map")
	}
	return Template{m}, nil
}

// long is a node with intrinsic functions in their long form. Scalars are strings,
// as they stand.
func long(n *yaml.Node) (any, error) {
	var v any
	switch n.Kind {
	case yaml.ScalarNode:
		v = n.Value
	case yaml.SequenceNode:
		list := []any{}
		for _, c := range n.Content {
			e, err := long(c)
			if err != nil {
				return nil, err
			}
			list = append(list, e)
		}
		v = list
	case yaml.MappingNode:
		m := map[string]any{}
		for i := 0; i < len(n.Content); i += 2 {
			e, err := long(n.Content[i+1])
			if err != nil {
				return nil, err
			}
			m[n.Content[i].Value] = e
		}
		v = m
	default:
		return nil, fmt.Errorf("samtemplate: line %d: CloudFormation knows no aliases", n.Line)
	}
	switch name, short := strings.CutPrefix(n.Tag, "!"); {
	case !short || strings.HasPrefix(name, "!"):
		return v, nil
	case name == "Ref" || name == "Condition":
		return map[string]any{name: v}, nil
	default:
		return map[string]any{"Fn::" + name: v}, nil
	}
}

// at is what lies under a path of names and indexes, nil if nothing does.
func at(v any, path ...string) any {
	for _, p := range path {
		switch c := v.(type) {
		case map[string]any:
			v = c[p]
		case []any:
			i, err := strconv.Atoi(p)
			if err != nil || i >= len(c) {
				return nil
			}
			v = c[i]
		default:
			return nil
		}
	}
	return v
}

// At is the resolved text under a path of names and indexes: At("Resources",
// "Sync", "Properties", "Timeout"); "" where there is none.
func (t Template) At(path ...string) string { return t.text(at(t.doc, path...)) }

// Has says whether anything lies under the path.
func (t Template) Has(path ...string) bool { return at(t.doc, path...) != nil }

// Resources are the ids of the resources of a type, sorted; "" is every type.
func (t Template) Resources(kind string) []string {
	all, _ := at(t.doc, "Resources").(map[string]any)
	ids := slices.Sorted(maps.Keys(all))
	return slices.DeleteFunc(ids, func(id string) bool { return kind != "" && at(all, id, "Type") != kind })
}

// text resolves a value to text. A list is its elements behind one another.
func (t Template) text(v any) string {
	switch v := v.(type) {
	case string:
		return v
	case []any:
		return strings.Join(t.texts(v), " ")
	case map[string]any:
		return t.canonical(t.intrinsic(v))
	}
	return ""
}

// texts is a value that may be one or a list of them.
func (t Template) texts(v any) []string {
	list, is := v.([]any)
	if !is {
		if v == nil {
			return nil
		}
		list = []any{v}
	}
	var s []string
	for _, e := range list {
		s = append(s, t.text(e))
	}
	return s
}

func (t Template) intrinsic(v map[string]any) string {
	for name, arg := range v {
		switch name {
		case "Ref":
			return "${" + t.text(arg) + "}"
		case "Fn::GetAtt":
			return "${" + strings.Join(t.texts(arg), ".") + "}"
		case "Fn::Sub":
			return t.text(arg)
		case "Fn::If":
			return "${If " + t.text(arg) + "}"
		}
	}
	return fmt.Sprintf("%v", v)
}

// canonical is one name for the ARN of a function that is spelled out: a function
// cannot refer to itself.
func (t Template) canonical(s string) string {
	name, is := strings.CutPrefix(s, "arn:${AWS::Partition}:lambda:${AWS::Region}:${AWS::AccountId}:function:")
	if !is {
		return s
	}
	for _, id := range t.Resources("AWS::Serverless::Function") {
		if own := at(t.doc, "Resources", id, "Properties", "FunctionName"); own != nil && t.text(own) == name {
			return "${" + id + ".Arn}"
		}
	}
	return s
}

// Functions are the template's, by id.
func (t Template) Functions() ([]Function, error) {
	var fs []Function
	for _, id := range t.Resources("AWS::Serverless::Function") {
		p := at(t.doc, "Resources", id, "Properties")
		f := Function{ID: id, CodeURI: t.text(at(p, "CodeUri")), Environment: map[string]string{}}
		f.Folder = path.Base(f.CodeURI)
		for _, vars := range []any{at(t.doc, "Globals", "Function", "Environment", "Variables"), at(p, "Environment", "Variables")} {
			m, _ := vars.(map[string]any)
			for name, value := range m {
				f.Environment[name] = t.text(value)
			}
		}
		t.wake(&f, at(p, "Events"))
		var err error
		if f.Statements, err = t.policies(id, at(p, "Policies")); err != nil {
			return nil, err
		}
		fs = append(fs, f)
	}
	return fs, nil
}

// Function is the one of that folder; the zero Function where there is none.
func (t Template) Function(folder string) (Function, error) {
	fs, err := t.Functions()
	i := slices.IndexFunc(fs, func(f Function) bool { return f.Folder == folder })
	if err != nil || i < 0 {
		return Function{}, err
	}
	return fs[i], nil
}

func (t Template) wake(f *Function, events any) {
	m, _ := events.(map[string]any)
	for _, name := range slices.Sorted(maps.Keys(m)) {
		p := at(m, name, "Properties")
		switch at(m, name, "Type") {
		case "HttpApi":
			r := Route{t.text(at(p, "Method")), t.text(at(p, "Path"))}
			if r.Path == "" {
				r.Path = "$default"
			}
			f.Routes = append(f.Routes, r)
		case "ScheduleV2":
			if every := t.text(at(p, "ScheduleExpression")); every != "" {
				f.Schedules = append(f.Schedules, every)
			}
		}
	}
}
