package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
)

// client calls a server as any client does, over HTTP.
type client struct{ base, key string }

// install makes an app account of the system custom_file and answers its number.
func (c *client) install(ctx context.Context) (int32, error) {
	var systems struct {
		Data []struct{ ID, Slug string }
	}
	if err := c.call(ctx, "GET", "/v1/systems", "", nil, &systems); err != nil {
		return 0, err
	}
	for _, s := range systems.Data {
		if s.Slug != "custom_file" {
			continue
		}
		var installed struct {
			Data struct {
				AppAccountID int32 `json:"app_account_id"`
			}
		}
		err := c.json(ctx, "POST", "/v1/org/system-integrations", map[string]any{"system_id": s.ID, "description": "Sample"}, &installed)
		return installed.Data.AppAccountID, err
	}
	return 0, errors.New("the server has no system custom_file")
}

func (c *client) json(ctx context.Context, method, path string, body, answer any) error {
	b, err := json.Marshal(body)
	if err != nil {
		return fmt.Errorf("%s %s: %w", method, path, err)
	}
	return c.call(ctx, method, path, "application/json", bytes.NewReader(b), answer)
}

func (c *client) call(ctx context.Context, method, path, contentType string, body io.Reader, answer any) error {
	req, err := http.NewRequestWithContext(ctx, method, c.base+path, body)
	if err != nil {
		return fmt.Errorf("%s %s: %w", method, path, err)
	}
	req.Header.Set("Authorization", "Bearer "+c.key)
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
