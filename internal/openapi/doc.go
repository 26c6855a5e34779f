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
package openapi
