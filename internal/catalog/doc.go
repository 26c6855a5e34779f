// Package catalog is the list of systems that can be installed in an org, as
// data: systems.json, compiled in.
//
//	Systems() ──► every System, in the file's order
//	ByID(id), BySlug(slug) ──► System, found
//
// A system's id is fixed in the file and the same in every deployment: clients
// keep it. What a system can do is said by its data, never by its slug, so that a
// new system needs no code.
//
// A system that is installed in an org is package integration's.
package catalog
