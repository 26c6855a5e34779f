package unified

import (
	"encoding/json"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"muster/internal/api"
	"muster/internal/connection"
)

// connectionData is a connection as it is answered, in the order of the contract.
type connectionData struct {
	ID                string           `json:"id" format:"uuid" readOnly:"true"`
	CreatedAt         time.Time        `json:"created_at" readOnly:"true"`
	UpdatedAt         time.Time        `json:"updated_at" readOnly:"true"`
	WorkspaceID       string           `json:"workspace_id" format:"uuid" readOnly:"true" doc:"The organisation"`
	IntegrationType   string           `json:"integration_type" doc:"The third-party system" example:"hibob"`
	IntegrationName   string           `json:"integration_name,omitempty" example:"HiBob"`
	ExternalXRef      string           `json:"external_xref,omitempty" doc:"The customer's own user" example:"customer-42"`
	Permissions       []string         `json:"permissions" example:"hris_employee_read"`
	Categories        []string         `json:"categories" example:"hris"`
	Auth              *connection.Auth `json:"auth,omitempty" doc:"What of auth is no secret"`
	IsPaused          bool             `json:"is_paused" readOnly:"true"`
	PausedBy          string           `json:"paused_by,omitempty" enum:"person,breaker,quota" readOnly:"true" doc:"Where it is paused: the first of these that holds; of Muster's own. Whoever may write resumes what a person or the breaker paused (too many calls failed in a row); the quota resumes with the next month" example:"person"`
	PausedAt          time.Time        `json:"paused_at,omitzero" readOnly:"true" doc:"Not of the quota"`
	PausedReason      string           `json:"paused_reason,omitempty" readOnly:"true" example:"The customer renews its licence"`
	AuthAWSARN        string           `json:"auth_aws_arn,omitempty" doc:"The secret that the credential lies in: the customer's own, or the one that Muster keeps" example:"arn:aws:secretsmanager:eu-north-1:123456789012:secret:acme/hibob-Xy12Zw"`
	Environment       string           `json:"environment" example:"Production"`
	LastHealthyAt     time.Time        `json:"last_healthy_at,omitzero" readOnly:"true"`
	LastUnhealthyAt   time.Time        `json:"last_unhealthy_at,omitzero" readOnly:"true"`
	LastUnhealthyCode string           `json:"last_unhealthy_code,omitempty" readOnly:"true" example:"401"`
	Health            string           `json:"health" enum:"new,healthy,unhealthy,unhealthy_now" readOnly:"true" doc:"How its calls went; of Muster's own"`
}

func dataOf(c connection.Connection, now time.Time) connectionData {
	d := connectionData{
		ID: c.ID.String(), CreatedAt: c.CreatedAt.UTC(), UpdatedAt: c.UpdatedAt.UTC(), WorkspaceID: c.Org.String(),
		IntegrationType: c.IntegrationType, IntegrationName: c.IntegrationName, ExternalXRef: c.ExternalXRef,
		Permissions: c.Permissions, Categories: c.Categories, IsPaused: c.Health.Pause.By != "",
		PausedBy: string(c.Health.Pause.By), PausedAt: whole(c.Health.Pause.At), PausedReason: c.Health.Pause.Reason, AuthAWSARN: c.Secret.ARN, Environment: c.Environment,
		LastHealthyAt: whole(c.Health.HealthyAt), LastUnhealthyAt: whole(c.Health.UnhealthyAt), LastUnhealthyCode: c.Health.UnhealthyCode,
		Health: c.Health.State(now),
	}
	if !c.Auth.IsZero() {
		d.Auth = &c.Auth
	}
	return d
}

func whole(t time.Time) time.Time { return t.UTC().Truncate(time.Second) }

// Optional are the members of a request that may always be left out. It is
// exported for huma, which does not look into an embedded struct that is not.
type Optional struct {
	IntegrationName   api.Member[string]     `json:"integration_name,omitzero" doc:"By default the catalogue's name of integration_type, if it has one" example:"HiBob"`
	ExternalXRef      api.Member[string]     `json:"external_xref,omitzero" doc:"The customer's own user" example:"customer-42"`
	Auth              api.Member[authObject] `json:"auth,omitzero"`
	Environment       api.Member[string]     `json:"environment,omitzero" doc:"Production by default" example:"Production"`
	AuthAWSARN        api.Member[string]     `json:"auth_aws_arn,omitzero" doc:"ARN or name of a secret of the customer's own in AWS Secrets Manager, tagged muster:org with the organisation's id; instead of secret members of auth" example:"arn:aws:secretsmanager:eu-north-1:123456789012:secret:acme/hibob-Xy12Zw"`
	AuthAzureKeyVault api.Member[string]     `json:"auth_azure_keyvault_id,omitzero" doc:"Refused: no Azure Key Vault is configured"`
	AuthGCPSecret     api.Member[string]     `json:"auth_gcp_secret_name,omitzero" doc:"Refused: no Google Cloud Secret Manager is configured"`
	AuthHashiVault    api.Member[string]     `json:"auth_hashi_vault_path,omitzero" doc:"Refused: no HashiCorp Vault is configured"`
	SecretsManagerID  api.Member[string]     `json:"secretsmanager_id,omitzero" doc:"Refused: no secrets manager is configured"`
	SecretsManagerKey api.Member[string]     `json:"secretsmanager_key,omitzero" doc:"Refused: no secrets manager is configured"`
}

// connectionBody is what POST and PUT take.
type connectionBody struct {
	IntegrationType api.Member[string]   `json:"integration_type" doc:"The third-party system; any, also one that the catalogue does not have" example:"hibob"`
	Permissions     api.Member[[]string] `json:"permissions" doc:"<category>_<object>_<read|write>" example:"hris_employee_read"`
	Categories      api.Member[[]string] `json:"categories" example:"hris"`
	Optional
}

// connectionPatch is what PATCH takes.
type connectionPatch struct {
	IntegrationType api.Member[string]   `json:"integration_type,omitzero" example:"hibob"`
	Permissions     api.Member[[]string] `json:"permissions,omitzero" doc:"<category>_<object>_<read|write>" example:"hris_employee_read"`
	Categories      api.Member[[]string] `json:"categories,omitzero" example:"hris"`
	Optional
}

// TransformSchema gives the whole an example: one of every member would be refused.
func (connectionBody) TransformSchema(_ huma.Registry, s *huma.Schema) *huma.Schema {
	s.Examples = []any{map[string]any{
		"integration_type": "hibob", "permissions": []string{"hris_employee_read"}, "categories": []string{"hris"},
		"external_xref": "customer-42", "auth": map[string]any{"name": "Service user", "token": "of HiBob"},
	}}
	return s
}

func (connectionPatch) TransformSchema(_ huma.Registry, s *huma.Schema) *huma.Schema {
	s.Examples = []any{map[string]any{"integration_name": "HiBob of Acme", "external_xref": nil, "auth": map[string]any{"token": "a new one"}}}
	return s
}

// authObject is auth as it is sent.
type authObject map[string]json.RawMessage

// Schema says what may be sent and holds nobody to its types: a credential is kept
// as it comes.
func (authObject) Schema(huma.Registry) *huma.Schema {
	return &huma.Schema{
		Type: huma.TypeObject, AdditionalProperties: true,
		Description: "Answered are name, emails, user_id, api_url, app_id, audience, client_id, authorize_url, token_url, refresh_url, " +
			"expires_in, expiry_date, refresh_token_expires_in and refresh_token_expires_date. Every other member is a secret, goes into the vault " +
			"and is never answered: access_token, client_secret, consumer_key, consumer_secret, dev_api_key, key, meta, other_auth_info, pem, " +
			"refresh_token, state, token and any that has no name here. Together they may have 64 KiB.",
	}
}

func (b connectionPatch) change(replace bool) connection.Change {
	o, auth := b.Optional, connection.Field[map[string]json.RawMessage]{Sent: b.Auth.Sent, Null: b.Auth.Sent && b.Auth.Value == nil}
	if b.Auth.Value != nil {
		auth.Value = *b.Auth.Value
	}
	return connection.Change{
		Replace:         replace,
		IntegrationType: field(b.IntegrationType), IntegrationName: field(o.IntegrationName), ExternalXRef: field(o.ExternalXRef),
		Environment: field(o.Environment), Permissions: field(b.Permissions), Categories: field(b.Categories),
		Auth: auth, AWSARN: field(o.AuthAWSARN),
		AzureKeyVaultID: field(o.AuthAzureKeyVault), GCPSecretName: field(o.AuthGCPSecret), HashiVaultPath: field(o.AuthHashiVault),
		SecretsManagerID: field(o.SecretsManagerID), SecretsManagerKey: field(o.SecretsManagerKey),
	}
}

func (b connectionBody) change() connection.Change {
	return connectionPatch(b).change(true)
}

func field[T any](m api.Member[T]) connection.Field[T] {
	f := connection.Field[T]{Sent: m.Sent, Null: m.Sent && m.Value == nil}
	if m.Value != nil {
		f.Value = *m.Value
	}
	return f
}
