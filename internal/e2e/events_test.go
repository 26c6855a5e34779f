package e2e

import (
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"muster/internal/samtemplate"
)

var placeholder = regexp.MustCompile(`\$\{([A-Z_]+)\}`)

// elsewhere are the statuses of examples that do not answer with what they name: a
// download leads to its bytes, and the example's job is over.
var elsewhere = map[string]int{"get-files-id-download": http.StatusFound, "cancel-job": http.StatusConflict}

// TestEvents gives every function its example event, as `sam local invoke` would,
// with the placeholders filled in.
func TestEvents(t *testing.T) {
	s := awsSite(t)
	d := deploy(t, s)
	org, key := s.newOrg(t, "Acme", "acme.example")
	known := fixtures(t, caller{d.url, key}, org)
	known["MUSTER_KEY"] = key

	answering, removing := byEvent(t)
	for _, f := range slices.Concat(answering, removing) {
		function := f.Folder
		t.Run(function, func(t *testing.T) {
			event := fill(t, function, known)
			o := d.invoke(t.Context(), function, event, gatewayTimeout)
			if o.failed != "" {
				t.Fatal(o.failed)
			}
			checkAnswer(t, function, event, o.payload)
		})
	}
}

// byEvent are the template's functions; those whose event removes what others'
// name come last.
func byEvent(t *testing.T) (answering, removing []samtemplate.Function) {
	t.Helper()
	for _, f := range readTemplate(t).functions {
		if strings.HasPrefix(f.Folder, "delete-") || strings.HasPrefix(f.Folder, "remove-") {
			removing = append(removing, f)
		} else {
			answering = append(answering, f)
		}
	}
	return answering, removing
}

// fixtures is what the events name: an integration with a synced file, its job, a
// spare one to delete,
// a path where a file lies that has no id yet, and a connection.
func fixtures(t *testing.T, c caller, org string) map[string]string {
	t.Helper()
	integration, number := c.account(t)
	spare, _ := c.account(t)
	users := `{"users": [{"email": "adam@example.com"}], "licenses": [{"name": "Pro"}]}`
	file := c.upload(t, strings.NewReader(users), int64(len(users)))
	var synced struct {
		JobID string `json:"job_id"`
	}
	c.must(t, "PUT", "/v1.0/services/sync/custom", map[string]any{"idFile": file, "idAppAccount": number}, &synced)
	url, path := c.place(t)
	if err := put(url, strings.NewReader(users), int64(len(users))); err != nil {
		t.Fatal(err)
	}
	var connection struct{ ID string }
	c.must(t, "POST", "/unified/connection", map[string]any{"integration_type": "hibob", "permissions": []string{}, "categories": []string{}}, &connection)
	return map[string]string{
		"ORG_ID": org, "SYSTEM_ID": customFile, "APP_ACCOUNT_ID": strconv.Itoa(int(number)), "FILE_ID": strconv.FormatInt(file, 10),
		"JOB_ID": synced.JobID, "SYSTEM_INTEGRATION_ID": integration, "SPARE_INTEGRATION_ID": spare, "FILE_PATH": path,
		"CONNECTION_ID": connection.ID,
	}
}

func fill(t *testing.T, function string, known map[string]string) []byte {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join("../../events", function+".json"))
	if err != nil {
		t.Fatal(err)
	}
	return placeholder.ReplaceAllFunc(raw, func(ref []byte) []byte {
		name := string(ref[2 : len(ref)-1])
		value, ok := known[name]
		if !ok {
			t.Fatalf("the event of %s names %s, which this test does not know", function, name)
		}
		return []byte(value)
	})
}
