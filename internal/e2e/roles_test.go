package e2e

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"maps"
	"net/http"
	"os"
	"path"
	"slices"
	"strings"
	"sync"
	"testing"

	"muster/internal/emulator"
	"muster/internal/samtemplate"
)

var update = flag.Bool("update", false, "write functions/testdata/calls.txt")

const callsFile = "../../functions/testdata/calls.txt"

// roles are what the template lets each function do and see, where nobody else
// holds it to that: emulators know no policies. Each function reaches them through
// proxies of its own, which refuse what its policies do not allow, and keep what it
// asked for. A signed URL leads through the proxy of the function that signed it:
// on AWS, too, it can do what the signer may.
type roles struct {
	t         testing.TB
	functions map[string]samtemplate.Function // by folder
	env       map[string][]string             // by folder

	mu    *sync.Mutex
	calls samtemplate.Calls
}

func newRoles(t testing.TB) roles {
	r := roles{t: t, functions: map[string]samtemplate.Function{}, env: map[string][]string{}, mu: new(sync.Mutex), calls: samtemplate.Calls{}}
	for _, f := range readTemplate(t).functions {
		r.functions[f.Folder] = f
	}
	return r
}

// environment is that of a function: of Muster's variables those which the template
// gives it, and proxies for endpoints.
func (r roles) environment(function string, all []string) []string {
	if env, ok := r.env[function]; ok {
		return slices.Clone(env)
	}
	var env []string
	for _, v := range all {
		name, value, _ := strings.Cut(v, "=")
		if _, given := r.functions[function].Environment[name]; strings.HasPrefix(name, "MUSTER_") && !given {
			continue
		}
		if service, is := strings.CutPrefix(name, "AWS_ENDPOINT_URL_"); is {
			v = name + "=" + r.proxy(function, service, value).URL
		}
		env = append(env, v)
	}
	r.env[function] = env
	return slices.Clone(env)
}

func (r roles) proxy(function, service, endpoint string) *emulator.FaultProxy {
	return emulator.NewFaultProxy(r.t, endpoint, func(req emulator.Request) emulator.Fault {
		calls, err := callsOf(r.t.Context(), service, endpoint, req)
		if err != nil {
			r.t.Errorf("%s asked %s for something that this test does not know: %v", function, service, err)
		}
		r.mu.Lock()
		defer r.mu.Unlock()
		for _, c := range calls {
			if slices.Contains(samtemplate.Never, c) { // as a customer may cause it to ask for another's secret
				return denied(service)
			}
			r.calls.Add(function, c)
			if !r.functions[function].Allows(c) && !*update {
				r.t.Errorf("template.yaml does not allow %s to %s", c, function)
				return denied(service)
			}
		}
		return emulator.None()
	})
}

// denied is AWS's answer to who may not.
func denied(service string) emulator.Fault {
	if service == "S3" {
		return emulator.Refused("AccessDenied", http.StatusForbidden, "<Error><Code>AccessDenied</Code></Error>")
	}
	return emulator.Refused("AccessDenied", http.StatusBadRequest, `{"__type":"AccessDeniedException","message":"not allowed by template.yaml"}`)
}

// callsOf is what a request asks of IAM.
func callsOf(ctx context.Context, service, endpoint string, r emulator.Request) ([]samtemplate.Call, error) {
	switch service {
	case "DYNAMODB":
		return dynamoCalls(r)
	case "S3":
		return s3Calls(r)
	case "SECRETS_MANAGER":
		return secretCalls(ctx, endpoint, r)
	case "LAMBDA":
		if name, is := strings.CutSuffix(strings.TrimPrefix(r.Path, "/2015-03-31/functions/"), "/invocations"); is && r.Method == http.MethodPost && name == "sync" {
			return []samtemplate.Call{{Action: "lambda:InvokeFunction", Resource: "${Sync.Arn}"}}, nil
		}
	}
	return nil, fmt.Errorf("%s %s %s", r.Method, r.Path, r.Operation)
}

type dynamoItem struct {
	PK struct{ S string } `json:"pk"`
}

func dynamoCalls(r emulator.Request) ([]samtemplate.Call, error) {
	type write struct{ Item, Key dynamoItem }
	var in struct {
		write
		ExpressionAttributeValues map[string]struct{ S string }
		TransactItems             []map[string]write
	}
	if err := json.Unmarshal(r.Body, &in); err != nil {
		// Values that are no strings, such as a body in bytes, are not what is asked for.
		if !errors.As(err, new(*json.UnmarshalTypeError)) {
			return nil, err
		}
	}
	switch r.Operation {
	case "GetItem", "UpdateItem", "DeleteItem", "PutItem":
		return []samtemplate.Call{samtemplate.Dynamo(r.Operation, in.Item.PK.S+in.Key.PK.S)}, nil
	case "Query":
		return []samtemplate.Call{samtemplate.Dynamo("Query", in.ExpressionAttributeValues[":pk"].S)}, nil
	case "TransactWriteItems":
		actions := map[string]string{"Put": "PutItem", "Delete": "DeleteItem", "Update": "UpdateItem", "ConditionCheck": "ConditionCheckItem"}
		var calls []samtemplate.Call
		for _, item := range in.TransactItems {
			for what, w := range item {
				calls = append(calls, samtemplate.Dynamo(actions[what], w.Item.PK.S+w.Key.PK.S))
			}
		}
		return []samtemplate.Call{samtemplate.Transaction(calls...)}, nil
	}
	return nil, fmt.Errorf("operation %s", r.Operation)
}

// s3Calls: S3 wants s3:ListBucket of who asks for an object that is not there, and
// answers 403 otherwise.
func s3Calls(r emulator.Request) ([]samtemplate.Call, error) {
	_, key, _ := strings.Cut(strings.TrimPrefix(path.Clean(r.Path), "/"), "/")
	list := samtemplate.S3("ListBucket", "")
	switch {
	case key == "" && r.Method == http.MethodGet:
		return []samtemplate.Call{list}, nil
	case key == "":
	case r.Method == http.MethodHead:
		return []samtemplate.Call{samtemplate.S3("GetObject", key), list}, nil
	case r.Method == http.MethodGet:
		return []samtemplate.Call{samtemplate.S3("GetObject", key)}, nil
	case r.Method == http.MethodPut, r.Method == http.MethodPost:
		return []samtemplate.Call{samtemplate.S3("PutObject", key)}, nil
	case r.Method == http.MethodDelete && r.Query.Has("uploadId"):
		return []samtemplate.Call{samtemplate.S3("AbortMultipartUpload", key)}, nil
	case r.Method == http.MethodDelete:
		return []samtemplate.Call{samtemplate.S3("DeleteObject", key)}, nil
	}
	return nil, fmt.Errorf("%s %s", r.Method, r.Path)
}

// checkCalls holds the file of calls, which the policies are tested with, to what
// the functions asked for in all conversations.
func (r roles) checkCalls(t *testing.T) {
	t.Helper()
	r.mu.Lock()
	defer r.mu.Unlock()
	known, err := samtemplate.ReadCalls(callsFile)
	if err != nil && !*update {
		t.Fatal(err)
	}
	if *update {
		r.write(t, known)
		return
	}
	for function, calls := range r.calls {
		for c := range calls {
			if !known.Cover(function, c) {
				t.Errorf("%s asks for %s, which %s does not know: -update writes it there", function, c, callsFile)
			}
		}
	}
	for function, calls := range known {
		for c, why := range calls {
			if why == "" && !r.calls.Cover(function, c) {
				t.Errorf("%s never asked for %s: -update takes it out of %s", function, c, callsFile)
			}
		}
	}
}

// write keeps the lines with a reason, of functions that were heard at all.
func (r roles) write(t *testing.T, known samtemplate.Calls) {
	for function := range r.env {
		if r.calls[function] == nil {
			r.calls[function] = map[samtemplate.Call]string{}
		}
		maps.DeleteFunc(known[function], func(c samtemplate.Call, why string) bool {
			_, seen := r.calls[function][c]
			return why == "" || !seen && r.calls.Cover(function, c)
		})
		maps.Copy(r.calls[function], known[function])
	}
	if err := os.WriteFile(callsFile, []byte(r.calls.Format()), 0o644); err != nil {
		t.Fatal(err)
	}
}
