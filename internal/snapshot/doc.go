// Package snapshot keeps rosters: each complete read of a source becomes one
// immutable Parquet file, sorted by e-mail, beside the counts of what differs
// from the one before.
//
//	Batch ─► Builder.Add ─► sorted runs, spilled ─┐ merge
//	                                              ├──────► Next ─► Put ─► Ref ─► Pointer
//	Store.Latest ─► Reader (the last snapshot) ───┘ Finish  │             a row that the
//	                  │                                     └ Counts,     caller commits
//	                  ├ Members, Licenses, Holders: a page    WouldRemove
//	                  └ Rows since a revision: what an apply sends
//
//	Store.Roster ─► roster.Reader: the same pages, of the latest or a pinned version
//	Builder.Save ─► State ─► Store.Resume: a read that goes on in another process
//
// A file's rows are in one order: licences by name, then people by e-mail, each
// person's row before their grants by licence. A row carries the revision of the
// run that last changed it, a fingerprint of what it says, and when it was first
// seen and deleted.
//
// A file is for others to read as well, with DuckDB, pandas or Athena. Its columns
// are these. Texts and flags are never null: one that is not given, or does not
// apply, is empty or false. Times are TIMESTAMP(MILLIS, UTC).
//
//	email, license    STRING     the key; a licence has no email, a user no license
//	kind              STRING     license, user or grant: what the row is about
//	status            STRING     active or deleted; of a grant also inactive
//	status_derived    BOOLEAN    grant: follows its user, no status was given
//	matched           BOOLEAN    grant: the source lists its user
//	removed           BOOLEAN    deleted, and the source no longer lists it
//	revision          INT64      the run that last changed the row
//	first_seen_at     TIMESTAMP
//	deleted_at        TIMESTAMP  null unless status is deleted
//	fingerprint       INT64      equal where a row says the same: Muster's own
//	id, first_name, last_name, external_status
//	                  STRING     user
//	roles             LIST of STRING
//	                             user; never null
//	last_used_at      TIMESTAMP  user; null: not given
//	unassigned        INT64      license; null for others
//	price_per_user    INT64      license, in cents; null: not given
//
// Who holds a licence and has not used the system for 90 days, in DuckDB:
//
//	SELECT g.license, u.email, u.last_used_at
//	FROM 'roster.parquet' u JOIN 'roster.parquet' g USING (email)
//	WHERE u.kind = 'user' AND g.kind = 'grant' AND g.status = 'active'
//	  AND u.last_used_at < now() - INTERVAL 90 DAY
//	ORDER BY ALL;
//
// The file's key-value metadata name the job, the revision, the time of the commit
// and the totals: SELECT * FROM parquet_kv_metadata('roster.parquet').
//
// Memory depends on none of it: not on how many records there are, nor on their
// order (invariant I7). Runs and unfinished files lie in Store.TempDir until
// Builder.Close.
//
// What it leaves to its caller, the syncer: the lease, whether a read was
// complete, the removal guard, entering a blob as garbage before Put and what the
// pointer replaces after it, the transaction that moves the pointer.
package snapshot
