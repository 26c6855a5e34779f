package s3store_test

import (
	"testing"

	"muster/internal/aws/s3store"
	"muster/internal/blob/blobtest"
	"muster/internal/emulator"
)

func TestConformance(t *testing.T) {
	blobtest.Run(t, func(t *testing.T) blobtest.Subject {
		s := s3store.New(emulator.S3Client(t), emulator.Bucket(t))
		return blobtest.Subject{Store: s, Signer: s, SignedGetFollows: true, KeysArePaths: true}
	})
}
