// Package unified serves Muster's API in the words of Unified.to: connections
// under /unified, bare objects and bare arrays, dates in whole seconds, a field
// without a value left out and never null.
//
//	GET    /unified/connection ─► [connection, …]     offset and limit, no envelope
//	POST   /unified/connection ─► connection          200, as all of them
//	GET    /unified/connection/{id}
//	PUT    /unified/connection/{id}    replaces all but the credential
//	PATCH  /unified/connection/{id}    merges
//	DELETE /unified/connection/{id} ─► nothing        200
//	POST   /unified/connection/{id}/pause, …/resume ─► connection     Muster's own
//	GET    /unified/integration ─► [system, …]        the catalogue
//
// Of what is sent, null is absent, but for PATCH, where it clears; read-only and
// unknown members are ignored, since clients send back what they read. Secret
// members of auth are taken and never answered.
//
// What a connection is, and what becomes of its credential, is package
// connection's; the systems are package catalog's.
package unified
