package job_test

import (
	"bytes"
	"encoding/json"
	"testing"
	"time"

	"muster/internal/job"
)

// How long a job took is on the line of its end, once: of a hand-over it would be
// the time until then, and would stand among the times of jobs as a short one.
func TestTimeIsOfTheWholeJob(t *testing.T) {
	inBubble(t, func(e *env) {
		run := e.claim()
		time.Sleep(20 * time.Second)
		if err := run.Park(e.t.Context(), nil, job.Report{}); err != nil {
			e.t.Fatal(err)
		}
		parked := run.Job()
		e.LogOutcome(e.t.Context(), parked)
		time.Sleep(20 * time.Second)
		parked.Status = job.Completed
		e.LogOutcome(e.t.Context(), parked)
		var got []any
		for line := range bytes.Lines(e.log.Bytes()) {
			var root map[string]any
			if err := json.Unmarshal(line, &root); err != nil {
				e.t.Fatal(err)
			}
			if root["msg"] == "job" {
				got = append(got, root["duration_ms"])
			}
		}
		if len(got) != 2 || got[0] != nil || got[1] != 40_000.0 {
			e.t.Errorf("the lines have %v, want none and 40000", got)
		}
	})
}
