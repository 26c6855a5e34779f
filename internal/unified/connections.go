package unified

import (
	"context"
	"errors"
	"fmt"
	"time"

	"muster/internal/api"
	"muster/internal/connection"
	"muster/internal/org"
	"muster/internal/secret"
)

const (
	base = "/unified/connection"
	tag  = "Connections"
)

// Connections are an org's connections without their credentials.
// *connection.Store is one.
type Connections interface {
	Get(ctx context.Context, o org.ID, id connection.ID) (connection.Connection, error)
	List(ctx context.Context, o org.ID, q connection.Query) ([]connection.Connection, error)
}

// Keeper makes and changes connections. *connection.Keeper is one.
type Keeper interface {
	Create(ctx context.Context, o org.ID, id connection.ID, ch connection.Change) (connection.Connection, error)
	Update(ctx context.Context, o org.ID, id connection.ID, ch connection.Change) (connection.Connection, error)
	Delete(ctx context.Context, o org.ID, id connection.ID) error
}

type connectionOutput struct{ Body connectionData }

func output(c connection.Connection, err error, now func() time.Time) (*connectionOutput, error) {
	if err != nil {
		return nil, answerTo(err)
	}
	return &connectionOutput{dataOf(c, now())}, nil
}

type createInput struct{ Body connectionBody }

// CreateConnection is POST /unified/connection.
func CreateConnection(k Keeper, now func() time.Time) api.Route {
	op := api.Op{
		ID: "createUnifiedConnection", Method: "POST", Path: base, Tag: tag, Role: org.Write, Status: 200,
		Summary: "Create connection", Description: "Imports existing credentials. They are not tried out: health is new until the first call.",
	}
	return api.Handle(op, func(ctx context.Context, in *createInput) (*connectionOutput, error) {
		c, err := k.Create(ctx, api.Caller(ctx).Org, connection.TryID(api.ChosenID(ctx)), in.Body.change())
		return output(c, err, now)
	})
}

type idInput struct {
	ID string `path:"id" example:"018f5c3e-8a01-7c42-a1f0-5d1b7c0e9a34"`
}

// GetConnection is GET /unified/connection/{id}.
func GetConnection(connections Connections, now func() time.Time) api.Route {
	op := api.Op{ID: "getUnifiedConnection", Method: "GET", Path: base + "/{id}", Tag: tag, Role: org.Read, Summary: "Retrieve connection"}
	return api.Handle(op, func(ctx context.Context, in *idInput) (*connectionOutput, error) {
		id, err := connection.ParseID(in.ID)
		if err != nil {
			return nil, noConnection()
		}
		c, err := connections.Get(ctx, api.Caller(ctx).Org, id)
		return output(c, err, now)
	})
}

type updateInput struct {
	ID   string `path:"id" example:"018f5c3e-8a01-7c42-a1f0-5d1b7c0e9a34"`
	Body connectionBody
}

// UpdateConnection is PUT /unified/connection/{id}.
func UpdateConnection(k Keeper, now func() time.Time) api.Route {
	op := api.Op{
		ID: "updateUnifiedConnection", Method: "PUT", Path: base + "/{id}", Tag: tag, Role: org.Write, Summary: "Update connection",
		Description: "Replaces every field; what is left out is cleared. The credential alone stays unless a new one is sent: secret members in auth, which replace the whole of it, or another auth_aws_arn.",
	}
	return api.Handle(op, func(ctx context.Context, in *updateInput) (*connectionOutput, error) {
		return update(ctx, k, in.ID, in.Body.change(), now)
	})
}

type patchInput struct {
	ID   string `path:"id" example:"018f5c3e-8a01-7c42-a1f0-5d1b7c0e9a34"`
	Body connectionPatch
}

// PatchConnection is PATCH /unified/connection/{id}.
func PatchConnection(k Keeper, now func() time.Time) api.Route {
	op := api.Op{
		ID: "patchUnifiedConnection", Method: "PATCH", Path: base + "/{id}", Tag: tag, Role: org.Write, Summary: "Update connection in part",
		Description: "Changes the fields that are sent and clears those that are null; auth is merged likewise (RFC 7396), and so is an object within it, such as meta: null removes a member, an empty secret is as if it was not sent, and auth null removes the credential kept here.",
	}
	return api.Handle(op, func(ctx context.Context, in *patchInput) (*connectionOutput, error) {
		return update(ctx, k, in.ID, in.Body.change(false), now)
	})
}

func update(ctx context.Context, k Keeper, sent string, ch connection.Change, now func() time.Time) (*connectionOutput, error) {
	id, err := connection.ParseID(sent)
	if err != nil {
		return nil, noConnection()
	}
	c, err := k.Update(ctx, api.Caller(ctx).Org, id, ch)
	return output(c, err, now)
}

type nothing struct{}

// RemoveConnection is DELETE /unified/connection/{id}.
func RemoveConnection(k Keeper) api.Route {
	op := api.Op{
		ID: "removeUnifiedConnection", Method: "DELETE", Path: base + "/{id}", Tag: tag, Role: org.Write, Status: 200, Summary: "Remove connection",
		Description: "Removes the connection and the credential that was kept for it here; a secret of the customer's own is not touched.",
	}
	return api.Handle(op, func(ctx context.Context, in *idInput) (*nothing, error) {
		id, err := connection.ParseID(in.ID)
		if err != nil {
			return nil, noConnection()
		}
		if err := k.Delete(ctx, api.Caller(ctx).Org, id); err != nil {
			return nil, answerTo(err)
		}
		return nil, nil
	})
}

func noConnection() error { return api.NotFound("there is no connection with this id") }

// answerTo is what a client reads of an error of the service.
func answerTo(err error) error {
	var bad *connection.Invalid
	var paused *connection.Paused
	switch {
	case errors.As(err, &paused):
		return api.PaymentRequired(paused.Error()).Because(err)
	case errors.As(err, &bad):
		faults := make([]api.Fault, len(bad.Faults))
		for i, f := range bad.Faults {
			faults[i] = api.Fault(f)
		}
		message := faults[0].Pointer + " " + faults[0].Detail
		if more := len(faults) - 1; more > 0 {
			message += fmt.Sprintf("; and %d more, see errors", more)
		}
		return api.Invalid(message, faults...)
	case errors.Is(err, connection.ErrNotFound):
		return noConnection()
	case errors.Is(err, connection.ErrBusy):
		return api.Conflict("others are changing this connection; nothing was changed, try again").Retry(time.Second).Because(err)
	case errors.Is(err, secret.ErrTooMany):
		return api.RateLimited("the vault takes no more: it bears about one change of a credential in ten minutes, and a limited number of secrets; nothing was changed, try again in ten minutes", secret.BearsAgain).Because(err)
	case errors.Is(err, secret.ErrUnavailable):
		return api.Unavailable("the vault that keeps credentials did not answer in time; nothing was changed, try again").Because(err)
	case errors.Is(err, secret.ErrNotFound):
		return api.Unavailable("the vault that keeps credentials refused; nothing was changed. If it stays so, whoever runs Muster has to look at its rights there").Because(err)
	}
	return err
}
