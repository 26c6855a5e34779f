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
	"runtime"
	"strings"
	"syscall"
	"text/tabwriter"
	"time"

	jsonx "github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"muster/internal/rosterfile/rostergen"
)

// bench measures the whole way of a file, as a client sees it: a server of its
// own for each run, a file put to a signed URL, and the PUT that syncs it timed
// from request to answer, which is the commit. Beside each stands a floor: a
// process that only decodes the same file.
type bench struct {
	Users []int `default:"100000,1000000" help:"How many users (${default})."`
	Sizes bool  `default:"true" negatable:"" help:"Also build every function and print its size."`
}

// floor is that process.
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
	return json.NewEncoder(e.out).Encode(measure{Users: n, Seconds: e.now().Sub(began).Seconds()})
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

// measure is one run.
type measure struct {
	Users   int
	Seconds float64
	PeakMB  float64 // of the process's resident memory
}

func (c *bench) Run(ctx context.Context, e *env) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	fmt.Fprintf(e.out, "%s/%s, %d CPUs, %s. Seconds are from the PUT to the commit; the ratio is to the floor beside it.\n\n",
		runtime.GOOS, runtime.GOARCH, runtime.NumCPU(), runtime.Version())
	w := tabwriter.NewWriter(e.out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "users\torder\trun\tseconds\tusers/s\tratio\tpeak MB\t")
	for _, n := range c.Users {
		for _, shuffled := range []bool{false, true} {
			if err := c.rosters(ctx, e, w, self, n, shuffled); err != nil {
				return err
			}
		}
	}
	if err := w.Flush(); err != nil || !c.Sizes {
		return err
	}
	return sizes(ctx, e.out)
}

// rosters syncs n users, then the same with one of them changed.
func (c *bench) rosters(ctx context.Context, e *env, w io.Writer, self string, n int, shuffled bool) (err error) {
	dir, err := os.MkdirTemp("", "muster-bench-*")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	order := map[bool]string{false: "sorted", true: "shuffled"}[shuffled]
	row := func(run string, m, floor measure) {
		fmt.Fprintf(w, "%d\t%s\t%s\t%.2f\t%.0f\t%.2f\t%.0f\t\n", n, order, run, m.Seconds, float64(n)/m.Seconds, m.Seconds/floor.Seconds, m.PeakMB)
	}
	for changed, run := range []string{"first", "one changed"} {
		file := filepath.Join(dir, run+".json")
		if err := generate(file, n, rostergen.Options{Seed: 1, Shuffled: shuffled, Changed: changed}); err != nil {
			return err
		}
		before, err := runFloor(ctx, self, file)
		if err != nil {
			return err
		}
		m, err := runSync(ctx, self, filepath.Join(dir, "data"), file)
		if err != nil {
			return err
		}
		after, err := runFloor(ctx, self, file)
		if err != nil {
			return err
		}
		// The machine's speed drifts: the floor is what it was on both sides of the run.
		before.Seconds = (before.Seconds + after.Seconds) / 2
		row("floor", before, before)
		row(run, m, before)
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

func runFloor(ctx context.Context, self, file string) (m measure, err error) {
	cmd := exec.CommandContext(ctx, self, "floor", file)
	out, err := cmd.Output()
	if err != nil {
		return m, fmt.Errorf("floor: %w", err)
	}
	err = json.Unmarshal(out, &m)
	m.PeakMB = peakMB(cmd.ProcessState)
	return m, err
}

// runSync starts a server over data, uploads the file, syncs it and stops the
// server again, so that its peak is of this one sync.
func runSync(ctx context.Context, self, data, file string) (m measure, err error) {
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
	if err == nil {
		m.Seconds, err = c.timeSync(ctx, file)
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

// timeSync puts the file to a signed URL, registers it and times its sync.
func (c *client) timeSync(ctx context.Context, file string) (float64, error) {
	app, err := c.install(ctx)
	if err != nil {
		return 0, err
	}
	var issued struct {
		UploadFileParameters struct{ URL, FilePath string }
	}
	if err := c.call(ctx, "GET", "/v1.0/files/url?name=users.json&type=application/json", "", nil, &issued); err != nil {
		return 0, err
	}
	if err := put(ctx, issued.UploadFileParameters.URL, file); err != nil {
		return 0, err
	}
	var stored struct{ ID int64 }
	if err := c.json(ctx, "POST", "/v1.0/files", map[string]any{"path": issued.UploadFileParameters.FilePath, "type": "customIntegrationData"}, &stored); err != nil {
		return 0, err
	}
	began := time.Now()
	var synced struct {
		JobID string `json:"job_id"`
	}
	if err := c.json(ctx, "PUT", "/v1.0/services/sync/custom", map[string]any{"idFile": stored.ID, "idAppAccount": app}, &synced); err != nil {
		return 0, err
	}
	took := time.Since(began).Seconds()
	var report struct {
		Data struct {
			Status, Reason string
			Timings        json.RawMessage `json:"timings_ms"`
		}
	}
	if err := c.call(ctx, "GET", "/v1/org/jobs/"+synced.JobID, "", nil, &report); err != nil {
		return 0, err
	}
	if report.Data.Status != "completed" {
		return 0, fmt.Errorf("the sync is %s after %.1f s: it must end inside its request to be measured", report.Data.Status, took)
	}
	return took, nil
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

// sizes builds every function as it is deployed.
func sizes(ctx context.Context, out io.Writer) error {
	folders, err := filepath.Glob("functions/*/main.go")
	if err != nil || len(folders) == 0 {
		return err // not in the source tree
	}
	dir, err := os.MkdirTemp("", "muster-sizes-*")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "\nfunction\tMB, arm64\t")
	for _, main := range folders {
		name := filepath.Base(filepath.Dir(main))
		bin := filepath.Join(dir, name)
		cmd := exec.CommandContext(ctx, "go", "build", "-tags", "lambda.norpc", "-trimpath", "-ldflags", "-s -w", "-o", bin, "./functions/"+name)
		cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux", "GOARCH=arm64")
		if msg, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("building %s: %w: %s", name, err, msg)
		}
		info, err := os.Stat(bin)
		if err != nil {
			return err
		}
		fmt.Fprintf(w, "%s\t%.1f\t\n", name, float64(info.Size())/1e6)
	}
	return w.Flush()
}
