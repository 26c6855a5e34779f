package e2e

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/tools/txtar"
)

// script is a conversation as it is written; doc.go says how.
type script struct {
	steps []step
	files map[string][]byte
}

type step struct {
	name       string
	eventually bool
	method     string
	target     string
	header     []field
	body       string
	status     int
	wantHeader []field
	wantBody   string
}

type field struct{ name, value string }

func (s step) get(name string) (string, bool) {
	for _, f := range s.header {
		if strings.EqualFold(f.name, name) {
			return f.value, true
		}
	}
	return "", false
}

func readScript(t *testing.T, name string) script {
	t.Helper()
	archive, err := txtar.ParseFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	s, err := parseScript(archive)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return s
}

func parseScript(archive *txtar.Archive) (script, error) {
	s := script{files: map[string][]byte{}}
	for _, section := range archive.Files {
		first, _, _ := strings.Cut(section.Name, " ")
		if strings.Contains(first, ".") {
			data, err := fileOf(section.Name, section.Data)
			if err != nil {
				return s, err
			}
			s.files[first] = data
			continue
		}
		st, err := parseStep(section.Name, string(section.Data))
		if err != nil {
			return s, fmt.Errorf("step %q: %w", section.Name, err)
		}
		s.steps = append(s.steps, st)
	}
	return s, nil
}

var (
	withUsers = regexp.MustCompile(`^\S+ with (\d+) users$`)
	paddedTo  = regexp.MustCompile(`^\S+ padded to (\d+)$`)
)

func fileOf(name string, data []byte) ([]byte, error) {
	if m := withUsers.FindStringSubmatch(name); m != nil {
		n, err := strconv.Atoi(m[1])
		return crowd(n), err
	}
	if m := paddedTo.FindStringSubmatch(name); m != nil {
		n, err := strconv.Atoi(m[1])
		if err != nil || n < len(data) {
			return nil, fmt.Errorf("file %q has %d bytes already", name, len(data))
		}
		return append(data, bytes.Repeat([]byte(" "), n-len(data))...), nil
	}
	if strings.Contains(name, " ") {
		return nil, fmt.Errorf("file %q: neither \"with n users\" nor \"padded to n\"", name)
	}
	return data, nil
}

func crowd(n int) []byte {
	var b bytes.Buffer
	b.WriteString(`{"users": [`)
	for i := range n {
		if i > 0 {
			b.WriteString(",\n")
		}
		fmt.Fprintf(&b, `{"email": "user-%06d@example.com"}`, i)
	}
	b.WriteString("]}\n")
	return b.Bytes()
}

func parseStep(name, text string) (step, error) {
	st := step{name: name}
	request, answer, ok := strings.Cut("\n"+text, "\nHTTP ")
	if !ok {
		return st, fmt.Errorf("no answer: a line beginning with HTTP")
	}
	line, header, body := message(request)
	if rest, ok := strings.CutPrefix(line, "eventually "); ok {
		st.eventually, line = true, rest
	}
	if st.method, st.target, ok = strings.Cut(line, " "); !ok {
		return st, fmt.Errorf("no method and target in %q", line)
	}
	st.header, st.body = header, body
	status, wantHeader, wantBody := message(answer)
	st.wantHeader, st.wantBody = wantHeader, wantBody
	var err error
	if st.status, err = strconv.Atoi(status); err != nil {
		return st, fmt.Errorf("no status in %q", status)
	}
	return st, nil
}

// message takes a line, headers, and the body after an empty line apart.
func message(text string) (line string, header []field, body string) {
	head, body, _ := strings.Cut(strings.TrimLeft(text, "\n"), "\n\n")
	lines := strings.Split(strings.TrimSpace(head), "\n")
	for _, l := range lines[1:] {
		name, value, _ := strings.Cut(l, ":")
		header = append(header, field{strings.TrimSpace(name), strings.TrimSpace(value)})
	}
	return lines[0], header, strings.TrimSpace(body)
}

// Every conversation can be read, without a target.
func TestScriptsParse(t *testing.T) {
	for _, name := range scripts(t) {
		s := readScript(t, name)
		if len(s.steps) == 0 {
			t.Errorf("%s has no steps", name)
		}
	}
}

func scripts(t *testing.T) []string {
	t.Helper()
	entries, err := os.ReadDir("testdata")
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		if strings.HasSuffix(e.Name(), ".txtar") {
			names = append(names, e.Name())
		}
	}
	return names
}
