package twine

import (
	"context"
	"errors"

	"muster/internal/api"
	"muster/internal/integration"
	"muster/internal/org"
)

// Updates change the settings of integrations. *integration.Store is one.
type Updates interface {
	// Update calls edit with the settings as they are, perhaps more than once.
	// integration.ErrNotFound, *integration.Invalid.
	Update(ctx context.Context, o org.ID, id integration.ID, edit func(*integration.Settings)) (integration.Integration, error)
}

type patchInput struct {
	ID   string `path:"system_integration_id" format:"uuid"`
	Body struct {
		APIEndpointURL api.Member[string]         `json:"api_endpoint_url,omitzero" maxLength:"2000" doc:"The system's base address: http or https, without credentials in it" example:"https://intranet.example.com"`
		Auth           api.Member[map[string]any] `json:"auth,omitzero" doc:"Credentials, of the system's own form"`
		Description    api.Member[string]         `json:"description,omitzero" maxLength:"1000" example:"Intranet"`
		ExternalOrgID  api.Member[string]         `json:"external_org_id,omitzero" maxLength:"255" doc:"The customer's id in the system" example:"4711"`
		RemovalGuard   api.Member[guardPatch]     `json:"removal_guard,omitzero" doc:"A sync that would remove more than max_percent of the live users, and more than max_count of them, is stopped. null is the default, of all or of one limit"`
	}
}

type guardPatch struct {
	MaxCount   api.Member[int64] `json:"max_count,omitzero" minimum:"0" example:"100"`
	MaxPercent api.Member[int64] `json:"max_percent,omitzero" minimum:"0" maximum:"100" example:"20"`
}

// PatchSystemIntegration is PATCH /v1/org/system-integrations/{system_integration_id}.
func PatchSystemIntegration(integrations Updates) api.Route {
	op := api.Op{
		ID: "patchSystemIntegration", Method: "PATCH", Path: base + "/org/system-integrations/{system_integration_id}", Tag: integrationsTag, Role: org.Admin,
		Summary: "Update system integration",
		Description: "Changes what is sent and keeps what is left out; null removes a value, or goes back to the default. " +
			"A sync that is running heeds the removal_guard that stands when it is about to commit.",
	}
	return api.Handle(op, func(ctx context.Context, in *patchInput) (*integrationOutput, error) {
		id, err := integration.ParseID(in.ID)
		if err != nil {
			return nil, noIntegration()
		}
		i, err := integrations.Update(ctx, api.Caller(ctx).Org, id, in.edit)
		if err != nil {
			return nil, refused(err)
		}
		return &integrationOutput{one[integrationData]{dataOf(i)}}, nil
	})
}

// edit makes the change that the request asks for.
func (in *patchInput) edit(s *integration.Settings) {
	merge(in.Body.Description, &s.Description)
	merge(in.Body.APIEndpointURL, &s.APIEndpointURL)
	merge(in.Body.ExternalOrgID, &s.ExternalOrgID)
	s.HasAuth = in.Body.Auth.Value != nil
	switch guard := in.Body.RemovalGuard; {
	case guard.Value != nil:
		limit(guard.Value.MaxPercent, &s.MaxPercent)
		limit(guard.Value.MaxCount, &s.MaxCount)
	case guard.Sent:
		s.MaxPercent, s.MaxCount = nil, nil
	}
}

// merge sets a value that is "" where there is none.
func merge(m api.Member[string], to *string) {
	switch {
	case m.Value != nil:
		*to = *m.Value
	case m.Sent:
		*to = ""
	}
}

// limit sets a value that is nil where the default counts.
func limit(m api.Member[int64], to **int64) {
	if m.Sent {
		*to = m.Value
	}
}

// Removals take integrations out of their orgs. *integration.Remover is one.
type Removals interface {
	// Remove: integration.ErrNotFound, integration.ErrHub.
	Remove(ctx context.Context, o org.ID, id integration.ID) error
}

// DeleteSystemIntegration is DELETE /v1/org/system-integrations/{system_integration_id}.
func DeleteSystemIntegration(integrations Removals) api.Route {
	op := api.Op{
		ID: "deleteSystemIntegration", Method: "DELETE", Path: base + "/org/system-integrations/{system_integration_id}", Tag: integrationsTag, Role: org.Admin,
		Summary: "Delete system integration",
		Description: "Removes it with its users, licences and settings, for good. A sync that waits or runs ends as failed with the reason integration_removed; jobs stay as history. " +
			"The org's own integration, the hub, is a 409.",
	}
	return api.Handle(op, func(ctx context.Context, in *integrationInput) (*struct{}, error) {
		id, err := integration.ParseID(in.ID)
		if err != nil {
			return nil, noIntegration()
		}
		return nil, refused(integrations.Remove(ctx, api.Caller(ctx).Org, id))
	})
}

// refused is what a client is told of an error of package integration.
func refused(err error) error {
	var invalid *integration.Invalid
	switch {
	case errors.As(err, &invalid):
		faults := make([]api.Fault, len(invalid.Faults))
		for i, f := range invalid.Faults {
			faults[i] = api.Fault(f)
		}
		return api.Invalid(faults[0].Pointer+" "+faults[0].Detail, faults...)
	case errors.Is(err, integration.ErrNotFound):
		return noIntegration()
	case errors.Is(err, integration.ErrHub):
		return api.Conflict("this is the org's own integration, which stands for Muster itself; it cannot be deleted")
	}
	return err
}
