package health

import (
	"context"

	"muster/internal/api"
)

type healthOutput struct {
	Body struct {
		Status string `json:"status" enum:"ok"`
	}
}

// Get is GET /health: 200 {"status": "ok"} to anybody. It asks no store: a load
// balancer should not take a process away because a store is slow for all.
func Get() api.Route {
	op := api.Op{ID: "getHealth", Method: "GET", Path: "/health", Tag: "Health", Public: true, Summary: "Is the service up"}
	return api.Handle(op, func(context.Context, *struct{}) (*healthOutput, error) {
		out := &healthOutput{}
		out.Body.Status = "ok"
		return out, nil
	})
}
