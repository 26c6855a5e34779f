package e2e

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"net/textproto"
	"strings"
	"testing"
	"time"
)

// converse holds a conversation with Muster at base. It stops at the first step
// that fails: the later ones build on it.
func converse(t *testing.T, s script, base string, known vars) {
	t.Helper()
	c := &conversation{script: s, base: base, vars: known}
	for _, st := range s.steps {
		if err := c.say(t, st); err != nil {
			t.Fatalf("%s\n%s %s\n%v", st.name, st.method, st.target, err)
		}
	}
}

type conversation struct {
	script
	base string
	vars vars
}

// client follows no redirect: where it leads is part of the answer.
var client = &http.Client{
	Timeout:       time.Minute,
	CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
}

func (c *conversation) say(t *testing.T, st step) error {
	deadline := time.Now().Add(time.Minute)
	for {
		err := c.ask(t, st)
		if err == nil || !st.eventually || time.Now().After(deadline) {
			return err
		}
		time.Sleep(200 * time.Millisecond) // between two looks at what goes on elsewhere
	}
}

func (c *conversation) ask(t *testing.T, st step) error {
	req, err := c.request(st)
	if err != nil {
		return err
	}
	resp, err := client.Do(req.WithContext(t.Context()))
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return err
	}
	diffs := c.compare(st, resp, string(body))
	if diffs == nil {
		return nil
	}
	return fmt.Errorf("  %s\n  answered %d: %.2000s", strings.Join(diffs, "\n  "), resp.StatusCode, body)
}

func (c *conversation) compare(st step, resp *http.Response, body string) (diffs []string) {
	if resp.StatusCode != st.status {
		return []string{fmt.Sprintf("status is %d, want %d", resp.StatusCode, st.status)}
	}
	for _, f := range st.wantHeader {
		want, err := c.vars.expand(f.value, plain)
		if err != nil {
			return []string{err.Error()}
		}
		for _, d := range c.vars.matchValue(headerPlace, want, resp.Header.Get(f.name)) {
			diffs = append(diffs, f.name+": "+d)
		}
	}
	if st.wantBody != "" {
		diffs = append(diffs, c.vars.matchJSON(st.wantBody, body)...)
	}
	if strings.Contains(body, "canary") {
		diffs = append(diffs, "the answer repeats a credential")
	}
	return diffs
}

func (c *conversation) request(st step) (*http.Request, error) {
	target, err := c.vars.expandTarget(st.target)
	if err != nil {
		return nil, err
	}
	ours := strings.HasPrefix(target, "/")
	if ours {
		target = c.base + target
	}
	contentType, _ := st.get("Content-Type")
	body, contentType, err := c.body(st.body, contentType)
	if err != nil {
		return nil, err
	}
	req, err := http.NewRequest(st.method, target, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	for _, f := range st.header {
		value, err := c.vars.expand(f.value, plain)
		if err != nil {
			return nil, err
		}
		req.Header.Set(f.name, value)
	}
	if contentType != "" {
		req.Header.Set("Content-Type", contentType)
	}
	switch auth, given := st.get("Authorization"); {
	case given && auth == "":
		req.Header.Del("Authorization")
	case !given && ours:
		req.Header.Set("Authorization", "Bearer "+c.vars["admin"])
	}
	return req, nil
}

func (c *conversation) body(text, contentType string) ([]byte, string, error) {
	switch {
	case text == "":
		return nil, contentType, nil
	case contentType == "multipart/form-data":
		return c.form(text)
	case contentType == "":
		contentType = "application/json"
	}
	if strings.HasPrefix(text, "@") {
		data, err := c.file(text)
		return data, contentType, err
	}
	body, err := c.vars.expand(text, inString)
	return []byte(body), contentType, err
}

func (c *conversation) file(ref string) ([]byte, error) {
	data, ok := c.files[strings.TrimPrefix(ref, "@")]
	if !ok {
		return nil, fmt.Errorf("there is no file %s", ref)
	}
	return data, nil
}

// form makes a form of lines like curl's -F.
func (c *conversation) form(text string) ([]byte, string, error) {
	var b bytes.Buffer
	w := multipart.NewWriter(&b)
	var errs []error
	for line := range strings.Lines(text) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), "=")
		if strings.HasPrefix(value, "@") {
			errs = append(errs, c.filePart(w, name, value))
		} else {
			errs = append(errs, w.WriteField(name, value))
		}
	}
	err := errors.Join(append(errs, w.Close())...)
	return b.Bytes(), w.FormDataContentType(), err
}

func (c *conversation) filePart(w *multipart.Writer, name, value string) error {
	ref, options, _ := strings.Cut(value, ";")
	filename, contentType := strings.TrimPrefix(ref, "@"), "application/octet-stream"
	for option := range strings.SplitSeq(options, ";") {
		switch k, v, _ := strings.Cut(option, "="); k {
		case "filename":
			filename = v
		case "type":
			contentType = v
		}
	}
	data, err := c.file(ref)
	if err != nil {
		return err
	}
	part, err := w.CreatePart(textproto.MIMEHeader{
		"Content-Disposition": {fmt.Sprintf(`form-data; name=%q; filename=%q`, name, filename)},
		"Content-Type":        {contentType},
	})
	if err == nil {
		_, err = part.Write(data)
	}
	return err
}
