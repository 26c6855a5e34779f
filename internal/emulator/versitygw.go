package emulator

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/google/uuid"
)

// versitygw is the version of the S3 gateway that tests run against. It keeps
// files in folders: "a" and "a/b" cannot both be keys.
const versitygw = "v1.8.0"

// S3 is the endpoint of a versitygw that all tests of this binary share: use
// Bucket for a bucket of one's own. It checks signatures as S3 does.
func S3(t testing.TB) string {
	t.Helper()
	gw, err := s3Gateway()
	if err != nil {
		unavailable(t, "versitygw", err)
	}
	return gw.endpoint
}

// S3Client is a client of it as package config makes them, checksums and all, but
// with buckets in the path: there is no name service for them on loopback.
func S3Client(t testing.TB, with ...func(*s3.Options)) *s3.Client {
	t.Helper()
	return s3.New(s3.Options{
		Region:       "us-east-1",
		BaseEndpoint: aws.String(S3(t)),
		Credentials:  credentials.NewStaticCredentialsProvider("local", "local-secret", ""),
		UsePathStyle: true,

		RequestChecksumCalculation: aws.RequestChecksumCalculationWhenSupported,
		ResponseChecksumValidation: aws.ResponseChecksumValidationWhenSupported,
	}, with...)
}

// Bucket makes a bucket that is removed, with what it holds, after the test.
func Bucket(t testing.TB) string {
	t.Helper()
	name := "muster-" + uuid.NewString()
	if _, err := S3Client(t).CreateBucket(t.Context(), &s3.CreateBucketInput{Bucket: &name}); err != nil {
		t.Fatalf("make a bucket: %v", err)
	}
	t.Cleanup(func() {
		gw, _ := s3Gateway()
		if err := os.RemoveAll(filepath.Join(gw.data, name)); err != nil {
			t.Errorf("remove the bucket: %v", err)
		}
	})
	return name
}

type gateway struct{ endpoint, data string }

var s3Gateway = sync.OnceValues(func() (gateway, error) {
	if err := lookPath("sh", "go"); err != nil {
		return gateway{}, err
	}
	dir, err := cacheDir("versitygw")
	if err != nil {
		return gateway{}, err
	}
	bin, err := install(dir, versitygw, buildVersitygw)
	if err != nil {
		return gateway{}, err
	}
	data := filepath.Join(dir, "data")
	if err := os.MkdirAll(data, 0o755); err != nil {
		return gateway{}, err
	}
	addr, err := freeAddr()
	if err != nil {
		return gateway{}, err
	}
	err = start(dir, addr, filepath.Join(bin, "versitygw"), "--quiet", "--keep-alive", "--port", addr,
		"--access", "local", "--secret", "local-secret",
		// A bucket is known to one gateway alone: no locks in files, which would stay.
		"posix", "--disable-object-lock-file", data)
	return gateway{endpoint: "http://" + addr, data: data}, err
})

// buildVersitygw takes two minutes the first time. It is no part of go.mod: its
// own dependencies are many, and none of them ours.
func buildVersitygw(into string) error {
	build := exec.Command("go", "install", "github.com/versity/versitygw/cmd/versitygw@"+versitygw)
	build.Env = append(os.Environ(), "GOBIN="+into, "GOFLAGS=")
	if out, err := build.CombinedOutput(); err != nil {
		return missing{fmt.Sprintf("what go install needs (%v: %s)", err, strings.TrimSpace(string(out)))}
	}
	return nil
}
