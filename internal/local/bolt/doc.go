// Package bolt keeps the table in one file on this machine, for a Muster that
// runs as a single process.
//
//	Open(path, now) ─► *Table ──Write──► queue ─► one bbolt transaction for all that
//	   │                                 wait there ─► fsync ─► each caller's own answer
//	   │ ErrLocked: another                  │
//	   ▼ process holds it                    └─ removes a few rows that have expired
//	Close
//
// A Write that returned nil is on the disk; one that was cut short by a crash is
// there whole or not at all. Rows that have expired are absent at once and leave
// the file as later writes pass by.
//
// One process at a time holds the file. Two processes that must share a table use
// package aws/dynamo.
package bolt
