package disk_test

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"muster/internal/local/disk"
)

// childDir tells this test binary that it is the process to be killed.
const childDir = "MUSTER_DISK_TEST_DIR"

func TestMain(m *testing.M) {
	if dir := os.Getenv(childDir); dir != "" {
		putUntilKilled(dir)
	}
	os.Exit(m.Run())
}

// putUntilKilled puts 0, 1, 2, … and names each that was acknowledged.
func putUntilKilled(dir string) {
	s, err := disk.Open(dir, func() string { return "" }, time.Now)
	if err != nil {
		panic(err)
	}
	for i := 0; ; i++ {
		if _, err := s.Put(context.Background(), fmt.Sprintf("d%d/k%d", i%7, i), "text/plain", bytes.NewReader(bodyOf(i))); err != nil {
			panic(err)
		}
		fmt.Println(i)
	}
}

func bodyOf(i int) []byte { return bytes.Repeat([]byte(fmt.Sprintln(i)), 20_000) }

// TestKilledProcess kills a process at work, some puts in: what it had been told
// is there, and whatever is there is whole.
func TestKilledProcess(t *testing.T) {
	dir := t.TempDir()
	acknowledged := 0
	for round := range 5 {
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), childDir+"="+fmt.Sprintf("%s/%d", dir, round))
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewScanner(out)
		for n := 0; n < 10+round && lines.Scan(); n++ {
		}
		_ = cmd.Process.Kill()
		last := lines.Text()
		for lines.Scan() {
			last = lines.Text()
		}
		_ = cmd.Wait()

		s := serve(t, fmt.Sprintf("%s/%d", dir, round), newClock())
		found := 0
		for info, err := range s.List(t.Context(), "") {
			if err != nil {
				t.Fatal(err)
			}
			_, number, _ := strings.Cut(info.Key, "/k")
			var i int
			if _, err := fmt.Sscan(number, &i); err != nil {
				t.Fatal(err)
			}
			if got := read(t, s, info.Key, info.Version); got != string(bodyOf(i)) {
				t.Errorf("%s is not whole: %d bytes", info.Key, len(got))
			}
			found++
		}
		var told int
		if _, err := fmt.Sscan(last, &told); err != nil {
			t.Fatalf("the process said %q: %v", last, err)
		}
		if told++; found != told && found != told+1 {
			t.Errorf("%d objects, %d acknowledged", found, told)
		}
		acknowledged += told
	}
	if acknowledged < 50 {
		t.Errorf("only %d puts were made", acknowledged)
	}
}
