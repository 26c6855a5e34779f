// Package dynamo keeps the table in one DynamoDB table.
//
//	Write ─┬─ one put on a version ──► PutItem            cheapest; cannot hold twice
//	       └─ everything else ───────► TransactWriteItems under one ClientRequestToken
//	                                        │
//	             ┌──────────────────────────┴─ refused for now, or no answer
//	             ▼                                  │
//	       nil, *Conflict, ErrInvalid          again, the very same request, after a
//	                                           random delay, until patience ends:
//	                                           ErrUnavailable
//
// One item is one row: pk and sk, version (S), doc (S, the JSON), and expires_at
// (N, Unix seconds, the table's TTL attribute) where it expires. TTL only cleans
// up: an expired item is absent to every read and condition here by the caller's
// clock. A counter is an item with n (N) and no doc. Reads are strongly
// consistent.
//
// It leaves the table itself to template.yaml; CreateTable is for emulators.
package dynamo
