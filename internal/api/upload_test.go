package api_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"mime/multipart"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/danielgtaylor/huma/v2"
	"github.com/google/go-cmp/cmp"

	"muster/internal/api"
	"muster/internal/org"
)

// What a family needs for a file in a form: fields in any order, the file's own
// content type ignored, an exact limit.
type (
	uploadForm struct {
		Type string        `form:"type" enum:"attachment,plugin"`
		File huma.FormFile `form:"file"`
	}
	uploadInput struct {
		RawBody huma.MultipartFormFiles[uploadForm]
	}
	uploadOutput struct {
		Body struct {
			Size int64  `json:"size"`
			Type string `json:"type"`
			Name string `json:"name"`
		}
	}
)

const maxFile = 3 << 20

func upload() api.Route {
	op := api.Op{ID: "upload", Method: "POST", Path: "/upload", Role: org.Write, MaxBody: maxFile + 64<<10, TooLarge: "use the large way"}
	return api.Handle(op, func(_ context.Context, in *uploadInput) (*uploadOutput, error) {
		form := in.RawBody.Data()
		if form.File.Size > maxFile {
			return nil, api.TooLarge("over 3145728 bytes; use the large way")
		}
		n, err := io.Copy(io.Discard, form.File)
		if err != nil || n != form.File.Size {
			return nil, fmt.Errorf("read %d of %d bytes: %w", n, form.File.Size, err)
		}
		out := &uploadOutput{}
		out.Body.Size, out.Body.Type, out.Body.Name = n, form.Type, form.File.Filename
		return out, nil
	})
}

func form(t *testing.T, size int, fileFirst bool) (body, ct string) {
	t.Helper()
	var b bytes.Buffer
	m := multipart.NewWriter(&b)
	file := func() {
		p, err := m.CreatePart(map[string][]string{"Content-Disposition": {`form-data; name="file"; filename="a.json"`}, "Content-Type": {"image/nonsense"}})
		if err != nil {
			t.Fatal(err)
		}
		p.Write(bytes.Repeat([]byte{'x'}, size))
	}
	if fileFirst {
		file()
	}
	m.WriteField("type", "plugin")
	if !fileFirst {
		file()
	}
	m.Close()
	return b.String(), m.FormDataContentType()
}

func TestUploadOfAForm(t *testing.T) {
	for _, fileFirst := range []bool{true, false} {
		body, ct := form(t, maxFile, fileFirst)
		w := serve(upload()).call("POST", "/upload", body, "Content-Type", ct)
		if got := strings.TrimSpace(w.Body.String()); w.Code != 200 || got != `{"size":3145728,"type":"plugin","name":"a.json"}` {
			t.Errorf("file first %v: %d %s", fileFirst, w.Code, got)
		}
		body, ct = form(t, maxFile+1, fileFirst)
		want(t, serve(upload()).call("POST", "/upload", body, "Content-Type", ct), 413, api.KindTooLarge)
	}
	body, ct := form(t, maxFile+1<<20, true)
	r := httptest.NewRequest("POST", "/upload", strings.NewReader(body))
	r.ContentLength = -1
	r.Header.Set("Authorization", "admin")
	r.Header.Set("Content-Type", ct)
	w := httptest.NewRecorder()
	serve(upload()).ServeHTTP(w, r)
	if f := want(t, w, 413, api.KindTooLarge); !strings.Contains(f.Message, "use the large way") {
		t.Error(f.Message)
	}
}

func TestUploadFaults(t *testing.T) {
	const (
		b      = "multipart/form-data; boundary=b"
		noForm = "the body is no whole form: send it as multipart/form-data (with curl: -F)"
	)
	for name, tc := range map[string]struct{ body, ct, pointer, detail string }{
		"no file":     {"--b\r\nContent-Disposition: form-data; name=\"type\"\r\n\r\nplugin\r\n--b--\r\n", b, "form.file", "is required: the form's part with the file"},
		"no type":     {"--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a\"\r\n\r\nx\r\n--b--\r\n", b, "form.type", "is required"},
		"wrong type":  {"--b\r\nContent-Disposition: form-data; name=\"type\"\r\n\r\nhunter2\r\n--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a\"\r\n\r\nx\r\n--b--\r\n", b, "form.type", "expected one of attachment, plugin"},
		"broken off":  {"--b\r\nContent-Disposition: form-data; name=\"type\"\r\n\r\nplu", b, "", noForm},
		"no boundary": {"x", "multipart/form-data", "", noForm},
		"no form":     {"{}", "application/json", "", noForm},
	} {
		t.Run(name, func(t *testing.T) {
			w := serve(upload()).call("POST", "/upload", tc.body, "Content-Type", tc.ct)
			if strings.Contains(w.Body.String(), "hunter2") {
				t.Error("repeated")
			}
			f := want(t, w, 400, api.KindInvalid)
			if diff := cmp.Diff([]api.Fault{{Pointer: tc.pointer, Detail: tc.detail}}, f.Errors); diff != "" {
				t.Error(diff)
			}
		})
	}
}
