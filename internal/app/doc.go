// Package app puts the services together over a Platform, and has one function
// for each endpoint: what a Lambda function serves, and what the local gateway
// serves all of.
//
//	Platform (aws or local) ─► App ─► Uploads(), Integrations(), Jobs(), Orgs()
//	                            │
//	   GetFilesURL(app) ────────┴──► api.Route    one function, one Lambda
//	   Endpoints: all of them, for the gateway, the OpenAPI document and tests
//
// A function links what its endpoint names and nothing else, so an endpoint is
// a plain function and nothing here is made before it is asked for. Whatever
// opens a roster is in app/dataplane: its library is larger than all the rest.
package app
