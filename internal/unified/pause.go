package unified

import (
	"context"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"muster/internal/api"
	"muster/internal/connection"
	"muster/internal/org"
)

// Pauser pauses connections. *connection.Store is one.
type Pauser interface {
	Pause(ctx context.Context, o org.ID, id connection.ID, reason string) (connection.Connection, error)
	Resume(ctx context.Context, o org.ID, id connection.ID) (connection.Connection, error)
}

type pauseInput struct {
	ID   string `path:"id" example:"018f5c3e-8a01-7c42-a1f0-5d1b7c0e9a34"`
	Body *pauseBody
}

// pauseBody need not be sent.
type pauseBody struct {
	Reason string `json:"reason,omitempty" doc:"Why, for a person: at most 500 bytes" example:"The customer renews its licence"`
}

// TransformSchema lets the whole have an example.
func (pauseBody) TransformSchema(_ huma.Registry, s *huma.Schema) *huma.Schema {
	s.Examples = []any{map[string]any{"reason": "The customer renews its licence"}}
	return s
}

// PauseConnection is POST /unified/connection/{id}/pause.
func PauseConnection(p Pauser, now func() time.Time) api.Route {
	op := api.Op{
		ID: "pauseUnifiedConnection", Method: "POST", Path: base + "/{id}/pause", Tag: tag, Role: org.Write, Status: 200, Summary: "Pause connection",
		Description: "Of Muster's own. Until it is resumed by a person, the connection is not used and a call through it is a 402. " +
			"One that a person paused before stays as it is; one that the breaker paused is paused by a person from here on. " +
			"A pause is no change of the connection: it moves no updated_at.",
	}
	return api.Handle(op, func(ctx context.Context, in *pauseInput) (*connectionOutput, error) {
		id, err := connection.ParseID(in.ID)
		if err != nil {
			return nil, noConnection()
		}
		var reason string
		if in.Body != nil {
			reason = in.Body.Reason
		}
		c, err := p.Pause(ctx, api.Caller(ctx).Org, id, reason)
		return output(c, err, now)
	})
}

// ResumeConnection is POST /unified/connection/{id}/resume.
func ResumeConnection(p Pauser, now func() time.Time) api.Route {
	op := api.Op{
		ID: "resumeUnifiedConnection", Method: "POST", Path: base + "/{id}/resume", Tag: tag, Role: org.Write, Status: 200, Summary: "Resume connection",
		Description: "Of Muster's own. Lifts the pause of a person and of the breaker, which begins to count anew. One that is not paused stays as it is, " +
			"and where the organisation's syncs of the month are used up it is still paused, by the quota.",
	}
	return api.Handle(op, func(ctx context.Context, in *idInput) (*connectionOutput, error) {
		id, err := connection.ParseID(in.ID)
		if err != nil {
			return nil, noConnection()
		}
		c, err := p.Resume(ctx, api.Caller(ctx).Org, id)
		return output(c, err, now)
	})
}
