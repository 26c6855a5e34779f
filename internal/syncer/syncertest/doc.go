// Package syncertest checks what must hold of jobs, leases, snapshots and garbage
// together, at any moment at which nobody is writing.
//
//	s := syncertest.New(table, blobs, orgs...)
//	… a fault, a step of the protocol …
//	s.Check(t)        all rows and objects of the orgs, against each other,
//	… another …       and against what was there at the check before
//	s.Check(t)
//
// It knows the layout of rows by itself and asks none of the packages that it
// checks: what they got wrong in the same way for writing and reading shows here.
package syncertest
