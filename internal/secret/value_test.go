package secret_test

import (
	"bytes"
	"encoding/gob"
	jsonv1 "encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"reflect"
	"strings"
	"testing"
	"text/template"

	"github.com/go-json-experiment/json"
	"github.com/google/go-cmp/cmp"
	"gopkg.in/yaml.v3"

	"muster/internal/secret"
	"muster/internal/secret/secrettest"
)

const panicVar = "MUSTER_SECRET_TEST_PANIC"

func TestMain(m *testing.M) {
	if text := os.Getenv(panicVar); text != "" {
		panic(holders(secret.New([]byte(text)))[os.Getenv(panicVar+"_AS")])
	}
	os.Exit(m.Run())
}

type exported struct{ Value secret.Value }

type unexported struct{ value secret.Value }

type pointer struct{ value *secret.Value }

type failure struct{ value secret.Value }

func (f failure) Error() string { return fmt.Sprintf("failed with %v", f.value) }

// holders are the ways in which a value may lie in what is printed.
func holders(v secret.Value) map[string]any {
	return map[string]any{
		"itself":           v,
		"a pointer to it":  &v,
		"a struct":         exported{v},
		"its own field":    unexported{v},
		"a pointer inside": pointer{&v},
		"a slice":          []secret.Value{v},
		"an array":         [1]unexported{{v}},
		"a map":            map[string]any{"k": v, "u": unexported{v}},
		"a map's key":      map[secret.Value]int{v: 1},
		"an interface":     []any{v, &v, unexported{v}},
		"an error":         failure{v},
		"a wrapped error":  fmt.Errorf("calling: %w", failure{v}),
	}
}

// wantQuiet fails if s holds the text in any encoding. The numbers of its bytes
// are one, as %v prints a slice of them.
func wantQuiet(t *testing.T, how, s string, text []byte) {
	t.Helper()
	numbers := strings.Trim(fmt.Sprint(text), "[]")
	if strings.Contains(s, numbers) || strings.Contains(s, strings.ReplaceAll(numbers, " ", ", ")) || strings.Contains(s, fmt.Sprintf("%#v", text)) {
		t.Errorf("%s shows the bytes: %s", how, s)
	}
	secrettest.CheckQuiet(t, errors.New(s), text)
	if t.Failed() {
		t.Fatalf("by %s", how)
	}
}

var canaryText = []byte(`canary/+ <4f1c> "å"`)

func TestValueDoesNotPrint(t *testing.T) {
	v := secret.New(canaryText)
	verbs := []string{"%v", "%+v", "%#v", "%s", "%q", "%#q", "%x", "%X", "% x", "%#x", "%d", "%b", "%o", "%c", "%U", "%e", "%t", "%p", "%T", "%10v", "%.3s", "%!"}
	for where, h := range holders(v) {
		for _, verb := range verbs {
			wantQuiet(t, where+" with "+verb, fmt.Sprintf(verb, h), canaryText)
		}
		wantQuiet(t, where+" with Sprint", fmt.Sprint(h)+fmt.Sprintln(h), canaryText)
		wantQuiet(t, where+" with Errorf", fmt.Errorf("failed: %v", h).Error(), canaryText)
		var b bytes.Buffer
		if err := template.Must(template.New("").Parse(`{{.}} {{printf "%s" .}} {{print .}}`)).Execute(&b, h); err != nil {
			t.Error(err)
		}
		wantQuiet(t, where+" in a template", b.String(), canaryText)
		wantQuiet(t, where+" in a diff", cmp.Diff(any("x"), h, cmp.Exporter(func(reflect.Type) bool { return true })), canaryText)
	}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
		if got := fmt.Sprintf(verb, v); got != "[redacted]" {
			t.Errorf("%s prints %q", verb, got)
		}
	}
	if got := v.String(); got != "[redacted]" {
		t.Errorf("String is %q", got)
	}
}

func TestValueDoesNotEncode(t *testing.T) {
	v := secret.New(canaryText)
	encoders := map[string]func(any) ([]byte, error){
		"encoding/json": jsonv1.Marshal,
		"json v2":       func(x any) ([]byte, error) { return json.Marshal(x) },
		"xml":           xml.Marshal,
		"yaml": func(x any) (b []byte, err error) {
			defer func() { // it panics on what it cannot encode
				if p := recover(); p != nil {
					b = fmt.Append(nil, p)
				}
			}()
			return yaml.Marshal(x)
		},
		"gob": func(x any) ([]byte, error) {
			var b bytes.Buffer
			err := gob.NewEncoder(&b).Encode(x)
			return b.Bytes(), err
		},
	}
	for where, h := range holders(v) {
		for how, encode := range encoders {
			out, err := encode(h) // some refuse, which is as good
			wantQuiet(t, where+" by "+how, fmt.Sprintf("%s %v", out, err), canaryText)
		}
	}
	if out, err := json.Marshal(exported{v}); err != nil || string(out) != `{"Value":"[redacted]"}` {
		t.Errorf("JSON is %s, %v", out, err)
	}
}

func TestValueDoesNotLog(t *testing.T) {
	v := secret.New(canaryText)
	var b bytes.Buffer
	for name, h := range map[string]slog.Handler{
		"text": slog.NewTextHandler(&b, &slog.HandlerOptions{AddSource: true}),
		"json": slog.NewJSONHandler(&b, nil),
	} {
		for where, held := range holders(v) {
			b.Reset()
			log := slog.New(h).With(slog.Any("with", held))
			log.InfoContext(t.Context(), "message", slog.Any("secret", held), slog.Group("group", slog.Any("secret", held)))
			if b.Len() == 0 {
				t.Fatal("nothing was logged")
			}
			wantQuiet(t, where+" by slog's "+name, b.String(), canaryText)
		}
	}
}

// A panic prints its value by rules of its own, and so does a crash.
func TestValueDoesNotShowInAPanic(t *testing.T) {
	for where := range holders(secret.Value{}) {
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), panicVar+"="+string(canaryText), panicVar+"_AS="+where, "GOTRACEBACK=all")
		out, err := cmd.CombinedOutput()
		if err == nil || !strings.Contains(string(out), "panic: ") {
			t.Fatalf("no panic: %v\n%s", err, out)
		}
		wantQuiet(t, where+" in a panic", string(out), canaryText)
	}
}

func TestValue(t *testing.T) {
	b := []byte("text")
	v := secret.New(b)
	b[0] = 'x'
	if string(v.Reveal()) != "text" {
		t.Error("a value changes with the bytes it was made of")
	}
	for _, c := range []struct {
		a, b  secret.Value
		equal bool
	}{
		{v, secret.New([]byte("text")), true},
		{v, secret.New([]byte("Text")), false},
		{v, secret.Value{}, false},
		{secret.Value{}, secret.Value{}, true},
	} {
		if c.a.Equal(c.b) != c.equal || c.b.Equal(c.a) != c.equal {
			t.Errorf("equal is %t, want %t", c.a.Equal(c.b), c.equal)
		}
	}
	if v.IsZero() || !(secret.Value{}).IsZero() || (secret.Value{}).Reveal() != nil {
		t.Error("the zero value is not the one without a text")
	}
	if got := fmt.Sprint(secret.Value{}); got != "[redacted]" {
		t.Errorf("the zero value prints %q", got)
	}
}
