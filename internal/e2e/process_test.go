package e2e

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// process is a child in a process group of its own. It ends with its test, or,
// where this binary is killed, by its guard.
type process struct {
	cmd    *exec.Cmd
	out    output // both streams
	ended  chan struct{}
	err    error // of Wait; read it after ended
	guard  *exec.Cmd
	leash  io.Closer
	reaped sync.Once
}

// output is what a process prints, readable while it does.
type output struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.String()
}

// spawn starts a program. env is added to ours.
func spawn(t testing.TB, env []string, program string, args ...string) *process {
	t.Helper()
	p := &process{cmd: exec.Command(program, args...), ended: make(chan struct{})}
	p.cmd.Env = append(os.Environ(), env...)
	p.cmd.Stdout, p.cmd.Stderr = &p.out, &p.out
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := p.cmd.Start(); err != nil {
		t.Fatalf("start %s: %v", program, err)
	}
	if err := p.watch(); err != nil {
		p.kill()
		t.Fatalf("guard of %s: %v", program, err)
	}
	go func() {
		p.err = p.cmd.Wait()
		close(p.ended)
	}()
	t.Cleanup(func() {
		p.kill()
		checkLog(t, p.out.String())
		if t.Failed() {
			t.Logf("%s %s printed:\n%s", filepath.Base(program), strings.Join(args, " "), tail(p.out.String(), 1000))
		}
	})
	return p
}

// watch starts the guard: it waits on a pipe that only this binary holds open and
// then ends the process, whose group is still its own; and kills it, where it does
// not end. Who has started more than processes has ten seconds to end that, too.
func (p *process) watch() (err error) {
	p.guard = exec.Command("sh", "-c", `cat >/dev/null
kill -s TERM -- "-$1"
for i in 1 2 3 4 5 6 7 8 9 10; do
  kill -s 0 -- "-$1" 2>/dev/null || exit 0
  sleep 1
done
kill -s KILL -- "-$1"`, "guard", strconv.Itoa(p.cmd.Process.Pid))
	p.guard.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if p.leash, err = p.guard.StdinPipe(); err != nil {
		return err
	}
	return p.guard.Start()
}

// kill ends the process, as kill -9 does, and waits for that.
func (p *process) kill() {
	p.reaped.Do(func() {
		if p.guard.Process != nil { // first: it must not outlive what it kills
			_ = syscall.Kill(-p.guard.Process.Pid, syscall.SIGKILL)
			_ = p.guard.Wait()
			_ = p.leash.Close()
		}
		_ = syscall.Kill(-p.cmd.Process.Pid, syscall.SIGKILL)
		<-p.ended
	})
}

// wait waits for the process to end by itself.
func (p *process) wait(t testing.TB, within time.Duration) {
	t.Helper()
	select {
	case <-p.ended:
		p.kill() // its guard
	case <-time.After(within):
		t.Fatalf("%s has not ended within %v", filepath.Base(p.cmd.Path), within)
	}
}

// line waits for a line that begins with prefix, and answers the rest of it.
func (p *process) line(t testing.TB, prefix string, within time.Duration) string {
	t.Helper()
	deadline := time.Now().Add(within)
	for {
		for l := range strings.Lines(p.out.String()) {
			if rest, ok := strings.CutPrefix(l, prefix); ok && strings.HasSuffix(l, "\n") {
				return strings.TrimSpace(rest)
			}
		}
		select {
		case <-p.ended:
			t.Fatalf("%s ended (%v) before it said %q:\n%s", filepath.Base(p.cmd.Path), p.err, prefix, p.out.String())
		case <-time.After(10 * time.Millisecond):
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s has not said %q within %v:\n%s", filepath.Base(p.cmd.Path), prefix, within, p.out.String())
		}
	}
}

func tail(s string, n int) string {
	if len(s) <= n {
		return s
	}
	return "…" + s[len(s)-n:]
}

// built is where this test binary has its programs, made on first use.
var built = struct {
	dir        func() (string, error)
	muster     func() (string, error)
	lambdas    func() (string, error)
	containers func() (string, error)
	teardown   func()
}{}

func init() {
	built.dir = sync.OnceValues(func() (string, error) {
		dir, err := os.MkdirTemp("", "muster-e2e-*")
		built.teardown = func() { _ = os.RemoveAll(dir) }
		return dir, err
	})
	built.muster = sync.OnceValues(func() (string, error) { return build("", "muster", "muster/internal/cmd/muster") })
	// As they are deployed, but for this machine's architecture.
	functions := func(system, folder string) func() (string, error) {
		return sync.OnceValues(func() (string, error) {
			return build(system, folder, "muster/functions/...", "-tags", "lambda.norpc,nethttpomithttp2", "-trimpath", "-ldflags", "-s -w")
		})
	}
	built.lambdas = functions("", "functions/")
	built.containers = built.lambdas
	if runtime.GOOS != "linux" {
		built.containers = functions("linux", "linux/")
	}
}

// build builds packages for a system, "" for this one, into a file, or a folder
// whose name ends in a slash.
func build(system, into, packages string, flags ...string) (string, error) {
	dir, err := built.dir()
	if err != nil {
		return "", err
	}
	path := dir + "/" + into
	cmd := exec.Command("go", slices.Concat([]string{"build", "-o", path}, flags, []string{packages})...)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS="+system, "GOARCH=")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("go build %s: %w\n%s", packages, err, out)
	}
	return path, nil
}

func TestMain(m *testing.M) {
	code := m.Run()
	if built.teardown != nil {
		built.teardown()
	}
	os.Exit(code)
}
