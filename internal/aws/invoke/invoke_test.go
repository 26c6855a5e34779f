package invoke_test

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	sdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/lambda"

	"muster/internal/aws/invoke"
	"muster/internal/job"
	"muster/internal/job/jobtest"
)

// invokes stands in for Lambda's Invoke (API reference, "Invoke"): an event is
// taken with 202 and run afterwards.
func invokes(t *testing.T, work jobtest.Work) *lambda.Client {
	t.Helper()
	var running sync.WaitGroup
	t.Cleanup(running.Wait)
	return client(t, func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		var e job.Event
		if err == nil {
			err = json.Unmarshal(body, &e)
		}
		switch {
		case r.URL.Path != "/2015-03-31/functions/muster-sync/invocations" || r.Header.Get("X-Amz-Invocation-Type") != "Event":
			t.Errorf("%s %s of type %q", r.Method, r.URL.Path, r.Header.Get("X-Amz-Invocation-Type"))
			w.WriteHeader(http.StatusNotFound)
		case err != nil || e.Start == nil || e.Tick != nil:
			t.Errorf("the event %s is no start: %v", body, err)
			w.WriteHeader(http.StatusBadRequest)
		default:
			running.Go(func() { work(context.Background(), *e.Start) })
			w.WriteHeader(http.StatusAccepted)
		}
	})
}

func client(t *testing.T, h http.HandlerFunc) *lambda.Client {
	srv := httptest.NewServer(h)
	t.Cleanup(srv.Close)
	return lambda.New(lambda.Options{
		Region: "eu-north-1", BaseEndpoint: &srv.URL, RetryMaxAttempts: 1,
		Credentials: sdk.NewCredentialsCache(credentials.NewStaticCredentialsProvider("id", "secret", "")),
	})
}

func TestStarter(t *testing.T) {
	jobtest.Run(t, func(t *testing.T, work jobtest.Work) job.Starter {
		return invoke.New(invokes(t, work), "muster-sync")
	})
}

func TestStarterSaysWhenAStartWasNotSent(t *testing.T) {
	refuses := client(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("X-Amzn-Errortype", "TooManyRequestsException")
		w.WriteHeader(http.StatusTooManyRequests)
	})
	for name, s := range map[string]job.Starter{
		"muster-sync":          invoke.New(refuses, "muster-sync"),
		"MUSTER_SYNC_FUNCTION": invoke.New(refuses, ""),
	} {
		err := s.Start(t.Context(), job.Start{Job: job.NewID()})
		if err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("error %v, want one that names %s", err, name)
		}
	}
}
