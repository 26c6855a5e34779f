package functions_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// TestFunctionsStartLittle holds what our packages do when a process starts, before
// its main: a regular expression with large bounds, or a table that is decoded, at
// package level costs every function, also those that never ask for it. Make it when
// it is asked for: sync.OnceValue.
func TestFunctionsStartLittle(t *testing.T) {
	for _, name := range []string{"sweep", "sync"} { // sync links what reads and keeps files
		t.Run(name, func(t *testing.T) { startsLittle(t, name) })
	}
}

func startsLittle(t *testing.T, name string) {
	const most = 64 << 10 // bytes that they allocate; of the SDK's packages it is a megabyte
	bin := filepath.Join(t.TempDir(), name)
	build := exec.Command("go", "build", "-tags", "lambda.norpc,nethttpomithttp2", "-trimpath", "-ldflags", "-w", "-o", bin, "./"+name)
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	cmd := exec.Command(bin)
	cmd.Env = []string{"GODEBUG=inittrace=1"}
	trace, err := cmd.CombinedOutput() // without a table it ends at once
	all := regexp.MustCompile(`(?m)^init (\S+) @.* (\d+) bytes`).FindAllSubmatch(trace, -1)
	if len(all) < 50 {
		t.Fatalf("%d packages say what they do at the start: %v\n%s", len(all), err, trace)
	}
	total := 0
	for _, m := range all {
		if n, _ := strconv.Atoi(string(m[2])); strings.HasPrefix(string(m[1]), "muster/") {
			total += n
			t.Logf("%s allocates %d bytes", m[1], n)
		}
	}
	if total > most {
		t.Errorf("our packages allocate %d bytes before main, over %d", total, most)
	}
}
