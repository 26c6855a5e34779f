// Package apitest calls an api.Server in this process and holds its answers to
// what they must be.
//
//	rec := apitest.Call(t, server, key, "GET", "/v1/org", "")
//	apitest.Want(t, rec, 200, `{"data":[…]}`)     the whole answer
//	apitest.Pointers(t, rec)                      of a 400: what it found fault with
//
// Every request has the id "r1", which answers repeat.
package apitest
