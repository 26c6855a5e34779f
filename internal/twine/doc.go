// Package twine serves Muster's API in the words of Twine's: paths under /v1,
// snake_case names, {"data": …} around everything, UUIDs, every field always
// there, null where it has no value.
//
//	GET  /org ─► the key's organization, as a list of one
//	GET  /systems ─► what can be installed
//	POST /org/system-integrations {"system_id"} ─► 201, with app_account_id: its
//	GET  /org/system-integrations[/{id}]           number in the other family's calls
//	PATCH, DELETE /org/system-integrations/{id} ─► its settings; all of it
//	GET  /org/jobs ─► the syncs, newest first
//	GET  /org/jobs/{job_id} ─► one of them: where it stands, what became of every record
//	POST /org/jobs/{job_id}/cancel ─► its end
//
// Every list takes pagination[first|after|last|before] and answers pagination
// beside its data; a client that knows only data still works.
//
// Each operation is one function that returns its route and names the part of
// each service that it needs. What they show is package integration's, catalog's,
// job's and org's.
package twine
