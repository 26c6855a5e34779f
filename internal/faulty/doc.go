// Package faulty is what may go wrong with a port in a test, whichever port it is.
//
//	tabletest.Faulty ─┐
//	blobtest.Faulty ──┼─► Process.Do ─► hook(ordinal) ─► Fault ─► the call, or not
//	secrettest.Faulty ┘      │
//	                         └─ stopped: this call and every later one is ErrStopped
//
// Calls that may write are numbered, so a test counts them in a run without faults
// and then stops a run at each of them in turn. What a call is, and which of them
// write, the port's own package says.
package faulty
