package e2e

import (
	"strings"
	"testing"
)

// An operator sets a quota with the command; the server that is started next holds
// the org to it, and shows its connections as paused.
func TestQuotaIsSetByCommand(t *testing.T) {
	s := localSite(t)
	id, key := s.newOrg(t, "Acme", "acme.example")
	if got := s.run(t, "org", "set", id, "--monthly-syncs", "1"); !strings.Contains(got, " monthly-syncs=1 ") {
		t.Errorf("org set printed %s", got)
	}
	c := caller{s.serve(t).base, key}
	var made struct {
		ID       string `json:"id"`
		IsPaused bool   `json:"is_paused"`
		PausedBy string `json:"paused_by"`
		Kind     string
	}
	_, account := c.account(t)
	c.must(t, "POST", "/unified/connection", map[string]any{"integration_type": "hibob", "permissions": []string{}, "categories": []string{}}, &made)
	if made.IsPaused {
		t.Error("it is paused before the quota is spent")
	}
	const file = `{"users": [{"email": "ada@example.com"}]}`
	body := map[string]any{"idFile": c.upload(t, strings.NewReader(file), int64(len(file))), "idAppAccount": account}
	for _, want := range []int{200, 402, 402} {
		if status, _ := c.call(t, "PUT", "/v1.0/services/sync/custom", body, &made); status != want {
			t.Errorf("a sync answered %d, want %d", status, want)
		}
	}
	c.must(t, "GET", "/unified/connection/"+made.ID, nil, &made)
	if made.Kind != "payment_required" || !made.IsPaused || made.PausedBy != "quota" {
		t.Errorf("%+v", made)
	}
}
