// Package disk is the blob port on a directory: what a laptop has instead of a
// bucket.
//
//	objects/uploads/0191…/plan.csv@    one file is one object: a line of JSON with
//	                                   its version and type, then its bytes
//	tmp/…                              files being written; emptied by Open
//	sign.key                           the key of the signed URLs, 0600
//
//	Put:         tmp file ─► fsync ─► link into objects/ (fails if the name is taken)
//	signed PUT:  tmp file ─► fsync ─► rename into objects/ (replaces)
//
// Both are one change of one directory entry, made durable before the answer:
// after a crash at any instant an object is there whole or not at all, and only
// tmp/ may hold litter. A version is drawn at random for each write and lies in
// the file that it names, so it cannot come apart from its bytes; a file that is
// open keeps its bytes when its name is replaced or deleted.
//
// `tail -n +2 file` gives an object's bytes to other tools.
//
// One process at a time uses a directory (the table's file lock sees to that).
// Signed URLs are HMACs over what they allow, served by Handler under Prefix.
package disk
