// Package org keeps the tenants of Muster and the API keys that speak for them.
//
//	Create ──► Org{ID, Number, Settings}  one row in ORGS
//	  Set  ──►      currency, retention,  the same row, on its version
//	                breaker, quota
//	TakeSync(org) ──► the month's counter, + 1 | *Spent
//	CreateKey(org, role) ──► Key + Secret, shown once
//	                          │  rows: KEY#<sha-256> and ORG#<org>|KEY#<id>,
//	                          ▼        in one transaction; the secret in neither
//	Authenticate(secret) ──► Caller{Org, Key, Role} | ErrUnknownKey
//	   └ answers are kept for a minute in this process
//
// An [ID] is the only thing a tenant's row keys and object paths are made from,
// and the only way to get one for a request is Authenticate: nothing that a
// caller sends can name another tenant (invariant I8).
//
// The quota of sync runs is counted here, in one row for each org and month, and
// nowhere else; which runs count, and what becomes of one that may not begin, is
// package job's.
//
// What a role may do is said by each endpoint (package api); what a tenant owns
// is kept by the services, under keys that they make with the ID's methods.
package org
