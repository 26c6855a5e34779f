package functions_test

import (
	"debug/elf"
	"fmt"
	"maps"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"muster/internal/samtemplate"
)

// Each function may do what it does, and nothing else. Two things say what that is:
//
//   - the SDK's methods that are linked into it: the most that it can
//     ask for. The linker takes out what nobody calls, but it keeps a method that
//     is called through an interface in every function that makes such a value:
//     package api counts calls and keeps idempotency keys through table.Table, so
//     the table's methods that write are everywhere, called or not;
//   - testdata/calls.txt: what each was seen to ask for, and on which keys, when all
//     conversations were held with it. internal/e2e holds the file to that.
//
// To add a function: give it in template.yaml the policies of what it does
// (Authenticate, CountCalls, …), hold a conversation with it in internal/e2e/testdata,
// and run
//
//	go test ./internal/e2e -run TestConversations/lambda -update
//	go test ./functions -run TestPolicies
//
// The second says what the function asked for and may not, and what it may and never
// asked for. A call that no conversation brings about is written into calls.txt by
// hand, with its reason.
const callsFile = "testdata/calls.txt"

// methods are the actions that each of the SDK's methods needs; of those with "or",
// one at least.
var methods = map[string]string{
	"dynamodb.GetItem":            "dynamodb:GetItem",
	"dynamodb.Query":              "dynamodb:Query",
	"dynamodb.PutItem":            "dynamodb:PutItem",
	"dynamodb.UpdateItem":         "dynamodb:UpdateItem",
	"dynamodb.TransactWriteItems": "dynamodb:PutItem or dynamodb:DeleteItem or dynamodb:ConditionCheckItem",

	// Who may not list is answered 403, and not 404, for what is not there.
	"s3.HeadObject":              "s3:GetObject s3:ListBucket",
	"s3.GetObject":               "s3:GetObject",
	"s3.PresignGetObject":        "s3:GetObject",
	"s3.ListObjectsV2":           "s3:ListBucket",
	"s3.PutObject":               "s3:PutObject",
	"s3.PresignPutObject":        "s3:PutObject",
	"s3.CreateMultipartUpload":   "s3:PutObject",
	"s3.UploadPart":              "s3:PutObject",
	"s3.CompleteMultipartUpload": "s3:PutObject",
	"s3.AbortMultipartUpload":    "s3:AbortMultipartUpload",
	"s3.DeleteObject":            "s3:DeleteObject",

	"lambda.Invoke": "lambda:InvokeFunction",

	"secretsmanager.CreateSecret":             "secretsmanager:CreateSecret secretsmanager:TagResource",
	"secretsmanager.DescribeSecret":           "secretsmanager:DescribeSecret",
	"secretsmanager.GetSecretValue":           "secretsmanager:GetSecretValue",
	"secretsmanager.PutSecretValue":           "secretsmanager:PutSecretValue",
	"secretsmanager.UpdateSecretVersionStage": "secretsmanager:UpdateSecretVersionStage",
	"secretsmanager.DeleteSecret":             "secretsmanager:DeleteSecret",
	"secretsmanager.RestoreSecret":            "secretsmanager:RestoreSecret",

	"scheduler.CreateSchedule": "scheduler:CreateSchedule iam:PassRole",
	"scheduler.UpdateSchedule": "scheduler:UpdateSchedule iam:PassRole",
	"scheduler.GetSchedule":    "scheduler:GetSchedule",
	"scheduler.DeleteSchedule": "scheduler:DeleteSchedule",

	// The SDK's own, of ways to credentials and endpoints that Lambda does not go,
	// and of directory buckets.
	"dynamodb.DescribeEndpoints":    "",
	"s3.CreateSession":              "",
	"signin.CreateOAuth2Token":      "",
	"sso.GetRoleCredentials":        "",
	"ssooidc.CreateToken":           "",
	"sts.AssumeRole":                "",
	"sts.AssumeRoleWithWebIdentity": "",
}

// everywhere are the methods that the linker keeps in functions that never call
// them; of these calls.txt alone says who does.
var everywhere = []string{"dynamodb.PutItem", "dynamodb.UpdateItem", "dynamodb.TransactWriteItems"}

// unused are methods that are linked into a function and never called, with the
// reason.
var unused = map[string]string{
	"get-health dynamodb.GetItem":                                       "its call is public: no key is looked up",
	"get-openapi dynamodb.GetItem":                                      "its call is public: no key is looked up",
	"create-unified-connection secretsmanager.UpdateSecretVersionStage": "linked with the vault; a new secret has one version",
	"create-unified-connection secretsmanager.RestoreSecret":            "linked with the vault; a new secret's name was never another's",

	"post-files-upload s3.AbortMultipartUpload": "its files, of at most 3 MiB, are smaller than a part",
}

// linkage is the SDK's methods in each function: "s3.GetObject", by folder.
type linkage map[string][]string

func (l linkage) has(function, method string) bool { return slices.Contains(l[function], method) }

var sdkMethod = regexp.MustCompile(`^github\.com/aws/aws-sdk-go-v2/service/([a-z0-9]+)\.\(\*(?:Presign)?Client\)\.([A-Z]\w*)$`)

// theLinked builds all functions as they are deployed, but with their symbols.
var theLinked = sync.OnceValues(func() (linkage, error) {
	dir, err := os.MkdirTemp("", "muster-functions-*")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	// For Linux, whose executables are read below, and without what only debuggers
	// need, which takes a third of the time.
	build := exec.Command("go", "build", "-tags", "lambda.norpc,nethttpomithttp2", "-trimpath", "-ldflags", "-w", "-o", dir+"/", "./...")
	build.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux")
	if out, err := build.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("go build: %w\n%s", err, out)
	}
	binaries, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil {
		return nil, err
	}
	found := linkage{}
	for _, b := range binaries {
		if found[filepath.Base(b)], err = methodsIn(b); err != nil {
			return nil, fmt.Errorf("the symbols of %s: %w", filepath.Base(b), err)
		}
	}
	return found, nil
})

func methodsIn(executable string) ([]string, error) {
	f, err := elf.Open(executable)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	symbols, err := f.Symbols()
	if err != nil {
		return nil, err
	}
	var names []string
	for _, s := range symbols {
		if m := sdkMethod.FindStringSubmatch(s.Name); m != nil && m[2] != "Options" {
			names = append(names, m[1]+"."+m[2])
		}
	}
	slices.Sort(names)
	return slices.Compact(names), nil
}

// checkPolicies says what is wrong with the template's policies.
func checkPolicies(in samtemplate.Template, l linkage, calls samtemplate.Calls) (faults []string) {
	fs, err := in.Functions()
	if err != nil {
		return []string{err.Error()}
	}
	left := maps.Clone(calls)
	for _, f := range fs {
		faults = append(faults, checkLinked(f, l[f.Folder])...)
		faults = append(faults, checkCalls(f, calls[f.Folder])...)
		delete(left, f.Folder)
	}
	for function := range left {
		faults = append(faults, fmt.Sprintf("%s has calls of %s, which is no function of template.yaml", callsFile, function))
	}
	return faults
}

// checkLinked compares what a function may do with what is linked into it.
func checkLinked(f samtemplate.Function, names []string) (faults []string) {
	fault := func(format string, args ...any) {
		faults = append(faults, f.Folder+" "+fmt.Sprintf(format, args...))
	}
	may, useful := map[string]bool{}, map[string]bool{}
	for _, p := range f.Permissions() {
		may[p.Action] = true
		if strings.HasPrefix(p.Action, "dynamodb:") && p.Key == "" {
			fault("may %s on every partition: name those that it needs, in a condition", p.Action)
		}
	}
	for _, name := range names {
		text, known := methods[name]
		if !known {
			fault("links %s: say in this test which actions that needs", name)
		}
		actions := strings.Fields(strings.ReplaceAll(text, " or ", " "))
		missing := slices.DeleteFunc(slices.Clone(actions), func(a string) bool { return may[a] })
		enough := len(missing) == 0 || strings.Contains(text, " or ") && len(missing) < len(actions)
		if !enough && !slices.Contains(everywhere, name) && unused[f.Folder+" "+name] == "" {
			fault("links %s: its policies must allow %s", name, strings.Join(missing, ", "))
		}
		for _, a := range actions {
			useful[a] = true
		}
	}
	for _, a := range slices.Sorted(maps.Keys(may)) {
		if !useful[a] {
			fault("links no method that needs %s: take it out of its policies", a)
		}
	}
	return faults
}

// checkCalls compares what a function may do with what it asks for. Each permission
// must be the only one that allows some call.
func checkCalls(f samtemplate.Function, calls map[samtemplate.Call]string) (faults []string) {
	for _, c := range samtemplate.Never {
		if f.Allows(c) {
			faults = append(faults, fmt.Sprintf("%s may ask for %s, which nobody may: a condition on the tag is missing", f.Folder, c))
		}
	}
	needed := map[samtemplate.Permission]bool{}
	for c := range calls {
		if !f.Allows(c) {
			faults = append(faults, fmt.Sprintf("%s asks for %s, which no statement of its policies allows", f.Folder, c))
		}
		for _, p := range f.Needs(c) {
			needed[p] = true
		}
	}
	for _, p := range f.Permissions() {
		if !needed[p] {
			faults = append(faults, fmt.Sprintf("%s does not need %s, which %s allows: take it out", f.Folder, p, p.In))
		}
	}
	return faults
}

// TestPolicies holds what each function may do to what it links and does.
func TestPolicies(t *testing.T) {
	in, l, calls := theTemplate(t), mustLink(t), theCalls(t)
	for _, fault := range checkPolicies(in, l, calls) {
		t.Error(fault)
	}
	for what := range unused {
		if function, name, _ := strings.Cut(what, " "); !l.has(function, name) {
			t.Errorf("%s does not link %s: take it out of the unused", function, name)
		}
	}
}

// TestWhatEveryCallMayAsk holds that what package api does for a call by itself, its
// function may do, whether a conversation brings it about or not: find the key,
// count the calls, and keep the answer to an Idempotency-Key.
func TestWhatEveryCallMayAsk(t *testing.T) {
	in := theTemplate(t)
	for _, f := range theFunctions(t) {
		if f.op.ID == "" || f.op.Public {
			continue
		}
		asks := []samtemplate.Call{samtemplate.Dynamo("GetItem", "KEY#x")}
		if f.op.PerMinute > 0 {
			asks = append(asks, samtemplate.Dynamo("UpdateItem", "ORG#x#LIMIT#x"), samtemplate.Dynamo("PutItem", "ORG#x#LIMIT#x"))
		}
		if f.op.Method == http.MethodPost || f.op.Method == http.MethodPut {
			asks = append(asks, samtemplate.Dynamo("GetItem", "ORG#x#IDEMPOTENCY#x"), samtemplate.Dynamo("PutItem", "ORG#x#IDEMPOTENCY#x"))
		}
		may, err := in.Function(f.folder)
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range asks {
			if !may.Allows(c) {
				t.Errorf("%s may not %s: see Authenticate, CountCalls and KeepAnswers in template.yaml", f.folder, c)
			}
		}
	}
}

// TestPoliciesMissWhatIsGone takes out of the template one thing after the other
// that stands in a policy: TestPolicies would miss each.
func TestPoliciesMissWhatIsGone(t *testing.T) {
	in, l, calls := theTemplate(t), mustLink(t), theCalls(t)
	if checkPolicies(in, l, calls) != nil {
		t.Skip("TestPolicies says what is wrong")
	}
	deleted := 0
	for _, id := range in.Resources("") {
		for _, of := range []string{"Policies", "PolicyDocument"} {
			if id == "BucketPolicy" { // it denies, and allows nothing
				continue
			}
			for _, path := range in.Paths("Resources", id, "Properties", of) {
				if last := path[len(path)-1]; last == "Version" {
					continue
				}
				deleted++
				if checkPolicies(in.Without(path...), l, calls) == nil {
					t.Errorf("nobody misses %s", strings.Join(path, "/"))
				}
			}
		}
	}
	if deleted < 200 {
		t.Errorf("only %d things were taken out", deleted)
	}
}

func mustLink(t *testing.T) linkage {
	t.Helper()
	l, err := theLinked()
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func theCalls(t *testing.T) samtemplate.Calls {
	t.Helper()
	calls, err := samtemplate.ReadCalls(callsFile)
	if err != nil {
		t.Fatal(err)
	}
	return calls
}

func theTemplate(t *testing.T) samtemplate.Template {
	t.Helper()
	in, err := samtemplate.Read("../template.yaml")
	if err != nil {
		t.Fatal(err)
	}
	return in
}
