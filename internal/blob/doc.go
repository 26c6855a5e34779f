// Package blob is the port to immutable objects: uploaded files, snapshots,
// spilled runs, problem lists. An object is put whole or not at all, never
// changed, and read at the version that was seen.
//
//	Put(key, type, body) ─► Info{Key, Version, Size}      ErrExists if the key is taken
//	                          │ the row that names the object keeps key and version
//	                          ▼
//	Open(key, version) ─► Object (io.ReaderAt) ─► NewReader(obj): a stream, read ahead
//	                          ErrChanged: another version lies there now
//
//	Signer.SignPut / SignGet ─► a URL that a customer uses without a key
//
// Only a signed PUT may replace an object (a customer may send a file twice
// before it is registered): that is what versions are for.
//
// Keys are slash-separated, made through an org.ID by the services, and never
// begin or end with a slash or hold "..", an empty segment, a backslash or a
// control character (CheckKey). Deletion by age is the bucket's (or, on a laptop,
// the sweep's) work. The adapters (local/disk, aws/s3store) pass blobtest.Run.
package blob
