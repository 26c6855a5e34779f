// Package snapshot keeps rosters: each complete read of a source becomes one
// immutable Parquet file, sorted by e-mail, beside the counts of what differs
// from the one before.
//
//	Batch ─► Builder.Add ─► sorted runs, spilled ─┐ merge
//	                                              ├──────► Next ─► Put ─► Ref ─► Pointer
//	Store.Latest ─► Reader (the last snapshot) ───┘ Finish  │             a row that the
//	                  │                                     └ Counts,     caller commits
//	                  ├ Users, Total: pages of a list         WouldRemove
//	                  └ Rows since a revision: what an apply sends
//
//	Builder.Save ─► State ─► Store.Resume: a read that goes on in another process
//
// A file's rows are in one order: licences by name, then people by e-mail, each
// person's row before their grants by licence. A row carries the revision of the
// run that last changed it, a fingerprint of what it says, and when it was first
// seen and deleted. Whoever reads with DuckDB, pandas or Athena finds typed
// columns; kind tells the rows apart.
//
// Memory depends on none of it: not on how many records there are, nor on their
// order (invariant I7). Runs and unfinished files lie in Store.TempDir until
// Builder.Close.
//
// What it leaves to its caller, the syncer: the lease, whether a read was
// complete, the removal guard, entering a blob as garbage before Put and what the
// pointer replaces after it, the transaction that moves the pointer.
package snapshot
