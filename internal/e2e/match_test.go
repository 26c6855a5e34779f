package e2e

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
)

// vars are what is known so far, by name.
type vars map[string]string

var reference = regexp.MustCompile(`\$\{([a-z_0-9]+)\}`)

// expand puts values in the place of their ${names}, each written as as writes it.
func (v vars) expand(text string, as func(string) string) (string, error) {
	var unknown []string
	out := reference.ReplaceAllStringFunc(text, func(ref string) string {
		value, ok := v[ref[2:len(ref)-1]]
		if !ok {
			unknown = append(unknown, ref)
		}
		return as(value)
	})
	if unknown != nil {
		return "", fmt.Errorf("not known at this step: %s", strings.Join(unknown, " "))
	}
	return out, nil
}

func plain(s string) string { return s }

// inString is a value as it stands within a JSON string.
func inString(s string) string {
	b, _ := json.Marshal(s)
	return string(b[1 : len(b)-1])
}

// expandTarget escapes values in our own addresses; one that is a whole URL is as
// it was given.
func (v vars) expandTarget(target string) (string, error) {
	if strings.HasPrefix(target, "/") {
		return v.expand(target, url.QueryEscape)
	}
	return v.expand(target, plain)
}

// matchJSON compares an answer with what a step expects, and captures.
func (v vars) matchJSON(want, got string) []string {
	expanded, err := v.expand(want, inString)
	if err != nil {
		return []string{err.Error()}
	}
	wantDoc, err := decode(expanded)
	if err != nil {
		return []string{"the expected body is not JSON: " + err.Error()}
	}
	gotDoc, err := decode(got)
	if err != nil {
		return []string{"the body is not JSON: " + err.Error()}
	}
	return v.match("", wantDoc, gotDoc)
}

func decode(text string) (any, error) {
	d := json.NewDecoder(strings.NewReader(text))
	d.UseNumber()
	var doc any
	if err := d.Decode(&doc); err != nil {
		return nil, err
	}
	if d.More() {
		return nil, fmt.Errorf("something follows the value")
	}
	return doc, nil
}

func (v vars) match(at string, want, got any) []string {
	switch w := want.(type) {
	case map[string]any:
		if g, ok := got.(map[string]any); ok {
			return v.matchObject(at, w, g)
		}
	case []any:
		if g, ok := got.([]any); ok && len(g) == len(w) {
			var diffs []string
			for i := range w {
				diffs = append(diffs, v.match(at+"/"+strconv.Itoa(i), w[i], g[i])...)
			}
			return diffs
		}
	case string:
		return v.matchValue(at, w, got)
	default:
		if want == got {
			return nil
		}
	}
	return []string{differ(at, want, got)}
}

func (v vars) matchObject(at string, want, got map[string]any) (diffs []string) {
	for _, name := range slices.Sorted(maps.Keys(want)) {
		if g, ok := got[name]; ok {
			diffs = append(diffs, v.match(at+"/"+name, want[name], g)...)
		} else {
			diffs = append(diffs, at+"/"+name+" is not there")
		}
	}
	for _, name := range slices.Sorted(maps.Keys(got)) {
		if _, ok := want[name]; !ok {
			diffs = append(diffs, differ(at+"/"+name, "nothing", got[name]))
		}
	}
	return diffs
}

var matcher = regexp.MustCompile(`^<(?:(uuid|int|text|time|any)(?: ([a-z_0-9]+))?|like (.*))>$`)

// matchValue compares with a string, which may be a matcher.
func (v vars) matchValue(at, want string, got any) []string {
	m := matcher.FindStringSubmatch(want)
	if m == nil {
		if got == want {
			return nil
		}
		return []string{differ(at, want, got)}
	}
	kind, name, pattern := m[1], m[2], m[3]
	text, isText := got.(string)
	number, isNumber := got.(json.Number)
	ok := false
	switch kind {
	case "":
		re, err := regexp.Compile(pattern)
		ok = err == nil && isText && re.MatchString(text)
	case "uuid":
		u, err := uuid.Parse(text)
		ok = err == nil && u.String() == text
	case "int":
		_, err := strconv.ParseInt(number.String()+text, 10, 64) // a header's is text
		ok = err == nil && (isNumber || at == headerPlace)
	case "time":
		when, err := time.Parse(time.RFC3339, text)
		ok = err == nil && strings.HasSuffix(text, "Z") && time.Since(when).Abs() < time.Hour
	case "text":
		ok = isText && text != ""
	case "any":
		ok = true
	}
	if !ok {
		return []string{differ(at, want, got)}
	}
	if name != "" {
		v[name] = text + number.String()
	}
	return nil
}

const headerPlace = "header"

func differ(at string, want, got any) string {
	show := func(x any) string {
		b, _ := json.Marshal(x)
		return string(b)
	}
	return fmt.Sprintf("%s is %s, want %s", at, show(got), show(want))
}

// The matchers refuse what they should: a runner that accepts all proves nothing.
func TestMatch(t *testing.T) {
	tests := []struct {
		name, want, got string
		diffs           int
	}{
		{"equal", `{"a": [1, "x", null]}`, `{"a":[1,"x",null]}`, 0},
		{"a member more", `{}`, `{"a": 1}`, 1},
		{"a member less", `{"a": 1}`, `{}`, 1},
		{"null is not absent", `{"a": null}`, `{}`, 1},
		{"another length", `[1]`, `[1, 2]`, 1},
		{"number as text", `"1"`, `1`, 1},
		{"known", `"${id}"`, `"seven"`, 0},
		{"known number", `${n}`, `7`, 0},
		{"unknown", `"${nobody}"`, `"x"`, 1},
		{"uuid", `"<uuid>"`, `"018f5c3e-8a00-7b1d-9d5e-6d7573746572"`, 0},
		{"no uuid", `"<uuid>"`, `"018f5c3e"`, 1},
		{"int", `"<int>"`, `12`, 0},
		{"fraction", `"<int>"`, `1.5`, 1},
		{"text for int", `"<int>"`, `"12"`, 1},
		{"empty text", `"<text>"`, `""`, 1},
		{"old time", `"<time>"`, `"2020-01-01T00:00:00Z"`, 1},
		{"local time", `"<time>"`, `"` + time.Now().In(time.FixedZone("", 3600)).Format(time.RFC3339) + `"`, 1},
		{"time", `"<time>"`, `"` + time.Now().UTC().Format(time.RFC3339) + `"`, 0},
		{"like", `"<like ^3 MiB>"`, `"3 MiB at most"`, 0},
		{"unlike", `"<like ^MiB>"`, `"3 MiB at most"`, 1},
		{"not JSON", `{}`, `{} x`, 1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			v := vars{"id": "seven", "n": "7"}
			if diffs := v.matchJSON(tt.want, tt.got); len(diffs) != tt.diffs {
				t.Errorf("differences %q, want %d", diffs, tt.diffs)
			}
		})
	}
	v := vars{}
	v.matchJSON(`{"id": "<int file>"}`, `{"id": 12}`)
	if v["file"] != "12" {
		t.Errorf("captured %v", v)
	}
}
