package e2e

import (
	"encoding/json"
	"regexp"
	"slices"
	"strings"
	"testing"

	"muster/internal/aws/emf/emftest"
)

// payload is what conversations send that no log may have: credentials, and what
// is known of people and their licences.
var payload = regexp.MustCompile(`(?i)canary|[a-z0-9]@[a-z0-9]|"(adam|tony|zoe)"|ekberg|antony|pro & more|corner office`)

// checkLog looks at what a program of ours has printed: its lines of JSON are its
// log. Metrics are what only functions log.
func checkLog(t testing.TB, printed string) {
	t.Helper()
	for line := range strings.Lines(printed) {
		if !strings.HasPrefix(line, "{") || !json.Valid([]byte(line)) {
			continue
		}
		if found := payload.FindString(line); found != "" {
			t.Errorf("%q is in the log: %s", found, line)
		}
		if _, err := emftest.Check([]byte(line)); err != nil {
			t.Errorf("CloudWatch makes no metrics of a line: %v: %s", err, line)
		}
	}
}

// TestMetricsOfFunctions: a sync through functions leaves each line once, and the
// metrics of it.
func TestMetricsOfFunctions(t *testing.T) {
	s := awsSite(t)
	_, key := s.newOrg(t, "Acme", "acme.example")
	d := deploy(t, s)
	c := caller{d.url, key}
	_, number := c.account(t)
	users := `{"users": [{"email": "ada@example.com"}, {"email": "nobody"}]}`
	file := c.upload(t, strings.NewReader(users), int64(len(users)))
	c.must(t, "PUT", "/v1.0/services/sync/custom", map[string]any{"idFile": file, "idAppAccount": number}, nil)
	c.call(t, "GET", "/v1.0/nothing/here", nil, nil)

	has := map[string]float64{}
	for _, sandbox := range d.started {
		sandbox.process.kill() // and wait for its last lines: the answer was here before them
		for line := range strings.Lines(sandbox.process.out.String()) {
			metrics, err := emftest.Check([]byte(line))
			if err != nil {
				t.Errorf("%v: %s", err, line)
			}
			var root map[string]any
			if err := json.Unmarshal([]byte(line), &root); err != nil {
				t.Errorf("%v: %s", err, line)
			}
			for i, m := range metrics {
				if n, is := root[m].(float64); is && !slices.Contains(metrics[:i], m) {
					has[m] += n
				}
			}
			if root["message"] == "request" && root["path"] == "" || root["level"] == nil || root["timestamp"] == nil {
				t.Errorf("of no use: %s", line)
			}
		}
	}
	for metric, n := range map[string]float64{"jobs": 1, "received": 2, "added": 1, "skipped": 1, "changed": 0, "requests": 1} {
		if got, is := has[metric]; !is || got != n {
			t.Errorf("metric %s is %v, want %v", metric, got, n)
		}
	}
	if has["lease_ms"] <= 0 || has["duration_ms"] < has["lease_ms"] {
		t.Errorf("the job took %v ms, its lease was held %v ms", has["duration_ms"], has["lease_ms"])
	}
}
