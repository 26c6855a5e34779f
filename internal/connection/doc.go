// Package connection keeps each org's connections: which third-party system it is,
// whose, what it may do, and where its credential lies.
//
//	Create, Update, Delete ─► Keeper ─► the row, its index rows   one transaction
//	                            │
//	                            └─────► the vault                 before it, and after
//	Get, List ─► Store ─► rows only: what is no secret, and how its calls went
//	Credential ─► Keeper ─► the row, then the version that it names
//	Usable ─► a call ─► Healthy | Unhealthy ─► Store ─► the health row ◄── Pause, Resume
//
// # Where a credential lies
//
// Of auth, the members of [Auth] lie in the row and are answered; all others are
// one JSON document in the vault and are not. A connection has no credential, or
// one in a secret that Muster keeps (named by ARN, version and name), or one in a
// secret that the customer brought (by ARN), which Muster reads and never touches.
//
// A name is drawn for each secret that is made and never used again, so that a
// row names a secret from one commit until another and never afterwards. What
// deletes by name cannot meet a later secret; that is why there is no generation,
// and no order to keep between the sweep and the writers:
//
//	what there is of a secret        its garbage row     who ends it
//	intended, perhaps put            due in an hour      the commit forgets the row; else the sweep deletes both
//	named by the connection's row    none                the commit that names it no more enters it, due at once
//	named, a new version intended    due in an hour      the commit forgets the row; the sweep finds it named, and forgets
//	named no more                    due at once         its remover, at once; else the sweep
//
// The sweep marks a row before it acts, and Forget fails on a marked row. So a
// commit that comes after the mark fails and names nothing; one that came before
// took the row away. After the mark, [Keeper.Collect] reads the connection: a
// secret that it names stays, and any other can be named by nobody any more.
//
// # Changing it
//
//	lock ─► read ─► promote what the row names ─► intent ─► put ─► the row moves ─► promote ─► unlock
//	                                                                 │ with: index rows, intent forgotten,
//	                                                                 │ the connection as read, the lock held
//
// A version that no row names is never read, so a writer who stops, or loses,
// anywhere before the row moves has changed nothing. Two writers never mix: each
// writes the row as it read it or reads again, and the credential moves under the
// connection's lock. That lock is not package lease's: a lease names a job, which
// the sweep ends when its worker died. Here nothing is to be ended, so it is a row
// that expires by itself, and the transaction checks that it is there in the
// version that its holder drew. A token refresh takes the same lock.
//
// # Lists
//
// Index rows are written in the connection's own transaction, in each order within
// its environment, and by the customer's user within its environment; see List for
// what costs what.
//
// # Health and pauses
//
// Who uses a connection asks Usable before a call and stamps what came of it. Both
// the stamps and the pauses lie in one row beside the connection, each change on its
// version, so that of any number at once each sees the ones before it: no failure is
// missed by the breaker, and no machine undoes a person's pause. They change nothing
// that a client may write, so they move neither the connection's version nor its
// UpdatedAt: a pause is seen by reading the connection, not by updated_gte. The
// quota's pause is in no row: it begins and ends for all of an org's connections at
// once, with the month's count.
//
// The vault and what it proves is package secret's. The names of the wire are
// package unified's.
package connection
