// Package local is the Platform of one process on one machine: everything lies
// in one folder, and workers are goroutines.
//
//	Open(dir) ─► Platform ─┬─ table    dir/table.db        package bolt
//	                       ├─ blobs    dir/blobs/          package disk
//	                       ├─ vault    dir/vault.db, .key  package vault
//	                       └─ starter  a goroutine for each start
//
// One process at a time has the folder (bolt.ErrLocked). What AWS does by rule or
// schedule, Sweep does here: objects that are old enough go.
package local
