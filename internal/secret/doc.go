// Package secret is the port of a vault: where customers' credentials lie, and
// the only place where they do.
//
//	          Put(name, version, value)        Promote
//	(no row) ──────────────────────────► Ref ──────────► current
//	                                      │
//	the row of a connection names the Ref ┘ in one write: only then does it count
//	                                      │
//	                                      └─► Get ─► Value, which prints as "[redacted]"
//
// A Ref names a version, so that a writer who lost changes nothing: a version that
// no row names is never read. A secret that a customer brought has no version in
// its Ref and is read as it currently is.
//
// The vault itself proves that a secret is the org's: it was made by Muster for it,
// or carries its tag. One of another org is, in every answer, one that does not
// exist (invariant I8).
//
// A Cache before a vault remembers what was read for a short time, and asks again
// for who was refused with it.
//
// When a secret is made, moved to and let go, package connection says. The
// adapters are local/vault and aws/secrets; both pass secrettest.
package secret
