package api_test

import (
	"context"
	"fmt"
	"log/slog"
	"net/http/httptest"
	"time"

	"muster/internal/api"
)

func Example() {
	type input struct {
		Name string `path:"name"`
	}
	type output struct {
		Body struct {
			Hello string `json:"hello"`
		}
	}
	hello := api.Handle(api.Op{ID: "getHello", Method: "GET", Path: "/hello/{name}", Public: true},
		func(_ context.Context, in *input) (*output, error) {
			if in.Name == "nobody" {
				return nil, api.NotFound("there is nobody here")
			}
			out := &output{}
			out.Body.Hello = in.Name
			return out, nil
		})
	h := api.New(api.Config{Log: slog.New(slog.DiscardHandler), Now: time.Now}, hello)
	for _, name := range []string{"ada", "nobody"} {
		w := httptest.NewRecorder()
		r := httptest.NewRequest("GET", "/hello/"+name, nil)
		h.ServeHTTP(w, r.WithContext(api.WithRequestID(r.Context(), "r1")))
		fmt.Print(w.Code, " ", w.Body)
	}
	// Output:
	// 200 {"hello":"ada"}
	// 404 {"statusCode":404,"error":"Not Found","kind":"not_found","message":"there is nobody here","request_id":"r1"}
}
