package e2e

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var marked = regexp.MustCompile("(?ms)^```sh test\n(.*?)^```$")

// untilSynced waits, once a sync was asked for, until its job is over: a machine that
// does much else hands a million users to the worker, after 20 seconds.
const untilSynced = `
waits() {
  [ -e sync.json ] || return
  case $(curl -s -H "Authorization: Bearer $KEY" "$MUSTER/v1/org/jobs/$(sed 's/.*"job_id":"\([^"]*\)".*/\1/' sync.json)") in
  *'"status":"pending"'* | *'"status":"processing"'*) ;;
  *) false ;;
  esac
}
while waits; do sleep 1; done
`

// TestREADME runs the commands of the README's blocks that are marked `sh test`,
// in their order, in one shell, against a server as `make run` starts it.
func TestREADME(t *testing.T) {
	readme, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	s := localSite(t)
	base := s.serve(t, "--demo").base
	commands := "MUSTER=" + base + "\nKEY=$(cat '" + filepath.Join(s.flags[1], "api-key") + "')\n"
	blocks := marked.FindAllSubmatch(readme, -1)
	for _, b := range blocks {
		commands += string(b[1]) + untilSynced
	}
	if len(blocks) < 3 {
		t.Fatalf("%d blocks are marked", len(blocks))
	}
	out := shell(t, t.TempDir(), commands)
	for _, want := range []string{`"slug":"custom_file"`, `"success":true`, `"status":"completed"`, `"added":1000000`, `"total":1000000`, `"email":"user0000042@example.com"`} {
		if !strings.Contains(out, want) {
			t.Errorf("no %s in what they print:\n%s", want, out)
		}
	}
	if strings.Contains(out, `"statusCode"`) {
		t.Errorf("an error is in what they print:\n%s", out)
	}
}
