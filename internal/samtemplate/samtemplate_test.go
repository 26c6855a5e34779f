package samtemplate_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"muster/internal/samtemplate"
)

// statement is a template with one function, which may do what the statement says.
func statement(text string) string {
	return "Resources: {F: {Type: 'AWS::Serverless::Function', Properties: {CodeUri: .build/f, Policies: [{Statement: [" + text + "]}]}}}"
}

// A condition on tags asks for a tag to be there, and tells one that a secret has
// from one that it is to have.
func TestTags(t *testing.T) {
	const text = `{Effect: Allow, Action: 'secretsmanager:%', Resource: '*', Condition: {StringLike: {'aws:ResourceTag/muster:org': '*'}}}`
	in, err := samtemplate.Parse([]byte(statement(strings.ReplaceAll(text, "%", "GetSecretValue"))))
	if err != nil {
		t.Fatal(err)
	}
	f, err := in.Function("f")
	if err != nil {
		t.Fatal(err)
	}
	for c, want := range map[samtemplate.Call]bool{
		samtemplate.OtherSecret("GetSecretValue", samtemplate.OrgTag):    true,
		samtemplate.OwnSecret("GetSecretValue", samtemplate.OrgTag):      true,
		samtemplate.OtherSecret("GetSecretValue", ""):                    false,
		samtemplate.OtherSecret("GetSecretValue", samtemplate.NewOrgTag): false,
		samtemplate.OtherSecret("DeleteSecret", samtemplate.OrgTag):      false,
	} {
		if got := f.Allows(c); got != want {
			t.Errorf("%s is allowed: %t, want %t", c, got, want)
		}
	}
}

// What is not evaluated here is said, and not taken for allowed.
func TestRefused(t *testing.T) {
	for name, text := range map[string]string{
		"a denial":          `{Effect: Deny, Action: 's3:*', Resource: '*'}`,
		"another condition": `{Effect: Allow, Action: 's3:GetObject', Resource: '*', Condition: {StringLike: {'s3:prefix': 'x'}}}`,
		"a tag's value":     `{Effect: Allow, Action: 's3:GetObject', Resource: '*', Condition: {StringLike: {'aws:ResourceTag/x': 'y'}}}`,
		"no resource":       `{Effect: Allow, Action: 's3:GetObject'}`,
	} {
		in, err := samtemplate.Parse([]byte(statement(text)))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := in.Functions(); err == nil {
			t.Errorf("%s was read as if it were understood", name)
		}
	}
	for name, text := range map[string]string{"no map": "[]", "nothing": "", "an alias": "a: &x {}\nb: *x"} {
		if _, err := samtemplate.Parse([]byte(text)); err == nil {
			t.Errorf("%s is taken for a template", name)
		}
	}
}

// Calls are read as they are written, with their reasons.
func TestCallsFile(t *testing.T) {
	calls := samtemplate.Calls{}
	calls.Add("sweep", samtemplate.Dynamo("Query", "GARBAGE#f"))
	calls.Add("sweep", samtemplate.S3("ListBucket", ""))
	calls.Add("get-health", samtemplate.S3("GetObject", "uploads/x/y"))
	calls["sweep"][samtemplate.OwnSecret("DeleteSecret", samtemplate.OrgTag)] = "now and then"
	file := filepath.Join(t.TempDir(), "calls.txt")
	if err := os.WriteFile(file, []byte(calls.Format()), 0o600); err != nil {
		t.Fatal(err)
	}
	got, err := samtemplate.ReadCalls(file)
	if diff := cmp.Diff(calls, got); err != nil || diff != "" {
		t.Errorf("read back otherwise (%v):\n%s", err, diff)
	}
	if err := os.WriteFile(file, []byte("sweep\n\tone two three four\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := samtemplate.ReadCalls(file); err == nil || !strings.Contains(err.Error(), ":2:") {
		t.Errorf("a line that is none: %v", err)
	}
}
