package emulator

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// startTimeout is how long an emulator may take to listen: java on a busy machine.
const startTimeout = 90 * time.Second

// missing is an error that a laptop may have and CI may not.
type missing struct{ what string }

func (m missing) Error() string { return m.what + " is missing" }

// unavailable skips the test, or fails it in CI or where the cause is more than a
// missing program.
func unavailable(t testing.TB, emulator string, err error) {
	t.Helper()
	var m missing
	if errors.As(err, &m) && os.Getenv("CI") != "true" {
		t.Skipf("%s: %v; install it, or leave this test to CI", emulator, err)
	}
	t.Fatalf("%s: %v", emulator, err)
}

// lookPath finds the programs an emulator needs.
func lookPath(programs ...string) error {
	for _, p := range programs {
		if _, err := exec.LookPath(p); err != nil {
			return missing{p}
		}
	}
	return nil
}

// cacheDir is the emulator's folder below .cache at the root of the repository,
// made where there is none.
func cacheDir(emulator string) (string, error) {
	root, err := os.Getwd() // the folder of the package under test
	if err != nil {
		return "", err
	}
	for {
		if _, err := os.Stat(filepath.Join(root, "go.mod")); err == nil {
			break
		}
		parent := filepath.Dir(root)
		if parent == root {
			return "", errors.New("no go.mod above the working directory")
		}
		root = parent
	}
	dir := filepath.Join(root, ".cache", emulator)
	return dir, os.MkdirAll(dir, 0o755)
}

// install runs fetch with the folder dir/name to fill, unless that folder is
// there. Test binaries run at the same time: one fetches, the others wait.
//
// If we stop here: the lock goes with the process, the folder has not got its
// name yet, and the next one begins again.
func install(dir, name string, fetch func(into string) error) (string, error) {
	lock, err := os.OpenFile(filepath.Join(dir, name+".lock"), os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return "", err
	}
	defer lock.Close() // releases it
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX); err != nil {
		return "", fmt.Errorf("lock %s: %w", lock.Name(), err)
	}
	done := filepath.Join(dir, name)
	if _, err := os.Stat(done); err == nil {
		return done, nil
	}
	part := done + ".part"
	if err := errors.Join(os.RemoveAll(part), os.MkdirAll(part, 0o755)); err != nil {
		return "", err
	}
	if err := fetch(part); err != nil {
		return "", err
	}
	return done, os.Rename(part, done)
}

// fetchPython lets pip resolve a package and what it needs from the indexes of the
// user's own settings, into a virtual environment. Only the interpreter of that is
// used, which finds its packages wherever the folder is moved to; the scripts
// beside it do not.
func fetchPython(requirement string) func(into string) error {
	return func(into string) error {
		for _, c := range [][]string{
			{"python3", "-m", "venv", into},
			{filepath.Join(into, "bin", "python"), "-m", "pip", "install", "--quiet", requirement},
		} {
			if out, err := exec.Command(c[0], c[1:]...).CombinedOutput(); err != nil {
				return missing{fmt.Sprintf("what %s needs (%v: %s)", strings.Join(c[1:3], " "), err, strings.TrimSpace(string(out)))}
			}
		}
		return nil
	}
}

// leash runs the program in its arguments, and kills it when standard input ends.
// We hold the other end of that pipe and nobody else does: it ends with this
// process, whether that returns, panics or is killed.
const leash = `exec 3<&0
"$@" </dev/null 3<&- &
program=$!
{ cat <&3 >/dev/null; kill -9 $program 2>/dev/null; } &
exec 3<&-
wait $program`

// start runs a program on the leash in dir and returns when it listens on addr, a
// port or the path of a socket.
// What it prints is part of the error where it does not.
func start(dir, addr, program string, args ...string) error {
	log, err := os.CreateTemp("", "muster-emulator-*.log")
	if err != nil {
		return err
	}
	defer os.Remove(log.Name()) // the program keeps its open file
	defer log.Close()
	cmd := exec.Command("sh", append([]string{"-c", leash, "leash", program}, args...)...)
	cmd.Dir, cmd.Stdout, cmd.Stderr = dir, log, log
	if _, err := cmd.StdinPipe(); err != nil { // never closed by us
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	if err := awaitListener(addr, ended); err != nil {
		out, _ := os.ReadFile(log.Name())
		return fmt.Errorf("%s: %w\n%s", program, err, strings.TrimSpace(string(out)))
	}
	return nil
}

func awaitListener(addr string, ended <-chan error) error {
	network := "tcp"
	if filepath.IsAbs(addr) {
		network = "unix"
	}
	deadline := time.After(startTimeout)
	for {
		if c, err := net.DialTimeout(network, addr, time.Second); err == nil {
			return c.Close()
		}
		select {
		case err := <-ended:
			return fmt.Errorf("ended before it listened: %w", err)
		case <-deadline:
			return fmt.Errorf("does not listen on %s after %v", addr, startTimeout)
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// Emulators get ports below those that the system gives to whoever asks for any
// (from 32768 on Linux, from 49152 elsewhere). Of these another test's server, or a
// connection of a client, takes the emulator's own in the seconds until it listens,
// and is then taken for it.
const firstPort, portPairs = 20000, 5000

// guards are the odd ports of pairs whose even ones we gave away. They are held as
// long as this binary lives, so that no other gives away the same.
var guards struct {
	sync.Mutex
	held []net.Listener
}

// FreeAddr is a loopback address on which nobody listens, and which no test binary
// gets a second time while this one lives.
func FreeAddr(t testing.TB) string {
	t.Helper()
	addr, err := freeAddr()
	if err != nil {
		t.Fatal(err)
	}
	return addr
}

func freeAddr() (string, error) {
	guards.Lock()
	defer guards.Unlock()
	var errs error
	for range 100 {
		port := firstPort + 2*rand.IntN(portPairs)
		guard, err := net.Listen("tcp", loopback(port+1))
		if err != nil { // of another binary's pair
			errs = err
			continue
		}
		l, err := net.Listen("tcp", loopback(port))
		if err != nil { // somebody's who knows nothing of pairs
			errs = errors.Join(err, guard.Close())
			continue
		}
		guards.held = append(guards.held, guard)
		return loopback(port), l.Close()
	}
	return "", fmt.Errorf("no port from %d on is free: %w", firstPort, errs)
}

func loopback(port int) string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(port)) }
