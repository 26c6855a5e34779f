package e2e

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"gopkg.in/yaml.v3"

	"muster/internal/emulator"
	"muster/internal/samtemplate"
)

// TestSAM runs what is deployed: the template's functions, each in its container,
// behind the SAM CLI's gateway. It takes some minutes and an engine: `make sam-test`
// asks for it, as CI does.
func TestSAM(t *testing.T) {
	if os.Getenv("CI") != "true" {
		t.Skip("runs in CI and by make sam-test")
	}
	t.Parallel() // with tests that wait most of their time
	s := awsSite(t)
	d := newSAM(t, s.with(inRequest))

	t.Run("template", func(t *testing.T) {
		if _, err := d.run(t, "validate", "--lint", "--template", "../../template.yaml"); err != nil {
			t.Error(err)
		}
	})
	base := d.serve(t)
	t.Run("conversations", func(t *testing.T) {
		for _, name := range scripts(t) {
			t.Run(strings.TrimSuffix(name, ".txtar"), func(t *testing.T) {
				d.logOnFailure(t)
				told := readScript(t, name)
				told.steps = slices.DeleteFunc(told.steps, notByCLI)
				converse(t, told, base, s.people(t))
			})
		}
	})
	org, key := s.newOrg(t, "Acme", "acme.example")
	known := fixtures(t, caller{base, key}, org)
	known["MUSTER_KEY"] = key
	answering, removing := byEvent(t)
	for i, functions := range [][]samtemplate.Function{answering, removing} {
		t.Run([]string{"events", "removals"}[i], func(t *testing.T) {
			for _, f := range functions {
				t.Run(f.Folder, func(t *testing.T) {
					t.Parallel() // most of it is the CLI's start
					event := fill(t, f.Folder, known)
					checkAnswer(t, f.Folder, event, d.invoke(t, f.ID, event))
				})
			}
		})
	}
}

// notByCLI is a step that the CLI's gateway cannot serve. Its framework takes HEAD
// wherever GET has a route, and the CLI then finds no function for it: 502. API
// Gateway sends it on to $default.
func notByCLI(st step) bool { return st.method == http.MethodHead }

// sam is a deployment of template.yaml on this machine.
type sam struct {
	cli     []string
	env     []string // of the CLI
	options []string // of each of its local commands
	engine  emulator.Engine
	gateway *process
}

// newSAM builds the functions and lays them beside the template, where it has them.
//
// The template is the real one. The CLI gives a function only the variables that
// the template names, so the copy names the addresses of the emulators, too.
func newSAM(t *testing.T, s site) *sam {
	d := &sam{cli: emulator.SAM(t), engine: emulator.ContainerEngine(t)}
	given := map[string]string{}
	for _, v := range s.env {
		name, value, _ := strings.Cut(v, "=")
		switch {
		case strings.HasPrefix(name, "AWS_ENDPOINT_URL_"):
			given[name] = d.engine.Reach(t, value)
		case strings.HasPrefix(name, "MUSTER_"):
			given[name] = value
		case value != "": // to the CLI an empty AWS_PROFILE is a profile
			d.env = append(d.env, v)
		}
	}
	moto := emulator.Moto(t)
	for _, service := range []string{"SECRETS_MANAGER", "SCHEDULER", "SQS"} {
		given["AWS_ENDPOINT_URL_"+service] = d.engine.Reach(t, moto)
	}
	invokes := emulator.FreeAddr(t)
	given["AWS_ENDPOINT_URL_LAMBDA"] = d.engine.Reach(t, "http://"+invokes)

	// The CLI itself asks STS for the account.
	d.env = slices.Concat(d.env, emulator.SAMEnvironment(t), []string{"DOCKER_HOST=" + d.engine.Host, "AWS_DEFAULT_REGION=us-east-1", "AWS_ENDPOINT_URL=" + moto})
	dir := t.TempDir()
	layOut(t, dir)
	template, env := filepath.Join(dir, "template.yaml"), filepath.Join(dir, "env.json")
	write(t, template, naming(t, slices.Sorted(maps.Keys(given))))
	parameters, err := json.Marshal(map[string]any{"Parameters": given})
	if err != nil {
		t.Fatal(err)
	}
	write(t, env, parameters)
	d.options = []string{"--template", template, "--env-vars", env, "--parameter-overrides", "Architecture=" + emulator.LambdaArchitecture(),
		"--layer-cache-basedir", filepath.Join(dir, "layers")}
	if !d.engine.Pulls {
		d.options = append(d.options, "--skip-pull-image")
	}
	_, port, _ := net.SplitHostPort(invokes)
	d.start(t, "start-lambda", port)
	return d
}

// serve puts the template's API on an address.
func (d *sam) serve(t *testing.T) string {
	addr := emulator.FreeAddr(t)
	_, port, _ := net.SplitHostPort(addr)
	d.gateway = d.start(t, "start-api", port)
	return "http://" + addr
}

// start runs a server of the CLI. Its functions keep their containers, as
// sandboxes that are warm.
func (d *sam) start(t *testing.T, command, port string) *process {
	args := slices.Concat(d.cli[1:], []string{"local", command, "--host", "127.0.0.1", "--port", port, "--warm-containers", "LAZY"}, d.options)
	p := spawn(t, d.env, d.cli[0], args...)
	t.Cleanup(func() {
		_ = p.cmd.Process.Signal(syscall.SIGTERM)
		select {
		case <-p.ended:
		case <-time.After(time.Minute):
			t.Errorf("sam local %s does not end", command)
		}
		if err := d.engine.Remove(containers(p.out.String())...); err != nil {
			t.Error(err)
		}
	})
	p.line(t, " * Running on ", 3*time.Minute)
	return p
}

var containerID = regexp.MustCompile(`SAM_CONTAINER_ID: ([0-9a-f]+)`)

// containers are those that the CLI says it has made.
func containers(said string) (ids []string) {
	for _, m := range containerID.FindAllStringSubmatch(said, -1) {
		ids = append(ids, m[1])
	}
	return ids
}

// run runs a command of the CLI to its end and answers what it printed; the error
// says what it printed beside that.
func (d *sam) run(t *testing.T, args ...string) (string, error) {
	cmd := exec.CommandContext(t.Context(), d.cli[0], append(d.cli[1:len(d.cli):len(d.cli)], args...)...)
	cmd.Env = append(os.Environ(), d.env...)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("sam %s: %w\n%s%s", args[0], err, stdout.String(), tail(stderr.String(), 4000))
	}
	return stdout.String(), nil
}

// invoke runs a function on its example event, as the README says.
func (d *sam) invoke(t *testing.T, function string, event []byte) []byte {
	file := filepath.Join(t.TempDir(), "event.json")
	write(t, file, event)
	command := slices.Concat([]string{"local", "invoke", function, "--event", file}, d.options)
	answer, err := d.run(t, command...)
	if err != nil && strings.Contains(err.Error(), "port is already allocated") { // the CLI draws it and hopes
		answer, err = d.run(t, command...)
	}
	if err != nil {
		t.Fatal(err)
	}
	return []byte(answer)
}

// chatter is what the CLI says of each request.
var chatter = regexp.MustCompile(`(?m)^((START|END|REPORT) RequestId|Invoking |Requested to skip|Mounting |Lambda function '|SAM_CONTAINER_ID|[0-9: -]+127\.0\.0\.1 |\s*$).*\n`)

// logOnFailure shows what the functions printed while a test ran that failed.
func (d *sam) logOnFailure(t *testing.T) {
	before := len(d.gateway.out.String())
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("the functions printed:\n%s", tail(chatter.ReplaceAllString(d.gateway.out.String()[before:], ""), 4000))
		}
	})
}

// layOut puts the functions where the template says that make build does.
func layOut(t *testing.T, dir string) {
	built, err := built.containers()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range readTemplate(t).functions {
		folder := filepath.Join(dir, f.CodeURI)
		if err := os.MkdirAll(folder, 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.Link(filepath.Join(built, f.Folder), filepath.Join(folder, "bootstrap")); err != nil {
			t.Fatal(err)
		}
	}
}

// checkAnswer holds a function's answer to its example event: a worker says nothing
// but that it failed.
func checkAnswer(t *testing.T, function string, event, answer []byte) {
	t.Helper()
	if !bytes.Contains(event, []byte("routeKey")) {
		return
	}
	var said events.APIGatewayV2HTTPResponse
	if err := json.Unmarshal(answer, &said); err != nil || said.StatusCode/100 != 2 && said.StatusCode != elsewhere[function] {
		t.Errorf("answered %s (%v)", answer, err)
	}
}

// naming is template.yaml with more variables in the environment of all functions,
// empty.
func naming(t *testing.T, variables []string) []byte {
	raw, err := os.ReadFile("../../template.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var doc yaml.Node
	if err := yaml.Unmarshal(raw, &doc); err != nil {
		t.Fatal(err)
	}
	env := doc.Content[0]
	for _, name := range []string{"Globals", "Function", "Environment", "Variables"} {
		at := slices.IndexFunc(env.Content, func(n *yaml.Node) bool { return n.Value == name })
		if at < 0 {
			t.Fatalf("template.yaml has no %s where it should", name)
		}
		env = env.Content[at+1]
	}
	for _, name := range variables {
		if strings.HasPrefix(name, "AWS_") {
			env.Content = append(env.Content, &yaml.Node{Kind: yaml.ScalarNode, Value: name}, &yaml.Node{Kind: yaml.ScalarNode, Style: yaml.DoubleQuotedStyle})
		}
	}
	named, err := yaml.Marshal(&doc)
	if err != nil {
		t.Fatal(err)
	}
	return named
}

func write(t *testing.T, file string, data []byte) {
	t.Helper()
	if err := os.WriteFile(file, data, 0o600); err != nil {
		t.Fatal(err)
	}
}
