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

// What a transaction writes must be allowed whichever keys AWS compares: each item's
// own, those of its action, or all of the transaction.
func TestTransactions(t *testing.T) {
	allow := func(actions, keys string) string {
		return "{Effect: Allow, Action: [" + actions + "], Resource: !GetAtt Table.Arn, Condition: {'ForAllValues:StringLike': {'dynamodb:LeadingKeys': [" + keys + "]}}}"
	}
	const put, del = "'dynamodb:PutItem'", "'dynamodb:DeleteItem'"
	call := samtemplate.Transaction(samtemplate.Dynamo("PutItem", "A"), samtemplate.Dynamo("DeleteItem", "B"), samtemplate.Dynamo("DeleteItem", "C"))
	for _, c := range []struct {
		name, statements string
		want             bool
		needs            int
	}{
		{"by item alone", allow(put, "A") + "," + allow(del, "B") + "," + allow(del, "C"), false, 0},
		{"by action, too", allow(put, "A") + "," + allow(del, "B, C"), false, 0},
		{"all keys, of one action", allow(put, "A") + "," + allow(del, "A, B, C"), false, 0},
		{"all keys, of each action", allow(put+","+del, "A, B, C"), true, 6},
		{"in two statements", allow(put, "A, B, C") + "," + allow(del, "A, B, C"), true, 6},
		{"twice", allow(put+","+del, "A, B, C") + "," + allow(put, "A, B, C"), true, 3},
		{"by a pattern and a name", allow(put+","+del, "'*', B"), true, 4},
	} {
		in, err := samtemplate.Parse([]byte(statement(c.statements)))
		if err != nil {
			t.Fatal(err)
		}
		f, err := in.Function("f")
		if err != nil {
			t.Fatal(err)
		}
		if got := f.Allows(call); got != c.want || len(f.Needs(call)) != c.needs {
			t.Errorf("%s: allowed is %t, want %t, and takes %v, want %d", c.name, got, c.want, f.Needs(call), c.needs)
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
	calls.Add("sweep", samtemplate.Dynamo("PutItem", "RUNNING#f"))
	calls.Add("sweep", samtemplate.Transaction(samtemplate.Dynamo("PutItem", "RUNNING#0"), samtemplate.Dynamo("DeleteItem", "GARBAGE#0")))
	calls.Add("sweep", samtemplate.Dynamo("DeleteItem", "RUNNING#1")) // the transaction covers it, and the put before
	calls.Add("get-health", samtemplate.S3("GetObject", "uploads/x/y"))
	calls["sweep"][samtemplate.OwnSecret("DeleteSecret", samtemplate.OrgTag)] = "now and then"
	if len(calls["sweep"]) != 4 {
		t.Errorf("%d calls: %v", len(calls["sweep"]), calls["sweep"])
	}
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
