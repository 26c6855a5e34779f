// Package api is what all HTTP endpoints of Muster share: how an operation is
// declared, who may call it, what its errors look like, and what is logged.
//
//	Handle(Op{…}, func(ctx, *I) (*O, error)) Route    one operation, declared once
//	                                            │
//	New(Config, routes...) http.Handler  ◄──────┤     a function has one route,
//	OpenAPI(Info, routes...) []byte      ◄──────┘     the local gateway has all
//
//	request ─► id ─► route ─► key, role ─► calls this minute ─► body limit ─► done before?
//	              404, 405    401, 403     429                  413           409, or as then
//	answer  ◄─ log line ◄─ one error shape ◄─ handler ◄─ parse, validate ◄─────────┘
//	                                                     400, every fault
//
// A handler returns an error made by one of the constructors ([Invalid],
// [NotFound], …) or any other, which is answered as 500 with a fixed text and
// logged with its cause. What a client reads and what an operator reads are never
// the same string.
//
// Validation and the OpenAPI document come from huma, in this package alone; its
// defaults that do not fit our contracts are turned off in huma.go and errors.go,
// each with a test. The names, envelopes and status codes of a contract are its
// family's (torii, unified, twine).
//
// Calls are counted by key, operation and minute in the table, so that a limit
// holds across all processes; while the table does not answer there is none.
//
// A POST or PUT with an Idempotency-Key is done once. Its record in the table is
//
//	started{id, until} ─► handler, which makes what it makes under ChosenID ─► done{answer}
//
// and whoever finds it started past its minute goes on with the same id: the
// service finds what is there. 402, 409, 429 and 5xx leave it started. A process may
// die between any two writes of this; nothing is made twice.
package api
