package s3store

import (
	"context"
	"fmt"
	"mime"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
)

func newSigner(client *s3.Client) *s3.PresignClient {
	return s3.NewPresignClient(client, s3.WithPresignClientFromClientOptions(func(o *s3.Options) {
		// Otherwise the URL of a PUT holds the checksum of an empty body, and S3
		// refuses every other one.
		o.RequestChecksumCalculation = aws.RequestChecksumCalculationWhenRequired
	}))
}

func (s *Store) signPut(ctx context.Context, key, contentType string, ttl time.Duration) (string, error) {
	signed, err := s.signer.PresignPutObject(ctx, &s3.PutObjectInput{
		Bucket:      &s.bucket,
		Key:         &key,
		ContentType: &contentType,
	}, s3.WithPresignExpires(ttl))
	if err != nil {
		return "", fmt.Errorf("s3store: sign a PUT of %s: %w", key, err)
	}
	return signed.URL, nil
}

func (s *Store) signGet(ctx context.Context, key, filename string, ttl time.Duration) (string, error) {
	signed, err := s.signer.PresignGetObject(ctx, &s3.GetObjectInput{
		Bucket:                     &s.bucket,
		Key:                        &key,
		ResponseContentDisposition: aws.String(mime.FormatMediaType("attachment", map[string]string{"filename": filename})),
	}, s3.WithPresignExpires(ttl))
	if err != nil {
		return "", fmt.Errorf("s3store: sign a GET of %s: %w", key, err)
	}
	return signed.URL, nil
}
