// Package gateway lets an http.Handler answer the events of an API Gateway HTTP
// API (payload format 2.0).
//
//	event ─► http.Request ─► handler ─► http.ResponseWriter ─► response
//	  path, query, cookies,                    text as it is, all else base64;
//	  base64 bodies, request id                values of one header joined
//
// It never returns an error: the runtime would print it, with whatever it holds,
// and the gateway would answer in its own words. What cannot be a request (a path
// with a broken escape, a body that is not base64) reaches the handler as a
// request that it refuses, so that it is answered and logged like any other.
//
// What is outside its reach: the gateway answers by itself when a body is over
// 10 MB, and when the event or the response is over Lambda's 6 MB.
package gateway
