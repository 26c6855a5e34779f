// Package vault keeps secrets in one sealed file on this machine, for a Muster that
// runs as a single process.
//
//	Open(dir) ─► *Vault ─┬─ dir/vault.key  32 random bytes, mode 0600
//	                     └─ dir/vault.db   bbolt: full name ─► a record, sealed whole
//
//	Put(org, "crm") ─► muster/<org>/crm ─► AES-256-GCM(record, bound to that name)
//	                                         │
//	arn:muster:secret:local:muster/<org>/crm-Xy12Zw   the last six are drawn anew
//	                                         for each secret that is made
//
// A record holds its tag, its ARN and its versions; all of it is sealed, with a
// fresh nonce each time. One that was changed, or put in another's place, does not
// open. What sealing cannot tell is an older copy of the same record. A call that
// returned nil is on the disk; one that a crash cut short is there whole or not at
// all.
//
// The key lies beside the file: it protects copies and backups of vault.db, not the
// folder itself. Back both up apart from each other, for neither is of use alone.
//
// Bring and Remove are what a customer does on AWS with a secret of their own.
package vault
