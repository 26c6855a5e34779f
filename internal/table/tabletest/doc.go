// Package tabletest is the contract of package table as tests: Run is passed by
// every adapter.
//
//	func TestConformance(t *testing.T) {
//		tabletest.Run(t, func(t *testing.T, now func() time.Time) table.Table { … })
//	}
//
// It also makes tables fail. Faulty stands before any Table and asks a hook, call
// by call, what shall go wrong:
//
//	syncer ─► Faulty{Hook} ─► Table
//	             │ None          the call goes through
//	             │ NotApplied    an error, nothing written
//	             │ LostReply     written, and an error all the same
//	             └ Stop          the process is dead: this call and every later one
//	                             is ErrStopped, before or after the write happened
//
// Writes are numbered, so a test counts them in a run without faults and then
// stops a run at each of them in turn (KillAt).
package tabletest
