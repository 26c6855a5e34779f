package e2e

import (
	"net/http"
	"strconv"
	"testing"
)

// TestRateLimit calls until it is refused: at most one minute's calls and, if the
// clock's minute ends meanwhile, those of a second one.
func TestRateLimit(t *testing.T) {
	for _, to := range targets(t) {
		t.Run(to.name, func(t *testing.T) {
			const perMinute = 100
			base, known := to.open(t)
			c := caller{base, known["read"]}
			for call := 1; ; call++ {
				status, header := c.call(t, "GET", "/v1.0/orgs/my", nil, nil)
				if limit := header.Get("X-Rate-Limit-Limit"); limit != strconv.Itoa(perMinute) {
					t.Fatalf("call %d: X-Rate-Limit-Limit is %q", call, limit)
				}
				if status == http.StatusTooManyRequests {
					if wait, err := strconv.Atoi(header.Get("Retry-After")); err != nil || wait < 1 || wait > 60 || call <= perMinute {
						t.Errorf("call %d is refused, with Retry-After %q", call, header.Get("Retry-After"))
					}
					break
				}
				if status != http.StatusOK || call > 2*perMinute {
					t.Fatalf("call %d was answered %d", call, status)
				}
			}
			// Another key of the same org has calls of its own.
			caller{base, known["write"]}.must(t, "GET", "/v1.0/orgs/my", nil, nil)
		})
	}
}
