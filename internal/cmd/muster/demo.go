package main

import (
	"bytes"
	"context"
	_ "embed"
	"encoding/json"
	"fmt"
	"io"
	"mime/multipart"
)

//go:embed sample.json
var sample []byte

// demo is a first sync as any client makes it.
type demo struct {
	out     io.Writer
	key     string
	keyFile string
}

func (d *demo) run(ctx context.Context, base string) error {
	c := &client{base: base, key: d.key}
	app, err := c.install(ctx)
	if err != nil {
		return err
	}
	form, contentType, err := sampleForm()
	if err != nil {
		return err
	}
	var file struct{ ID int64 }
	if err := c.call(ctx, "POST", "/v1.0/files/upload", contentType, form, &file); err != nil {
		return err
	}
	var synced struct {
		JobID string `json:"job_id"`
	}
	if err := c.json(ctx, "PUT", "/v1.0/services/sync/custom", map[string]any{"idFile": file.ID, "idAppAccount": app}, &synced); err != nil {
		return err
	}
	var report json.RawMessage
	if err := c.call(ctx, "GET", "/v1/org/jobs/"+synced.JobID, "", nil, &report); err != nil {
		return err
	}
	var pretty bytes.Buffer
	if err := json.Indent(&pretty, report, "", "  "); err != nil {
		return fmt.Errorf("the job's report: %w", err)
	}
	fmt.Fprintf(d.out, `
A sample file was uploaded and synced. Its job's report:

%s

In another terminal: read it again, read the users, sync a file of your own.

  KEY=$(cat %[2]s)
  curl -s -H "Authorization: Bearer $KEY" %[3]s/v1/org/jobs/%[4]s
  curl -s -H "Authorization: Bearer $KEY" %[3]s/v1.0/apps/%[5]d/users
  curl -s -H "Authorization: Bearer $KEY" -F type=customIntegrationData -F file=@users.json %[3]s/v1.0/files/upload
  curl -s -H "Authorization: Bearer $KEY" -X PUT -H 'Content-Type: application/json' -d '{"idFile": 2, "idAppAccount": %[5]d}' %[3]s/v1.0/services/sync/custom

`, &pretty, d.keyFile, base, synced.JobID, app)
	return nil
}

// sampleForm is the sample as the upload takes it.
func sampleForm() (body *bytes.Buffer, contentType string, err error) {
	body = &bytes.Buffer{}
	w := multipart.NewWriter(body)
	if err := w.WriteField("type", "customIntegrationData"); err != nil {
		return nil, "", err
	}
	part, err := w.CreateFormFile("file", "sample.json")
	if err != nil {
		return nil, "", err
	}
	if _, err := part.Write(sample); err != nil {
		return nil, "", err
	}
	return body, w.FormDataContentType(), w.Close()
}
