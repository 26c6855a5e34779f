// Package upload keeps the files that customers put: where each may be put, what
// was put there, and the number by which a sync names it.
//
//	IssueURL(name, type) ──► signed URL + path   row PATH: this path is this org's
//	      the customer PUTs the bytes there, perhaps twice
//	Register(path, type) ──► File{ID, Key, Version, Size}   row UPLOAD
//	Put(name, bytes)     ──► the same in one call, up to MaxSmall
//
//	Get(id) ──► File ─┬─► Open ──► the bytes that were registered | blob.ErrChanged
//	                  └─► DownloadURL ──► the same over HTTP, for 5 minutes
//
// A File is bound to the version of the object that was seen when it was
// registered: bytes that are put over it later are another file, and reading the
// first one is an error, never the wrong bytes. Objects go after Keep; the number
// stays, so that an old one is told from an unknown one.
//
// What is in a file is package rosterfile's; what a sync makes of it, package
// syncer's. The bucket (on a laptop, the sweep) deletes objects by their age.
package upload
