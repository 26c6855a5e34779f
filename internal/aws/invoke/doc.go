// Package invoke is job.Starter over AWS Lambda: each start is an asynchronous invoke
// of the function that works on jobs.
//
//	Start ─► Invoke, type Event ─► 202 ─► the function, with {"start": …}, at least once
//
// Lambda tries an event again whose function failed, and puts one that it gives up
// into the dead-letter queue (template.yaml). A start that was not sent is an error;
// its job is pending, and the sweep sends it again.
package invoke
