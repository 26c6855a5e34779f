// Package integration keeps the system integrations of each org: which system of
// the catalogue it is, its number, its lease, its settings.
//
//	EnsureHub(org)            the org's own integration, before its first key
//	Create(org, New) ─► one transaction: INTEGRATION, APP (the number), LEASE
//	       │ *Invalid: every fault of the request, by pointer
//	       ▼
//	Integration{ID, Number, System, …} ◄── Get(org, ID), Find(org, Ref)
//	                                   ◄── List(org, Page), in the order of ids
//
//	Update(org, ID, edit) ─► its settings, in one write on the version that was read
//	Trigger(org, integration, trigger) ─► what a tick has to agree with
//
//	Remover.Remove ─► one transaction: INTEGRATION, APP, LEASE and its job go;
//	       │          REMOVED and two entries of garbage come
//	       └ the sweep ─► Purge: the rows; and, days later, the objects
//
// An integration has two names: its UUID, an [ID], and a number, which is what
// clients of the contract with integer ids know it by. Text from outside becomes
// a [Ref] by ParseRef before any row key is made.
//
// The lease is made here, with its integration, goes with it, and is package
// lease's in between. What runs on an integration is package job's; its roster,
// package snapshot's.
package integration
