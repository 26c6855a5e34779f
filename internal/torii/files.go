package torii

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/danielgtaylor/huma/v2"

	"muster/internal/api"
	"muster/internal/org"
	"muster/internal/upload"
)

const filesTag = "Files"

type urlInput struct {
	Name string `query:"name" required:"true" doc:"File name, only a name: no folder" example:"users.json"`
	Type string `query:"type" required:"true" doc:"The Content-Type that the PUT to the url will have" example:"application/json"`
}

type urlOutput struct {
	Body struct {
		UploadFileParameters uploadFileParameters `json:"uploadFileParameters"`
	}
}

type uploadFileParameters struct {
	URL      string `json:"url" doc:"Where to PUT the bytes, within 5 minutes and with the Content-Type of type; it needs no API key" example:"https://files.example.com/uploads/1612686123657/users.json?signature=…"`
	FilePath string `json:"filePath" doc:"What to give POST /v1.0/files afterwards" example:"1612686123657/users.json"`
}

// GetFilesURL is GET /v1.0/files/url: where to put a large file. It needs the
// role write, though it is a GET: what it gives is leave to write.
func GetFilesURL(uploads Uploads) api.Route {
	op := api.Op{
		ID: "getFilesUrl", Method: "GET", Path: base + "/files/url", Tag: filesTag, Role: org.Write, PerMinute: 200,
		Summary: "Get parameters for uploading files",
	}
	return api.Handle(op, func(ctx context.Context, in *urlInput) (*urlOutput, error) {
		url, path, err := uploads.IssueURL(ctx, api.Caller(ctx).Org, in.Name, in.Type)
		if err != nil {
			return nil, refusal(err, map[string]string{"name": "query.name", "content_type": "query.type"})
		}
		out := &urlOutput{}
		out.Body.UploadFileParameters = uploadFileParameters{url, path}
		return out, nil
	})
}

type registerInput struct {
	Body struct {
		Path string      `json:"path" doc:"The filePath that GET /v1.0/files/url gave" example:"1612686123657/users.json"`
		Type upload.Type `json:"type" enum:"attachment,expenseReport,customIntegrationData,plugin" doc:"What the file is for" example:"customIntegrationData"`
	}
}

type idOutput struct {
	Body struct {
		ID int64 `json:"id" example:"7"`
	}
}

// PostFiles is POST /v1.0/files: a file that was put gets its id.
func PostFiles(uploads Uploads) api.Route {
	op := api.Op{
		ID: "postFiles", Method: "POST", Path: base + "/files", Tag: filesTag, Role: org.Write, PerMinute: 200,
		Summary: "Store file information",
		Description: "The file keeps the bytes that lie at the path now: putting others there makes it unusable, and needs another POST. " +
			"The same path again makes another id.",
	}
	return api.Handle(op, func(ctx context.Context, in *registerInput) (*idOutput, error) {
		f, err := uploads.Register(ctx, api.Caller(ctx).Org, in.Body.Path, in.Body.Type, api.ChosenID(ctx))
		if err != nil {
			return nil, refusal(err, map[string]string{"type": "/type"})
		}
		out := &idOutput{}
		out.Body.ID = f.ID
		return out, nil
	})
}

type uploadInput struct {
	RawBody huma.MultipartFormFiles[uploadForm]
}

type uploadForm struct {
	File huma.FormFile `form:"file" required:"true" doc:"The file, up to 3145728 bytes: .csv .xls .xlsx .pdf .doc .docx .png .jpg .jpeg .xml .json .zip"`
	Type string        `form:"type" required:"true" enum:"attachment,expenseReport,customIntegrationData,plugin" doc:"What the file is for" example:"customIntegrationData"`
}

// formOverhead is what a form may have beside its file.
const formOverhead = 64 << 10

const largeWay = "upload a larger file with GET /v1.0/files/url, a PUT to the url, and POST /v1.0/files"

// PostFilesUpload is POST /v1.0/files/upload: a small file in one call.
func PostFilesUpload(uploads Uploads) api.Route {
	op := api.Op{
		ID: "postFilesUpload", Method: "POST", Path: base + "/files/upload", Tag: filesTag, Role: org.Write, PerMinute: 200,
		Summary: "Upload a file of up to 3 MB", MaxBody: upload.MaxSmall + formOverhead, TooLarge: largeWay,
	}
	return api.Handle(op, func(ctx context.Context, in *uploadInput) (*idOutput, error) {
		form := in.RawBody.Data()
		body, err := io.ReadAll(io.LimitReader(form.File, upload.MaxSmall+1))
		if err != nil {
			return nil, fmt.Errorf("read the form's file: %w", err)
		}
		f, err := uploads.Put(ctx, api.Caller(ctx).Org, form.File.Filename, upload.Type(form.Type), body, api.ChosenID(ctx))
		if err != nil {
			return nil, refusal(err, map[string]string{"name": "form.file", "type": "form.type"})
		}
		out := &idOutput{}
		out.Body.ID = f.ID
		return out, nil
	})
}

// refusal is the answer to an error of uploads. pointers says where in this
// request each argument stood.
func refusal(err error, pointers map[string]string) error {
	var large *upload.TooLarge
	switch {
	case errors.As(err, &large) && large.Limit == upload.MaxSmall:
		return api.TooLarge(fmt.Sprintf("the file is over the limit of %d bytes; %s", large.Limit, largeWay))
	case errors.As(err, &large):
		return api.TooLarge(fmt.Sprintf("the file has %d bytes, over the limit of %d, which whoever runs this server sets; leave out what a sync does not read, such as white space", large.Size, large.Limit))
	case errors.Is(err, upload.ErrUnknownPath):
		return invalid(api.Fault{Pointer: "/path", Detail: "must be a filePath that GET /v1.0/files/url gave to this organization in the last 30 days"})
	case errors.Is(err, upload.ErrNotUploaded):
		return invalid(api.Fault{Pointer: "/path", Detail: "has no file: PUT it to the url that came with this filePath, and look at the answer to that"})
	}
	var bad *upload.Invalid
	if !errors.As(err, &bad) {
		return err
	}
	faults := make([]api.Fault, len(bad.Faults))
	for i, f := range bad.Faults {
		faults[i] = api.Fault{Pointer: pointers[f.Field], Detail: f.Detail}
	}
	return invalid(faults[0], faults[1:]...)
}
