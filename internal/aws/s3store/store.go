package s3store

import (
	"context"
	"fmt"
	"iter"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"muster/internal/blob"
)

var _ blob.Bucket = (*Store)(nil)

// Store is a bucket. It is safe for concurrent use.
type Store struct {
	client *s3.Client
	signer *s3.PresignClient
	bucket string
}

// New returns the store of a bucket that exists. Retries, credentials, endpoint
// and path style are the client's.
func New(client *s3.Client, bucket string) *Store {
	client = s3.New(client.Options(), func(o *s3.Options) {
		// Two conditional puts of one key at the same instant: S3 wants one to ask again.
		o.Retryer = retry.AddWithErrorCodes(o.Retryer, "ConditionalRequestConflict")
		// A range has no checksum to validate; that is no news for each read.
		o.DisableLogOutputChecksumValidationSkipped = true
	})
	return &Store{client: client, signer: newSigner(client), bucket: bucket}
}

// Open is New with a client of its own.
func Open(c aws.Config, bucket string) blob.Bucket {
	return New(s3.NewFromConfig(c, func(o *s3.Options) {
		o.UsePathStyle = o.BaseEndpoint != nil // a bucket behind a bare address has no name of its own in DNS
	}), bucket)
}

// Open implements blob.Store.
func (s *Store) Open(ctx context.Context, key, version string) (blob.Object, error) {
	if err := blob.CheckKey(key); err != nil {
		return nil, err
	}
	head, err := s.head(ctx, key, version)
	if err != nil {
		return nil, readError(ctx, "open", key, err)
	}
	reads, cancel := context.WithCancel(ctx)
	return &object{ctx: reads, cancel: cancel, store: s, info: infoOf(key, head)}, nil
}

func (s *Store) head(ctx context.Context, key, version string) (*s3.HeadObjectOutput, error) {
	in := &s3.HeadObjectInput{Bucket: &s.bucket, Key: &key}
	if version != "" {
		in.IfMatch = aws.String(quote(version))
	}
	return s.client.HeadObject(ctx, in)
}

func infoOf(key string, head *s3.HeadObjectOutput) blob.Info {
	return blob.Info{
		Key:         key,
		Version:     unquote(head.ETag),
		Size:        aws.ToInt64(head.ContentLength),
		ContentType: aws.ToString(head.ContentType),
		Modified:    aws.ToTime(head.LastModified),
	}
}

// List implements blob.Store.
func (s *Store) List(ctx context.Context, prefix string) iter.Seq2[blob.Info, error] {
	return func(yield func(blob.Info, error) bool) {
		pages := s3.NewListObjectsV2Paginator(s.client, &s3.ListObjectsV2Input{Bucket: &s.bucket, Prefix: &prefix})
		for pages.HasMorePages() {
			page, err := pages.NextPage(ctx)
			if err != nil {
				yield(blob.Info{}, translate(ctx, "list", prefix, err))
				return
			}
			for _, o := range page.Contents {
				info := blob.Info{
					Key:      aws.ToString(o.Key),
					Version:  unquote(o.ETag),
					Size:     aws.ToInt64(o.Size),
					Modified: aws.ToTime(o.LastModified),
				}
				if !yield(info, nil) {
					return
				}
			}
		}
	}
}

// Delete implements blob.Store.
func (s *Store) Delete(ctx context.Context, key string) error {
	if err := blob.CheckKey(key); err != nil {
		return err
	}
	_, err := s.client.DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: &s.bucket, Key: &key})
	if err != nil {
		return translate(ctx, "delete", key, err)
	}
	return nil
}

// SignPut implements blob.Signer.
func (s *Store) SignPut(ctx context.Context, key, contentType string, ttl time.Duration) (string, error) {
	if err := blob.CheckKey(key); err != nil {
		return "", err
	}
	if contentType == "" { // S3 would sign it, and then take any type
		return "", fmt.Errorf("%w: a PUT of %s cannot be signed without a content type", blob.ErrInvalid, key)
	}
	return s.signPut(ctx, key, contentType, ttl)
}

// SignGet implements blob.Signer. That the version lies there is asked when the
// URL is signed: a URL carries no If-Match, so that a later replacement shows.
func (s *Store) SignGet(ctx context.Context, key, version, filename string, ttl time.Duration) (string, error) {
	if err := blob.CheckKey(key); err != nil {
		return "", err
	}
	if _, err := s.head(ctx, key, version); err != nil {
		return "", readError(ctx, "sign a GET of", key, err)
	}
	return s.signGet(ctx, key, filename, ttl)
}

// An ETag travels in quotes and is kept without them.
func quote(version string) string { return `"` + version + `"` }

func unquote(etag *string) string { return strings.Trim(aws.ToString(etag), `"`) }
