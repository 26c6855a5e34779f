// Package openapi serves GET /openapi.json, the description of all calls.
//
//	all routes ─► api.OpenAPI ─► openapi.json   by go test ./internal/openapi -update
//	                                  │ embedded
//	                     Get() ◄──────┴──────► Document()
//
// The document is a file, made from the routes by a test that also holds it to
// them, and not made where it is served: that function would link every endpoint.
//
// It is OpenAPI 3.1 and says nothing of where the API is: its paths begin at the
// address that it was read from. Tags and operation ids are the contracts' own.
// Every body has an example, made of the tags example:"…" of its fields; the tests
// hold each to its schema.
//
// [Swagger] is the same as Swagger 2.0, for GET /openapi.json?version=2.0.
package openapi
