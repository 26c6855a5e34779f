// Package cost says what a run costs on AWS: it counts what is done at the ports,
// in the units that AWS bills, and prices it.
//
//	table.Table ─► Meter.Table ─┐                    Prices (published, dated)
//	blob.Store  ─► Meter.Blobs ─┼─► Usage ─────────────────┴─► Bill, by service
//	requests, log bytes, time ──┘
//
// The units are computed: an item's size is that of its attributes' names and
// values, a write counts each started KiB, twice in a transaction, a strongly
// consistent read each started 4 KiB; a condition check counts as a write, which
// is at least what it costs. TestUnitsAreDynamoDBs holds them against what DynamoDB
// Local says it consumed, call by call. So any backend will do, the
// local one too; what it costs to try again after a throttle is not in it.
package cost
