package s3store

import (
	"bytes"
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsmiddleware "github.com/aws/aws-sdk-go-v2/aws/middleware"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/smithy-go/middleware"
	"golang.org/x/sync/errgroup"

	"muster/internal/blob"
)

const (
	// partSize is the least that S3 takes for a part, and a put holds two: more
	// would cost memory and save cents. 10,000 parts are 48 GiB.
	partSize = 5 << 20
	// firstRead is what a put allocates before it knows that there is more.
	firstRead = 64 << 10
	// idKey is the metadata by which a put knows its own object again.
	idKey = "muster-put"
	// cleanUpTime is what we give to aborting an upload whose context may be over.
	cleanUpTime = 5 * time.Second
)

var onlyIfAbsent = aws.String("*")

// put is one call of Put.
type put struct {
	*Store
	key, contentType string
	id               string
	size             int64
}

// Put implements blob.Store. It holds at most 10 MiB of the body.
func (s *Store) Put(ctx context.Context, key, contentType string, body io.Reader) (blob.Info, error) {
	if err := blob.CheckKey(key); err != nil {
		return blob.Info{}, err
	}
	p := &put{Store: s, key: key, contentType: contentType, id: rand.Text()}
	var first bytes.Buffer
	last, err := fill(&first, body)
	if err != nil {
		return blob.Info{}, fmt.Errorf("s3store: put %s: %w", key, err)
	}
	if last {
		return p.whole(ctx, first.Bytes())
	}
	return p.inParts(ctx, &first, body)
}

// fill reads up to one part into buf; last says that body ended. (io.ReadFull
// would not do: it cannot tell a body's own io.ErrUnexpectedEOF from its end.)
func fill(buf *bytes.Buffer, body io.Reader) (last bool, err error) {
	for _, upTo := range []int{firstRead, partSize} {
		want := upTo - buf.Len()
		buf.Grow(want + bytes.MinRead)
		n, err := buf.ReadFrom(io.LimitReader(body, int64(want)))
		if err != nil || n < int64(want) {
			return true, err
		}
	}
	return false, nil
}

func (p *put) whole(ctx context.Context, body []byte) (blob.Info, error) {
	p.size = int64(len(body))
	out, err := p.client.PutObject(ctx, &s3.PutObjectInput{
		Bucket:      &p.bucket,
		Key:         &p.key,
		ContentType: &p.contentType,
		Metadata:    map[string]string{idKey: p.id},
		IfNoneMatch: onlyIfAbsent,
		Body:        bytes.NewReader(body),
	})
	// If we stop here: an object without a row that names it. Whoever writes the
	// row has entered the key as garbage before.
	if err != nil {
		return p.decide(ctx, err)
	}
	return p.info(out.ETag, out.ResultMetadata), nil
}

func (p *put) inParts(ctx context.Context, first *bytes.Buffer, body io.Reader) (info blob.Info, err error) {
	created, err := p.client.CreateMultipartUpload(ctx, &s3.CreateMultipartUploadInput{
		Bucket:      &p.bucket,
		Key:         &p.key,
		ContentType: &p.contentType,
		Metadata:    map[string]string{idKey: p.id},
		// Said here, with each part and at the end: S3 then checks every byte, and
		// refuses an end that names checksums it was not told of at the beginning.
		ChecksumAlgorithm: types.ChecksumAlgorithmCrc32,
	})
	if err != nil {
		return blob.Info{}, translate(ctx, "put", p.key, err)
	}
	// If we stop here: parts that nobody sees, which the bucket's rule removes.
	defer func() {
		if err != nil {
			p.abort(ctx, created.UploadId)
		}
	}()
	parts, err := p.upload(ctx, created.UploadId, first, body)
	if err != nil {
		return blob.Info{}, err
	}
	out, err := p.client.CompleteMultipartUpload(ctx, &s3.CompleteMultipartUploadInput{
		Bucket:          &p.bucket,
		Key:             &p.key,
		UploadId:        created.UploadId,
		MultipartUpload: &types.CompletedMultipartUpload{Parts: parts},
		IfNoneMatch:     onlyIfAbsent,
	})
	if err != nil {
		return p.decide(ctx, err)
	}
	return p.info(out.ETag, out.ResultMetadata), nil
}

// upload sends body in parts, one on its way while the next is read. The two
// buffers go round through free.
func (p *put) upload(ctx context.Context, upload *string, first *bytes.Buffer, body io.Reader) ([]types.CompletedPart, error) {
	group, sending := errgroup.WithContext(ctx)
	group.SetLimit(1)
	var (
		parts []types.CompletedPart // appended to by one goroutine at a time
		buf   = first
		free  = make(chan *bytes.Buffer, 2)
	)
	free <- new(bytes.Buffer)
	for last := false; ; {
		p.size += int64(buf.Len())
		full := buf
		group.Go(func() error {
			part, err := p.sendPart(sending, upload, int32(len(parts)+1), full.Bytes())
			parts = append(parts, part)
			free <- full
			return err
		})
		if last || sending.Err() != nil {
			break
		}
		buf = <-free
		buf.Reset()
		var err error
		if last, err = fill(buf, body); err != nil {
			_ = group.Wait()
			return nil, fmt.Errorf("s3store: put %s: %w", p.key, err)
		}
		if last && buf.Len() == 0 {
			break
		}
	}
	err := group.Wait()
	return parts, err
}

func (p *put) sendPart(ctx context.Context, upload *string, number int32, data []byte) (types.CompletedPart, error) {
	out, err := p.client.UploadPart(ctx, &s3.UploadPartInput{
		Bucket:     &p.bucket,
		Key:        &p.key,
		UploadId:   upload,
		PartNumber: &number,
		Body:       bytes.NewReader(data),

		ChecksumAlgorithm: types.ChecksumAlgorithmCrc32,
	})
	if err != nil {
		return types.CompletedPart{}, translate(ctx, "put", p.key, err)
	}
	return types.CompletedPart{PartNumber: &number, ETag: out.ETag, ChecksumCRC32: out.ChecksumCRC32}, nil
}

// abort frees the parts; where that fails too, the bucket's rule does.
func (p *put) abort(ctx context.Context, upload *string) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleanUpTime)
	defer cancel()
	_, _ = p.client.AbortMultipartUpload(ctx, &s3.AbortMultipartUploadInput{Bucket: &p.bucket, Key: &p.key, UploadId: upload})
}

// decide is asked when the write that makes the object visible failed. It may
// have succeeded, and its answer been lost: the SDK then tried again and met our
// own object (412), or an upload that is completed (404), or gave up. What lies
// there carries the id of the put that made it.
func (p *put) decide(ctx context.Context, err error) (blob.Info, error) {
	taken := status(err) == http.StatusPreconditionFailed
	if ctx.Err() != nil || !taken && !unanswered(err) && code(err) != "NoSuchUpload" {
		return blob.Info{}, translate(ctx, "put", p.key, err)
	}
	head, herr := p.head(ctx, p.key, "")
	absent := status(herr) == http.StatusNotFound
	switch {
	case herr == nil && head.Metadata[idKey] == p.id:
		return infoOf(p.key, head), nil
	case herr == nil, taken && absent: // absent: deleted since
		return blob.Info{}, fmt.Errorf("%w: %s", blob.ErrExists, p.key)
	case absent:
		return blob.Info{}, translate(ctx, "put", p.key, err)
	}
	return blob.Info{}, translate(ctx, "put", p.key, herr)
}

func (p *put) info(etag *string, m middleware.Metadata) blob.Info {
	at, _ := awsmiddleware.GetServerTime(m)
	return blob.Info{Key: p.key, Version: unquote(etag), Size: p.size, ContentType: p.contentType, Modified: at}
}
