package torii

import (
	"context"
	"errors"
	"net/http"
	"time"

	"muster/internal/api"
	"muster/internal/org"
	"muster/internal/upload"
)

// Files are what is known of the customers' files. *upload.Store is one.
type Files interface {
	Get(ctx context.Context, o org.ID, id int64) (upload.File, error)
}

// Downloads are the customers' files, read back. *upload.Store is one.
type Downloads interface {
	Files
	DownloadURL(ctx context.Context, f upload.File) (string, error)
}

type fileInput struct {
	ID   int64       `path:"id" minimum:"1" maximum:"999999999999" doc:"The file's id" example:"7"`
	Type upload.Type `query:"type" enum:"attachment,expenseReport,customIntegrationData,plugin" doc:"Only a file of this type; any if left out"`
}

type fileOutput struct {
	Body struct {
		File fileEntity `json:"file"`
	}
}

type fileEntity struct {
	ID           int64       `json:"id" example:"7"`
	Type         upload.Type `json:"type" enum:"attachment,expenseReport,customIntegrationData,plugin"`
	FileName     string      `json:"fileName" example:"users.json"`
	CreationTime time.Time   `json:"creationTime" doc:"When the file was registered"`
}

// GetFilesID is GET /v1.0/files/{id}: what is known of a file.
func GetFilesID(files Files) api.Route {
	op := api.Op{
		ID: "getFilesId", Method: "GET", Path: base + "/files/{id}", Tag: filesTag, Role: org.Read, PerMinute: 600,
		Summary:     "Get file information",
		Description: "A file is known for ever by its id; its bytes are kept for 30 days.",
	}
	return api.Handle(op, func(ctx context.Context, in *fileInput) (*fileOutput, error) {
		f, err := fileOf(ctx, files, in.ID, "id")
		if err != nil {
			return nil, err
		}
		if in.Type != "" && in.Type != f.Type {
			return nil, noFile("id and type")
		}
		out := &fileOutput{}
		out.Body.File = fileEntity{f.ID, f.Type, f.Name, f.RegisteredAt.UTC()}
		return out, nil
	})
}

type downloadInput struct {
	ID int64 `path:"id" minimum:"1" maximum:"999999999999" doc:"The file's id" example:"7"`
}

type downloadOutput struct {
	Location string `header:"Location" doc:"Where to GET the bytes, within 5 minutes; it needs no API key"`
}

// GetFilesIDDownload is GET /v1.0/files/{id}/download: where a file's bytes are.
func GetFilesIDDownload(downloads Downloads) api.Route {
	op := api.Op{
		ID: "getFilesIdDownload", Method: "GET", Path: base + "/files/{id}/download", Tag: filesTag, Role: org.Read, PerMinute: 600,
		Status: http.StatusFound, Summary: "Download file",
		Description: "Leads to the bytes that were registered, under the file's name: follow the redirect (curl -L).",
	}
	return api.Handle(op, func(ctx context.Context, in *downloadInput) (*downloadOutput, error) {
		f, err := fileOf(ctx, downloads, in.ID, "id")
		if err != nil {
			return nil, err
		}
		url, err := downloads.DownloadURL(ctx, f)
		switch {
		case errors.Is(err, upload.ErrGone):
			return nil, api.Gone(expired).Because(err)
		case errors.Is(err, upload.ErrReplaced):
			return nil, api.Gone("other bytes were put at the file's path since it was registered; register those with POST /v1.0/files").Because(err)
		}
		return &downloadOutput{url}, err
	})
}

const expired = "the file was uploaded more than 30 days ago and is gone; upload it again"

// fileOf reads the file that a request names. An unknown one and another org's
// are the same 404.
func fileOf(ctx context.Context, files Files, id int64, name string) (upload.File, error) {
	f, err := files.Get(ctx, api.Caller(ctx).Org, id)
	if errors.Is(err, upload.ErrNotFound) {
		return upload.File{}, noFile(name)
	}
	return f, err
}

func noFile(name string) error { return api.NotFound("there is no file with this " + name) }
