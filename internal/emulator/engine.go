package emulator

import (
	"archive/tar"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// Engine is a container engine that speaks Docker's API.
type Engine struct {
	Host string // of its API, as DOCKER_HOST has it

	// Pulls says that base images come from their registry. An engine that was
	// started here has one alone, SAMImage, of our own making.
	Pulls bool

	docker string // its command
}

// SAMImage is the image that the SAM CLI runs functions in.
func SAMImage() string { return "public.ecr.aws/lambda/provided:al2023-" + LambdaArchitecture() }

// LambdaArchitecture is this machine's, in Lambda's words.
func LambdaArchitecture() string {
	if runtime.GOARCH == "amd64" {
		return "x86_64"
	}
	return runtime.GOARCH
}

// ContainerEngine is the machine's own engine or, for root on a Debian that has
// none, one that is started for this test binary alone.
func ContainerEngine(t testing.TB) Engine {
	t.Helper()
	e, err := containerEngine()
	if err != nil {
		unavailable(t, "container engine", err)
	}
	return e
}

// Remove removes containers by their ids, whether they are there or not.
func (e Engine) Remove(ids ...string) error {
	if len(ids) == 0 {
		return nil
	}
	_, err := e.run(nil, append([]string{"rm", "--force", "--volumes"}, ids...)...)
	return err
}

// Reach is the address under which containers on the engine's default network
// find what listens on loopback here, for the time of the test.
//
// Where that network is an interface of this machine, a listener on it passes on
// what comes; elsewhere (Docker Desktop) the engine has a name for this machine,
// and the port is the same.
func (e Engine) Reach(t testing.TB, endpoint string) string {
	t.Helper()
	target, err := url.Parse(endpoint)
	if err != nil {
		t.Fatal(err)
	}
	gateway, err := bridgeAddr()
	if err != nil {
		return "http://host.docker.internal:" + target.Port()
	}
	l, err := net.Listen("tcp", net.JoinHostPort(gateway, "0"))
	if err != nil {
		t.Fatalf("listen where containers can reach it: %v", err)
	}
	t.Cleanup(func() { l.Close() })
	go forward(l, target.Host)
	return "http://" + l.Addr().String()
}

// forward passes connections on until the listener closes.
func forward(l net.Listener, to string) {
	for {
		in, err := l.Accept()
		if err != nil {
			return
		}
		go func() {
			defer in.Close()
			out, err := net.Dial("tcp", to)
			if err != nil {
				return // the caller sees its connection close
			}
			defer out.Close()
			go func() {
				_, _ = io.Copy(out, in)
				_ = out.(*net.TCPConn).CloseWrite()
			}()
			_, _ = io.Copy(in, out)
		}()
	}
}

// bridgeAddr is our address on the default network of an engine on this machine.
func bridgeAddr() (string, error) {
	bridge, err := net.InterfaceByName("docker0")
	if err != nil {
		return "", err
	}
	addrs, err := bridge.Addrs()
	if err != nil {
		return "", err
	}
	for _, a := range addrs {
		if ip, ok := a.(*net.IPNet); ok && ip.IP.To4() != nil {
			return ip.IP.String(), nil
		}
	}
	return "", errors.New("docker0 has no address")
}

var containerEngine = sync.OnceValues(func() (Engine, error) {
	own := Engine{Pulls: true, docker: "docker"}
	if _, err := own.run(nil, "info"); err == nil {
		own.Host, err = own.run(nil, "context", "inspect", "--format", "{{.Endpoints.docker.Host}}")
		return own, err
	}
	if runtime.GOOS != "linux" || os.Getuid() != 0 || lookPath("sh", "apt-get", "dpkg-deb", "unshare") != nil {
		return Engine{}, missing{"a running Docker, and root on a Debian to start one: it"}
	}
	return startEngine()
})

// run runs the engine's command.
func (e Engine) run(in io.Reader, args ...string) (string, error) {
	cmd := exec.Command(e.docker, args...)
	if e.Host != "" {
		cmd.Env = append(os.Environ(), "DOCKER_HOST="+e.Host)
	}
	var stdout, stderr bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = in, &stdout, &stderr
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("docker %s: %w: %s", args[0], err, strings.TrimSpace(stderr.String()))
	}
	return strings.TrimSpace(stdout.String()), nil
}

// debian are the packages that an engine and its one image are made of. They are
// unpacked into the cache and not installed: the machine stays as it is, but for
// the interface docker0.
var debian = []string{"docker.io", "containerd", "runc", "libdevmapper1.02.1", "libseccomp2", "busybox-static"}

func fetchEngine(into string) error {
	script := `apt-get -qq update
mkdir debs
cd debs
apt-get -qq -o APT::Sandbox::User=root download "$@"
for deb in *.deb; do dpkg-deb -x "$deb" ..; done
cd ..
rm -r debs`
	cmd := exec.Command("sh", append([]string{"-euc", script, "fetch"}, debian...)...)
	cmd.Dir = into
	if out, err := cmd.CombinedOutput(); err != nil {
		return missing{fmt.Sprintf("what apt-get needs (%v: %s)", err, strings.TrimSpace(string(out)))}
	}
	return nil
}

// oneEngine is held by the binary whose engine has docker0.
var oneEngine *os.File

// startEngine runs an engine on the leash. It is the first process of a process
// namespace: what ends it ends its containers, and its mounts go with it.
func startEngine() (Engine, error) {
	dir, err := cacheDir("engine")
	if err != nil {
		return Engine{}, err
	}
	if dir, err = filepath.EvalSymlinks(dir); err != nil { // containers cannot lie behind one
		return Engine{}, err
	}
	root, err := install(dir, "debian", fetchEngine)
	if err != nil {
		return Engine{}, err
	}
	if oneEngine, err = os.OpenFile(filepath.Join(os.TempDir(), "muster-engine.lock"), os.O_CREATE|os.O_RDWR, 0o600); err != nil {
		return Engine{}, err
	}
	if err := syscall.Flock(int(oneEngine.Fd()), syscall.LOCK_EX); err != nil {
		return Engine{}, fmt.Errorf("wait for another engine: %w", err)
	}
	data, state := filepath.Join(dir, "data"), filepath.Join(os.TempDir(), "muster-engine") // a socket's path must be short
	// What the last one left:
	if err := errors.Join(os.RemoveAll(data), os.RemoveAll(state), os.Mkdir(state, 0o700)); err != nil {
		return Engine{}, err
	}
	socket := filepath.Join(state, "docker.sock")
	bin := filepath.Join(root, "usr/sbin") + ":" + filepath.Join(root, "usr/bin")
	libs, err := filepath.Glob(filepath.Join(root, "usr/lib/*-linux-gnu"))
	if err != nil {
		return Engine{}, err
	}
	err = start(dir, socket, "env", "PATH="+bin+":"+os.Getenv("PATH"), "LD_LIBRARY_PATH="+strings.Join(libs, ":"),
		"unshare", "--mount", "--pid", "--fork", "--mount-proc", "--kill-child",
		"dockerd", "--host", "unix://"+socket, "--data-root", data, "--exec-root", filepath.Join(state, "exec"), "--pidfile", filepath.Join(state, "pid"),
		// Containers speak to this machine alone: no rules for the way out.
		"--iptables=false", "--ip6tables=false", "--ip-forward=false")
	if err != nil {
		return Engine{}, err
	}
	e := Engine{Host: "unix://" + socket, docker: filepath.Join(root, "usr/bin/docker")}
	if err := e.ready(); err != nil {
		return Engine{}, err
	}
	return e, e.makeSAMImage(filepath.Join(root, "bin/busybox"))
}

// ready waits until the engine, which listens, answers.
func (e Engine) ready() error {
	deadline := time.Now().Add(startTimeout)
	for {
		_, err := e.run(nil, "info")
		if err == nil || time.Now().After(deadline) {
			return err
		}
		time.Sleep(100 * time.Millisecond) // between two looks at another process
	}
}

// makeSAMImage makes what the SAM CLI needs of Amazon's image: a shell to build its
// own image on it, and an entry point that runs the function.
func (e Engine) makeSAMImage(busybox string) error {
	shell, err := os.ReadFile(busybox)
	if err != nil {
		return err
	}
	var image bytes.Buffer
	w := tar.NewWriter(&image)
	err = errors.Join(
		addFile(w, "bin/busybox", shell),
		addFile(w, "lambda-entrypoint.sh", []byte("#!/bin/sh\nexec /var/task/bootstrap\n")),
		w.WriteHeader(&tar.Header{Typeflag: tar.TypeDir, Name: "var/task/", Mode: 0o755}),
		w.WriteHeader(&tar.Header{Typeflag: tar.TypeDir, Name: "tmp/", Mode: 0o1777}),
	)
	for _, applet := range []string{"sh", "mv", "chmod"} {
		err = errors.Join(err, w.WriteHeader(&tar.Header{Typeflag: tar.TypeSymlink, Name: "bin/" + applet, Linkname: "busybox", Mode: 0o777}))
	}
	if err := errors.Join(err, w.Close()); err != nil {
		return err
	}
	_, err = e.run(&image, "import", "--change", `ENTRYPOINT ["/lambda-entrypoint.sh"]`, "--change", "WORKDIR /var/task", "--change", "ENV PATH=/bin", "-", SAMImage())
	return err
}

func addFile(w *tar.Writer, name string, data []byte) error {
	if err := w.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: name, Mode: 0o755, Size: int64(len(data))}); err != nil {
		return err
	}
	_, err := w.Write(data)
	return err
}
