package samtemplate

import (
	"maps"
	"slices"
	"strconv"
)

// A test that something is held proves itself by templates in which it is not.

// Paths are the paths of all entries and elements below the one given, as At
// takes them.
func (t Template) Paths(path ...string) [][]string {
	var all [][]string
	var walk func(v any, path []string)
	walk = func(v any, path []string) {
		below := func(name string, v any) {
			p := append(slices.Clone(path), name)
			all = append(all, p)
			walk(v, p)
		}
		switch v := v.(type) {
		case map[string]any:
			for _, name := range slices.Sorted(maps.Keys(v)) {
				below(name, v[name])
			}
		case []any:
			for i, e := range v {
				below(strconv.Itoa(i), e)
			}
		}
	}
	walk(at(t.doc, path...), path)
	return all
}

// Without is the template without what lies under a path.
func (t Template) Without(path ...string) Template { return t.edited(path, nil) }

// Renamed is the template with another name for an entry.
func (t Template) Renamed(name string, path ...string) Template {
	return t.edited(path, func(m map[string]any, v any) { m[name] = v })
}

func (t Template) edited(path []string, put func(map[string]any, any)) Template {
	return Template{edit(t.doc, path, put).(map[string]any)}
}

// edit copies v down to what lies under path, and leaves that out, or has put put
// it back in another way.
func edit(v any, path []string, put func(map[string]any, any)) any {
	switch v := v.(type) {
	case map[string]any:
		m := maps.Clone(v)
		old, there := m[path[0]]
		switch {
		case !there:
		case len(path) > 1:
			m[path[0]] = edit(old, path[1:], put)
		default:
			delete(m, path[0])
			if put != nil {
				put(m, old)
			}
		}
		return m
	case []any:
		i, err := strconv.Atoi(path[0])
		switch list := slices.Clone(v); {
		case err != nil || i >= len(list):
		case len(path) > 1:
			list[i] = edit(list[i], path[1:], put)
			return list
		default:
			return slices.Delete(list, i, i+1)
		}
	}
	return v
}
