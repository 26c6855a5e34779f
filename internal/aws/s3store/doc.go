// Package s3store is the blob port on one S3 bucket.
//
//	Put, up to 5 MiB:  PutObject If-None-Match: *
//	Put, more:         CreateMultipartUpload ─► UploadPart… ─► Complete If-None-Match: *
//	                     one part on its way while the next is read: two buffers
//	Open:              HeadObject If-Match ─► ReadAt: GetObject Range, If-Match
//	SignPut, SignGet:  presigned URLs
//
// A version is an ETag. Each Put draws an id and sends it along as metadata: when
// an answer was lost, and the SDK's own next try meets 412 because of our first
// success, the id that lies there tells our object from another's.
//
// What the bucket has to do: delete by age, and abort multipart uploads that a
// crash left open (lifecycle rules). What the caller's policy has to allow beside
// objects: s3:ListBucket, without which S3 answers 403 and not 404 to a key that
// is not there. A signed GET is checked against its version when it is signed,
// not when it is used: the bucket keeps one version of each key.
package s3store
