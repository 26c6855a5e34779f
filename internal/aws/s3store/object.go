package s3store

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"muster/internal/blob"
)

// bodyTries is how often the bytes of one range are asked for when a connection
// breaks among them. The SDK retries only until the first byte.
const bodyTries = 3

// object is one version of one key. It holds no connection: each read is a
// request.
type object struct {
	ctx    context.Context
	cancel context.CancelFunc
	store  *Store
	info   blob.Info
}

func (o *object) Info() blob.Info { return o.info }

func (o *object) Close() error {
	o.cancel()
	return nil
}

func (o *object) ReadAt(p []byte, off int64) (int, error) {
	if off < 0 {
		return 0, fmt.Errorf("s3store: read %s at %d", o.info.Key, off)
	}
	want := p[:min(int64(len(p)), max(0, o.info.Size-off))]
	n := 0
	for try := 1; n < len(want); try++ {
		got, err := o.readRange(want[n:], off+int64(n))
		n += got
		if errors.Is(err, errCutOff) && try < bodyTries {
			continue
		}
		if err != nil {
			return n, err
		}
	}
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

// errCutOff: the answer was good, and broke off before its last byte.
var errCutOff = errors.New("s3store: the answer was cut off")

func (o *object) readRange(p []byte, off int64) (int, error) {
	out, err := o.store.client.GetObject(o.ctx, &s3.GetObjectInput{
		Bucket:  &o.store.bucket,
		Key:     &o.info.Key,
		IfMatch: aws.String(quote(o.info.Version)),
		Range:   aws.String(fmt.Sprintf("bytes=%d-%d", off, off+int64(len(p))-1)),
	})
	if err != nil {
		return 0, readError(o.ctx, "read", o.info.Key, err)
	}
	defer out.Body.Close()
	n, err := io.ReadFull(out.Body, p)
	if err == nil {
		return n, nil
	}
	if o.ctx.Err() != nil {
		return n, translate(o.ctx, "read", o.info.Key, err)
	}
	return n, fmt.Errorf("s3store: read %s: %w: %w: %w", o.info.Key, blob.ErrUnavailable, errCutOff, err)
}
