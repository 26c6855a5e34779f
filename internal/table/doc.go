// Package table is the port to the one table that holds every row of Muster:
// small JSON documents under (partition, sort), written in transactions whose
// conditions all hold or none of whose writes happen.
//
//	w := table.Put(key, doc, table.Absent)     a Write draws its row's new version
//	   │                                       when it is made, so a try that is sent
//	   ▼                                       again writes the same row
//	t.Write(ctx, w, table.Check(other, v))  ──► nil | *Conflict{Index} | ErrUnavailable
//	   │
//	   ▼
//	t.Get(ctx, key) ──► Row{Version, Body}     strongly consistent, as List is
//
// It promises no more than DynamoDB gives and no less than the syncer needs:
// conditions on one row's version, all-or-nothing over up to MaxWrites rows,
// expiry that counts from the instant it says, counters.
//
// What a failed condition means is left to the caller: a Write whose answer was
// lost and that was sent again may fail on its own first success. Who must know
// reads back and compares something that only it could have written (package
// lease: the owner). Keys and their meaning belong to the services; package org
// makes them. The adapters (local/bolt, aws/dynamo) pass tabletest.Run.
package table
