package quiet_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/smithy-go"
	"github.com/aws/smithy-go/middleware"

	"muster/internal/aws/quiet"
)

const canary = "c4n4ry-of-7d1e"

// ask makes a call of DynamoDB and one of S3 that are answered with status and body.
func ask(t *testing.T, status int, body string) (dynamo, object error) {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("X-Amzn-Requestid", "R1")
		w.Header().Set("X-Amz-Request-Id", "R1")
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}))
	defer server.Close()
	c := aws.Config{
		Region: "eu-north-1", BaseEndpoint: &server.URL, Credentials: credentials.NewStaticCredentialsProvider("a", "b", ""),
		Retryer: func() aws.Retryer { return aws.NopRetryer{} }, APIOptions: []func(*middleware.Stack) error{quiet.Errors},
	}
	_, dynamo = dynamodb.NewFromConfig(c).DescribeTable(t.Context(), &dynamodb.DescribeTableInput{TableName: aws.String("t")})
	_, object = s3.NewFromConfig(c).ListObjectsV2(t.Context(), &s3.ListObjectsV2Input{Bucket: aws.String("bucket")})
	return dynamo, object
}

func TestErrorsHoldNoMessage(t *testing.T) {
	const who = "User: arn:aws:sts::1:assumed-role/muster is not authorized to perform: dynamodb:DescribeTable on resource: arn:aws:dynamodb:eu-north-1:1:table/t"
	for _, c := range []struct {
		name, json, xml string
		status          int
		want            []string // in both errors
	}{
		{"a message that quotes", `{"__type":"ValidationException","message":"Value '` + canary + `' failed"}`,
			`<Error><Code>ValidationException</Code><Message>` + canary + `</Message></Error>`, 400, []string{"status 400", "request R1", "ValidationException"}},
		{"one of their own types", `{"__type":"ResourceNotFoundException","message":"` + canary + `"}`,
			`<Error><Code>NoSuchBucket</Code><Message>` + canary + `</Message></Error>`, 404, []string{"status 404", "request R1", "No"}},
		{"a denial", `{"__type":"AccessDeniedException","message":"` + who + ` because of ` + canary + `"}`,
			`<Error><Code>AccessDenied</Code><Message>` + who + ` because of ` + canary + `</Message></Error>`, 403, []string{"AccessDenied", who}},
		{"a denial in other words", `{"__type":"AccessDeniedException","message":"User: ` + canary + ` is not authorized"}`,
			`<Error><Code>AccessDenied</Code><Message>` + canary + `</Message></Error>`, 403, []string{"status 403", "AccessDenied"}},
		{"no error of theirs", canary, canary, 500, []string{"status 500"}},
		{"no answer of theirs", `["` + canary + `"]`, `<` + canary, 200, []string{"cannot be read"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			dynamo, _ := ask(t, c.status, c.json)
			_, object := ask(t, c.status, c.xml)
			for service, err := range map[string]error{"DynamoDB": dynamo, "S3": object} {
				if err == nil || strings.Contains(err.Error(), canary) {
					t.Errorf("%s: %v", service, err)
					continue
				}
				for _, want := range c.want {
					if !strings.Contains(err.Error(), want) {
						t.Errorf("%s: %v, want %q in it", service, err, want)
					}
				}
			}
		})
	}
}

// What an error is can be asked as before.
func TestErrorsAreWhatTheyWere(t *testing.T) {
	err, _ := ask(t, 400, `{"__type":"ResourceNotFoundException","message":"no table"}`)
	var gone *types.ResourceNotFoundException
	var operation *smithy.OperationError
	if !errors.As(err, &gone) || !errors.As(err, &operation) || operation.Operation() != "DescribeTable" {
		t.Error(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	c := dynamodb.New(dynamodb.Options{Region: "eu-north-1", Credentials: credentials.NewStaticCredentialsProvider("a", "b", ""), APIOptions: []func(*middleware.Stack) error{quiet.Errors}})
	if _, err := c.DescribeTable(ctx, &dynamodb.DescribeTableInput{TableName: aws.String("t")}); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	if quiet.Error(nil) != nil {
		t.Error("nil is an error")
	}
}
