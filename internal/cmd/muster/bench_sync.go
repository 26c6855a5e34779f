package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	jsonx "github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"muster/internal/rosterfile/rostergen"
)

// measure is one run.
type measure struct {
	synced
	PeakMB float64 // of the process's resident memory
}

// floor is a process that only decodes a file.
type floor struct {
	File string `arg:""`
}

func (c *floor) Run(e *env) error {
	f, err := os.Open(c.File)
	if err != nil {
		return err
	}
	defer f.Close()
	began := e.now()
	n, err := decodeOnly(f)
	if err != nil {
		return err
	}
	return json.NewEncoder(e.out).Encode(decoded{n, e.now().Sub(began).Seconds()})
}

// decoded is what it prints.
type decoded struct {
	Users   int
	Seconds float64
}

// decodeOnly reads the users of a roster file and forgets them.
func decodeOnly(r io.Reader) (n int, err error) {
	type user struct {
		ID             string   `json:"id"`
		Email          string   `json:"email"`
		FirstName      string   `json:"firstName"`
		LastName       string   `json:"lastName"`
		Status         string   `json:"status"`
		ExternalStatus string   `json:"externalStatus"`
		Roles          []string `json:"roles"`
		LastUsedDate   string   `json:"lastUsedDate"`
	}
	d := jsontext.NewDecoder(r)
	for range 3 { // { "users" [
		if _, err := d.ReadToken(); err != nil {
			return 0, err
		}
	}
	for ; d.PeekKind() == '{'; n++ {
		var u user
		if err := jsonx.UnmarshalDecode(d, &u); err != nil {
			return n, err
		}
	}
	return n, nil
}

// rosters syncs n users, then the same with one of them changed, each in a server
// of its own beside a floor.
func (c *bench) rosters(ctx context.Context, e *env, t *sheet, self string, n int, shuffled bool) (err error) {
	dir, err := os.MkdirTemp("", "muster-bench-*")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	order := map[bool]string{false: "sorted", true: "shuffled"}[shuffled]
	var app int32 // the second run is against what the first left
	for changed, run := range []string{"first", "one changed"} {
		t.at("%d users, %s, %s", n, order, run)
		file := filepath.Join(dir, run+".json")
		if err := generate(file, n, rostergen.Options{Seed: 1, Shuffled: shuffled, Changed: changed}); err != nil {
			return err
		}
		before, err := runFloor(ctx, self, file)
		if err != nil {
			return err
		}
		m, err := runSync(ctx, self, filepath.Join(dir, "data"), file, &app)
		if err != nil {
			return err
		}
		if users := m.Counts.Users; users.Received != n || users.Added+users.Changed != []int{n, 1}[changed] {
			return fmt.Errorf("the %s sync of %d users came to %+v", run, n, users)
		}
		after, err := runFloor(ctx, self, file)
		if err != nil {
			return err
		}
		// The machine's speed drifts: the floor is what it was on both sides of the run.
		floor := (before.Seconds + after.Seconds) / 2
		ratio, peak := plain("%.2f", m.Seconds/floor), plain("%.0f", m.PeakMB)
		if n >= 1_000_000 { // the budget is for a million
			ratio, peak = within("%.2f", m.Seconds/floor, 2.5), within("%.0f", m.PeakMB, 100)
		}
		t.row(plain("%.0f", float64(n)), order, run, plain("%.2f", floor), plain("%.2f", m.Seconds), plain("%.0f", float64(n)/m.Seconds), ratio, peak)
	}
	return nil
}

func generate(file string, n int, o rostergen.Options) (err error) {
	f, err := os.Create(file)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	b := bufio.NewWriterSize(f, 1<<20)
	if err := rostergen.Write(b, n, o); err != nil {
		return err
	}
	return b.Flush()
}

func runFloor(ctx context.Context, self, file string) (d decoded, err error) {
	out, err := exec.CommandContext(ctx, self, "floor", file).Output()
	if err != nil {
		return d, fmt.Errorf("floor: %w", err)
	}
	return d, json.Unmarshal(out, &d)
}

// runSync starts a server over data, uploads the file, syncs it to the app account
// (0: a new one) and stops the server again, so that its peak is of this one sync.
func runSync(ctx context.Context, self, data, file string, app *int32) (m measure, err error) {
	srv := exec.CommandContext(ctx, self, "serve", "--addr", "127.0.0.1:0", "--data", data)
	srv.Cancel = func() error { return srv.Process.Signal(syscall.SIGTERM) }
	var errs bytes.Buffer
	srv.Stderr = &errs
	out, err := srv.StdoutPipe()
	if err != nil {
		return m, err
	}
	if err := srv.Start(); err != nil {
		return m, err
	}
	c, err := clientOf(out, filepath.Join(data, "api-key"))
	if err == nil && *app == 0 {
		*app, err = c.install(ctx)
	}
	if err == nil {
		m.synced, err = c.sync(ctx, *app, file)
	}
	_ = srv.Process.Signal(syscall.SIGTERM) // it may have ended already, which Wait says
	go io.Copy(io.Discard, out)
	if werr := srv.Wait(); err == nil && werr != nil {
		err = fmt.Errorf("server: %w: %s", werr, &errs)
	}
	m.PeakMB = peakMB(srv.ProcessState)
	return m, err
}

// clientOf waits until a server says where it listens.
func clientOf(out io.Reader, keyFile string) (*client, error) {
	for lines := bufio.NewScanner(out); lines.Scan(); {
		base, found := strings.CutPrefix(lines.Text(), "listening on ")
		if !found {
			continue
		}
		key, err := os.ReadFile(keyFile)
		return &client{base: base, key: strings.TrimSpace(string(key))}, err
	}
	return nil, errors.New("the server ended before it listened")
}

// synced is what a sync came to.
type synced struct {
	Seconds float64 // from the PUT to its answer, which is the commit
	Counts  struct {
		Users struct{ Received, Added, Changed, Unchanged, Removed int }
	}
}

// sync puts the file to a signed URL, registers it, times its sync and reads the
// job's report.
func (c *client) sync(ctx context.Context, app int32, file string) (done synced, err error) {
	var issued struct {
		UploadFileParameters struct{ URL, FilePath string }
	}
	if err := c.call(ctx, "GET", "/v1.0/files/url?name=users.json&type=application/json", "", nil, &issued); err != nil {
		return done, err
	}
	if err := put(ctx, issued.UploadFileParameters.URL, file); err != nil {
		return done, err
	}
	var stored struct{ ID int64 }
	if err := c.json(ctx, "POST", "/v1.0/files", map[string]any{"path": issued.UploadFileParameters.FilePath, "type": "customIntegrationData"}, &stored); err != nil {
		return done, err
	}
	began := time.Now()
	var started struct {
		JobID string `json:"job_id"`
	}
	if err := c.json(ctx, "PUT", "/v1.0/services/sync/custom", map[string]any{"idFile": stored.ID, "idAppAccount": app}, &started); err != nil {
		return done, err
	}
	done.Seconds = time.Since(began).Seconds()
	var report struct {
		Data struct {
			Status string
			Counts json.RawMessage
		}
	}
	if err := c.call(ctx, "GET", "/v1/org/jobs/"+started.JobID, "", nil, &report); err != nil {
		return done, err
	}
	if report.Data.Status != "completed" {
		return done, fmt.Errorf("the sync is %s after %.1f s: it must end inside its request to be measured", report.Data.Status, done.Seconds)
	}
	return done, json.Unmarshal(report.Data.Counts, &done.Counts)
}

func put(ctx context.Context, url, file string) error {
	f, err := os.Open(file)
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPut, url, f)
	if err != nil {
		return err
	}
	req.ContentLength = info.Size()
	req.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("putting the file answered %s", resp.Status)
	}
	return nil
}
