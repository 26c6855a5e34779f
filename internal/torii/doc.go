// Package torii serves Muster's API in the words of Torii's: its paths under
// /v1.0, camelCase names, wrapper objects, 200 for every success.
//
//	GET  /files/url  ─► the customer PUTs the file ─► POST /files ─┐
//	POST /files/upload, a small file in one call ──────────────────┤ {"id": 12}
//	                                                               ▼
//	PUT  /services/sync/custom {"idFile": 12, "idAppAccount": 3} ─► {"success": true}
//	GET  /apps/3/users ─► {"users": […], "count", "total", "nextCursor"}
//	GET  /apps, /apps/3, /apps/3/licenses, /apps/3/licenses/users
//	GET  /files/12, /files/12/download, /orgs/my
//
// Torii's app and app account are one thing here, a system integration, known by
// its number: clients of this contract have integer ids. The UUID is taken too.
//
// Each operation is one function that returns its route and names the part of
// each service that it needs. What the services keep is package upload's,
// integration's and job's; how a sync goes, and what a roster is read from,
// package syncer's and snapshot's, which are not imported here: a function that
// only takes files should not link them.
package torii
