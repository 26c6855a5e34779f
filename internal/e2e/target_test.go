package e2e

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"muster/internal/aws/dynamo"
	"muster/internal/emulator"
)

// inRequest makes the limit of what is synced inside its request small enough for
// the conversations to be on both sides of it.
const inRequest = "MUSTER_IN_REQUEST_BYTES=100000"

// runningJobs makes each sync of the conversations take a place.
const runningJobs = "MUSTER_RUNNING_JOBS=4"

// site is where Muster keeps its data, as its commands are told.
type site struct {
	flags []string
	env   []string
}

func localSite(t testing.TB) site {
	return site{flags: []string{"--data", filepath.Join(t.TempDir(), "data")}}
}

// awsSite is a table and a bucket of the test's own in the emulators.
func awsSite(t testing.TB) site {
	t.Helper()
	endpoint, name := emulator.DynamoDB(t), emulator.TableName()
	// DynamoDB Local has tables for each key and region: here, those of the S3 side.
	client := dynamodb.New(dynamodb.Options{
		Region: "us-east-1", BaseEndpoint: &endpoint,
		Credentials: credentials.NewStaticCredentialsProvider("local", "local-secret", ""),
	})
	if err := dynamo.CreateTable(t.Context(), client, name); err != nil {
		t.Fatal(err)
	}
	return site{flags: []string{"--backend", "aws"}, env: []string{
		"MUSTER_TABLE=" + name, "MUSTER_BUCKET=" + emulator.Bucket(t),
		"AWS_ENDPOINT_URL_DYNAMODB=" + endpoint, "AWS_ENDPOINT_URL_S3=" + emulator.S3(t),
		"AWS_ENDPOINT_URL_SECRETS_MANAGER=" + emulator.Moto(t),
		"AWS_ACCESS_KEY_ID=local", "AWS_SECRET_ACCESS_KEY=local-secret", "AWS_REGION=us-east-1",
		"AWS_SESSION_TOKEN=", "AWS_PROFILE=", "AWS_CONFIG_FILE=" + os.DevNull, "AWS_SHARED_CREDENTIALS_FILE=" + os.DevNull,
		"AWS_EC2_METADATA_DISABLED=true",
	}}
}

func (s site) with(env ...string) site {
	return site{flags: s.flags, env: append(s.env[:len(s.env):len(s.env)], env...)}
}

// run runs a muster command to its end and answers what it printed.
func (s site) run(t testing.TB, args ...string) string {
	t.Helper()
	out, errout, err := s.try(t, args...)
	if err != nil {
		t.Fatalf("muster %s: %v\n%s", strings.Join(args, " "), err, errout)
	}
	return out
}

func (s site) try(t testing.TB, args ...string) (out, errout string, err error) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), musterBinary(t), append(args, s.flags...)...)
	cmd.Env = append(os.Environ(), s.env...)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err = cmd.Run()
	return strings.TrimSpace(stdout.String()), stderr.String(), err
}

func musterBinary(t testing.TB) string {
	t.Helper()
	path, err := built.muster()
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// newOrg makes an org and a key of it.
func (s site) newOrg(t testing.TB, name, domain string) (id, admin string) {
	t.Helper()
	id = s.run(t, "org", "create", name, "--domain", domain)
	return id, s.newKey(t, id, "admin")
}

func (s site) newKey(t testing.TB, org, role string) string {
	t.Helper()
	return s.run(t, "key", "create", org, "--role", role)
}

// people makes the two orgs of a conversation and says what it may name.
func (s site) people(t testing.TB) vars {
	t.Helper()
	acme, admin := s.newOrg(t, "Acme", "acme.example")
	_, rival := s.newOrg(t, "Rival", "rival.example")
	return vars{
		"org": acme, "admin": admin, "write": s.newKey(t, acme, "write"), "read": s.newKey(t, acme, "read"), "rival": rival,
	}
}

// server is a muster serve.
type server struct {
	*process
	base string
}

func (s site) serve(t testing.TB, args ...string) server {
	t.Helper()
	args = append(append([]string{"serve", "--addr", "127.0.0.1:0"}, args...), s.flags...)
	p := spawn(t, s.env, musterBinary(t), args...)
	return server{p, p.line(t, "listening on ", 30*time.Second)}
}

// target is a way to run Muster. open answers an address and what a conversation
// may name; what is costly to start is started once.
type target struct {
	name string
	open func(t *testing.T) (base string, known vars)
	// after is held to when all conversations went well; nil: nothing is.
	after func(t *testing.T)
}

// targets start what they need on first use; t ends it.
func targets(t *testing.T) []target {
	aws := sync.OnceValues(func() (site, string) {
		s := awsSite(t)
		return s, s.with(inRequest, runningJobs).serve(t).base
	})
	var deployed *deployment
	lambda := sync.OnceValues(func() (site, string) {
		s := awsSite(t)
		deployed = deploy(t, s.with(inRequest, runningJobs))
		return s, deployed.url
	})
	shared := func(start func() (site, string)) func(*testing.T) (string, vars) {
		return func(t *testing.T) (string, vars) {
			s, base := start()
			return base, s.people(t)
		}
	}
	return []target{
		{name: "local", open: func(t *testing.T) (string, vars) {
			s := localSite(t) // one process has the folder: the orgs come first
			known := s.people(t)
			t.Cleanup(func() { s.checkFormats(t) }) // once the server has ended
			return s.with(inRequest, runningJobs).serve(t).base, known
		}},
		{name: "aws", open: shared(aws)},
		{name: "lambda", open: shared(lambda), after: func(t *testing.T) {
			s, _ := lambda()
			mend(t, deployed, s)
			deployed.events.Wait()
			deployed.role.checkCalls(t)
		}},
	}
}

func TestConversations(t *testing.T) {
	for _, to := range targets(t) {
		t.Run(to.name, func(t *testing.T) {
			held := 0
			for _, name := range scripts(t) {
				t.Run(strings.TrimSuffix(name, ".txtar"), func(t *testing.T) {
					held++
					s := readScript(t, name)
					base, known := to.open(t)
					converse(t, s, base, known)
				})
			}
			if to.after != nil && held == len(scripts(t)) && !t.Failed() {
				t.Run("after", to.after)
			}
		})
	}
}

// caller calls one Muster with one key, for tests that are no conversations.
type caller struct {
	base, key string
}

// call sends body as JSON and reads the answer into answer, if it is not nil.
func (c caller) call(t testing.TB, method, path string, body, answer any) (int, http.Header) {
	t.Helper()
	status, header, text, err := c.try(method, path, body)
	if err != nil {
		t.Fatal(err)
	}
	if answer != nil {
		if err := json.Unmarshal(text, answer); err != nil {
			t.Fatalf("%s %s answered %d: %s", method, path, status, text)
		}
	}
	return status, header
}

// must is call where anything but 2xx ends the test.
func (c caller) must(t testing.TB, method, path string, body, answer any) {
	t.Helper()
	status, _, text, err := c.try(method, path, body)
	if err != nil || status/100 != 2 {
		t.Fatalf("%s %s answered %d: %s (%v)", method, path, status, text, err)
	}
	if answer != nil {
		if err := json.Unmarshal(text, answer); err != nil {
			t.Fatalf("%s %s: %v in %s", method, path, err, text)
		}
	}
}

func (c caller) try(method, path string, body any) (status int, header http.Header, text []byte, err error) {
	var send io.Reader
	if body != nil {
		b, err := json.Marshal(body)
		if err != nil {
			return 0, nil, nil, err
		}
		send = bytes.NewReader(b)
	}
	req, err := http.NewRequest(method, c.base+path, send)
	if err != nil {
		return 0, nil, nil, err
	}
	req.Header.Set("Authorization", "Bearer "+c.key)
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	resp, err := client.Do(req)
	if err != nil {
		return 0, nil, nil, err
	}
	defer resp.Body.Close()
	text, err = io.ReadAll(resp.Body)
	return resp.StatusCode, resp.Header, text, err
}

// customFile is the system that takes a file; its id is in the catalogue.
const customFile = "018f5c3e-8a01-7c42-a1f0-66696c650001"

// account installs a system that takes a file.
func (c caller) account(t testing.TB) (id string, number int32) {
	t.Helper()
	var made struct {
		Data struct {
			ID           string
			AppAccountID int32 `json:"app_account_id"`
		}
	}
	c.must(t, "POST", "/v1/org/system-integrations", map[string]any{"system_id": customFile}, &made)
	return made.Data.ID, made.Data.AppAccountID
}

// upload puts a file of any size and registers it.
func (c caller) upload(t testing.TB, body io.Reader, size int64) int64 {
	t.Helper()
	url, path := c.place(t)
	if err := put(url, body, size); err != nil {
		t.Fatal(err)
	}
	return c.register(t, path)
}

func (c caller) place(t testing.TB) (url, path string) {
	t.Helper()
	var place struct {
		UploadFileParameters struct{ URL, FilePath string }
	}
	c.must(t, "GET", "/v1.0/files/url?name=users.json&type=application/json", nil, &place)
	return place.UploadFileParameters.URL, place.UploadFileParameters.FilePath
}

func (c caller) register(t testing.TB, path string) int64 {
	t.Helper()
	var file struct{ ID int64 }
	c.must(t, "POST", "/v1.0/files", map[string]any{"path": path, "type": "customIntegrationData"}, &file)
	return file.ID
}

func put(url string, body io.Reader, size int64) error {
	req, err := http.NewRequest("PUT", url, body)
	if err != nil {
		return err
	}
	req.ContentLength = size
	req.Header.Set("Content-Type", "application/json")
	resp, err := client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		text, _ := io.ReadAll(resp.Body)
		return &unexpected{resp.StatusCode, string(text)}
	}
	return nil
}

type unexpected struct {
	status int
	body   string
}

func (e *unexpected) Error() string { return "answered " + http.StatusText(e.status) + ": " + e.body }
