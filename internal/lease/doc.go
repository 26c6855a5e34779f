// Package lease is the proof that a run is the only one of its integration: a
// row {job, token, owner, expires_at} that changes hands by one conditional
// write, and that every write of the run is fenced with.
//
//	          Take (names no job)
//	free ───────────────────────────► held by a process (owner, token+1, 60 s)
//	 ▲                                   │ Renew: 60 s ahead, every 15 s
//	 │ Release (keeps the token)         │ Write: a transaction with a check of us
//	 ├───────────────────────────────────┤
//	 │                                   │ Park: token+1, no owner, 16 min
//	 │ Raise (cancel, sweep, removal:    ▼
//	 └──────── token+1, no owner) ──── parked ──► Adopt by the first delivery of
//	                                              its start: token+1, owner, 60 s
//
// The row is made with its integration and goes only with it (Remove), for good:
// whoever held it then finds it lost. The token never falls. A lease that names a
// job is busy, run out or not, until its holder, a cancel or the sweep has ended
// that job: taking one that ran out would leave two jobs with a claim on it.
//
// The fence is the row's version (package table): each change of the row makes a
// new one, so a holder whose lease changed hands fails every later Write. A
// failed condition may be our own first success with its answer lost; then only
// the owner, a random id made for each try and sent to nobody, tells (job and
// token are the same for two deliveries of one start). Clocks decide only when
// the sweep may act, never who holds: disagreeing clocks can cost a run its
// lease, but cannot make two commits.
//
// Which job a lease belongs to, and what must be written with each change of
// hands, is package job's.
package lease
