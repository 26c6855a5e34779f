package main

import (
	"bytes"
	"context"
	_ "embed"
	"encoding/json"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"net/url"
)

//go:embed sample.json
var sample []byte

// demo is a first sync as any client makes it, over HTTP.
type demo struct {
	out     io.Writer
	key     string
	keyFile string
	base    string
}

func (d *demo) run(ctx context.Context, base string) error {
	d.base = base
	var systems struct {
		Data []struct{ ID, Slug string }
	}
	if err := d.call(ctx, "GET", "/v1/systems", "", nil, &systems); err != nil {
		return err
	}
	system := ""
	for _, s := range systems.Data {
		if s.Slug == "custom_file" {
			system = s.ID
		}
	}
	var installed struct {
		Data struct {
			ID           string
			AppAccountID int32 `json:"app_account_id"`
		}
	}
	if err := d.json(ctx, "POST", "/v1/org/system-integrations", map[string]any{"system_id": system, "description": "Sample"}, &installed); err != nil {
		return err
	}
	var file struct{ ID int64 }
	if err := d.upload(ctx, &file); err != nil {
		return err
	}
	var synced struct {
		JobID string `json:"job_id"`
	}
	app := installed.Data.AppAccountID
	if err := d.json(ctx, "PUT", "/v1.0/services/sync/custom", map[string]any{"idFile": file.ID, "idAppAccount": app}, &synced); err != nil {
		return err
	}
	var report json.RawMessage
	if err := d.call(ctx, "GET", "/v1/org/jobs/"+url.PathEscape(synced.JobID), "", nil, &report); err != nil {
		return err
	}
	var pretty bytes.Buffer
	if err := json.Indent(&pretty, report, "", "  "); err != nil {
		return fmt.Errorf("the job's report: %w", err)
	}
	fmt.Fprintf(d.out, `
A sample file was uploaded and synced. Its job's report:

%s

Read it again, read the users, or sync a file of your own:

  KEY=$(cat %[2]s)
  curl -s -H "Authorization: Bearer $KEY" %[3]s/v1/org/jobs/%[4]s
  curl -s -H "Authorization: Bearer $KEY" %[3]s/v1.0/apps/%[5]d/users
  curl -s -H "Authorization: Bearer $KEY" -F type=customIntegrationData -F file=@users.json %[3]s/v1.0/files/upload
  curl -s -H "Authorization: Bearer $KEY" -X PUT -H 'Content-Type: application/json' -d '{"idFile": 2, "idAppAccount": %[5]d}' %[3]s/v1.0/services/sync/custom

`, &pretty, d.keyFile, d.base, synced.JobID, app)
	return nil
}

func (d *demo) upload(ctx context.Context, answer any) error {
	var form bytes.Buffer
	w := multipart.NewWriter(&form)
	if err := w.WriteField("type", "customIntegrationData"); err != nil {
		return err
	}
	part, err := w.CreateFormFile("file", "sample.json")
	if err != nil {
		return err
	}
	if _, err := part.Write(sample); err != nil {
		return err
	}
	if err := w.Close(); err != nil {
		return err
	}
	return d.call(ctx, "POST", "/v1.0/files/upload", w.FormDataContentType(), &form, answer)
}

func (d *demo) json(ctx context.Context, method, path string, body, answer any) error {
	b, err := json.Marshal(body)
	if err != nil {
		return fmt.Errorf("%s %s: %w", method, path, err)
	}
	return d.call(ctx, method, path, "application/json", bytes.NewReader(b), answer)
}

func (d *demo) call(ctx context.Context, method, path, contentType string, body io.Reader, answer any) error {
	req, err := http.NewRequestWithContext(ctx, method, d.base+path, body)
	if err != nil {
		return fmt.Errorf("%s %s: %w", method, path, err)
	}
	req.Header.Set("Authorization", "Bearer "+d.key)
	if contentType != "" {
		req.Header.Set("Content-Type", contentType)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		return fmt.Errorf("%s %s: %w", method, path, err)
	}
	if resp.StatusCode/100 != 2 {
		return fmt.Errorf("%s %s answered %d: %s", method, path, resp.StatusCode, b)
	}
	if err := json.Unmarshal(b, answer); err != nil {
		return fmt.Errorf("%s %s: %w", method, path, err)
	}
	return nil
}
