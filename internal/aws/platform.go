package aws

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"os"
	"strconv"
	"sync"
	"sync/atomic"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"muster/internal/app"
	"muster/internal/aws/dynamo"
	"muster/internal/aws/quiet"
	"muster/internal/blob"
	"muster/internal/job"
	"muster/internal/secret"
	"muster/internal/table"
)

// Ports are what not every function has, by what opens each: s3store.Open,
// secrets.Open and invoke.Open. Mains alone name those: a client of the SDK that is
// linked makes the schemas of all its calls when the process starts, whether any of
// them is ever asked for; those of Lambda are 4,000 objects.
type Ports struct {
	Bucket  func(c aws.Config, bucket string) blob.Bucket
	Vault   func(c aws.Config, prefix string) secret.Vault
	Starter func(c aws.Config, function string) job.Starter
}

// Platform is the ports over AWS. Each client is made when its port is first asked
// for. To ask for one that Open was not given is a mistake in a main, and panics.
type Platform struct {
	config  aws.Config
	retries *atomic.Int64 // counts those of the table; nil: nobody asks

	table   func() table.Table
	bucket  func() blob.Bucket
	vault   func() secret.Vault
	starter func() job.Starter
}

var _ app.Platform = (*Platform)(nil)

// Open reads the environment and the SDK's configuration.
func Open(ctx context.Context, ports Ports) (*Platform, error) {
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
	p := &Platform{config: c}
	p.table = sync.OnceValue(func() table.Table {
		return dynamo.New(dynamodb.NewFromConfig(p.config), os.Getenv("MUSTER_TABLE"), dynamo.WithRetryCount(p.retries))
	})
	p.bucket = once(p, "Bucket", ports.Bucket, os.Getenv("MUSTER_BUCKET"))
	p.vault = once(p, "Vault", ports.Vault, cmp.Or(os.Getenv("MUSTER_SECRET_PREFIX"), "muster"))
	p.starter = once(p, "Starter", ports.Starter, os.Getenv("MUSTER_SYNC_FUNCTION"))
	return p, nil
}

func once[T any](p *Platform, port string, open func(aws.Config, string) T, of string) func() T {
	return sync.OnceValue(func() T {
		if open == nil {
			panic("aws: this main names no " + port + " among its Ports; go test ./functions -update writes it")
		}
		return open(p.config, of)
	})
}

func (p *Platform) Table() table.Table   { return p.table() }
func (p *Platform) Blobs() blob.Store    { return p.bucket() }
func (p *Platform) Signer() blob.Signer  { return p.bucket() }
func (p *Platform) Vault() secret.Vault  { return p.vault() }
func (p *Platform) Starter() job.Starter { return p.starter() }

// settings are the deployment's, from the environment.
func settings() (app.Settings, error) {
	s := app.DefaultSettings
	for _, v := range []struct {
		name  string
		field *int64
		least int64
		most  int64
		of    string
	}{
		{"MUSTER_MAX_UPLOAD_BYTES", &s.MaxUploadBytes, 1, math.MaxInt64, "bytes"},
		{"MUSTER_IN_REQUEST_BYTES", &s.InRequestBytes, 1, math.MaxInt64, "bytes"},
		{"MUSTER_RUNNING_JOBS", &s.RunningJobs, 0, app.MostRunningJobs, "jobs"},
	} {
		text := os.Getenv(v.name)
		if text == "" {
			continue
		}
		n, err := strconv.ParseInt(text, 10, 64)
		if err != nil || n < v.least || n > v.most {
			return s, fmt.Errorf("aws: %s must be a number of %s from %d to %d", v.name, v.of, v.least, v.most)
		}
		*v.field = n
	}
	return s, nil
}
