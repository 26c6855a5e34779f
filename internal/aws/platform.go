package aws

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"strconv"
	"sync"
	"sync/atomic"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	awslambda "github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"

	"muster/internal/app"
	"muster/internal/aws/dynamo"
	"muster/internal/aws/quiet"
	"muster/internal/aws/s3store"
	"muster/internal/aws/secrets"
	"muster/internal/blob"
	"muster/internal/job"
	"muster/internal/secret"
	"muster/internal/table"
)

// Platform is the ports over AWS. Each client is made when its port is first
// asked for, and named nowhere but in its port's method: so a function starts,
// and links, only what its endpoint asks for.
type Platform struct {
	config  aws.Config
	table   lazy[table.Table]
	blobs   lazy[*s3store.Store]
	vault   lazy[secret.Vault]
	starter lazy[job.Starter]
	retries *atomic.Int64 // counts those of the table; nil: nobody asks
}

var _ app.Platform = (*Platform)(nil)

// lazy is a value that is made when it is first asked for.
type lazy[T any] struct {
	once  sync.Once
	value T
}

func (l *lazy[T]) get(make func() T) T {
	l.once.Do(func() { l.value = make() })
	return l.value
}

// Open reads the environment and the SDK's configuration.
func Open(ctx context.Context) (*Platform, error) {
	c, err := config.LoadDefaultConfig(ctx)
	if err != nil {
		return nil, fmt.Errorf("aws: loading the SDK's configuration: %w", err)
	}
	for _, name := range []string{"MUSTER_TABLE", "MUSTER_BUCKET"} {
		if os.Getenv(name) == "" {
			return nil, fmt.Errorf("aws: %s is not set: it names where the data is", name)
		}
	}
	c.APIOptions = append(c.APIOptions, quiet.Errors)
	return &Platform{config: c}, nil
}

func (p *Platform) Table() table.Table {
	return p.table.get(func() table.Table {
		return dynamo.New(dynamodb.NewFromConfig(p.config), os.Getenv("MUSTER_TABLE"), dynamo.WithRetryCount(p.retries))
	})
}

func (p *Platform) Blobs() blob.Store   { return p.bucket() }
func (p *Platform) Signer() blob.Signer { return p.bucket() }

func (p *Platform) bucket() *s3store.Store {
	return p.blobs.get(func() *s3store.Store {
		client := s3.NewFromConfig(p.config, func(o *s3.Options) {
			// A bucket behind a bare address has no name of its own in DNS.
			o.UsePathStyle = os.Getenv("AWS_ENDPOINT_URL_S3") != "" || os.Getenv("AWS_ENDPOINT_URL") != ""
		})
		return s3store.New(client, os.Getenv("MUSTER_BUCKET"))
	})
}

func (p *Platform) Vault() secret.Vault {
	return p.vault.get(func() secret.Vault {
		client := secretsmanager.NewFromConfig(p.config, secrets.Options)
		return secrets.New(client, cmp.Or(os.Getenv("MUSTER_SECRET_PREFIX"), "muster"))
	})
}

func (p *Platform) Starter() job.Starter {
	return p.starter.get(func() job.Starter {
		return NewStarter(awslambda.NewFromConfig(p.config), os.Getenv("MUSTER_SYNC_FUNCTION"))
	})
}

// NewStarter sends starts to the sync function, by name or ARN, by asynchronous
// invokes.
func NewStarter(client *awslambda.Client, function string) job.Starter {
	return starter{client, function}
}

type starter struct {
	client   *awslambda.Client
	function string
}

func (s starter) Start(ctx context.Context, st job.Start) error {
	payload, err := json.Marshal(job.Event{Start: &st})
	if err != nil {
		return fmt.Errorf("aws: encoding the start of job %s: %w", st.Job, err)
	}
	if s.function == "" {
		return fmt.Errorf("aws: starting job %s: MUSTER_SYNC_FUNCTION is not set", st.Job)
	}
	_, err = s.client.Invoke(ctx, &awslambda.InvokeInput{FunctionName: &s.function, InvocationType: types.InvocationTypeEvent, Payload: payload})
	if err != nil {
		return fmt.Errorf("aws: invoking %s for job %s: %w", s.function, st.Job, err)
	}
	return nil
}

// settings are the deployment's, from the environment.
func settings() (app.Settings, error) {
	s := app.DefaultSettings
	for name, field := range map[string]*int64{"MUSTER_MAX_UPLOAD_BYTES": &s.MaxUploadBytes, "MUSTER_IN_REQUEST_BYTES": &s.InRequestBytes} {
		text := os.Getenv(name)
		if text == "" {
			continue
		}
		n, err := strconv.ParseInt(text, 10, 64)
		if err != nil || n <= 0 {
			return s, fmt.Errorf("aws: %s must be a number of bytes above 0", name)
		}
		*field = n
	}
	return s, nil
}
