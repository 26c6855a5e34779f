// Package roster is the vocabulary of what a source says about a system's users
// and licences, before anything is kept. It does no I/O.
//
//	Source.Read(ctx, cursor) ─► Batch ─► Batch ─► … ─► end | error
//	                              │ Users, Licenses, Grants: what is usable
//	                              │ Problems: what was not, each with its place
//	                              └ Cursor: where a later Read may go on
//
// A bad record is a Problem in a batch, never the end of the read. An error is
// the last thing a Source yields and means that the read is not complete: who
// reads must not conclude that what was not seen is gone (invariant I3).
//
// Sources are rosterfile (an uploaded file) and, over HTTP, manifest. Package
// snapshot keeps what was read; which e-mail is which person, duplicates, and
// the joining of grants with users are its work.
package roster
