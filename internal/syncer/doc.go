// Package syncer is the way of a sync: from a claimed job to a committed
// snapshot, its targets served, and a report of what became of every record.
//
//	            roster.Source        snapshot.Builder        snapshot.Next
//	claim ─► read (batches) ─► sort (runs) ─► merge with the last ─► commit ─► apply ─► report
//	  │           │                                │                    │         │
//	  │           │ deadline: checkpoint, Park     │ removal guard      │         │ each Target
//	  ▼           ▼                                ▼                    ▼         ▼ from its mark
//	job.Run ── renewed all the while; whatever is written is fenced by its lease ──
//
// Three ways lead in: SyncFile runs a job inside a request while that lasts,
// Run is a worker that a start event woke, Tick is a schedule's firing. One
// stops in one of four ways: the job is terminal; it is parked for a worker;
// its lease was lost (somebody else has the job: nothing more is written); or
// the process died, which the sweep of package job mends.
//
// Two others go the same way up to the commit and no further: DryRun says how a
// sync would end, without a lease, a job or a write; Check says what the first
// sync of a source would report, without a store.
//
// Nothing is visible before the commit, which is one transaction. What is put
// into the blob store before it is entered as garbage first (package garbage).
//
// Where records come from and where they go is the Integrations' to say;
// what a roster is and how two of them merge is package snapshot's.
package syncer
