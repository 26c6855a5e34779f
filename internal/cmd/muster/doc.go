// Command muster is Muster in one process, and the operator's tool.
//
//	serve        the whole API on one address, with its workers and its sweep
//	org create, list, set
//	             the tenants and their settings
//	key create, list, revoke
//	             the API keys of a tenant
//	bench        every budget beside its floor
//	cost         what syncs and a month of them cost on AWS
//	check        what a sync of a file would report, without a server
//
// The local backend keeps everything in one folder, which one process at a time
// has; with --backend aws it works over the table and the bucket of a deployment,
// or over what stands in for them.
package main
