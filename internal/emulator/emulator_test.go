package emulator

import (
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// The tests run themselves as another test binary, that starts this program on
// the leash: it listens and never ends by itself.
const (
	roleVar = "MUSTER_TEST_EMULATOR"
	addrVar = "MUSTER_TEST_ADDR"
)

func TestMain(m *testing.M) {
	switch os.Getenv(roleVar) {
	case "program":
		l, err := net.Listen("tcp", os.Getenv(addrVar))
		if err != nil {
			panic(err)
		}
		_ = http.Serve(l, http.NotFoundHandler())
	case "returns", "panics", "killed":
		binary(os.Getenv(roleVar), os.Getenv(addrVar))
	default:
		os.Exit(m.Run())
	}
}

// binary is a test binary that starts the program and ends in its way.
func binary(role, addr string) {
	os.Setenv(roleVar, "program")
	if err := start(os.TempDir(), addr, os.Args[0]); err != nil {
		panic(err)
	}
	switch role {
	case "panics":
		panic("as a test does")
	case "killed":
		self, _ := os.FindProcess(os.Getpid())
		_ = self.Kill()
		select {}
	}
}

func TestProgramsDieWithTheBinary(t *testing.T) {
	if err := lookPath("sh"); err != nil {
		unavailable(t, "leash", err)
	}
	for _, role := range []string{"returns", "panics", "killed"} {
		t.Run(role, func(t *testing.T) {
			addr, err := freeAddr()
			if err != nil {
				t.Fatal(err)
			}
			cmd := exec.Command(os.Args[0])
			cmd.Env = append(os.Environ(), roleVar+"="+role, addrVar+"="+addr)
			err = cmd.Run()
			if (err == nil) != (role == "returns") {
				t.Fatalf("the binary ended with %v", err)
			}
			deadline := time.Now().Add(10 * time.Second)
			for {
				c, err := net.Dial("tcp", addr)
				if err != nil {
					return // nobody listens any more
				}
				c.Close()
				if time.Now().After(deadline) {
					t.Fatal("the program is still there")
				}
			}
		})
	}
}

func TestStartSaysWhatWentWrong(t *testing.T) {
	if err := lookPath("sh"); err != nil {
		unavailable(t, "leash", err)
	}
	err := start(t.TempDir(), "127.0.0.1:1", "sh", "-c", "echo no such option >&2; exit 3")
	if err == nil || !strings.Contains(err.Error(), "no such option") || !strings.Contains(err.Error(), "exit status 3") {
		t.Errorf("start: %v, want the program's own words", err)
	}
}

// An address is nobody else's until its emulator listens: neither the system gives
// its port to another meanwhile, nor do we.
func TestFreeAddrIsNobodyElses(t *testing.T) {
	given := map[string]bool{}
	for range 200 {
		addr, err := freeAddr()
		if err != nil {
			t.Fatal(err)
		}
		if given[addr] {
			t.Errorf("%s was given away twice", addr)
		}
		given[addr] = true
	}
	for range 5000 { // other tests' servers, and clients' connections
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		if given[l.Addr().String()] {
			t.Errorf("%s is another's", l.Addr())
		}
		l.Close()
	}
}

// Many binaries at once: one fetches. One that failed leaves nothing behind.
func TestInstall(t *testing.T) {
	dir, fetched := t.TempDir(), atomic.Int32{}
	broken := errors.New("broken")
	if _, err := install(dir, "lib", func(string) error { return broken }); !errors.Is(err, broken) {
		t.Fatalf("install: %v, want the error of the fetch", err)
	}
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			got, err := install(dir, "lib", func(into string) error {
				fetched.Add(1)
				return os.WriteFile(filepath.Join(into, "a.jar"), []byte("x"), 0o600)
			})
			if err != nil {
				t.Error(err)
			}
			if _, err := os.Stat(filepath.Join(got, "a.jar")); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if n := fetched.Load(); n != 1 {
		t.Errorf("fetched %d times", n)
	}
}

func TestFaultProxy(t *testing.T) {
	var applied []string
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		applied = append(applied, string(b))
		_, _ = io.WriteString(w, r.Host)
	}))
	defer s.Close()
	faults := map[string]Fault{
		"pass": None(), "lose the reply": LostReply(), "lose the request": LostRequest(),
		"refuse": Refused("Busy", 503, "busy"),
	}
	p := NewFaultProxy(t, s.URL, func(r Request) Fault { return faults[string(r.Body)] })
	for body, want := range map[string]string{
		"pass": strings.TrimPrefix(p.URL, "http://"), "lose the reply": "EOF", "lose the request": "EOF", "refuse": "busy",
	} {
		got := ""
		resp, err := http.Post(p.URL+"/path", "text/plain", strings.NewReader(body))
		if err != nil {
			got = err.Error()
		} else {
			b, _ := io.ReadAll(resp.Body)
			resp.Body.Close()
			got = string(b)
		}
		if !strings.Contains(got, want) {
			t.Errorf("%s: %q, want %q", body, got, want)
		}
	}
	if n := len(applied); n != 2 {
		t.Errorf("the server got %q", applied)
	}
	for _, name := range []string{"LostReply", "LostRequest", "Busy"} {
		if n := p.Fired(name); n != 1 {
			t.Errorf("%s fired %d times", name, n)
		}
	}
	if n := len(p.Requests()); n != 4 {
		t.Errorf("%d requests", n)
	}
}
