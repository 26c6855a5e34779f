// Package garbage remembers what must go, so that nothing is orphaned by a crash
// between two stores: a row names each thing before the thing exists (an intent),
// or in the very transaction that replaces it.
//
//	Enter(item) ─► row ─► the thing is put ─► Forget in the transaction that makes it live
//	                │
//	                └ due ─► marked "deleting" ─► the thing deleted ─► the row deleted
//
// The mark is what decides between a collector and a commit that comes late: it
// changes the row's version, so that Forget fails and the commit with it.
//
// What is garbage, and when it is due, its owner says: package syncer, for
// snapshots and for rows whose retention ends; package integration, for what a
// removed one leaves. The sweep calls Collect.
package garbage
