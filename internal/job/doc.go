// Package job keeps the runs of syncs: what started one, where it stands, what
// became of every record, and that it ends whatever happens to its worker.
//
//	Claim / Tick ─► Run (a Job and its lease) ─┬─ Commit ─► (targets) ─► Close
//	                 ▲                         └─ Park ─► Start{org, job, token}
//	                 │ Adopt                                   │
//	                 └──────────── a worker ◄──────────────────┘
//	Sweep, every minute: sends lost starts again, restarts jobs whose worker died,
//	                 ends those that died too often, starts those that waited
//	Cancel ─► failed (cancelled), whatever the job was, if it was not terminal
//	Evict ─► failed (integration_removed), in the transaction that removes it
//
//	            ┌────────────┐  worker died, parked  ┌─────────┐
//	 Claim ───► │ processing │ ────────────────────► │ pending │ ◄── requeued ◄── Tick, busy
//	            │            │ ◄──────────────────── │         │
//	            └─────┬──────┘        Adopt          └────┬────┘
//	                  ▼                                   ▼
//	     completed, failed, duplicate_aborted: terminal, kept for 400 days
//
// Rows, all written in the transaction that changes what they say: the job; its
// place among the integration's jobs; its place among the running ones, as long
// as it is not terminal; the integration's lease (package lease). So at any
// moment a job that is not terminal can be found by the sweep, and a lease names
// a live job or none.
//
// With MaxRunning, a job has a place among the org's that run, too, from the
// transaction that gives it a lease to the one that ends it (see slots.go): a claim
// that finds none is told Full, a tick waits. It asks again with each sweep, and
// queues for no place: whoever asks first has it.
//
// Each run of an org is counted against its quota where it is let in, and there
// alone: Claim and Tick, which every way in goes through (see Quota).
//
// How a roster is read, merged and applied is package syncer's; problems of a
// run lie in a blob that its row names.
package job
