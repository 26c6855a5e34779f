package e2e

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/google/uuid"

	"muster/internal/aws"
	"muster/internal/aws/emf"
	"muster/internal/emulator"
	"muster/internal/job"
	"muster/internal/samtemplate"
)

// maxResources leaves room below CloudFormation's limit of 500 in a stack.
const maxResources = 450

// chosen are the stack's parameters; none has its default.
var chosen = map[string]string{
	"Architecture": "x86_64", "MaxUploadBytes": "1111", "InRequestBytes": "2222", "RunningJobsPerOrg": "5", "SyncConcurrency": "7",
	"ThrottleRate": "33", "ThrottleBurst": "44", "LogRetentionDays": "90",
	"AlarmTopicArn": "arn:aws:sns:eu-north-1:123456789012:told",
}

// stack is template.yaml, brought up.
type stack struct {
	name       string
	sam        samtemplate.Template // as it is written
	translated samtemplate.Template // as CloudFormation gets it
	there      there
}

// there is what the services answer.
type there struct {
	Table struct {
		KeySchema          []struct{ AttributeName, KeyType string }
		BillingModeSummary struct{ BillingMode string }
		TableName          string
	}
	Encryption struct {
		Rules []struct{ ApplyServerSideEncryptionByDefault struct{ SSEAlgorithm string } }
	}
	Queue     map[string]string
	LogGroups []struct {
		LogGroupName    string
		RetentionInDays int
	}
	Functions map[string]struct {
		Runtime, Role, Handler string
		Timeout, MemorySize    int
		Environment            struct{ Variables map[string]any }
	}
}

// TestStack: the template, translated as SAM does it, comes up as a stack in moto.
// moto's CloudFormation makes all resources, but keeps little of some, and nothing
// of HTTP APIs, schedules and alarms: of these the translated template is read.
func TestStack(t *testing.T) {
	s := bringUp(t)
	ids := s.translated.Resources("")
	t.Logf("%d resources", len(ids))
	if len(ids) > maxResources {
		t.Errorf("the stack has %d resources, want at most %d: CloudFormation takes 500", len(ids), maxResources)
	}
	t.Run("data", s.data)
	t.Run("functions", s.functions)
	t.Run("routes", s.routes)
	t.Run("failures", s.failures)
	t.Run("alarms", s.alarms)
}

func bringUp(t *testing.T) stack {
	t.Helper()
	const file = "../../template.yaml"
	s := stack{name: "s" + uuid.NewString()[:8]}
	parameters, err := json.Marshal(chosen)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), emulator.SAMPython(t), "testdata/stack.py", file, emulator.Moto(t), s.name, string(parameters))
	var out, errout bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errout
	if err := cmd.Run(); err != nil {
		t.Fatalf("stack.py: %v\n%s", err, tail(errout.String(), 2000))
	}
	var answer struct {
		Translated json.RawMessage
		There      there
	}
	if err := json.Unmarshal(out.Bytes(), &answer); err != nil {
		t.Fatal(err)
	}
	s.there = answer.There
	if s.translated, err = samtemplate.Parse(answer.Translated); err == nil {
		s.sam, err = samtemplate.Read(file)
	}
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// says holds properties of a resource to what they must be.
func (s stack) says(t *testing.T, resource string, properties map[string]string) {
	t.Helper()
	for path, want := range properties {
		at := append([]string{"Resources", resource, "Properties"}, strings.Split(path, "/")...)
		if got := s.translated.At(at...); got != want {
			t.Errorf("%s has %s %q, want %q", resource, path, got, want)
		}
	}
}

func (s stack) data(t *testing.T) {
	if got := fmt.Sprint(s.there.Table.KeySchema, s.there.Table.BillingModeSummary); got != "[{pk HASH} {sk RANGE}] {PAY_PER_REQUEST}" {
		t.Errorf("the table has %s", got)
	}
	s.says(t, "Table", map[string]string{
		"PointInTimeRecoverySpecification/PointInTimeRecoveryEnabled": "true", "SSESpecification/SSEEnabled": "true",
		"TimeToLiveSpecification/AttributeName": "expires_at", "TimeToLiveSpecification/Enabled": "true", "DeletionProtectionEnabled": "true",
	})
	if got := fmt.Sprint(s.there.Encryption); got != "{[{{AES256}}]}" {
		t.Errorf("the bucket is encrypted with %s", got)
	}
	public, rules := "PublicAccessBlockConfiguration/", "LifecycleConfiguration/Rules/"
	s.says(t, "Bucket", map[string]string{
		public + "BlockPublicAcls": "true", public + "BlockPublicPolicy": "true", public + "IgnorePublicAcls": "true", public + "RestrictPublicBuckets": "true",
		rules + "0/Prefix": "uploads/", rules + "0/ExpirationInDays": "30", rules + "0/Status": "Enabled",
		rules + "1/Prefix": "staging/", rules + "1/ExpirationInDays": "2", rules + "1/Status": "Enabled",
		rules + "2/Prefix": "jobs/", rules + "2/ExpirationInDays": "400", rules + "2/Status": "Enabled",
		rules + "3/AbortIncompleteMultipartUpload/DaysAfterInitiation": "1", rules + "3/Status": "Enabled", rules + "3/Prefix": "",
		rules + "3/ExpirationInDays": "", rules + "4/Id": "", // a rule for snapshots would delete what is read
	})
	statement := "PolicyDocument/Statement/"
	s.says(t, "BucketPolicy", map[string]string{
		"Bucket": "${Bucket}", statement + "0/Effect": "Deny", statement + "0/Principal": "*", statement + "0/Action": "s3:*",
		statement + "0/Resource": "${Bucket.Arn} ${Bucket.Arn}/*", statement + "0/Condition/Bool/aws:SecureTransport": "false", statement + "1/Effect": "",
	})
	for _, kept := range []string{"Table", "Bucket"} {
		if policy := s.translated.At("Resources", kept, "DeletionPolicy") + s.translated.At("Resources", kept, "UpdateReplacePolicy"); policy != "RetainRetain" {
			t.Errorf("%s would go with its stack: %s", kept, policy)
		}
	}
}

func (s stack) functions(t *testing.T) {
	all, err := s.sam.Functions()
	if err != nil {
		t.Fatal(err)
	}
	if len(s.there.Functions) != len(all) {
		t.Errorf("there are %d functions, want %d", len(s.there.Functions), len(all))
	}
	given := map[string]string{
		"${Table}": s.there.Table.TableName, "${AWS::StackName}": s.name, "${AWS::StackName}-sync": s.name + "-sync", "${Sync}": s.name + "-sync",
		"${MaxUploadBytes}": chosen["MaxUploadBytes"], "${InRequestBytes}": chosen["InRequestBytes"],
		"${RunningJobsPerOrg}": chosen["RunningJobsPerOrg"],
	}
	for _, f := range all {
		got := s.there.Functions[f.ID]
		if got.Runtime != "provided.al2023" || got.Handler != "bootstrap" || !strings.Contains(got.Role, ":role/"+s.name+"-"+f.ID+"Role-") {
			t.Errorf("%s runs %s %s as %s", f.ID, got.Runtime, got.Handler, got.Role)
		}
		if want := s.property(f.ID, "Timeout"); fmt.Sprint(got.Timeout) != want || fmt.Sprint(got.MemorySize) != s.property(f.ID, "MemorySize") {
			t.Errorf("%s has %d s and %d MB", f.ID, got.Timeout, got.MemorySize)
		}
		for name, text := range f.Environment {
			value, known := given[text]
			if got := fmt.Sprint(got.Environment.Variables[name]); known && got != value || !known && (text != "${Bucket}" || got == "") {
				t.Errorf("%s has %s=%s, want %s", f.ID, name, got, text)
			}
		}
		s.says(t, f.ID, map[string]string{"Architectures/0": "${Architecture}", "LoggingConfig/LogFormat": "JSON", "LoggingConfig/LogGroup": "${Logs}"})
		s.says(t, f.ID+"Role", map[string]string{
			"AssumeRolePolicyDocument/Statement/0/Principal/Service": "lambda.amazonaws.com",
			"ManagedPolicyArns/0": "arn:aws:iam::aws:policy/service-role/AWSLambdaBasicExecutionRole", // writes to log groups
		})
	}
	if g := s.there.LogGroups; len(g) != 1 || g[0].LogGroupName != "/muster/"+s.name || fmt.Sprint(g[0].RetentionInDays) != chosen["LogRetentionDays"] {
		t.Errorf("there are the log groups %v", g)
	}
	if got := s.there.Functions["Sync"]; got.Timeout != 900 {
		t.Errorf("sync has %d s", got.Timeout)
	}
	s.says(t, "Sync", map[string]string{"EphemeralStorage/Size": "10240", "RecursiveLoop": "Allow", "ReservedConcurrentExecutions": "${If ReserveSync ${SyncConcurrency} ${AWS::NoValue}}"})
}

// property is that of a function, or of all.
func (s stack) property(id, name string) string {
	if own := s.sam.At("Resources", id, "Properties", name); own != "" {
		return own
	}
	return s.sam.At("Globals", "Function", name)
}

// routes: each leads to its function, which the gateway may invoke, and there is no
// other.
func (s stack) routes(t *testing.T) {
	all, err := s.sam.Functions()
	if err != nil {
		t.Fatal(err)
	}
	routes := 0
	for _, f := range all {
		if f.Routes == nil {
			continue // a worker
		}
		permission := f.ID + "HttpPermission"
		if slices.ContainsFunc(f.Routes, samtemplate.Route.Default) {
			permission = f.ID + "DefaultPermission" // SAM's covers all of its routes
		}
		s.says(t, permission, map[string]string{
			"Action": "lambda:InvokeFunction", "Principal": "apigateway.amazonaws.com", "FunctionName": "${" + f.ID + "}", "SourceArn/Fn::Sub/1/__ApiId__": "${Api}",
		})
		for _, r := range f.Routes {
			routes++
			s.route(t, f.ID, r)
		}
	}
	made := s.translated.Paths("Resources", "Api", "Properties", "Body", "paths")
	made = slices.DeleteFunc(made, func(p []string) bool { return p[len(p)-1] != "x-amazon-apigateway-integration" })
	if len(made) != routes {
		t.Errorf("the API has %d routes, want %d", len(made), routes)
	}
	s.says(t, "ApiApiGatewayDefaultStage", map[string]string{
		"StageName": "$default", "AutoDeploy": "true",
		"DefaultRouteSettings/ThrottlingRateLimit": "${ThrottleRate}", "DefaultRouteSettings/ThrottlingBurstLimit": "${ThrottleBurst}",
	})
}

func (s stack) route(t *testing.T, function string, r samtemplate.Route) {
	t.Helper()
	method := strings.ToLower(r.Method)
	if r.Default() {
		method = "x-amazon-apigateway-any-method"
	}
	for name, want := range map[string]string{
		"uri":                  "arn:${AWS::Partition}:apigateway:${AWS::Region}:lambda:path/2015-03-31/functions/${" + function + ".Arn}/invocations",
		"type":                 "aws_proxy",
		"payloadFormatVersion": "2.0",
	} {
		if got := s.translated.At("Resources", "Api", "Properties", "Body", "paths", r.Path, method, "x-amazon-apigateway-integration", name); got != want {
			t.Errorf("%s has %s %q, want %q", r, name, got, want)
		}
	}
}

// failures: what cannot be delivered is kept. Who sends to the queue does it by a
// role of this account, so the queue needs no policy of its own.
func (s stack) failures(t *testing.T) {
	if q := s.there.Queue; q["MessageRetentionPeriod"] != "1209600" || q["SqsManagedSseEnabled"] != "true" {
		t.Errorf("the queue has %v", q)
	}
	s.says(t, "SyncEventInvokeConfig", map[string]string{
		"FunctionName": "${Sync}", "MaximumEventAgeInSeconds": "900", "MaximumRetryAttempts": "2", "DestinationConfig/OnFailure/Destination": "${DeadLetters.Arn}",
	})
	s.says(t, "SweepEventInvokeConfig", map[string]string{"FunctionName": "${Sweep}", "MaximumEventAgeInSeconds": "60", "MaximumRetryAttempts": "0"})
	s.says(t, "SweepEveryMinute", map[string]string{
		"ScheduleExpression": "rate(1 minute)", "FlexibleTimeWindow/Mode": "OFF",
		"Target/Arn": "${Sweep.Arn}", "Target/RoleArn": "${SweepEveryMinuteRole.Arn}", "Target/DeadLetterConfig/Arn": "${DeadLetters.Arn}",
		"Target/RetryPolicy/MaximumRetryAttempts": "0", "Target/RetryPolicy/MaximumEventAgeInSeconds": "60",
	})
	first := func(policy, what string) string { return "Policies/" + policy + "/PolicyDocument/Statement/0/" + what }
	s.says(t, "SweepEveryMinuteRole", map[string]string{
		"AssumeRolePolicyDocument/Statement/0/Principal/Service": "scheduler.amazonaws.com",
		first("0", "Action"): "lambda:InvokeFunction", first("0", "Resource"): "${Sweep.Arn}",
		first("1", "Action"): "sqs:SendMessage", first("1", "Resource"): "${DeadLetters.Arn}",
		"Policies/0/PolicyDocument/Statement/1/Action": "", "Policies/1/PolicyDocument/Statement/1/Action": "",
		"Policies/2/PolicyName": "", "ManagedPolicyArns": "",
	})
	s.says(t, "SyncRole", map[string]string{first("0", "Action"): "sqs:SendMessage", first("0", "Resource"): "${DeadLetters.Arn}"})
}

// theirs are the metrics of AWS that alarms look at.
var theirs = []string{
	"AWS/Lambda Errors FunctionName", "AWS/Lambda Invocations FunctionName", "AWS/ApiGateway 5xx ApiId",
	"AWS/SQS ApproximateNumberOfMessagesVisible QueueName",
}

// reasons are those for which a job fails by no fault of its file.
var reasons = []job.Reason{job.WorkerLost, job.ApplyIncomplete, job.TooLong, job.Unavailable, job.Internal}

// alarms: each looks at metrics that somebody writes, by the dimensions that they
// have. One that does not would stay silent for good.
func (s stack) alarms(t *testing.T) {
	ours := strings.TrimPrefix(s.translated.At("Resources", "Logs", "Properties", "LogGroupName"), "/")
	for _, id := range s.translated.Resources("AWS::CloudWatch::Alarm") {
		looks := 0
		for _, path := range s.translated.Paths("Resources", id, "Properties") {
			if path[len(path)-1] != "MetricName" {
				continue
			}
			looks++
			if fault := s.metric(ours, path[:len(path)-1]); fault != "" {
				t.Errorf("%s looks at %s", id, fault)
			}
		}
		if looks == 0 {
			t.Errorf("%s looks at nothing", id)
		}
		s.says(t, id, map[string]string{"AlarmActions/Fn::If": "TellOfAlarms ${AlarmTopicArn} ${AWS::NoValue}"})
	}
}

// metric says what is wrong with a metric that lies under a path.
func (s stack) metric(ours string, path []string) (fault string) {
	of := func(below ...string) string { return s.translated.At(append(slices.Clone(path), below...)...) }
	var names, values []string
	for i := 0; of("Dimensions", fmt.Sprint(i), "Name") != ""; i++ {
		names, values = append(names, of("Dimensions", fmt.Sprint(i), "Name")), append(values, of("Dimensions", fmt.Sprint(i), "Value"))
	}
	namespace, metric := of("Namespace"), of("MetricName")
	written := func(d emf.Directive) bool { return d.Lines == metric && slices.Equal(d.Dimensions, names) }
	switch {
	case namespace == ours && !slices.ContainsFunc(aws.Metrics, written):
		return fmt.Sprintf("%s by %v, which nothing writes", metric, names)
	case namespace == ours && (values[0] != string(job.Failed) || !slices.Contains(reasons, job.Reason(values[1]))):
		return fmt.Sprintf("jobs that are %v, which none is", values)
	case namespace != ours && !slices.Contains(theirs, namespace+" "+metric+" "+strings.Join(names, " ")):
		return fmt.Sprintf("%s %s by %v, which is not known here", namespace, metric, names)
	case namespace != ours && !s.translated.Has("Resources", strings.Trim(strings.TrimSuffix(values[0], ".QueueName}"), "${}")):
		return fmt.Sprintf("%s, which is no resource", values[0])
	}
	return ""
}
