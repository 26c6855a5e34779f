package unified

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"muster/internal/api"
	"muster/internal/connection"
	"muster/internal/org"
)

type listInput struct {
	Limit        int      `query:"limit" default:"100" minimum:"1" maximum:"1000"`
	Offset       int      `query:"offset" default:"0" minimum:"0"`
	UpdatedGTE   string   `query:"updated_gte" doc:"Updated then or later: an RFC 3339 date-time, in whole seconds" example:"2026-05-04T10:20:30Z"`
	Sort         string   `query:"sort" enum:"name,updated_at,created_at" doc:"By default created_at; updated_at where updated_gte is given. name is integration_name"`
	Order        string   `query:"order" enum:"asc,desc" default:"asc"`
	ExternalXRef string   `query:"external_xref" minLength:"1" doc:"Of this user of the customer's" example:"customer-42"`
	Categories   []string `query:"categories,explode" doc:"Of any of these categories, as several parameters or with commas" example:"hris"`
	Env          string   `query:"env" default:"Production"`

	from time.Time
}

// Resolve is called by huma after the request was read.
func (in *listInput) Resolve(ctx huma.Context) (faults []error) {
	url := ctx.URL()
	if in.ExternalXRef == "" && url.Query().Has("external_xref") {
		// Who asks for one user's and has lost the user is not to see everybody's.
		faults = append(faults, &api.Fault{Pointer: "query.external_xref", Detail: "must not be empty: name a user, or leave it out to list the connections of all"})
	}
	var fault error
	if in.from, fault = readFrom(in.UpdatedGTE); fault != nil {
		faults = append(faults, fault)
	}
	words, unknown := readCategories(in.Categories)
	in.Categories = words
	return append(faults, unknown...)
}

// readFrom reads updated_gte, "" as the zero time.
func readFrom(sent string) (time.Time, error) {
	if sent == "" {
		return time.Time{}, nil
	}
	// A '+' that the client did not escape has become a space.
	t, err := time.Parse(time.RFC3339, strings.ReplaceAll(sent, " ", "+"))
	if err != nil {
		return time.Time{}, &api.Fault{Pointer: "query.updated_gte", Detail: "must be a date-time with an offset, as 2026-05-04T10:20:30Z"}
	}
	return whole(t), nil
}

// maxCategories is how many a list may be filtered by: each row is held against all.
const maxCategories = 100

// readCategories takes what was sent with commas apart.
func readCategories(sent []string) (words []string, faults []error) {
	for _, s := range sent {
		for w := range strings.SplitSeq(s, ",") {
			if len(words) == maxCategories {
				return nil, []error{&api.Fault{Pointer: "query.categories", Detail: fmt.Sprintf("must have at most %d values", maxCategories)}}
			}
			if detail := connection.UnknownCategory(w); detail != "" {
				faults = append(faults, &api.Fault{Pointer: "query.categories", Detail: detail})
			}
			words = append(words, w)
		}
	}
	return words, faults
}

func (in *listInput) query() connection.Query {
	return connection.Query{
		Environment: in.Env, ExternalXRef: in.ExternalXRef, Categories: in.Categories, UpdatedFrom: in.from,
		Sort: connection.Sort(in.Sort), Descending: in.Order == "desc", Offset: in.Offset, Limit: in.Limit,
	}
}

type listOutput struct{ Body []connectionData }

// ListConnections is GET /unified/connection, a bare array. A page is shorter than
// its limit only at the end: clients take it for the end.
func ListConnections(connections Connections, now func() time.Time) api.Route {
	op := api.Op{
		ID: "listUnifiedConnections", Method: "GET", Path: base, Tag: tag, Role: org.Read, Summary: "List connections",
		Description: "Of one environment, oldest first unless another order is asked for. A page with fewer connections than limit is the last.",
	}
	return api.Handle(op, func(ctx context.Context, in *listInput) (*listOutput, error) {
		page, err := connections.List(ctx, api.Caller(ctx).Org, in.query())
		if errors.Is(err, connection.ErrTooLarge) {
			f := api.Fault{Pointer: "query.limit", Detail: "makes the page too large for an answer; ask for fewer"}
			return nil, api.Invalid(f.Pointer+" "+f.Detail, f)
		}
		if err != nil {
			return nil, err
		}
		body := make([]connectionData, len(page))
		for i, c := range page {
			body[i] = dataOf(c, now())
		}
		return &listOutput{body}, nil
	})
}
